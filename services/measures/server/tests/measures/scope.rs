//! Out of scope is not found; a role that may not call is told so.

use chassis::{auth::Caller, error::Error, testing::caller};
use kernel::{Code, Role};
use measures::access::ACCESS;
use proto::{
    measures::v1::{
        GetCaseFactsRequest, ListMonitoringDueRequest, MeasureKind,
        measures_service_server::MeasuresService,
    },
    r#type::v1::RiskType,
};
use tonic::Request;

use crate::desk::{
    COUNTY, Desk, VILLAGE, assign, by, close_risk, deliver, error, monitor, plan_measure,
};

/// What each RPC answers to a caller about a case, in the order of the access table.
async fn answers(desk: &Desk, caller: &Caller, case: &str) -> Vec<(&'static str, Option<Error>)> {
    let (s, today) = (&desk.service, desk.today());
    let failed = |status: tonic::Status| Error::from_status(&status);
    let facts = GetCaseFactsRequest {
        case_id: case.to_owned(),
        as_of: String::new(),
    };
    let due = ListMonitoringDueRequest {
        month: desk.month().to_string(),
        ..ListMonitoringDueRequest::default()
    };
    let plans = proto::measures::v1::BatchGetPlansRequest {
        case_ids: vec![case.to_owned()],
    };
    let measure = plan_measure(case, MeasureKind::Health, today);
    let delivery = deliver(case, case, today);
    let closed = close_risk(case, RiskType::Illness, today);
    // At once: each waits two seconds for a plan that never comes.
    let (a, p, d, c, m, b, l, f) = tokio::join!(
        s.assign_responsible(by(caller, assign(case, "grid-7", today, ""))),
        s.plan_measure(by(caller, measure)),
        s.record_delivery(by(caller, delivery)),
        s.close_risk(by(caller, closed)),
        s.record_monitoring(by(caller, monitor(case, today))),
        s.batch_get_plans(by(caller, plans)),
        s.list_monitoring_due(by(caller, due)),
        s.get_case_facts(by(caller, facts)),
    );
    if let Ok(plans) = &b {
        assert_eq!(plans.get_ref().plans, [], "nobody here sees the case");
    }
    if let Ok(due) = &l {
        assert_eq!(due.get_ref().due, [], "nobody here sees the case");
    }
    vec![
        ("AssignResponsible", a.err().map(failed)),
        ("PlanMeasure", p.err().map(failed)),
        ("RecordDelivery", d.err().map(failed)),
        ("CloseRisk", c.err().map(failed)),
        ("RecordMonitoring", m.err().map(failed)),
        ("BatchGetPlans", b.err().map(failed)),
        ("ListMonitoringDue", l.err().map(failed)),
        ("GetCaseFacts", f.err().map(failed)),
    ]
}

#[tokio::test]
async fn out_of_scope_is_not_found_and_nothing_changes() {
    let desk = Desk::open().await;
    let case = desk.enrolled(VILLAGE).await;
    for (role, division) in [
        (Role::TownshipOffice, "999999002000"),
        (Role::VillageCadre, "999999001002"),
        (Role::CountyOfficer, "999998000000"),
    ] {
        let stranger = caller(role, division);
        for (rpc, failed) in answers(&desk, &stranger, &case).await {
            let found = match rpc {
                "BatchGetPlans" | "ListMonitoringDue" => failed.is_none(),
                _ => matches!(failed, Some(Error::NotFound { what: "case" })),
            };
            assert!(found, "{rpc} in {division}: {failed:?}");
        }
    }
    let officer = caller(Role::CountyOfficer, COUNTY);
    let plan = desk
        .plan(&officer, &case)
        .await
        .expect("the county sees it");
    assert_eq!(plan.version, 2, "opened and enrolled");
    desk.close().await;
}

#[tokio::test]
async fn a_role_outside_the_table_is_refused_before_anything_is_read() {
    let desk = Desk::open().await;
    // Nobody's case: a role that may call waits for it, one that may not is refused at once.
    let case = chassis::testing::new_id().to_string();
    for role in Role::ALL {
        let caller = caller(*role, COUNTY);
        let denied = [Role::Farmer, Role::DepartmentLiaison, Role::SystemAdmin].contains(role);
        if !denied && *role != Role::Auditor {
            continue;
        }
        for (rpc, failed) in answers(&desk, &caller, &case).await {
            let (_, roles) = ACCESS.iter().find(|(name, _)| *name == rpc).expect("a row");
            assert!(!denied || !roles.contains(role));
            let found = matches!(failed, Some(Error::PermissionDenied));
            assert_eq!(found, !roles.contains(role), "{rpc} as {role}: {failed:?}");
        }
    }
    let request = Request::new(GetCaseFactsRequest::default());
    let answer = error(desk.service.get_case_facts(request).await);
    assert!(matches!(answer, Error::Unauthenticated), "{answer:?}");
    desk.close().await;
}
