//! A plan goes with its case to another village (REG-12), with everything that belongs to it.

use chassis::{
    testing::caller,
    whereabouts::{self, Merge},
};
use chrono::Duration;
use kernel::Role;
use measures::whereabouts::Plans;
use proto::{
    measures::v1::{MeasureKind, measures_service_server::MeasuresService},
    r#type::v1::RiskType,
    workflow::v1::{CaseEvent, CaseState},
};

use crate::desk::{
    COUNTY, Desk, VILLAGE, assign, by, cadre, close_risk, deliver, monitor, plan_measure,
};

const FAR: &str = "999999002001";

impl Desk {
    /// Workflow tells that a case has moved with its household.
    async fn moved(&self, case: &str, from: &str, into: &str) {
        let event = CaseEvent {
            moved_from_code: from.to_owned(),
            from: CaseState::UnderAssistance.into(),
            ..self.event(
                case.parse().expect("an id"),
                into,
                CaseState::UnderAssistance,
            )
        };
        self.tell(&event).await;
    }

    async fn follow(&self) {
        let county = COUNTY.parse().expect("a division");
        let followed = whereabouts::follow(&self.database, county, &Plans).await;
        followed.expect("followed");
    }

    /// Division codes of all rows of the plans.
    async fn places(&self) -> Vec<String> {
        let mut owner = self.test.owner().await;
        sqlx::query_scalar(
            "select distinct division_code from (
                 select division_code from measures.plans
                 union all select division_code from measures.responsible
                 union all select division_code from measures.measures
                 union all select division_code from measures.deliveries
                 union all select division_code from measures.closed_risks
                 union all select division_code from measures.monitoring) as t order by 1",
        )
        .fetch_all(&mut owner)
        .await
        .expect("read")
    }
}

#[tokio::test]
async fn reg12_a_plan_goes_with_its_case_and_all_of_it() {
    let desk = Desk::open().await;
    let (cadre, today) = (cadre(), desk.today());
    let case = desk.enrolled(VILLAGE).await;
    let s = &desk.service;
    s.assign_responsible(by(&cadre, assign(&case, "grid-7", today, "")))
        .await
        .expect("named");
    let request = plan_measure(&case, MeasureKind::Health, today + Duration::days(30));
    let planned = s.plan_measure(by(&cadre, request)).await.expect("planned");
    let measure = planned.into_inner().plan.expect("a plan").measures[0]
        .id
        .clone();
    s.record_delivery(by(&cadre, deliver(&case, &measure, today)))
        .await
        .expect("delivered");
    s.record_monitoring(by(&cadre, monitor(&case, today)))
        .await
        .expect("monitored");
    s.close_risk(by(&cadre, close_risk(&case, RiskType::Illness, today)))
        .await
        .expect("closed");
    let before = desk.plan(&cadre, &case).await.expect("a plan");

    for _ in 0..2 {
        desk.moved(&case, VILLAGE, FAR).await;
        desk.follow().await;
        assert_eq!(desk.places().await, [FAR]);
    }
    assert_eq!(desk.plan(&cadre, &case).await, None);
    let far = caller(Role::VillageCadre, FAR);
    let after = desk.plan(&far, &case).await.expect("a plan");
    assert_eq!(after.measures, before.measures);
    assert_eq!(after.responsible, before.responsible);

    let kinds: Vec<String> = desk
        .feed()
        .await
        .into_iter()
        .map(|(kind, _)| kind)
        .collect();
    assert_eq!(kinds.last().map(String::as_str), Some("plan.moved"));

    // Back, and away with the village that took it back.
    desk.moved(&case, FAR, VILLAGE).await;
    desk.follow().await;
    assert_eq!(desk.places().await, [VILLAGE]);
    let county = COUNTY.parse().expect("a division");
    let mut tx = desk.database.begin_internal(county).await.expect("begun");
    let merge = Merge {
        from: VILLAGE.parse().expect("a division"),
        into: FAR.parse().expect("a division"),
        merged_on: today,
        merged_by: "admin".to_owned(),
    };
    whereabouts::note(&mut tx, &merge).await.expect("noted");
    tx.commit().await.expect("committed");
    desk.follow().await;
    assert_eq!(desk.places().await, [FAR]);
    desk.close().await;
}
