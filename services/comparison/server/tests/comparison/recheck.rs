//! Later looks at the households of enrolled cases (CMP-9): when they begin, what they find, and that nothing
//! follows from them.

use std::sync::Arc;

use chassis::{
    error::Error,
    testing::{caller, new_id},
    whereabouts::{self, Merge},
};
use comparison::{evidence::Ledger, recheck, whereabouts::Comparisons};
use comparison_core::recheck::Interval;
use kernel::Role;
use prost::Message;
use proto::{
    comparison::v1::{
        BatchGetComparisonsRequest, Comparison, ComparisonPurpose, DecideHitRequest, FindingKind,
        HitOutcome, ListOpenHitsRequest, OpenHit, StartComparisonRequest,
        comparison_service_server::ComparisonService,
    },
    feed::v1::Item,
    r#type::v1::{ItemKind, PageRequest},
    workflow::v1::{CaseEvent, CaseState, GetEvidenceStatusResponse},
};
use uuid::Uuid;

use crate::{
    compare::{facts, file},
    desk::{COUNTY, Desk, OTHER_VILLAGE, People, Person, VILLAGE, all_items, by, officer},
};

/// The workflow service tells that a case moved.
pub async fn moved(desk: &Desk, case: Uuid, household: Uuid, from: CaseState, to: CaseState) {
    let event = CaseEvent {
        case_id: case.to_string(),
        household_id: household.to_string(),
        division_code: VILLAGE.to_owned(),
        from: from.into(),
        to: to.into(),
        decided_on: desk.today().to_string(),
        ..CaseEvent::default()
    };
    let name = to.as_str_name().trim_start_matches("CASE_STATE_");
    let item = Item {
        kind: format!("case.{}", name.to_lowercase()),
        payload: event.encode_to_vec(),
        ..Item::default()
    };
    desk.follow(&item).await;
}

pub async fn enrolled(desk: &Desk, case: Uuid, household: Uuid) {
    moved(
        desk,
        case,
        household,
        CaseState::Compared,
        CaseState::Enrolled,
    )
    .await;
}

/// What the job does when a day begins, every six months.
async fn look(desk: &Desk) -> Result<(), Error> {
    let ledger: Arc<dyn Ledger> = Arc::new(desk.ledger.clone());
    let (county, interval) = (COUNTY.parse().expect("a county"), Interval::new(6));
    let interval = interval.expect("in bounds");
    recheck::open(&desk.database, county, &ledger, interval, desk.today()).await
}

/// All comparisons of a case.
pub async fn comparisons(desk: &Desk, case: Uuid) -> Vec<Comparison> {
    let request = BatchGetComparisonsRequest {
        case_ids: vec![case.to_string()],
    };
    let found = desk.service.batch_get_comparisons(by(&officer(), request));
    found.await.expect("answered").into_inner().comparisons
}

/// Delivers all nine items; `flaw` is a company that its person runs.
pub async fn deliver(desk: &Desk, people: &People, flaw: Option<&Person>) {
    for kind in all_items() {
        let rows: Vec<(&str, &str, &str)> = match (kind, flaw) {
            (ItemKind::BusinessRegistration, Some(person)) => {
                vec![(&person.number, person.name, "公司,是")]
            }
            _ => Vec::new(),
        };
        let (header, text) = file(desk, kind, &rows);
        let taken = desk.item(&officer(), people, header, &text).await;
        taken.expect("taken in");
    }
}

async fn open_hits(desk: &Desk, request: ListOpenHitsRequest) -> Vec<OpenHit> {
    let listed = desk.service.list_open_hits(by(&officer(), request)).await;
    listed.expect("listed").into_inner().hits
}

/// Kinds of the items that the feed tells of comparisons.
async fn told(desk: &Desk) -> Vec<String> {
    let mut owner = desk.test.owner().await;
    sqlx::query_scalar(
        "select kind from comparison.feed where kind ~ '(completed|decided)$' order by position",
    )
    .fetch_all(&mut owner)
    .await
    .expect("read")
}

