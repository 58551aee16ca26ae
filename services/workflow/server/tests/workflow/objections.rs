//! Notices as they hang, and objections to them: at the village, and through the public door (T7o,
//! WF-8, PUB-4).

use std::collections::HashMap;

use chassis::{
    auth::Caller,
    error::Error,
    testing::{caller, new_id},
};
use kernel::{NoticeKind, Role};
use prost::Message;
use proto::workflow::v1::{
    AnswerObjection, Case, CaseEvent, CaseState, GetNoticeFileRequest, ListObjectionsRequest,
    Object, Objection, ObjectionChannel, ObjectionOutcome, Recheck, SubmitObjectionRequest,
    SubmitObjectionResponse, command::Command, workflow_service_server::WorkflowService,
};
use workflow::announced::{Announced, Asked};
use workflow_core::PublicNotice;

use crate::desk::{
    COUNTY, Desk, SHA256, VILLAGE, by, cadre, division, error, office, officer, refusal, violations,
};

const TEXT: &str = "OBJECTION-TEXT";
const CONTACT: &str = "OBJECTOR-CONTACT";

fn asked(kind: NoticeKind) -> Asked {
    Asked {
        village: division(VILLAGE),
        kind,
    }
}

fn object(desk: &Desk, contact: &str) -> Command {
    Command::Object(Object {
        channel: ObjectionChannel::InPerson.into(),
        anonymous: contact.is_empty(),
        received_on: desk.today().to_string(),
        text: TEXT.to_owned(),
        contact: contact.to_owned(),
    })
}

fn recheck(desk: &Desk) -> Command {
    Command::Recheck(Recheck {
        visitors: vec!["clerk-1".to_owned(), "clerk-2".to_owned()],
        visited_on: desk.today().to_string(),
        evidence_sha256: vec![SHA256.to_owned()],
    })
}

fn answer(desk: &Desk, numbers: &[i32], outcome: ObjectionOutcome) -> Command {
    let today = desk.today().to_string();
    Command::AnswerObjection(AnswerObjection {
        numbers: numbers.to_vec(),
        outcome: outcome.into(),
        reason: "ANSWER-TEXT".to_owned(),
        objector_informed_on: today.clone(),
        household_informed_on: today,
        next_review_on: String::new(),
        evidence_sha256: SHA256.to_owned(),
    })
}

impl Desk {
    async fn objections(&self, caller: &Caller, case: &str) -> Result<Vec<Objection>, Error> {
        let request = ListObjectionsRequest {
            case_id: case.to_owned(),
        };
        let listed = self.service.list_objections(by(caller, request)).await;
        let listed = listed.map_err(|status| Error::from_status(&status))?;
        Ok(listed.into_inner().objections)
    }

    /// The notice with what a careless registry would tell.
    async fn notice(&self, kind: NoticeKind, cases: &[&Case]) -> Result<PublicNotice, Error> {
        let subject = |case: &&Case| {
            let told = ("欧阳密标13900007777".to_owned(), "1组".to_owned());
            (case.household_id.clone(), told)
        };
        let known = Announced {
            village: "上河村".to_owned(),
            township: "青石乡".to_owned(),
            places: vec!["村委会公示栏(13900007777)".to_owned()],
            subjects: cases.iter().map(subject).collect::<HashMap<_, _>>(),
        };
        self.service.notice_with(cadre(), asked(kind), known).await
    }

    async fn knock(
        &self,
        request: SubmitObjectionRequest,
    ) -> Result<SubmitObjectionResponse, Error> {
        let door = caller(Role::Service, COUNTY);
        let answer = self.service.submit_objection(by(&door, request)).await;
        let answer = answer.map_err(|status| Error::from_status(&status));
        Ok(answer?.into_inner())
    }
}

fn knocking(code: &str) -> SubmitObjectionRequest {
    SubmitObjectionRequest {
        request_id: new_id().to_string(),
        notice_code: code.to_owned(),
        text: TEXT.to_owned(),
        contact: String::new(),
    }
}

