//! What is open of a household goes with it to another village (REG-12), once, whatever else happens.

use chassis::{
    auth::Caller,
    error::Error,
    subscription::Consumer,
    testing::{caller, new_id},
    whereabouts::{self, DIVISION_MERGED, HOUSEHOLD_MOVED, Whereabouts},
};
use kernel::Role;
use prost::Message;
use proto::{
    feed::v1::{DivisionMerge, HouseholdMove, Item},
    workflow::v1::{workflow_service_server::WorkflowService, *},
};
use uuid::Uuid;
use workflow::whereabouts::Procedure;

use crate::desk::{
    COUNTY, Desk, VILLAGE, authorise, by, cadre, declaration, division, officer, verify,
};

const OTHER: &str = "999999001002";
const FAR: &str = "999999002001";

fn far() -> Caller {
    caller(Role::VillageCadre, FAR)
}

impl Desk {
    /// The registry tells something.
    async fn hear(&self, kind: &str, payload: Vec<u8>) {
        let item = Item {
            kind: kind.to_owned(),
            payload,
            ..Item::default()
        };
        let news = Whereabouts.prepare(&item).await.expect("prepared");
        let county = division(COUNTY);
        let mut tx = self.database.begin_internal(county).await.expect("begun");
        let applied = Whereabouts.apply(&mut tx, &item, news).await;
        applied.expect("applied");
        tx.commit().await.expect("committed");
    }

    async fn hear_of_move(&self, household: &str, from: &str, into: &str) {
        let told = HouseholdMove {
            household_id: household.to_owned(),
            from_code: from.to_owned(),
            into_code: into.to_owned(),
            moved_on: self.today().to_string(),
        };
        self.hear(HOUSEHOLD_MOVED, told.encode_to_vec()).await;
    }

    async fn hear_of_merge(&self, from: &str, into: &str) {
        let told = DivisionMerge {
            from_code: from.to_owned(),
            into_code: into.to_owned(),
            merged_on: self.today().to_string(),
            merged_by: "admin".to_owned(),
        };
        self.hear(DIVISION_MERGED, told.encode_to_vec()).await;
    }

    async fn follow(&self) {
        let followed = whereabouts::follow(&self.database, division(COUNTY), &Procedure).await;
        followed.expect("followed");
    }

    async fn seen_by(&self, who: &Caller, id: &str) -> Option<Case> {
        let request = BatchGetCasesRequest {
            ids: vec![id.to_owned()],
        };
        let found = self.service.batch_get_cases(by(who, request)).await;
        found.expect("answered").into_inner().cases.pop()
    }

    /// Names of a case's events, with where each was recorded.
    async fn story(&self, case: &str) -> Vec<String> {
        let events = self.events(case).await.into_iter();
        events
            .map(|event| format!("{} {}", event.name, event.division_code))
            .collect()
    }

    async fn events_for(&self, who: &Caller, case: &str) -> Result<usize, Error> {
        let request = ListCaseEventsRequest {
            case_id: case.to_owned(),
        };
        let listed = self.service.list_case_events(by(who, request)).await;
        let listed = listed.map_err(|status| Error::from_status(&status))?;
        Ok(listed.into_inner().events.len())
    }
}

#[tokio::test]
async fn reg12_an_open_case_goes_with_its_household_once() {
    let desk = Desk::open().await;
    let paper = b"%PDF-1.4\n% the household's own\n";
    let paper = desk.submit_paper(cadre(), VILLAGE, paper).await;
    let paper = paper.expect("stored").sha256;
    let household = new_id();
    let mut request = declaration(household);
    request.evidence_sha256 = vec![paper.clone()];
    let village = division(VILLAGE);
    let case = desk
        .service
        .declare_case_in(cadre(), request, village)
        .await
        .expect("declared")
        .case
        .expect("a case");
    let claim = ClaimWorkRequest {
        request_id: new_id().to_string(),
        case_id: case.id.clone(),
        ..ClaimWorkRequest::default()
    };
    desk.service
        .claim_work(by(cadre(), claim))
        .await
        .expect("claimed");

    desk.hear_of_move(&case.household_id, VILLAGE, FAR).await;
    desk.follow().await;
    let moved = desk.seen_by(&far(), &case.id).await.expect("it is there");
    assert_eq!(moved.division_code, FAR);
    assert_eq!(moved.case_number, case.case_number);
    assert_eq!(moved.claim, None, "whoever had it is elsewhere");
    assert_eq!(desk.seen_by(cadre(), &case.id).await, None);
    let story = [
        format!("DECLARED {VILLAGE}"),
        format!("CLAIMED {VILLAGE}"),
        format!("HOUSEHOLD_MOVED {FAR}"),
    ];
    assert_eq!(desk.story(&case.id).await, story);
    let event = desk.events(&case.id).await.pop().expect("an event");
    assert_eq!(event.moved_from_code, VILLAGE);
    // The whole past is theirs who lead it now, and nobody's who did.
    assert_eq!(desk.events_for(&far(), &case.id).await.expect("seen"), 3);
    let before = desk.events_for(cadre(), &case.id).await;
    assert!(matches!(before, Err(Error::NotFound { .. })), "{before:?}");
    let read = GetEvidenceRequest { sha256: paper };
    let read = desk.service.get_evidence(by(&far(), read)).await;
    assert!(read.is_ok(), "papers of the case come along");

    // Told again, and looked at again.
    let feed = desk.feed().await.len();
    desk.follow().await;
    assert_eq!(desk.feed().await.len(), feed);
    desk.hear_of_move(&case.household_id, VILLAGE, FAR).await;
    desk.follow().await;
    assert_eq!(desk.story(&case.id).await, story);

    // They lead it on; whoever did before does not find it.
    let late = desk
        .act_with(cadre(), &case.id, authorise(), desk.in_need())
        .await;
    assert!(
        matches!(late, Err(Error::NotFound { what: "case" })),
        "{late:?}"
    );
    desk.submit_paper(&far(), FAR, crate::desk::PAPER)
        .await
        .expect("stored");
    let state = desk.act(&far(), &case.id, authorise()).await;
    assert_eq!(state, CaseState::Authorised);
    assert_eq!(desk.difference().await, None);
    desk.close().await;
}