#[tokio::test]
async fn cmp9_an_enrolled_household_is_looked_at_again_and_nothing_follows_by_itself() {
    let desk = Desk::open(None).await;
    let (case, household) = (new_id(), new_id());
    let head = Person::new("赵甲", 1, household);
    let people = People(vec![head.clone()]);
    desk.authorised(case, household).await;
    deliver(&desk, &people, None).await;
    let procedure = facts(&desk, case).await.expect("facts");
    assert!(procedure.complete);
    desk.pass(3);
    enrolled(&desk, case, household).await;
    look(&desk).await.expect("looked");
    desk.pass(170);
    look(&desk).await.expect("looked");
    assert_eq!(comparisons(&desk, case).await.len(), 1, "not yet");

    desk.pass(20);
    look(&desk).await.expect("looked");
    look(&desk).await.expect("looked");
    let both = comparisons(&desk, case).await;
    assert_eq!(both.len(), 2);
    assert_eq!(
        both[0].purpose(),
        ComparisonPurpose::Procedure,
        "it comes first"
    );
    assert_eq!(both[1].purpose(), ComparisonPurpose::ReCheck);
    deliver(&desk, &people, Some(&head)).await;
    let both = comparisons(&desk, case).await;
    let flaw = &both[1].hits[0];
    assert!(both[1].complete);
    assert_eq!(
        (&*flaw.rule_id, flaw.kind()),
        ("C-BUS-01", FindingKind::Review)
    );
    assert_eq!(facts(&desk, case).await.as_ref(), Some(&procedure));
    let open = open_hits(&desk, ListOpenHitsRequest::default()).await;
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].hit.as_ref(), Some(flaw));
    assert_eq!(open[0].purpose(), ComparisonPurpose::ReCheck);
    assert_eq!(open[0].case_id, case.to_string());

    let decide = DecideHitRequest {
        request_id: new_id().to_string(),
        hit_id: flaw.id.clone(),
        outcome: HitOutcome::Confirmed.into(),
        reason: "入户核实属实".to_owned(),
    };
    let decided = desk.service.decide_hit(by(&officer(), decide)).await;
    decided.expect("decided");
    assert_eq!(facts(&desk, case).await.as_ref(), Some(&procedure));
    let kinds = [
        "comparison.completed",
        "recheck.completed",
        "recheck.hit_decided",
    ];
    assert_eq!(told(&desk).await, kinds);
    assert!(
        open_hits(&desk, ListOpenHitsRequest::default())
            .await
            .is_empty()
    );

    // The next one six months after this.
    desk.pass(100);
    look(&desk).await.expect("looked");
    assert_eq!(comparisons(&desk, case).await.len(), 2);
    desk.pass(90);
    look(&desk).await.expect("looked");
    assert_eq!(comparisons(&desk, case).await.len(), 3);
    // While it is under way there is no other, however long it takes.
    desk.pass(400);
    look(&desk).await.expect("looked");
    assert_eq!(comparisons(&desk, case).await.len(), 3);
    desk.close().await;
}

#[tokio::test]
async fn cmp9_a_look_ends_with_its_case_and_gives_way_to_the_procedure() {
    let desk = Desk::open(None).await;
    let (case, household) = (new_id(), new_id());
    let head = Person::new("赵甲", 1, household);
    let people = People(vec![head.clone()]);
    desk.authorised(case, household).await;
    deliver(&desk, &people, None).await;
    enrolled(&desk, case, household).await;
    desk.pass(190);
    look(&desk).await.expect("looked");

    // Somebody opens one for the procedure: the look ends, and is no answer to anything.
    let start = StartComparisonRequest {
        request_id: new_id().to_string(),
        case_id: case.to_string(),
        household_id: household.to_string(),
    };
    let started = desk.service.start_comparison(by(&officer(), start)).await;
    let started = started.expect("opened").into_inner().comparison;
    let started = started.expect("a comparison");
    assert_eq!(started.purpose(), ComparisonPurpose::Procedure);
    assert!(!started.complete);
    let all = comparisons(&desk, case).await;
    let ended = all.last().expect("the look");
    assert!(ended.unfinished && !ended.complete && ended.completed_at.is_none());
    deliver(&desk, &people, Some(&head)).await;
    let all = comparisons(&desk, case).await;
    assert_eq!(all[0].hits[0].kind(), FindingKind::HardFlaw);
    assert!(all.last().expect("the look").hits.is_empty());

    desk.pass(190);
    look(&desk).await.expect("looked");
    assert_eq!(comparisons(&desk, case).await.len(), 4);
    let (from, to) = (CaseState::Filed, CaseState::RiskEliminated);
    moved(&desk, case, household, from, to).await;
    let (header, text) = file(&desk, ItemKind::Vehicle, &[(&head.number, "赵甲", "车,")]);
    let taken = desk.item(&officer(), &people, header, &text).await;
    assert_eq!(
        taken.expect("taken in").rows_unmatched,
        1,
        "nobody is asked about"
    );
    desk.pass(400);
    look(&desk).await.expect("looked");
    assert_eq!(comparisons(&desk, case).await.len(), 4);
    desk.close().await;
}

