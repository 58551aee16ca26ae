//! Bad input is refused with the path of every bad field, and nothing is stored.

use chassis::error::Error;
use chrono::Duration;
use proto::{
    measures::v1::{
        AssignResponsibleRequest, BatchGetPlansRequest, CloseRiskRequest, Delivery,
        ListMonitoringDueRequest, Monitoring, PlanMeasureRequest, RecordDeliveryRequest,
        RecordMonitoringRequest, measures_service_server::MeasuresService,
    },
    r#type::v1::PageRequest,
};
use tonic::{Response, Status};

use crate::desk::{Desk, VILLAGE, by, cadre, error};

/// "path code" of everything that is wrong.
fn wrong<T>(answer: Result<Response<T>, Status>) -> Vec<String> {
    match error(answer) {
        Error::Invalid(violations) => {
            let violations = violations.iter();
            violations
                .map(|v| format!("{} {}", v.field, v.code))
                .collect()
        }
        other => panic!("must be invalid: {other:?}"),
    }
}

#[tokio::test]
async fn every_bad_field_is_named_and_nothing_is_stored() {
    let desk = Desk::open().await;
    let (cadre, s) = (cadre(), &desk.service);
    let case = desk.declared(VILLAGE).await;
    let tomorrow = (desk.today() + Duration::days(1)).to_string();

    let request = AssignResponsibleRequest {
        case_id: "7".to_owned(),
        account: "x".repeat(2_000_000),
        from: tomorrow.clone(),
        hand_over_note: "\u{0}".to_owned(),
        ..AssignResponsibleRequest::default()
    };
    assert_eq!(
        wrong(s.assign_responsible(by(&cadre, request)).await),
        [
            "case_id MALFORMED",
            "account TOO_LONG",
            "unit REQUIRED",
            "from DATE_IN_FUTURE",
            "hand_over_note CONTROL_CHARACTER",
        ]
    );
    let request = PlanMeasureRequest {
        case_id: case.clone(),
        kind: 99,
        due_on: "31.08.2026".to_owned(),
        planned_elimination_on: "2026-02-30".to_owned(),
        ..PlanMeasureRequest::default()
    };
    assert_eq!(
        wrong(s.plan_measure(by(&cadre, request)).await),
        [
            "kind UNKNOWN_CODE",
            "risk UNKNOWN_CODE",
            "description REQUIRED",
            "due_on DATE",
            "planned_elimination_on DATE",
        ]
    );
    let request = RecordDeliveryRequest {
        case_id: case.clone(),
        delivery: Some(Delivery {
            delivered_on: tomorrow.clone(),
            amount_fen: -1,
            evidence_sha256: "abc".to_owned(),
            ..Delivery::default()
        }),
        ..RecordDeliveryRequest::default()
    };
    assert_eq!(
        wrong(s.record_delivery(by(&cadre, request)).await),
        [
            "measure_id REQUIRED",
            "delivery.delivered_on DATE_IN_FUTURE",
            "delivery.amount_fen AMOUNT",
            "delivery.evidence_sha256 SHA256",
        ]
    );
    let request = CloseRiskRequest {
        case_id: case.clone(),
        ..CloseRiskRequest::default()
    };
    assert_eq!(
        wrong(s.close_risk(by(&cadre, request)).await),
        [
            "closed.risk UNKNOWN_CODE",
            "closed.closed_on REQUIRED",
            "closed.reason REQUIRED"
        ]
    );
    let request = RecordMonitoringRequest {
        case_id: case.clone(),
        monitoring: Some(Monitoring {
            month: "2026-13".to_owned(),
            visited_on: tomorrow,
            manner: "LETTER".to_owned(),
            ..Monitoring::default()
        }),
        ..RecordMonitoringRequest::default()
    };
    assert_eq!(
        wrong(s.record_monitoring(by(&cadre, request)).await),
        [
            "monitoring.month MONTH",
            "monitoring.visited_on DATE_IN_FUTURE",
            "monitoring.manner UNKNOWN_CODE",
            "monitoring.finding REQUIRED",
        ]
    );
    let request = BatchGetPlansRequest {
        case_ids: vec!["x".to_owned(); 101],
    };
    let found = wrong(s.batch_get_plans(by(&cadre, request)).await);
    assert_eq!(found[..2], ["case_ids TOO_MANY", "case_ids[0] MALFORMED"]);
    let request = ListMonitoringDueRequest {
        division_code: "12".to_owned(),
        month: "2026-08".to_owned(),
        page: Some(PageRequest {
            page_size: 101,
            page_token: String::new(),
        }),
    };
    let found = wrong(s.list_monitoring_due(by(&cadre, request)).await);
    assert_eq!(found, ["division_code MALFORMED"]);

    assert_eq!(desk.plan(&cadre, &case).await.expect("a plan").version, 1);
    assert_eq!(desk.feed().await.len(), 1, "plan.opened");
    desk.close().await;
}