#[tokio::test]
async fn reg12_what_was_decided_meanwhile_is_kept_and_who_comes_too_late_is_told() {
    let desk = Desk::open().await;
    let case = desk.declared().await;
    desk.hear_of_move(&case.household_id, VILLAGE, FAR).await;
    // Not moved yet: a command that is on its way is decided, and the case goes as it is after it.
    desk.act(cadre(), &case.id, authorise()).await;
    let (acted, ()) = tokio::join!(
        desk.act_with(cadre(), &case.id, verify(desk.today()), desk.in_need()),
        desk.follow()
    );
    desk.follow().await;
    let moved = desk.seen_by(&far(), &case.id).await.expect("it is there");
    let (expected, events) = match acted {
        Ok(_) => (CaseState::Verified, 4),
        Err(Error::NotFound { .. }) => (CaseState::Authorised, 3),
        Err(error) => panic!("{error:?}"),
    };
    assert_eq!(moved.state(), expected);
    assert_eq!(desk.events(&case.id).await.len(), events);
    assert_eq!(moved.version, i64::try_from(events).expect("few"));
    assert_eq!(desk.difference().await, None);
    desk.close().await;
}

#[tokio::test]
async fn reg12_a_case_that_is_declared_late_follows_and_a_closed_one_stays() {
    let desk = Desk::open().await;
    let closed = desk.declared().await;
    let withdraw = command::Command::Withdraw(Withdraw {
        statement_sha256: crate::desk::SHA256.to_owned(),
    });
    let state = desk.act(cadre(), &closed.id, withdraw).await;
    assert_eq!(state, CaseState::Withdrawn);
    desk.hear_of_move(&closed.household_id, VILLAGE, FAR).await;
    desk.follow().await;
    assert!(desk.seen_by(cadre(), &closed.id).await.is_some());
    assert_eq!(desk.seen_by(&far(), &closed.id).await, None);

    // Somebody asked where it lives before it moved.
    let household: Uuid = closed.household_id.parse().expect("an id");
    let late = desk.declare(cadre(), household).await.expect("declared");
    desk.follow().await;
    assert_eq!(desk.seen_by(cadre(), &late.id).await, None);
    assert!(desk.seen_by(&far(), &late.id).await.is_some());
    // Somebody knew before the service that it moved on.
    let other = caller(Role::VillageCadre, OTHER);
    let stored = desk.submit_paper(&other, OTHER, crate::desk::PAPER).await;
    stored.expect("stored");
    let ahead = division(OTHER);
    let declared = desk
        .service
        .declare_case_in(&other, declaration(new_id()), ahead);
    let ahead_of = declared.await.expect("declared").case.expect("a case");
    desk.hear_of_move(&ahead_of.household_id, VILLAGE, FAR)
        .await;
    desk.follow().await;
    let still = desk.seen_by(officer(), &ahead_of.id).await.expect("there");
    assert_eq!(
        still.division_code, OTHER,
        "it never lay where that one left"
    );
    desk.hear_of_move(&ahead_of.household_id, FAR, OTHER).await;
    desk.follow().await;
    let still = desk.seen_by(officer(), &ahead_of.id).await.expect("there");
    assert_eq!((still.version, &*still.division_code), (1, OTHER));
    assert_eq!(desk.difference().await, None);
    desk.close().await;
}