#[tokio::test]
async fn sec3_no_look_begins_while_the_ledger_is_not_sealed() {
    let desk = Desk::open(None).await;
    let (case, household) = (new_id(), new_id());
    enrolled(&desk, case, household).await;
    desk.pass(190);
    *desk.ledger.0.lock().expect("not poisoned") = GetEvidenceStatusResponse {
        overdue: true,
        ..GetEvidenceStatusResponse::default()
    };
    let refused = look(&desk).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    assert!(comparisons(&desk, case).await.is_empty());
    *desk.ledger.0.lock().expect("not poisoned") = GetEvidenceStatusResponse::default();
    look(&desk).await.expect("looked");
    assert_eq!(comparisons(&desk, case).await.len(), 1);
    desk.close().await;
}

#[tokio::test]
async fn open_hits_come_page_by_page_to_whom_they_concern() {
    let desk = Desk::open(None).await;
    let mut people = Vec::new();
    for serial in 1..=5 {
        let (case, household) = (new_id(), new_id());
        desk.authorised(case, household).await;
        people.push(Person::new("赵甲", serial, household));
    }
    let rows: Vec<(&str, &str, &str)> =
        people.iter().map(|p| (&*p.number, p.name, "车,")).collect();
    let (header, text) = file(&desk, ItemKind::Vehicle, &rows);
    let taken = desk.item(&officer(), &People(people), header, &text).await;
    assert_eq!(taken.expect("taken in").hits_recorded, 5);
    let page = |caller, token: &str, division: &str| {
        let request = ListOpenHitsRequest {
            division_code: division.to_owned(),
            page: Some(PageRequest {
                page_size: 2,
                page_token: token.to_owned(),
            }),
            ..ListOpenHitsRequest::default()
        };
        let desk = &desk;
        async move {
            let page = desk.service.list_open_hits(by(&caller, request)).await;
            page.map(|page| page.into_inner())
        }
    };
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let page = page(officer(), &token, "").await.expect("listed");
        assert!(page.hits.len() <= 2);
        seen.extend(
            page.hits
                .into_iter()
                .map(|open| open.hit.expect("a hit").id),
        );
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let mut sorted = seen.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!((seen.len(), &seen), (5, &sorted), "each once, oldest first");
    let stranger = || caller(Role::VillageCadre, OTHER_VILLAGE);
    assert!(
        page(stranger(), "", "")
            .await
            .expect("listed")
            .hits
            .is_empty()
    );
    let cadre = caller(Role::VillageCadre, VILLAGE);
    assert_eq!(page(cadre, "", "").await.expect("listed").hits.len(), 2);
    let other = page(officer(), "", OTHER_VILLAGE).await.expect("listed");
    assert!(other.hits.is_empty());
    // A token of one list is none of another.
    let first = page(officer(), "", "").await.expect("listed");
    let wrong = page(officer(), &first.next_page_token, VILLAGE).await;
    let wrong = Error::from_status(&wrong.expect_err("refused"));
    assert!(matches!(wrong, Error::CursorInvalid), "{wrong:?}");
    desk.close().await;
}

#[tokio::test]
async fn org1_everything_of_a_look_follows_its_village() {
    let desk = Desk::open(None).await;
    let (case, household) = (new_id(), new_id());
    let people = People(vec![Person::new("赵甲", 1, household)]);
    enrolled(&desk, case, household).await;
    desk.pass(190);
    look(&desk).await.expect("looked");
    deliver(&desk, &people, None).await;
    let county = COUNTY.parse().expect("a county");
    let mut tx = desk.database.begin_internal(county).await.expect("begun");
    let merge = Merge {
        from: VILLAGE.parse().expect("a village"),
        into: OTHER_VILLAGE.parse().expect("a village"),
        merged_on: desk.today(),
        merged_by: "officer".to_owned(),
    };
    whereabouts::note(&mut tx, &merge).await.expect("noted");
    tx.commit().await.expect("committed");
    let followed = whereabouts::follow(&desk.database, county, &Comparisons).await;
    followed.expect("moved");
    let mut owner = desk.test.owner().await;
    for table in ["cases", "comparisons", "received_items", "item_sources"] {
        let left = format!(
            "select count(*), count(*) filter (where division_code = '{OTHER_VILLAGE}')
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
