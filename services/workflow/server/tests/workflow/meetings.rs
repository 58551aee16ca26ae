//! One meeting of a village decides about many households at once (S27, WF-2, WF-13).

use chassis::{error::Error, testing::caller};
use kernel::Role;
use prost::Message;
use proto::workflow::v1::{
    Ballot, CaseState, HoldMeetingRequest, ListMeetingsRequest, Meeting, MeetingEvent,
    command::Command, workflow_service_server::WorkflowService,
};

use crate::desk::{
    Desk, SHA256, authorise, by, cadre, meeting, officer, refusal, secretary, verify, violations,
};

impl Desk {
    /// Cases that wait for a meeting.
    async fn waiting<const N: usize>(&self) -> [String; N] {
        let mut cases = Vec::new();
        for _ in 0..N {
            let case = self.declared().await.id;
            self.act(cadre(), &case, authorise()).await;
            self.act(cadre(), &case, verify(self.today())).await;
            cases.push(case);
        }
        self.freeze().await;
        cases.try_into().expect("as many")
    }

    async fn meetings(&self, who: &chassis::auth::Caller) -> Result<Vec<Meeting>, Error> {
        let listed = self
            .service
            .list_meetings(by(who, ListMeetingsRequest::default()));
        let listed = listed.await.map_err(|status| Error::from_status(&status))?;
        Ok(listed.into_inner().meetings)
    }
}

#[tokio::test]
async fn wf13_one_meeting_decides_about_many_households() {
    let desk = Desk::open().await;
    let [one, other, third] = desk.waiting().await;
    let mut sent = meeting(desk.today(), 17, &[&one, &other, &third]);
    // Two relatives of the second household, and a vote against the third.
    sent.ballots[1].conflicted = vec![0, 16];
    sent.ballots[1].votes_for = 15;
    (sent.ballots[2].votes_for, sent.ballots[2].votes_against) = (3, 14);
    sent.ballots[2].reason = "REASON".to_owned();
    let held = desk.hold(sent.clone()).await.expect("held");
    let states: Vec<CaseState> = held.cases.iter().map(|case| case.state()).collect();
    let expected = [
        CaseState::Appraised,
        CaseState::Appraised,
        CaseState::NotQualified,
    ];
    assert_eq!(states, expected);

    let event = desk.events(&other).await.pop().expect("an event");
    let Some(Command::Appraise(made)) = event.command.and_then(|c| c.command) else {
        panic!("no appraisal on the record")
    };
    let present = made.attendance.expect("there");
    assert_eq!(
        (present.villager_representatives, present.conflicted),
        (15, 2)
    );
    let id = held.meeting.expect("a meeting").id;
    assert_eq!(made.meeting_id, id);

    // Whoever may read papers reads the sign-in sheet; the feed has neither names nor reasons.
    let [listed] = &desk.meetings(officer()).await.expect("listed")[..] else {
        panic!("one meeting")
    };
    assert_eq!(listed.attendees, sent.attendees);
    assert_eq!(listed.ballots[2].votes_against, 14);
    let told = desk
        .feed()
        .await
        .into_iter()
        .filter(|item| item.kind == "meeting.held");
    let payloads: Vec<Vec<u8>> = told.filter_map(|item| item.payload).collect();
    let [payload] = &payloads[..] else {
        panic!("told once")
    };
    let told = MeetingEvent::decode(&payload[..])
        .expect("reads")
        .meeting
        .expect("there");
    assert!(
        told.attendees
            .iter()
            .all(|attendee| attendee.name.is_empty())
    );
    assert!(told.ballots.iter().all(|ballot| ballot.reason.is_empty()));
    let neighbour = caller(Role::VillageCadre, "999999001002");
    assert_eq!(desk.meetings(&neighbour).await.expect("listed").len(), 0);
    let auditor = desk.meetings(&caller(Role::Auditor, "999999000000")).await;
    assert!(matches!(auditor, Err(Error::PermissionDenied)));
    assert_eq!(desk.difference().await, None);
    desk.close().await;
}