#[tokio::test]
async fn t7o_an_objection_is_looked_into_and_answered_before_the_notice_closes() {
    let desk = Desk::open().await;
    let case = desk.declared().await;
    let early = desk.act_with(cadre(), &case.id, object(&desk, ""), desk.in_need());
    assert_eq!(refusal(early.await), ["T7o STATE", "T7o NOTICE_HANGS"]);
    desk.to_notice(&case.id).await;
    desk.act(cadre(), &case.id, object(&desk, CONTACT)).await;
    desk.days_pass(7);
    let closed = desk.act_with(cadre(), &case.id, desk.close_notice(), desk.in_need());
    assert_eq!(refusal(closed.await), ["T7o OBJECTIONS_OPEN"]);
    let own = desk.act_with(cadre(), &case.id, recheck(&desk), desk.in_need());
    assert_eq!(refusal(own.await), ["ORG-2 ROLE"]);
    desk.act(office(), &case.id, recheck(&desk)).await;
    let dismissed = answer(&desk, &[1], ObjectionOutcome::Dismissed);
    let state = desk.act(office(), &case.id, dismissed).await;
    assert_eq!(state, CaseState::OnNotice);
    let seen = desk.objections(office(), &case.id).await.expect("listed");
    let [objection] = &seen[..] else {
        panic!("{seen:?}")
    };
    assert_eq!((&*objection.text, &*objection.contact), (TEXT, CONTACT));
    assert_eq!(objection.answer, "ANSWER-TEXT");
    assert_eq!(objection.outcome(), ObjectionOutcome::Dismissed);
    assert_eq!(objection.ended_on, desk.today().to_string());
    let state = desk.act(cadre(), &case.id, desk.close_notice()).await;
    assert_eq!(state, CaseState::NoticeClosed);
    assert_eq!(desk.difference().await, None);
    desk.close().await;
}

#[tokio::test]
async fn t7o_an_upheld_objection_ends_the_case() {
    let desk = Desk::open().await;
    let case = desk.declared().await;
    desk.to_notice(&case.id).await;
    desk.act(cadre(), &case.id, object(&desk, "")).await;
    desk.act(office(), &case.id, recheck(&desk)).await;
    let superseded = answer(&desk, &[1], ObjectionOutcome::Superseded);
    let bad = desk.act_with(office(), &case.id, superseded, desk.in_need());
    let field = "command.answer_objection.outcome UNKNOWN_CODE";
    assert_eq!(violations(bad.await), [field]);
    let upheld = answer(&desk, &[1], ObjectionOutcome::Upheld);
    let state = desk.act(office(), &case.id, upheld).await;
    assert_eq!(state, CaseState::NotQualified);
    let names: Vec<_> = desk
        .events(&case.id)
        .await
        .into_iter()
        .map(|e| e.name)
        .collect();
    assert_eq!(
        names[names.len() - 3..],
        ["OBJECTED", "RECHECKED", "NOT_QUALIFIED"]
    );
    assert_eq!(desk.difference().await, None);
    desk.close().await;
}

#[tokio::test]
async fn t7o_what_was_objected_and_by_whom_is_in_no_feed_and_for_few_eyes() {
    let desk = Desk::open().await;
    let case = desk.declared().await;
    desk.to_notice(&case.id).await;
    desk.act(cadre(), &case.id, object(&desk, CONTACT)).await;
    for item in desk.feed().await {
        let payload = item.payload.expect("a payload");
        let payload = String::from_utf8_lossy(&payload).into_owned();
        assert!(
            !payload.contains(TEXT) && !payload.contains(CONTACT),
            "{}",
            item.kind
        );
    }
    let events = desk.events(&case.id).await;
    let told = events
        .iter()
        .map(CaseEvent::encode_to_vec)
        .collect::<Vec<_>>()
        .concat();
    let told = String::from_utf8_lossy(&told).into_owned();
    assert!(!told.contains(TEXT) && !told.contains(CONTACT));
    // The village reads what is objected, and not who: it may be about those who visited there.
    let [own] = &desk.objections(cadre(), &case.id).await.expect("listed")[..] else {
        panic!("one")
    };
    assert_eq!((&*own.text, &*own.contact), (TEXT, ""));
    let [above] = &desk.objections(officer(), &case.id).await.expect("listed")[..] else {
        panic!("one")
    };
    assert_eq!(
        (&*above.contact, above.outcome()),
        (CONTACT, ObjectionOutcome::Unspecified)
    );
    let in_five_days = desk.today() + chrono::Days::new(5);
    assert_eq!(above.due_on, in_five_days.to_string());
    let auditor = caller(Role::Auditor, COUNTY);
    let denied = desk.objections(&auditor, &case.id).await;
    assert!(matches!(denied, Err(Error::PermissionDenied)), "{denied:?}");
    desk.close().await;
}

#[tokio::test]
async fn pub4_a_notice_masks_whatever_it_is_told() {
    let desk = Desk::open().await;
    let (first, second) = (desk.declared().await, desk.declared().await);
    let none = desk.notice(NoticeKind::Identification, &[&first]).await;
    assert!(matches!(none, Err(Error::NotFound { .. })), "{none:?}");
    desk.to_notice(&first.id).await;
    let notice = desk
        .notice(NoticeKind::Identification, &[&first, &second])
        .await;
    let notice = notice.expect("a notice");
    let text = notice.text();
    for hidden in ["密标", "13900007777", "1390000", "病"] {
        assert!(!text.contains(hidden), "{text}");
    }
    assert!(
        text.contains("1  欧阳**  1组  生活严重困难户  刚性支出较大"),
        "{text}"
    );
    assert_eq!(notice.entries.len(), 1, "the other one is not appraised");
    let again = desk.notice(NoticeKind::Identification, &[&first]).await;
    assert_eq!(
        again.expect("a notice").entries[0].code,
        notice.entries[0].code
    );
    let none = desk.notice(NoticeKind::Elimination, &[&first]).await;
    assert!(matches!(none, Err(Error::NotFound { .. })), "{none:?}");
    let bad = GetNoticeFileRequest {
        division_code: COUNTY.to_owned(),
        kind: 9,
        format: 9,
    };
    let bad = error(desk.service.get_notice_file(by(cadre(), bad)).await);
    assert_eq!(
        violations::<()>(Err(bad)),
        [
            "division_code VILLAGE",
            "kind UNKNOWN_CODE",
            "format UNKNOWN_CODE"
        ]
    );
    desk.close().await;
}

