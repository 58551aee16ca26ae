//! Out of scope is not found; a role that may not call is told so.

use chassis::{
    auth::Caller,
    error::Error,
    testing::{caller, new_id},
};
use kernel::{Code, Role};
use proto::{
    r#type::v1::{LeadChannel, NoticeKind},
    workflow::v1::{
        act_on_lead_request::{Action, OrderVisit},
        workflow_service_server::WorkflowService,
        *,
    },
};
use workflow::access::ACCESS;

use crate::desk::{
    Desk, VILLAGE, act, authorise, by, cadre, declaration, division, error, lead, meeting,
};

/// What each RPC answers to a caller about a case and a lead, in the order of the access table.
async fn answers(
    desk: &Desk,
    caller: &Caller,
    case: &Case,
    lead_id: &str,
) -> Vec<(&'static str, Option<Error>)> {
    let s = &desk.service;
    let ids = vec![case.id.clone()];
    let month = kernel::Month::of(desk.today()).to_string();
    let household = case.household_id.parse().expect("an id");
    let on_lead = ActOnLeadRequest {
        request_id: new_id().to_string(),
        lead_id: lead_id.to_owned(),
        version: 0,
        action: Some(Action::OrderVisit(OrderVisit {})),
        acting_as: String::new(),
    };
    let freeze = FreezeWarningListRequest {
        request_id: new_id().to_string(),
        division_code: VILLAGE.to_owned(),
        month: month.clone(),
        ..FreezeWarningListRequest::default()
    };
    let list = GetWarningListRequest {
        division_code: VILLAGE.to_owned(),
        month,
        version: 0,
    };
    let events = ListCaseEventsRequest {
        case_id: case.id.clone(),
    };
    let moves = ListMovesRequest {
        case_id: case.id.clone(),
        ..ListMovesRequest::default()
    };
    let notice = GetNoticeRequest {
        division_code: VILLAGE.to_owned(),
        kind: NoticeKind::Identification.into(),
    };
    let print = GetNoticeFileRequest {
        division_code: VILLAGE.to_owned(),
        kind: NoticeKind::Identification.into(),
        format: NoticeFormat::Text.into(),
    };
    let objection = SubmitObjectionRequest {
        request_id: new_id().to_string(),
        notice_code: "00000-00000".to_owned(),
        text: "OBJECTION".to_owned(),
        contact: String::new(),
    };
    let objections = ListObjectionsRequest {
        case_id: case.id.clone(),
    };
    let households = BatchGetCurrentCasesRequest {
        household_ids: vec![case.household_id.clone()],
    };
    let meeting = HoldMeetingRequest {
        request_id: new_id().to_string(),
        meeting: Some(meeting(desk.today(), 15, &[&case.id])),
        acting_as: String::new(),
    };
    let failed = |status: tonic::Status| Error::from_status(&status);
    let submitted = s.submit_lead(by(caller, lead(household, LeadChannel::Media)));
    let leads = s.list_leads(by(caller, ListLeadsRequest::default())).await;
    let these = BatchGetLeadsRequest {
        ids: vec![lead_id.to_owned()],
    };
    let these = s.batch_get_leads(by(caller, these)).await;
    let cases = s.list_cases(by(caller, ListCasesRequest::default())).await;
    let batch = s
        .batch_get_cases(by(caller, BatchGetCasesRequest { ids }))
        .await;
    let current = s.batch_get_current_cases(by(caller, households)).await;
    for seen in [
        leads.as_ref().map_or(0, |r| r.get_ref().leads.len()),
        these.as_ref().map_or(0, |r| r.get_ref().leads.len()),
        cases.as_ref().map_or(0, |r| r.get_ref().cases.len()),
        batch.as_ref().map_or(0, |r| r.get_ref().cases.len()),
        current.as_ref().map_or(0, |r| r.get_ref().cases.len()),
    ] {
        assert_eq!(seen, 0, "nobody here sees the case or the lead");
    }
    vec![
        ("SubmitLead", submitted.await.err().map(failed)),
        (
            "ActOnLead",
            s.act_on_lead(by(caller, on_lead)).await.err().map(failed),
        ),
        ("ListLeads", leads.err().map(failed)),
        ("BatchGetLeads", these.err().map(failed)),
        (
            "DeclareCase",
            s.declare_case(by(caller, declaration(household)))
                .await
                .err()
                .map(failed),
        ),
        (
            "ActOnCase",
            s.act_on_case(by(caller, act(&case.id, authorise())))
                .await
                .err()
                .map(failed),
        ),
        ("ListCases", cases.err().map(failed)),
        ("BatchGetCases", batch.err().map(failed)),
        ("BatchGetCurrentCases", current.err().map(failed)),
        (
            "ListCaseEvents",
            s.list_case_events(by(caller, events))
                .await
                .err()
                .map(failed),
        ),
        (
            "ListMoves",
            s.list_moves(by(caller, moves)).await.err().map(failed),
        ),
        (
            "FreezeWarningList",
            s.freeze_warning_list(by(caller, freeze))
                .await
                .err()
                .map(failed),
        ),
        (
            "GetWarningList",
            s.get_warning_list(by(caller, list)).await.err().map(failed),
        ),
        (
            "HoldMeeting",
            s.hold_meeting(by(caller, meeting)).await.err().map(failed),
        ),
        (
            "ListMeetings",
            s.list_meetings(by(caller, ListMeetingsRequest::default()))
                .await
                .err()
                .map(failed),
        ),
        (
            "GetNotice",
            s.get_notice(by(caller, notice)).await.err().map(failed),
        ),
        (
            "GetNoticeFile",
            s.get_notice_file(by(caller, print)).await.err().map(failed),
        ),
        (
            "SubmitObjection",
            s.submit_objection(by(caller, objection))
                .await
                .err()
                .map(failed),
        ),
        (
            "ListObjections",
            s.list_objections(by(caller, objections))
                .await
                .err()
                .map(failed),
        ),
    ]
}

