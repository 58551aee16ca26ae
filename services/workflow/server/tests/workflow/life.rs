//! A case from the declaration to the end of the risk, and what is on its record.

use chassis::{
    error::Error,
    testing::{caller, new_id},
};
use kernel::Role;
use prost::Message;
use proto::{
    comparison::v1::CaseFacts,
    r#type::v1::EliminationKind,
    workflow::v1::{command::Command, workflow_service_server::WorkflowService, *},
};
use sqlx::Executor;

use crate::desk::{
    Desk, SHA256, TOWNSHIP, VILLAGE, act, authorise, by, cadre, officer, refusal, review,
    secretary, verify,
};

#[tokio::test]
async fn a_case_runs_from_the_declaration_to_the_end_of_the_risk() {
    let desk = Desk::open().await;
    let case = desk.declared().await;
    let year = desk.today().format("%Y").to_string();
    assert_eq!(case.case_number, format!("{VILLAGE}-{year}-0001"));
    assert_eq!(desk.to_enrolment(&case.id).await, CaseState::Enrolled);
    let start = Command::StartAssistance(StartAssistance {});
    assert_eq!(
        desk.act(cadre(), &case.id, start).await,
        CaseState::UnderAssistance
    );

    desk.days_pass(170);
    desk.has_recovered.set(true);
    let propose = || {
        Command::ProposeElimination(ProposeElimination {
            kind: EliminationKind::ByAssistance.into(),
        })
    };
    let early = desk.act_with(cadre(), &case.id, propose(), desk.recovered());
    assert_eq!(refusal(early.await), ["S44 HOLD_MONTHS"]);
    desk.days_pass(20);
    desk.act(cadre(), &case.id, propose()).await;
    desk.act(cadre(), &case.id, verify(desk.today())).await;
    desk.appraise(&case.id, 16).await;
    for place in desk.places {
        desk.act(cadre(), &case.id, desk.post(place)).await;
    }
    desk.days_pass(7);
    desk.act(cadre(), &case.id, desk.close_notice()).await;
    let file = Command::File(File {
        document_number: "DOCUMENT-7".to_owned(),
        evidence_sha256: SHA256.to_owned(),
    });
    desk.act(&caller(Role::TownshipLeader, TOWNSHIP), &case.id, file)
        .await;
    let eliminate = Command::Eliminate(Eliminate {
        filing_number: "FILING-1".to_owned(),
        contact_name: "CONTACT".to_owned(),
        contact_phone: "PHONE".to_owned(),
    });
    assert_eq!(
        desk.act(officer(), &case.id, eliminate).await,
        CaseState::RiskEliminated
    );

    let names: Vec<String> = desk
        .events(&case.id)
        .await
        .into_iter()
        .map(|event| event.name)
        .collect();
    let expected = [
        "DECLARED",
        "AUTHORISED",
        "VERIFIED",
        "WARNING_LISTED",
        "APPRAISED",
        "NOTICE_POSTED",
        "NOTICE_POSTED",
        "NOTICE_CLOSED",
        "VILLAGE_REPORTED",
        "TOWNSHIP_REVIEWED",
        "COMPARED",
        "ENROLLED",
        "UNDER_ASSISTANCE",
        "ELIMINATION_PROPOSED",
        "ELIM_VERIFIED",
        "ELIM_APPRAISED",
        "NOTICE_POSTED",
        "NOTICE_POSTED",
        "ELIM_NOTICE_CLOSED",
        "FILED",
        "RISK_ELIMINATED",
    ];
    assert_eq!(names, expected);
    assert_eq!(desk.difference().await, None);
    no_text_in_the_feed(&desk).await;

    // T18: the next one follows it.
    let household = case.household_id.parse().expect("an id");
    let relapse = desk.declare(cadre(), household).await.expect("declared");
    assert_eq!(relapse.relapse_of, case.id);
    assert!(relapse.case_number.starts_with(VILLAGE));
    assert_ne!(relapse.case_number, case.case_number);
    desk.close().await;
}

