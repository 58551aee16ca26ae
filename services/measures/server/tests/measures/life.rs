//! A plan from declaration to the end, and what one request may do once.

use chassis::{error::Error, testing::new_id};
use chrono::Duration;
use proto::{
    measures::v1::{GetCaseFactsRequest, MeasureKind, measures_service_server::MeasuresService},
    r#type::v1::RiskType,
    workflow::v1::CaseState,
};

use crate::desk::{
    Desk, VILLAGE, assign, by, cadre, close_risk, deliver, error, monitor, plan_measure, refusal,
};

#[tokio::test]
async fn a_plan_lives_with_its_case() {
    let desk = Desk::open().await;
    let (cadre, today) = (cadre(), desk.today());
    let (s, due_on) = (&desk.service, today + Duration::days(30));
    let case = desk.declared(VILLAGE).await;

    let request = assign(&case, "grid-7", today - Duration::days(9), "");
    s.assign_responsible(by(&cadre, request))
        .await
        .expect("named");
    let request = assign(&case, "grid-8", today, "moved away");
    s.assign_responsible(by(&cadre, request))
        .await
        .expect("handed over");
    let request = plan_measure(&case, MeasureKind::Health, due_on);
    let planned = s.plan_measure(by(&cadre, request)).await.expect("planned");
    let measure = planned.into_inner().plan.expect("a plan").measures[0]
        .id
        .clone();
    for _ in 0..2 {
        let request = deliver(&case, &measure, today);
        s.record_delivery(by(&cadre, request))
            .await
            .expect("delivered");
    }
    let enrolled = desk.event(case.parse().expect("an id"), VILLAGE, CaseState::Enrolled);
    desk.tell(&enrolled).await;
    s.record_monitoring(by(&cadre, monitor(&case, today)))
        .await
        .expect("monitored");
    let request = close_risk(&case, RiskType::Illness, today);
    s.close_risk(by(&cadre, request)).await.expect("closed");
    let ended = desk.event(
        case.parse().expect("an id"),
        VILLAGE,
        CaseState::RiskEliminated,
    );
    desk.tell(&ended).await;

    let plan = desk.plan(&cadre, &case).await.expect("a plan");
    let accounts: Vec<_> = plan
        .responsible
        .iter()
        .map(|r| r.account.as_str())
        .collect();
    assert_eq!(accounts, ["grid-8", "grid-7"], "the current one first");
    assert_eq!(
        plan.responsible[1].to,
        (today - Duration::days(1)).to_string()
    );
    assert_eq!(plan.measures[0].deliveries.len(), 2);
    assert_eq!(plan.monitoring[0].recorded_by, cadre.principal.subject);
    assert_eq!(plan.missed_months, [""; 0]);
    assert_eq!(plan.warnings, [""; 0]);

    let told = desk.feed().await;
    let kinds: Vec<&str> = told.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "plan.opened",
            "responsible.assigned",
            "responsible.assigned",
            "measure.planned",
            "measure.delivered",
            "measure.delivered",
            "plan.monitored",
            "monitoring.recorded",
            "risk.closed",
            "plan.ended",
        ]
    );
    let (_, last) = told.last().expect("the last");
    assert_eq!(last.version, plan.version);
    let told = format!("{last:?}");
    for free_text in ["DESCRIPTION", "FINDING", "REASON"] {
        assert!(!told.contains(free_text), "{free_text} left the house");
    }

    let request = GetCaseFactsRequest {
        case_id: case.clone(),
        as_of: today.to_string(),
    };
    let facts = s.get_case_facts(by(&cadre, request)).await.expect("facts");
    let facts = facts.into_inner().facts.expect("facts");
    assert!(facts.has_responsible && facts.responsible_account == "grid-8");
    assert_eq!(facts.risks_delivered, [i32::from(RiskType::Illness)]);
    assert_eq!(facts.risks_closed, [i32::from(RiskType::Illness)]);
    assert_eq!((facts.measures_planned, facts.measures_delivered), (1, 1));
    assert!(!facts.development_delivered && !facts.social_security_delivered);
    let elimination_on = due_on + Duration::days(180);
    assert_eq!(facts.planned_elimination_on, elimination_on.to_string());

    let request = plan_measure(&case, MeasureKind::Health, due_on);
    let refused = refusal(s.plan_measure(by(&cadre, request)).await);
    assert_eq!(refused, ["S36 CASE_OPEN", "S46 RISK_STILL_OPEN"]);
    let request = deliver(&case, &measure, today);
    s.record_delivery(by(&cadre, request))
        .await
        .expect("help goes on after the end");
    desk.close().await;
}

#[tokio::test]
async fn one_request_has_one_effect() {
    let desk = Desk::open().await;
    let (cadre, today, s) = (cadre(), desk.today(), &desk.service);
    let case = desk.declared(VILLAGE).await;
    let request = plan_measure(&case, MeasureKind::Health, today);
    let first = s
        .plan_measure(by(&cadre, request.clone()))
        .await
        .expect("planned");
    let again = s
        .plan_measure(by(&cadre, request.clone()))
        .await
        .expect("replayed");
    assert_eq!(first.into_inner(), again.into_inner());
    assert_eq!(
        desk.plan(&cadre, &case)
            .await
            .expect("a plan")
            .measures
            .len(),
        1
    );

    let mut other = request.clone();
    other.kind = MeasureKind::Water.into();
    let answer = error(s.plan_measure(by(&cadre, other)).await);
    assert!(matches!(answer, Error::IdempotencyKeyReused), "{answer:?}");
    let mut without = request;
    without.request_id.clear();
    let answer = error(s.plan_measure(by(&cadre, without)).await);
    assert!(
        matches!(answer, Error::IdempotencyKeyRequired),
        "{answer:?}"
    );

    // A refusal leaves the key free: the client may correct the request and keep the key.
    let mut request = assign(&case, "grid-7", today, "");
    s.assign_responsible(by(&cadre, request.clone()))
        .await
        .expect("named");
    request.request_id = new_id().to_string();
    request.account = "grid-8".to_owned();
    request.from = (today - Duration::days(1)).to_string();
    let refused = refusal(s.assign_responsible(by(&cadre, request.clone())).await);
    assert_eq!(refused, ["MEA-1 HAND_OVER_NOTE", "MEA-1 HAND_OVER_ORDER"]);
    request.from = (today - Duration::days(2)).to_string();
    assert_eq!(
        refusal(s.assign_responsible(by(&cadre, request)).await).len(),
        2
    );
    desk.close().await;
}

#[tokio::test]
async fn of_two_at_once_one_wins() {
    let desk = Desk::open().await;
    let (cadre, today, s) = (cadre(), desk.today(), &desk.service);
    let case = desk.enrolled(VILLAGE).await;
    let record = || s.record_monitoring(by(&cadre, monitor(&case, today)));
    let (one, other) = tokio::join!(record(), record());
    let (won, lost) = if one.is_ok() {
        (one, other)
    } else {
        (other, one)
    };
    won.expect("recorded");
    assert_eq!(refusal(lost), ["S47 ONE_RECORD_A_MONTH"]);
    assert_eq!(
        desk.plan(&cadre, &case)
            .await
            .expect("a plan")
            .monitoring
            .len(),
        1
    );
    desk.close().await;
}
