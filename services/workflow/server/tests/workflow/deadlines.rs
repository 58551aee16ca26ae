//! Limits on PostgreSQL: told once, to whom, by however many replicas (WF-6, WF-7).

use proto::workflow::v1::{workflow_service_server::WorkflowService, *};

use crate::desk::{COUNTY, Desk, by, cadre, division, officer};

impl Desk {
    async fn tell_alarms(&self) {
        let told = workflow::deadlines::tell(&self.database, division(COUNTY), self.today());
        told.await.expect("told");
    }

    async fn listed(&self, request: ListCasesRequest) -> usize {
        let listed = self.service.list_cases(by(officer(), request)).await;
        listed.expect("listed").into_inner().cases.len()
    }

    async fn alarms(&self, case: &str) -> Vec<(i32, Vec<String>)> {
        let events = self.events(case).await.into_iter();
        let alarms = events.filter(|event| event.name == "ALARM_RAISED");
        alarms
            .map(|event| (event.alarm, event.told_roles))
            .collect()
    }
}

#[tokio::test]
async fn wf7_a_late_case_turns_orange_then_red_and_is_told_once() {
    let desk = Desk::open().await;
    let case = desk.declared().await;
    desk.to_notice(&case.id).await;
    desk.days_pass(7);
    desk.act(cadre(), &case.id, desk.close_notice()).await;
    let by_day = async |days: i64| {
        desk.days_pass(days);
        desk.tell_alarms().await;
        desk.tell_alarms().await;
        desk.alarms(&case.id).await.len()
    };
    assert_eq!(by_day(0).await, 0);
    assert_eq!(by_day(1).await, 1, "warned a day before");
    assert_eq!(by_day(1).await, 1, "due today");
    assert_eq!(by_day(1).await, 2, "orange");
    assert_eq!(by_day(5).await, 3, "red");
    assert_eq!(by_day(30).await, 3);
    let alarms = desk.alarms(&case.id).await;
    assert_eq!(
        alarms[1],
        (Alarm::Orange.into(), vec!["TOWNSHIP_OFFICE".to_owned()])
    );
    let red = ListCasesRequest {
        alarm: Alarm::Red.into(),
        ..ListCasesRequest::default()
    };
    assert_eq!(desk.listed(red).await, 1);
    assert_eq!(desk.difference().await, None);
    desk.close().await;
}

#[tokio::test]
async fn wf7_two_replicas_tell_each_case_once() {
    let desk = Desk::open().await;
    let mut cases = Vec::new();
    for _ in 0..60 {
        cases.push(desk.declared().await);
    }
    desk.days_pass(20);
    let county = division(COUNTY);
    let today = desk.today();
    let tell = || workflow::deadlines::tell(&desk.database, county, today);
    let (one, other, third) = tokio::join!(tell(), tell(), tell());
    one.and(other).and(third).expect("told");
    desk.tell_alarms().await;
    for case in &cases {
        assert_eq!(desk.alarms(&case.id).await.len(), 1);
    }
    desk.close().await;
}

#[tokio::test]
async fn wf6_cases_that_are_going_to_be_late_are_found_before_they_are() {
    let desk = Desk::open().await;
    let case = desk.declared().await;
    let until = |days: i64| ListCasesRequest {
        last_chance_until: (desk.today() + chrono::Duration::days(days)).to_string(),
        ..ListCasesRequest::default()
    };
    // Five working days for the visit are at least seven days, and with a long holiday fifteen.
    assert_eq!(desk.listed(until(4)).await, 0);
    assert_eq!(desk.listed(until(15)).await, 1);
    assert!(!case.last_chance_on.is_empty() && case.last_chance_on == case.due_on);
    desk.close().await;
}