#[tokio::test]
async fn wf8_anybody_objects_by_the_code_on_the_notice() {
    let desk = Desk::open().await;
    let case = desk.declared().await;
    desk.to_notice(&case.id).await;
    let notice = desk.notice(NoticeKind::Identification, &[&case]).await;
    let code = notice.expect("a notice").entries[0].code.to_string();

    // As people copy it.
    let request = knocking(&format!(" {} ", code.to_lowercase().replace('-', " ")));
    let taken = desk.knock(request.clone()).await.expect("taken in");
    let in_five_days = desk.today() + chrono::Days::new(5);
    assert_eq!(taken.answer_due_on, in_five_days.to_string());
    assert_eq!(desk.knock(request.clone()).await.expect("replayed"), taken);
    let other = SubmitObjectionRequest {
        text: "ANOTHER-TEXT".to_owned(),
        ..request
    };
    let reused = desk.knock(other).await;
    assert!(
        matches!(reused, Err(Error::IdempotencyKeyReused)),
        "{reused:?}"
    );
    let seen = desk.objections(office(), &case.id).await.expect("listed");
    assert_eq!(seen.len(), 1);
    assert!(seen[0].anonymous && seen[0].channel() == ObjectionChannel::PublicDoor);
    assert_eq!(seen[0].text, TEXT);
    let event = desk.events(&case.id).await.pop().expect("events");
    assert_eq!((&*event.name, &*event.actor_role), ("OBJECTED", "SERVICE"));

    let nobody = desk.knock(knocking("00000-00001")).await;
    assert!(matches!(nobody, Err(Error::NotFound { .. })), "{nobody:?}");
    for (request, expected) in [
        (knocking("no code"), "notice_code MALFORMED"),
        (
            SubmitObjectionRequest {
                text: "字".repeat(1001),
                ..knocking(&code)
            },
            "text TOO_LONG",
        ),
        (
            SubmitObjectionRequest {
                text: "no".to_owned(),
                ..knocking(&code)
            },
            "text TOO_SHORT",
        ),
        (
            SubmitObjectionRequest {
                text: "\u{7}OBJECTION".to_owned(),
                ..knocking(&code)
            },
            "text CONTROL_CHARACTER",
        ),
        (
            SubmitObjectionRequest {
                contact: "9".repeat(101),
                ..knocking(&code)
            },
            "contact TOO_LONG",
        ),
    ] {
        assert_eq!(violations(desk.knock(request).await), [expected]);
    }
    assert_eq!(
        desk.objections(office(), &case.id)
            .await
            .expect("listed")
            .len(),
        1
    );

    // When the notice is down, the code is one of nothing.
    desk.act(office(), &case.id, recheck(&desk)).await;
    let dismissed = answer(&desk, &[1], ObjectionOutcome::Dismissed);
    desk.act(office(), &case.id, dismissed).await;
    desk.days_pass(7);
    desk.act(cadre(), &case.id, desk.close_notice()).await;
    let down = desk.knock(knocking(&code)).await;
    assert!(matches!(down, Err(Error::NotFound { .. })), "{down:?}");
    assert_eq!(desk.difference().await, None);
    desk.close().await;
}

#[tokio::test]
async fn wf8_a_flood_waits_and_one_answer_is_enough_for_it() {
    let desk = Desk::open().await;
    let case = desk.declared().await;
    desk.to_notice(&case.id).await;
    let notice = desk.notice(NoticeKind::Identification, &[&case]).await;
    let code = notice.expect("a notice").entries[0].code.to_string();
    for _ in 0..50 {
        desk.knock(knocking(&code)).await.expect("taken in");
    }
    assert_eq!(
        refusal(desk.knock(knocking(&code)).await),
        ["T7o OBJECTIONS_WAITING"]
    );
    desk.act(office(), &case.id, recheck(&desk)).await;
    let all: Vec<i32> = (1..=50).collect();
    let dismissed = answer(&desk, &all, ObjectionOutcome::Dismissed);
    desk.act(office(), &case.id, dismissed).await;
    desk.knock(knocking(&code)).await.expect("taken in");
    desk.close().await;
}