#[tokio::test]
async fn reg12_there_and_back_and_with_villages_that_are_merged() {
    let desk = Desk::open().await;
    let [there, into, with] = [
        desk.declared().await,
        desk.declared().await,
        desk.declared().await,
    ];
    // There and back, noticed after both: nothing happened.
    desk.hear_of_move(&there.household_id, VILLAGE, FAR).await;
    desk.hear_of_move(&there.household_id, FAR, VILLAGE).await;
    desk.follow().await;
    assert_eq!(desk.story(&there.id).await.len(), 1);
    // There and back, each noticed.
    desk.hear_of_move(&there.household_id, VILLAGE, FAR).await;
    desk.follow().await;
    desk.hear_of_move(&there.household_id, FAR, VILLAGE).await;
    desk.follow().await;
    let story = [
        format!("DECLARED {VILLAGE}"),
        format!("HOUSEHOLD_MOVED {FAR}"),
        format!("HOUSEHOLD_MOVED {VILLAGE}"),
    ];
    assert_eq!(desk.story(&there.id).await, story);
    assert_eq!(desk.events_for(cadre(), &there.id).await.expect("seen"), 3);
    assert!(desk.events_for(&far(), &there.id).await.is_err());

    // Out of a village before that is merged, and into one that is.
    desk.hear_of_move(&with.household_id, VILLAGE, FAR).await;
    desk.hear_of_merge(VILLAGE, OTHER).await;
    desk.hear_of_move(&into.household_id, FAR, VILLAGE).await;
    desk.follow().await;
    let place = async |case: &Case| {
        let found = desk.seen_by(officer(), &case.id).await.expect("there");
        found.division_code
    };
    assert_eq!(place(&with).await, FAR);
    assert_eq!(place(&into).await, OTHER);
    assert_eq!(place(&there).await, OTHER);
    // And the village that took it in is merged, too.
    desk.hear_of_merge(FAR, OTHER).await;
    desk.follow().await;
    assert_eq!(place(&with).await, OTHER);
    let other = caller(Role::VillageCadre, OTHER);
    for case in [&there, &into, &with] {
        let all = desk.events(&case.id).await.len();
        assert_eq!(desk.events_for(&other, &case.id).await.expect("seen"), all);
    }
    let names = desk.story(&with.id).await;
    let last = &names[names.len() - 2..];
    let expected = [
        format!("HOUSEHOLD_MOVED {FAR}"),
        format!("VILLAGE_MERGED {OTHER}"),
    ];
    assert_eq!(last, expected);
    assert_eq!(desk.difference().await, None);
    desk.close().await;
}

#[tokio::test]
async fn reg12_many_move_in_batches_and_leads_with_them() {
    let desk = Desk::open().await;
    let mut cases = Vec::new();
    for _ in 0..60 {
        cases.push(desk.declared().await);
    }
    let found = Found::new(&desk).await;
    for case in &cases {
        desk.hear_of_move(&case.household_id, VILLAGE, FAR).await;
    }
    desk.hear_of_move(&found.household, VILLAGE, FAR).await;
    desk.follow().await;
    let list = ListCasesRequest {
        with_total: true,
        ..ListCasesRequest::default()
    };
    let listed = desk.service.list_cases(by(&far(), list.clone())).await;
    assert_eq!(listed.expect("listed").into_inner().total_count, 60);
    let left = desk.service.list_cases(by(cadre(), list)).await;
    assert_eq!(left.expect("listed").into_inner().total_count, 0);
    let leads = async |who: &Caller| {
        let listed = desk
            .service
            .list_leads(by(who, ListLeadsRequest::default()));
        listed.await.expect("listed").into_inner().leads
    };
    assert!(leads(cadre()).await.is_empty());
    let lead = leads(&far()).await.pop().expect("a lead");
    assert_eq!((&*lead.id, &*lead.division_code), (&*found.id, FAR));
    let items = desk.feed().await;
    let item = items.iter().rfind(|item| item.kind.starts_with("lead."));
    let item = item.expect("an item");
    assert_eq!(item.kind, "lead.household_moved");
    let payload = item.payload.clone().unwrap_or_default();
    let event = LeadEvent::decode(&payload[..]).expect("a lead's event");
    assert_eq!(event.moved_from_code, VILLAGE);
    assert_eq!(desk.difference().await, None);
    desk.close().await;
}

/// A lead that an alert left.
struct Found {
    id: String,
    household: String,
}

impl Found {
    async fn new(desk: &Desk) -> Self {
        let household = new_id().to_string();
        let alert = proto::comparison::v1::Alert {
            id: new_id().to_string(),
            household_id: household.clone(),
            division_code: VILLAGE.to_owned(),
            department: "medical_insurance".to_owned(),
            risk: chassis::decode::codes::risk_type_to_proto(kernel::RiskType::Illness),
            ..Default::default()
        };
        desk.tell("alert.raised", &alert).await;
        let listed = desk
            .service
            .list_leads(by(cadre(), ListLeadsRequest::default()));
        let lead = listed.await.expect("listed").into_inner().leads.pop();
        Self {
            id: lead.expect("a lead").id,
            household,
        }
    }
}
