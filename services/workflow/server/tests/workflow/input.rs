//! Bad input: every bad field with its path, and nothing is done.

use chassis::error::Error;
use proto::{
    r#type::v1::{PageRequest, Risk},
    workflow::v1::{
        command::Command, declare_case_request::Proxy, workflow_service_server::WorkflowService, *,
    },
};

use crate::desk::{
    Desk, VILLAGE, act, authorise, by, cadre, declaration, division, error, officer, refusal,
    violations,
};

#[tokio::test]
async fn every_bad_field_is_named_with_its_path() {
    let desk = Desk::open().await;
    let case = desk.declared().await;
    let facts = || desk.in_need();
    let bad = Command::ReviewByTownship(ReviewByTownship {
        opinion: "字".repeat(3000),
        evidence_sha256: "x".to_owned(),
        ..ReviewByTownship::default()
    });
    let answer = desk.act_with(cadre(), &case.id, bad, facts()).await;
    assert_eq!(
        violations(answer),
        [
            "command.review_by_township.opinion TOO_LONG",
            "command.review_by_township.evidence_sha256 SHA256",
        ]
    );
    let nothing = ActOnCaseRequest {
        case_id: "1".to_owned(),
        command: None,
        ..act(&case.id, authorise())
    };
    let answer = desk.service.act_on_case_with(cadre(), nothing, facts());
    assert_eq!(
        violations(answer.await),
        ["case_id MALFORMED", "command REQUIRED"]
    );
    let keyless = ActOnCaseRequest {
        request_id: String::new(),
        ..act(&case.id, authorise())
    };
    let answer = desk.service.act_on_case_with(cadre(), keyless, facts());
    assert!(matches!(answer.await, Err(Error::IdempotencyKeyRequired)));
    assert_eq!(desk.events(&case.id).await.len(), 1);
    desk.close().await;
}

#[tokio::test]
async fn what_is_missing_is_refused_and_what_is_malformed_is_a_bad_field() {
    let desk = Desk::open().await;
    let village = division(VILLAGE);
    let proxy = DeclareCaseRequest {
        risks: Vec::new(),
        evidence_sha256: Vec::new(),
        proxy: Some(Proxy {
            relation: "NEIGHBOUR".to_owned(),
            ..Proxy::default()
        }),
        ..declaration(chassis::testing::new_id())
    };
    let answer = desk.service.declare_case_in(cadre(), proxy, village).await;
    assert_eq!(
        refusal(answer),
        [
            "S17 RISK_POINTS",
            "S17 RISK_PROOF",
            "S20 PROXY_REASON",
            "S20 WILL_STATEMENT"
        ]
    );
    let malformed = DeclareCaseRequest {
        household_id: "household".to_owned(),
        channel: 99,
        risks: vec![Risk {
            r#type: 77,
            ..Risk::default()
        }],
        ..declaration(chassis::testing::new_id())
    };
    let answer = desk
        .service
        .declare_case_in(cadre(), malformed, village)
        .await;
    assert_eq!(
        violations(answer),
        [
            "household_id MALFORMED",
            "channel UNKNOWN_CODE",
            "risks[0].type UNKNOWN_CODE"
        ]
    );
    let unknown = DeclareCaseRequest {
        template_id: "NO_SUCH".to_owned(),
        ..declaration(chassis::testing::new_id())
    };
    let answer = desk
        .service
        .declare_case_in(cadre(), unknown, village)
        .await;
    assert_eq!(violations(answer), ["template_id UNKNOWN_CODE"]);
    desk.close().await;
}

#[tokio::test]
async fn a_list_is_paged_and_its_token_is_good_for_that_list_only() {
    let desk = Desk::open().await;
    for _ in 0..5 {
        desk.declared().await;
    }
    let list =
        async |request: ListCasesRequest| desk.service.list_cases(by(officer(), request)).await;
    let page = |token: &str| {
        Some(PageRequest {
            page_size: 2,
            page_token: token.to_owned(),
        })
    };
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let request = ListCasesRequest {
            page: page(&token),
            with_total: true,
            ..ListCasesRequest::default()
        };
        let answer = list(request).await.expect("a page").into_inner();
        assert_eq!(answer.total_count, 5);
        seen.extend(answer.cases.into_iter().map(|case| case.id));
        token = answer.next_page_token;
        if token.is_empty() {
            break;
        }
        let elsewhere = ListCasesRequest {
            division_code: VILLAGE.to_owned(),
            page: page(&token),
            ..ListCasesRequest::default()
        };
        let answer = list(elsewhere).await;
        assert!(matches!(error(answer), Error::CursorInvalid));
    }
    let mut newest_first = seen.clone();
    newest_first.sort_by(|a, b| b.cmp(a));
    newest_first.dedup();
    assert_eq!((seen.len(), &seen), (5, &newest_first));
    let greedy = ListCasesRequest {
        page: Some(PageRequest {
            page_size: 101,
            ..PageRequest::default()
        }),
        ..ListCasesRequest::default()
    };
    assert_eq!(
        violations::<()>(Err(error(list(greedy).await))),
        ["page.page_size PAGE_SIZE"]
    );
    desk.close().await;
}