/// What people wrote, and whom to reach, is on the record but not in the feed.
async fn no_text_in_the_feed(desk: &Desk) {
    for item in desk.feed().await {
        let payload = item.payload.expect("a payload");
        let text = String::from_utf8_lossy(&payload);
        for private in ["REMARK", "OPINION", "CONTACT", "PHONE", "ATTENDEE"] {
            assert!(!text.contains(private), "{private} in {}", item.kind);
        }
    }
    let mut owner = desk.test.owner().await;
    let contacts: i64 = sqlx::query_scalar(
        "select count(*) from workflow.contacts where name = 'CONTACT' and phone = 'PHONE'",
    )
    .fetch_one(&mut owner)
    .await
    .expect("counted");
    assert_eq!(contacts, 1);
}

#[tokio::test]
async fn the_record_gives_back_what_people_wrote() {
    let desk = Desk::open().await;
    let case = desk.declared().await;
    desk.to_enrolment(&case.id).await;
    let events = desk.events(&case.id).await;
    let declaration = events[0].declaration.as_ref().expect("a declaration");
    assert_eq!(declaration.risks[0].remark, "REMARK");
    assert_eq!(declaration.request_id, "");
    let reviewed = events.iter().find(|e| e.name == "TOWNSHIP_REVIEWED");
    let command = reviewed.and_then(|e| e.command.clone()).expect("a command");
    let expected = act(&case.id, review("OPINION")).command;
    assert_eq!(Some(command), expected);
    let enrolled = events.last().expect("events");
    assert!(enrolled.facts.contains(&"net_pc_fen=1608000".to_owned()));
    assert!(enrolled.rules.contains(&"S36".to_owned()), "{enrolled:?}");
    assert!(events.is_sorted_by_key(|event| event.position));
    desk.close().await;
}

#[tokio::test]
async fn a_request_that_comes_twice_has_one_effect_and_one_answer() {
    let desk = Desk::open().await;
    let case = desk.declared().await;
    let request = act(&case.id, authorise());
    let send = |request| {
        let facts = desk.in_need();
        desk.service.act_on_case_with(cadre(), request, facts)
    };
    let first = send(request.clone()).await.expect("accepted");
    assert!(first.feed_position > 0);
    let second = send(request.clone()).await.expect("replayed");
    assert_eq!(first, second);
    assert_eq!(desk.events(&case.id).await.len(), 2);
    let other = ActOnCaseRequest {
        command: act(&case.id, verify(desk.today())).command,
        ..request
    };
    assert!(matches!(
        send(other).await,
        Err(Error::IdempotencyKeyReused)
    ));
    desk.close().await;
}

#[tokio::test]
async fn a_refusal_changes_nothing_and_names_everything() {
    let desk = Desk::open().await;
    let case = desk.declared().await;
    let mut facts = desk.in_need();
    facts.household.persons_authorised = 2;
    facts.household.items_covered.pop();
    let refused = desk.act_with(cadre(), &case.id, authorise(), facts).await;
    assert_eq!(
        refusal(refused),
        ["S18 PERSONS_AUTHORISED", "CMP-4 ITEMS_AUTHORISED"]
    );
    assert_eq!(desk.events(&case.id).await.len(), 1);
    let stale = ActOnCaseRequest {
        version: 7,
        ..act(&case.id, authorise())
    };
    let conflict = desk
        .service
        .act_on_case_with(cadre(), stale, desk.in_need());
    assert!(matches!(
        conflict.await,
        Err(Error::VersionConflict { current: 1, .. })
    ));
    desk.close().await;
}

#[tokio::test]
async fn s02_a_household_has_one_open_case_however_many_declare_at_once() {
    let desk = Desk::open().await;
    let household = new_id();
    let (first, second) = (cadre(), secretary());
    let (a, b) = tokio::join!(
        desk.declare(first, household),
        desk.declare(second, household)
    );
    let refused = if a.is_ok() { b } else { a };
    assert_eq!(refusal(refused), ["S02 ONE_OPEN_CASE"]);
    let request = BatchGetCurrentCasesRequest {
        household_ids: vec![household.to_string(), new_id().to_string()],
    };
    let current = desk
        .service
        .batch_get_current_cases(by(officer(), request))
        .await;
    assert_eq!(current.expect("answered").into_inner().cases.len(), 1);
    desk.close().await;
}

