//! The monthly list: who is due, done, missed (S47).

use chassis::{error::Error, testing::caller};
use chrono::Duration;
use kernel::Role;
use proto::{
    measures::v1::{
        ListMonitoringDueRequest, MonitoringDue, measures_service_server::MeasuresService,
    },
    r#type::v1::PageRequest,
    workflow::v1::CaseState,
};

use crate::desk::{COUNTY, Desk, VILLAGE, assign, by, cadre, error, monitor};

fn list(division: &str, month: kernel::Month, token: &str) -> ListMonitoringDueRequest {
    ListMonitoringDueRequest {
        division_code: division.to_owned(),
        month: month.to_string(),
        page: Some(PageRequest {
            page_size: 2,
            page_token: token.to_owned(),
        }),
    }
}

async fn one_due(desk: &Desk, month: kernel::Month) -> MonitoringDue {
    let request = list(VILLAGE, month, "");
    let answer = desk
        .service
        .list_monitoring_due(by(&cadre(), request))
        .await;
    let mut due = answer.expect("a list").into_inner().due;
    assert_eq!(due.len(), 1);
    due.remove(0)
}

#[tokio::test]
async fn a_missed_month_stays_missed_however_it_is_recorded_later() {
    let desk = Desk::open().await;
    let case = desk.enrolled(VILLAGE).await;
    let named = assign(&case, "grid-7", desk.today(), "");
    desk.service
        .assign_responsible(by(&cadre(), named))
        .await
        .expect("named");

    desk.next_month(8);
    let month = desk.month();
    let due = one_due(&desk, month).await;
    assert!(!due.done && !due.missed, "the month still runs");
    assert_eq!(due.responsible_account, "grid-7");

    desk.next_month(2);
    let due = one_due(&desk, month).await;
    assert!(!due.done && due.missed);
    let late = monitor(&case, month.first_day() + Duration::days(9));
    let plan = desk.service.record_monitoring(by(&cadre(), late)).await;
    let plan = plan
        .expect("recorded late")
        .into_inner()
        .plan
        .expect("a plan");
    assert_eq!(plan.missed_months, [month.to_string()]);
    assert_eq!(plan.monitoring.len(), 1, "kept, with its instant");
    assert!(plan.warnings.contains(&"MONITORING_MISSED".to_owned()));
    let due = one_due(&desk, month).await;
    assert!(due.done && due.missed);

    let in_time = monitor(&case, desk.today());
    desk.service
        .record_monitoring(by(&cadre(), in_time))
        .await
        .expect("recorded");
    let due = one_due(&desk, desk.month()).await;
    assert!(due.done && !due.missed);
    desk.close().await;
}

#[tokio::test]
async fn the_list_is_paged_and_holds_what_is_under_monitoring() {
    let desk = Desk::open().await;
    let mut enrolled = Vec::new();
    for village in ["999999001002", VILLAGE, VILLAGE, "999999002001", VILLAGE] {
        enrolled.push((village.to_owned(), desk.enrolled(village).await));
    }
    desk.declared(VILLAGE).await;
    let (village, ended) = enrolled.pop().expect("one of them");
    let ended = desk.event(
        ended.parse().expect("an id"),
        &village,
        CaseState::ClosedNatural,
    );
    desk.tell(&ended).await;
    enrolled.sort();

    let officer = caller(Role::CountyOfficer, COUNTY);
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let request = list("", desk.month(), &token);
        let page = desk
            .service
            .list_monitoring_due(by(&officer, request))
            .await;
        let page = page.expect("a page").into_inner();
        assert!(page.due.len() <= 2);
        seen.extend(
            page.due
                .into_iter()
                .map(|due| (due.division_code, due.case_id)),
        );
        if page.next_page_token.is_empty() {
            break;
        }
        token = page.next_page_token;
    }
    assert_eq!(seen, enrolled);

    let page = desk
        .service
        .list_monitoring_due(by(&officer, list("", desk.month(), "")))
        .await;
    let token = page.expect("a page").into_inner().next_page_token;
    let other_list = list(VILLAGE, desk.month(), &token);
    let answer = error(
        desk.service
            .list_monitoring_due(by(&officer, other_list))
            .await,
    );
    assert!(matches!(answer, Error::CursorInvalid), "{answer:?}");
    desk.close().await;
}
