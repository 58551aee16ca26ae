//! Comparisons and alerts go with the household to another village (REG-12).

use chassis::{
    auth::Caller,
    feed::{self, Filter},
    testing::{caller, new_id},
    whereabouts,
};
use comparison::whereabouts::Comparisons;
use kernel::Role;
use prost::Message;
use proto::{
    comparison::v1::{
        Alert, BatchGetAlertsRequest, ListAlertsRequest,
        comparison_service_server::ComparisonService,
    },
    feed::v1::Item,
    r#type::v1::LeadChannel,
    workflow::v1::{CaseEvent, CaseState, Lead, LeadEvent, LeadSource},
};
use uuid::Uuid;

use crate::{
    alerts::{medical, stays},
    desk::{COUNTY, Desk, People, Person, VILLAGE, by, liaison},
    recheck::deliver,
};

const FAR: &str = "999999002001";

impl Desk {
    async fn gather(&self) {
        let county = COUNTY.parse().expect("a county");
        let followed = whereabouts::follow(&self.database, county, &Comparisons).await;
        followed.expect("moved");
    }

    async fn alerts_of(&self, who: &Caller) -> Vec<Alert> {
        let listed = self
            .service
            .list_alerts(by(who, ListAlertsRequest::default()));
        listed.await.expect("listed").into_inner().alerts
    }

    async fn alert(&self, who: &Caller, id: &str) -> Option<Alert> {
        let request = BatchGetAlertsRequest {
            ids: vec![id.to_owned()],
        };
        let found = self.service.batch_get_alerts(by(who, request)).await;
        found.expect("answered").into_inner().alerts.pop()
    }
}

async fn case_moved(desk: &Desk, case: Uuid, household: Uuid, from: &str, into: &str) {
    let event = CaseEvent {
        case_id: case.to_string(),
        household_id: household.to_string(),
        division_code: into.to_owned(),
        from: CaseState::Verified.into(),
        to: CaseState::Verified.into(),
        decided_on: desk.today().to_string(),
        moved_from_code: from.to_owned(),
        ..CaseEvent::default()
    };
    let item = Item {
        kind: "case.household_moved".to_owned(),
        payload: event.encode_to_vec(),
        ..Item::default()
    };
    desk.follow(&item).await;
}

#[tokio::test]
async fn reg12_a_comparison_goes_with_its_case() {
    let desk = Desk::open(None).await;
    let (case, household) = (new_id(), new_id());
    let head = Person::new("赵甲", 1, household);
    let people = People(vec![head.clone()]);
    desk.authorised(case, household).await;
    deliver(&desk, &people, Some(&head)).await;
    let (near, far) = (
        caller(Role::VillageCadre, VILLAGE),
        caller(Role::VillageCadre, FAR),
    );
    let before = desk.comparison(&near, case).await.expect("there");
    for _ in 0..2 {
        case_moved(&desk, case, household, VILLAGE, FAR).await;
        desk.gather().await;
        let after = desk.comparison(&far, case).await.expect("there");
        assert_eq!((&after.id, &after.hits), (&before.id, &before.hits));
        assert_eq!(desk.comparison(&near, case).await, None);
    }
    let mut tx = desk.database.read(&far).await.expect("begun");
    let told = feed::page(&mut tx, 0, &Filter::default(), 100).await;
    let told = told.expect("a page").items;
    drop(tx);
    // Also of what happened before, to who answers for it now.
    let kinds: Vec<&str> = told.iter().map(|item| item.kind.as_str()).collect();
    assert!(kinds.contains(&"comparison.completed"), "{kinds:?}");
    assert!(kinds.contains(&"comparison.moved"), "{kinds:?}");
    let mut owner = desk.test.owner().await;
    for table in [
        "cases",
        "comparisons",
        "received_items",
        "item_sources",
        "hits",
    ] {
        let left = format!(
            "select count(*), count(*) filter (where division_code = '{FAR}')
             from comparison.{table}"
        );
        let (all, moved): (i64, i64) = sqlx::query_as(sqlx::AssertSqlSafe(left))
            .fetch_one(&mut owner)
            .await
            .expect("counted");
        assert!(all > 0 && all == moved, "{table}: {moved} of {all}");
    }
    desk.close().await;
}

#[tokio::test]
async fn reg12_an_alert_goes_with_the_lead_that_came_of_it() {
    let desk = Desk::open(None).await;
    let household = new_id();
    let head = Person::new("赵甲", 1, household);
    let people = People(vec![head.clone()]);
    let file = stays(&[(&head.number, "90000")]);
    let liaison = liaison("medical_insurance");
    desk.alerts(&liaison, &people, medical(&desk), &file)
        .await
        .expect("taken in");
    let (near, far) = (
        caller(Role::VillageCadre, VILLAGE),
        caller(Role::VillageCadre, FAR),
    );
    let raised = desk.alerts_of(&near).await;
    let alert = raised.first().expect("an alert").clone();
    assert!(desk.alerts_of(&far).await.is_empty());
    for alert in &raised {
        let event = LeadEvent {
            name: "HOUSEHOLD_MOVED".to_owned(),
            lead: Some(Lead {
                household_id: household.to_string(),
                division_code: FAR.to_owned(),
                sources: vec![LeadSource {
                    channel: LeadChannel::DepartmentAlert.into(),
                    reference: alert.id.clone(),
                    department: alert.department.clone(),
                    ..LeadSource::default()
                }],
                ..Lead::default()
            }),
            moved_from_code: VILLAGE.to_owned(),
            ..LeadEvent::default()
        };
        let item = Item {
            kind: "lead.household_moved".to_owned(),
            payload: event.encode_to_vec(),
            ..Item::default()
        };
        desk.follow(&item).await;
    }
    // Both villages had asked before, and are told at once.
    assert!(desk.alerts_of(&near).await.is_empty());
    assert_eq!(desk.alert(&near, &alert.id).await, None);
    let there = desk.alerts_of(&far).await;
    assert_eq!(there.len(), raised.len());
    assert!(there.iter().all(|alert| alert.division_code == FAR));
    let found = desk.alert(&far, &alert.id).await.expect("there");
    assert_eq!(found.division_code, FAR);
    assert_eq!(desk.alerts_of(&liaison).await.len(), raised.len());
    let mut tx = desk.database.read(&liaison).await.expect("begun");
    let told = feed::page(&mut tx, 0, &Filter::default(), 100).await;
    let told = told.expect("a page").items;
    let moved = told.iter().filter(|item| item.kind == "alert.moved");
    assert_eq!(moved.count(), raised.len());
    drop(tx);
    desk.close().await;
}