#[tokio::test]
async fn every_role_gets_exactly_the_rpcs_of_the_table_and_nothing_out_of_scope() {
    let desk = Desk::open().await;
    let case = desk.declared().await;
    let request = lead(new_id(), LeadChannel::Media);
    let village = division(VILLAGE);
    let submitted = desk.service.submit_lead_in(cadre(), request, village);
    let lead = submitted.await.expect("taken in").lead.expect("a lead");
    for role in Role::ALL {
        // The next village, and nobody's county: everybody is elsewhere.
        let elsewhere = caller(*role, "999999001002");
        for (at, (rpc, error)) in answers(&desk, &elsewhere, &case, &lead.id)
            .await
            .into_iter()
            .enumerate()
        {
            let (named, roles) = ACCESS[at];
            assert_eq!(rpc, named);
            let denied = matches!(error, Some(Error::PermissionDenied));
            assert_eq!(denied, !roles.contains(role), "{} {rpc}", role.as_str());
            let is_quiet = matches!(
                error,
                None | Some(
                    Error::PermissionDenied | Error::NotFound { .. } | Error::Unavailable { .. }
                )
            );
            assert!(is_quiet, "{} {rpc}: {error:?}", role.as_str());
        }
    }
    assert_eq!(desk.events(&case.id).await.len(), 1);
    desk.close().await;
}

#[tokio::test]
async fn a_household_elsewhere_is_not_found_whoever_says_where_it_is() {
    let desk = Desk::open().await;
    let far = caller(Role::VillageCadre, "999999001002");
    let request = declaration(new_id());
    let declared = desk
        .service
        .declare_case_in(&far, request, division(VILLAGE));
    assert!(matches!(declared.await, Err(Error::NotFound { .. })));
    // A role without a move is refused by the procedure, not by the door.
    let case = desk.declared().await;
    let grid = caller(Role::GridWorker, VILLAGE);
    let request = by(&grid, act(&case.id, authorise()));
    let answer = error(desk.service.act_on_case(request).await);
    assert!(matches!(answer, Error::Unavailable { .. }), "{answer:?}");
    let refused = desk
        .act_with(&grid, &case.id, authorise(), desk.in_need())
        .await;
    let Err(Error::Refused(refusal)) = refused else {
        panic!("must be refused")
    };
    assert_eq!(refusal.unmet[0].code, "ROLE");
    desk.close().await;
}
