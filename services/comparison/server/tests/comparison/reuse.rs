//! Checks of civil affairs that stand for departments' files (CMP-7).

use chassis::{
    error::Error,
    testing::{caller, new_id},
};
use kernel::Role;
use prost::Message;
use proto::{
    comparison::v1::{CaseFacts, Comparison, ItemResult, ReuseCheckRequest},
    feed::v1::Item,
    households::v1::GapReason,
    r#type::v1::ItemKind,
    workflow::v1::{CaseEvent, GetEvidenceStatusResponse},
};
use uuid::Uuid;

use crate::{
    compare::{facts, file},
    desk::{Desk, OTHER_VILLAGE, People, Person, VILLAGE, all_items, officer},
};

const HASH: &str = "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f";

fn check(desk: &Desk, case: Uuid, items: &[ItemKind]) -> ReuseCheckRequest {
    ReuseCheckRequest {
        request_id: new_id().to_string(),
        case_id: case.to_string(),
        items: items.iter().map(|item| (*item).into()).collect(),
        checked_on: desk.today().to_string(),
        reference: "民救核〔2026〕17号".to_owned(),
        evidence_sha256: HASH.to_owned(),
        nothing_found: true,
    }
}

async fn reused(
    desk: &Desk,
    people: &People,
    request: ReuseCheckRequest,
) -> Result<Comparison, Error> {
    let officer = officer();
    let answer = desk.service.reuse_check_from(&officer, request, people);
    let answer = answer.await?;
    Ok(answer.comparison.expect("a comparison"))
}

async fn refused(desk: &Desk, people: &People, request: ReuseCheckRequest) -> Vec<String> {
    match reused(desk, people, request).await {
        Err(Error::Refused(refusal)) => {
            let unmet = refusal.unmet.iter();
            unmet.map(|u| format!("{} {}", u.rule, u.code)).collect()
        }
        other => panic!("must be refused: {other:?}"),
    }
}

fn item(comparison: &Comparison, kind: ItemKind) -> &ItemResult {
    let mut items = comparison.items.iter();
    items.find(|item| item.item() == kind).expect("an item")
}

/// What the feed tells of cases whose comparison is complete.
async fn completed(desk: &Desk) -> Vec<CaseFacts> {
    let mut owner = desk.test.owner().await;
    let payloads: Vec<Vec<u8>> = sqlx::query_scalar(
        "select payload from comparison.feed where kind = 'comparison.completed' order by position",
    )
    .fetch_all(&mut owner)
    .await
    .expect("read");
    let facts = payloads
        .iter()
        .map(|payload| CaseFacts::decode(&payload[..]).expect("facts"));
    facts.collect()
}

#[tokio::test]
async fn cmp7_a_fresh_check_stands_for_files_and_may_complete_the_comparison() {
    let desk = Desk::open(None).await;
    let (case, household) = (new_id(), new_id());
    let head = Person::new("赵甲", 1, household);
    let people = People(vec![head.clone(), Person::new("钱乙", 2, household)]);
    desk.authorised(case, household).await;
    let (vehicles, text) = file(&desk, ItemKind::Vehicle, &[(&head.number, "赵甲", "车,")]);
    desk.item(&officer(), &people, vehicles, &text)
        .await
        .expect("taken in");

    desk.pass(10);
    let made = desk.today() - chrono::Days::new(4);
    let others: Vec<ItemKind> = all_items().filter(|i| *i != ItemKind::Vehicle).collect();
    let half = ReuseCheckRequest {
        checked_on: made.to_string(),
        ..check(&desk, case, &others[..4])
    };
    let comparison = reused(&desk, &people, half.clone()).await.expect("taken");
    assert!(!comparison.complete);
    let again = reused(&desk, &people, half).await.expect("the same answer");
    assert_eq!(again, comparison);
    let result = item(&comparison, others[0]);
    assert_eq!((result.received, result.persons_compared), (true, 2));
    assert_eq!(
        (&*result.batch_id, &*result.data_date),
        ("", &*made.to_string())
    );
    let source = result.reused_check.as_ref().expect("a check");
    assert_eq!(source.reference, "民救核〔2026〕17号");
    assert_eq!(source.recorded_by, officer().principal.subject);
    let by_file = item(&comparison, ItemKind::Vehicle);
    assert!(by_file.reused_check.is_none() && !by_file.batch_id.is_empty());
    assert!(completed(&desk).await.is_empty());

    let rest = check(&desk, case, &others[4..]);
    let comparison = reused(&desk, &people, rest).await.expect("taken");
    assert!(comparison.complete);
    let told = completed(&desk).await;
    assert_eq!(told.len(), 1, "as a file does");
    assert_eq!((told[0].complete, told[0].reviews_open), (true, 1));
    let oldest = desk.today() - chrono::Days::new(10);
    assert_eq!(told[0].oldest_data_date, oldest.to_string());
    assert_eq!(facts(&desk, case).await.as_ref(), told.first());
    let late = refused(&desk, &people, check(&desk, case, &others[..1])).await;
    assert_eq!(late, ["CMP-7 ITEMS_NOT_RECEIVED"]);
    desk.close().await;
}