#[tokio::test]
async fn s26_a_list_is_frozen_and_the_next_freeze_is_a_new_version() {
    let desk = Desk::open().await;
    let (first, second) = (desk.declared().await.id, desk.declared().await.id);
    let early = desk.freeze().await;
    assert_eq!((early.version, early.case_ids.len()), (1, 0));
    desk.act(cadre(), &first, authorise()).await;
    desk.act(cadre(), &first, verify(desk.today())).await;
    let list = desk.freeze().await;
    assert_eq!((list.version, &list.case_ids), (2, &vec![first.clone()]));
    desk.act(cadre(), &second, authorise()).await;
    desk.act(cadre(), &second, verify(desk.today())).await;
    let list = desk.freeze().await;
    assert_eq!((list.version, &list.case_ids), (3, &vec![first, second]));
    let request = GetWarningListRequest {
        division_code: list.division_code.clone(),
        month: list.month.clone(),
        version: 2,
    };
    let earlier = desk.service.get_warning_list(by(officer(), request)).await;
    let earlier = earlier.expect("found").into_inner().list.expect("a list");
    assert_eq!(earlier.case_ids.len(), 1);
    desk.close().await;
}

#[tokio::test]
async fn s34_the_result_of_a_comparison_goes_on_the_record() {
    let desk = Desk::open().await;
    let case = desk.declared().await;
    let facts = CaseFacts {
        case_id: case.id.clone(),
        comparison_id: new_id().to_string(),
        complete: true,
        ..CaseFacts::default()
    };
    desk.tell("comparison.completed", &facts).await;
    let events = desk.events(&case.id).await;
    let delivered = events.last().expect("events");
    assert_eq!(delivered.name, "COMPARISON_DELIVERED");
    assert_eq!(delivered.comparison_id, facts.comparison_id);
    assert_eq!(delivered.to(), CaseState::Declared);
    assert_eq!(desk.difference().await, None);
    // A case that nobody knows, or that has ended, is not disturbed.
    let nobody = CaseFacts {
        case_id: new_id().to_string(),
        ..facts
    };
    desk.tell("comparison.completed", &nobody).await;
    desk.close().await;
}

#[tokio::test]
async fn a_bent_row_is_found() {
    let desk = Desk::open().await;
    let case = desk.declared().await;
    assert_eq!(desk.difference().await, None);
    let mut owner = desk.test.owner().await;
    for (bend, mend) in [
        (
            "update workflow.cases set state = 'ENROLLED'",
            "update workflow.cases set state = 'DECLARED'",
        ),
        (
            // Out of the sight of those who have to act.
            "update workflow.work set division_code = '999999009009'",
            "update workflow.work set division_code = '999999001001'",
        ),
    ] {
        let bent = owner.execute(bend).await;
        assert!(bent.expect("bent").rows_affected() > 0, "{bend}");
        let difference = desk.difference().await.expect(bend);
        assert!(difference.contains(&case.id), "{difference}");
        owner.execute(mend).await.expect("mended");
        assert_eq!(desk.difference().await, None, "{mend}");
    }
    desk.close().await;
}

#[tokio::test]
async fn every_item_carries_the_case_as_it_is_then() {
    let desk = Desk::open().await;
    let case = desk.declared().await;
    desk.to_notice(&case.id).await;
    let mut version = 0;
    let items = desk.feed().await.into_iter();
    for item in items.filter(|item| item.kind.starts_with("case.")) {
        let event = CaseEvent::decode(&item.payload.expect("a payload")[..]).expect("an event");
        let after = event.case.clone().expect("a case");
        version += 1;
        assert_eq!(after.version, version);
        assert_eq!(after.state, event.to);
        assert_eq!(item.kind, format!("case.{}", event.name.to_lowercase()));
    }
    assert_eq!(version, 7);
    desk.close().await;
}