#[tokio::test]
async fn wf13_it_is_all_or_nothing_and_every_ballot_says_what_is_wrong() {
    let desk = Desk::open().await;
    let [one, other] = desk.waiting().await;
    let unlisted = desk.declared().await.id;
    let mut sent = meeting(desk.today(), 15, &[&one, &unlisted, &other]);
    sent.ballots[2].votes_abstained = 1;
    let Err(Error::Refused(refused)) = desk.hold(sent).await else {
        panic!("must be refused")
    };
    let unmet = refused.unmet.iter();
    let unmet: Vec<_> = unmet.map(|r| (r.about.as_str(), r.rule, r.code)).collect();
    let expected = [
        ("ballots[1]", "T5", "STATE"),
        ("ballots[2]", "WF-2", "VOTES"),
    ];
    assert_eq!(unmet, expected);
    assert_eq!(desk.events(&one).await.len(), 4, "nothing is half-written");
    assert_eq!(desk.meetings(officer()).await.expect("listed").len(), 0);

    let tomorrow = desk.today().succ_opt().expect("a day");
    let early = desk.hold(meeting(tomorrow, 15, &[&one])).await;
    assert_eq!(refusal(early), ["T5 HELD_ON"]);
    let fourteen = desk.hold(meeting(desk.today(), 14, &[&one])).await;
    assert_eq!(refusal(fourteen), ["S27 VILLAGER_REPRESENTATIVES"]);
    desk.close().await;
}

#[tokio::test]
async fn wf13_the_same_meeting_again_is_one_meeting() {
    let desk = Desk::open().await;
    let [one] = desk.waiting().await;
    let request = HoldMeetingRequest {
        request_id: chassis::testing::new_id().to_string(),
        meeting: Some(meeting(desk.today(), 15, &[&one])),
        acting_as: String::new(),
    };
    let hold = || {
        let facts = vec![workflow_core::Facts::default()];
        desk.service
            .hold_meeting_with(secretary(), request.clone(), facts)
    };
    let first = hold().await.expect("held");
    assert_eq!(hold().await.expect("replayed"), first);
    assert_eq!(desk.meetings(officer()).await.expect("listed").len(), 1);
    desk.close().await;
}

#[tokio::test]
async fn every_bad_field_of_a_meeting_is_named() {
    let desk = Desk::open().await;
    let [one] = desk.waiting().await;
    let mut sent = meeting(desk.today(), 3, &[&one, &one]);
    sent.division_code = "999999001000".to_owned();
    sent.held_on = "2026-02-30".to_owned();
    sent.attendees[0].name = String::new();
    sent.attendees[1].capacities = vec![1, 2];
    sent.attendees[2].capacities = vec![99];
    sent.ballots[0].conflicted = vec![7, -1];
    sent.ballots[0].votes_for = i32::MAX;
    sent.ballots.push(Ballot::default());
    assert_eq!(
        violations(desk.hold(sent).await),
        [
            "meeting.division_code VILLAGE",
            "meeting.held_on DATE",
            "meeting.attendees[0].name REQUIRED",
            "meeting.attendees[1].capacities REPRESENTATIVE_ONLY",
            "meeting.attendees[2].capacities UNKNOWN_CODE",
            "meeting.ballots[0].conflicted[0] NO_ATTENDEE",
            "meeting.ballots[0].votes_for COUNT",
            "meeting.ballots[1].case_id TWICE",
            "meeting.ballots[2].case_id REQUIRED",
        ]
    );
    let by_hand = Command::Appraise(proto::workflow::v1::Appraise {
        held_on: desk.today().to_string(),
        evidence_sha256: vec![SHA256.to_owned()],
        ..Default::default()
    });
    let answer = desk
        .act_with(secretary(), &one, by_hand, desk.in_need())
        .await;
    assert_eq!(violations(answer), ["command.appraise BY_MEETING"]);
    let elsewhere = Meeting {
        division_code: "999999001002".to_owned(),
        ..meeting(desk.today(), 15, &[&one])
    };
    assert!(matches!(
        desk.hold(elsewhere).await,
        Err(Error::NotFound { .. })
    ));
    desk.close().await;
}