#[tokio::test]
async fn cmp4_a_check_counts_for_those_who_allow_it_now_and_a_file_for_the_rest() {
    let desk = Desk::open(None).await;
    let (case, household) = (new_id(), new_id());
    let head = Person::new("赵甲", 1, household);
    let wife = Person {
        items: Vec::new(),
        gap: GapReason::Withdrawn,
        ..Person::new("钱乙", 2, household)
    };
    let people = People(vec![head.clone(), wife.clone()]);
    desk.authorised(case, household).await;
    let vehicles = [ItemKind::Vehicle];
    let comparison = reused(&desk, &people, check(&desk, case, &vehicles)).await;
    let comparison = comparison.expect("taken");
    let result = item(&comparison, ItemKind::Vehicle);
    assert_eq!((result.received, result.persons_compared), (false, 1));
    assert_eq!(result.persons_withdrawn, 1);
    // A second check has nobody to cover.
    let nobody = refused(&desk, &people, check(&desk, case, &vehicles)).await;
    assert_eq!(nobody, ["CMP-4 ITEMS_ALLOWED"]);

    // She allows it again: the department's file is compared with her alone.
    let all = People(vec![
        head.clone(),
        Person {
            items: all_items().collect(),
            ..wife.clone()
        },
    ]);
    let rows = [
        (&*head.number, "赵甲", "车,"),
        (&*wife.number, "钱乙", "车,"),
    ];
    let (header, text) = file(&desk, ItemKind::Vehicle, &rows);
    let report = desk.item(&officer(), &all, header, &text).await;
    let report = report.expect("taken in");
    assert_eq!(report.hits_recorded, 1);
    let comparison = desk.comparison(&officer(), case).await.expect("one");
    let result = item(&comparison, ItemKind::Vehicle);
    assert_eq!((result.received, result.persons_compared), (true, 2));
    assert_eq!(result.batch_id, report.batch_id);
    assert!(result.reused_check.is_some(), "both are told");
    assert_eq!(comparison.hits[0].person_id, wife.id.to_string());
    desk.close().await;
}

#[tokio::test]
async fn cmp7_what_is_old_unclean_or_in_the_future_does_not_count() {
    let desk = Desk::open(None).await;
    let (case, household) = (new_id(), new_id());
    let people = People(vec![Person::new("赵甲", 1, household)]);
    desk.authorised(case, household).await;
    let vehicles = [ItemKind::Vehicle];
    let made = |days: u64| ReuseCheckRequest {
        checked_on: (desk.today() - chrono::Days::new(days)).to_string(),
        ..check(&desk, case, &vehicles)
    };
    assert_eq!(
        refused(&desk, &people, made(91)).await,
        ["CMP-7 CHECK_AGE_DAYS"]
    );
    let unclean = ReuseCheckRequest {
        nothing_found: false,
        ..made(0)
    };
    assert_eq!(
        refused(&desk, &people, unclean).await,
        ["CMP-7 CHECK_CLEAN"]
    );

    // The procedure of another case wants data of thirty days.
    let strict = new_id();
    let event = CaseEvent {
        case_id: strict.to_string(),
        household_id: household.to_string(),
        division_code: VILLAGE.to_owned(),
        comparison_age_days_max: 30,
        ..CaseEvent::default()
    };
    desk.follow(&Item {
        kind: "case.authorised".to_owned(),
        payload: event.encode_to_vec(),
        ..Item::default()
    })
    .await;
    let of_strict = |days| ReuseCheckRequest {
        case_id: strict.to_string(),
        ..made(days)
    };
    assert_eq!(
        refused(&desk, &people, of_strict(31)).await,
        ["CMP-7 CHECK_AGE_DAYS"]
    );
    reused(&desk, &people, of_strict(30)).await.expect("taken");

    let tomorrow = (desk.today() + chrono::Days::new(1)).to_string();
    let with = |change: &dyn Fn(&mut ReuseCheckRequest)| {
        let mut request = made(0);
        change(&mut request);
        request
    };
    for (bad, field, code) in [
        (
            with(&|r| r.checked_on.clone_from(&tomorrow)),
            "checked_on",
            "DATE_IN_FUTURE",
        ),
        (with(&|r| r.items.clear()), "items", "REQUIRED"),
        (with(&|r| r.items.push(99)), "items[1]", "UNKNOWN_CODE"),
        (with(&|r| r.reference.clear()), "reference", "REQUIRED"),
        (
            with(&|r| r.evidence_sha256 = "x".to_owned()),
            "evidence_sha256",
            "SHA256",
        ),
    ] {
        match reused(&desk, &people, bad).await {
            Err(Error::Invalid(violations)) => {
                let found: Vec<_> = violations.iter().map(|v| (&*v.field, &*v.code)).collect();
                assert_eq!(found, [(field, code)]);
            }
            other => panic!("must be invalid: {other:?}"),
        }
    }
    let unknown = ReuseCheckRequest {
        case_id: new_id().to_string(),
        ..made(0)
    };
    let stranger = caller(Role::CountyOfficer, OTHER_VILLAGE);
    for answer in [
        reused(&desk, &people, unknown).await.map(drop),
        desk.service
            .reuse_check_from(&stranger, made(0), &people)
            .await
            .map(drop),
    ] {
        assert!(matches!(answer, Err(Error::NotFound { .. })), "{answer:?}");
    }
    let nobody = refused(&desk, &People::default(), made(0)).await;
    assert_eq!(nobody, ["CMP-4 ITEMS_ALLOWED"]);
    *desk.ledger.0.lock().expect("not poisoned") = GetEvidenceStatusResponse {
        overdue: true,
        ..GetEvidenceStatusResponse::default()
    };
    assert_eq!(
        refused(&desk, &people, made(0)).await,
        ["SEC-3 EVIDENCE_OVERDUE"]
    );
    desk.close().await;
}
