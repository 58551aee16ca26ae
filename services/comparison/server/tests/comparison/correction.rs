//! A delivered file was wrong (CMP-11): what is forgotten, what is looked at again, and by whom.

use chassis::{
    auth::Caller,
    error::Error,
    testing::{caller, new_id},
};
use kernel::Role;
use prost::Message;
use proto::{
    comparison::v1::{
        BatchCorrected, BatchHeader, CloseReconsiderationRequest, CloseReconsiderationResponse,
        Comparison, ComparisonPurpose, CorrectBatchRequest, CorrectBatchResponse, DecideHitRequest,
        GetBatchRequest, HitOutcome, ItemResult, ListReconsiderationsRequest, Reconsideration,
        ReconsiderationOutcome, comparison_service_server::ComparisonService,
    },
    r#type::v1::{ItemKind, PageRequest},
};
use tonic::Status;
use uuid::Uuid;

use crate::{
    compare::{facts, file},
    desk::{Desk, OTHER_VILLAGE, People, Person, VILLAGE, by, error, header, liaison, officer},
    recheck::{comparisons, deliver, enrolled},
};

async fn correct(
    desk: &Desk,
    caller: &Caller,
    batch: &str,
) -> Result<CorrectBatchResponse, Status> {
    let request = CorrectBatchRequest {
        request_id: new_id().to_string(),
        batch_id: batch.to_owned(),
        reason: "导出时串行,需重报".to_owned(),
    };
    let answer = desk.service.correct_batch(by(caller, request)).await;
    answer.map(|answer| answer.into_inner())
}

async fn listed(desk: &Desk, caller: &Caller, with_closed: bool) -> Vec<Reconsideration> {
    let request = ListReconsiderationsRequest {
        with_closed,
        ..ListReconsiderationsRequest::default()
    };
    let listed = desk
        .service
        .list_reconsiderations(by(caller, request))
        .await;
    listed.expect("listed").into_inner().reconsiderations
}

async fn close(
    desk: &Desk,
    id: &str,
    outcome: ReconsiderationOutcome,
) -> Result<CloseReconsiderationResponse, Error> {
    let request = CloseReconsiderationRequest {
        request_id: new_id().to_string(),
        reconsideration_id: id.to_owned(),
        outcome: outcome.into(),
        reason: "已调取原始档案核对".to_owned(),
    };
    let answer = desk.service.close_reconsideration(by(&officer(), request));
    let answer = answer.await.map(|answer| answer.into_inner());
    answer.map_err(|status| Error::from_status(&status))
}

async fn decide(desk: &Desk, hit: &str, outcome: HitOutcome) {
    let request = DecideHitRequest {
        request_id: new_id().to_string(),
        hit_id: hit.to_owned(),
        outcome: outcome.into(),
        reason: "经核查属实".to_owned(),
    };
    let decided = desk.service.decide_hit(by(&officer(), request)).await;
    decided.expect("decided");
}

async fn vehicles(desk: &Desk, people: &People, rows: &[(&Person, &str)]) -> String {
    let rows: Vec<(&str, &str, &str)> = rows
        .iter()
        .map(|(person, values)| (&*person.number, person.name, *values))
        .collect();
    let (header, text) = file(desk, ItemKind::Vehicle, &rows);
    let taken = desk.item(&officer(), people, header, &text).await;
    taken.expect("taken in").batch_id
}

fn item(comparison: &Comparison) -> &ItemResult {
    let mut items = comparison.items.iter();
    items
        .find(|item| item.item() == ItemKind::Vehicle)
        .expect("an item")
}

#[tokio::test]
async fn cmp11_a_comparison_under_way_forgets_a_wrong_file_and_is_compared_anew() {
    let desk = Desk::open(None).await;
    let (case, household) = (new_id(), new_id());
    let head = Person::new("赵甲", 1, household);
    let wife = Person::new("钱乙", 2, household);
    let people = People(vec![head.clone(), wife.clone()]);
    desk.authorised(case, household).await;
    let wrong = vehicles(&desk, &people, &[(&head, "车,"), (&wife, "车,")]).await;
    let before = desk.comparison(&officer(), case).await.expect("one");
    assert_eq!((before.hits.len(), item(&before).received), (2, true));
    let of_head = before
        .hits
        .iter()
        .find(|hit| hit.person_id == head.id.to_string());
    let of_head = of_head.expect("a hit").id.clone();
    decide(&desk, &of_head, HitOutcome::Confirmed).await;

    let police = liaison("traffic_police");
    let corrected = correct(&desk, &police, &wrong).await.expect("corrected");
    assert_eq!(
        (
            corrected.items_forgotten,
            corrected.hits_dropped,
            corrected.reconsiderations
        ),
        (1, 1, 1)
    );
    let mut owner = desk.test.owner().await;
    let told: Vec<u8> =
        sqlx::query_scalar("select payload from comparison.feed where kind = 'batch.corrected'")
            .fetch_one(&mut owner)
            .await
            .expect("told");
    let told = BatchCorrected::decode(&told[..]).expect("a payload");
    assert_eq!((&told.batch_id, told.hits_dropped), (&wrong, 1));
    let correction = corrected.report.expect("a report").correction;
    let correction = correction.expect("a correction");
    assert_eq!(correction.corrected_by, police.principal.subject);
    let request = GetBatchRequest {
        batch_id: wrong.clone(),
    };
    let report = desk.service.get_batch(by(&officer(), request)).await;
    let report = report.expect("a report").into_inner().report;
    assert_eq!(report.expect("one").correction, Some(correction.clone()));

    let forgetful = desk.comparison(&officer(), case).await.expect("one");
    assert_eq!(forgetful.hits.len(), 1, "what is decided stays");
    assert_eq!(
        (item(&forgetful).received, &*item(&forgetful).batch_id),
        (false, "")
    );
    let queue = listed(&desk, &officer(), false).await;
    assert_eq!(queue.len(), 1);
    let entry = &queue[0];
    assert_eq!(
        (&entry.batch_id, &entry.case_id),
        (&wrong, &case.to_string())
    );
    assert_eq!(entry.correction, Some(correction));
    let hit = entry.hit.as_ref().expect("the decided hit");
    assert_eq!((&hit.id, &hit.batch_id, hit.row), (&of_head, &wrong, 2));
    assert!(!hit.data_date.is_empty() && hit.rule_version == 1);

    let right = vehicles(&desk, &people, &[(&wife, "车,")]).await;
    let anew = desk.comparison(&officer(), case).await.expect("one");
    assert_eq!(
        (item(&anew).received, &item(&anew).batch_id),
        (true, &right)
    );
    assert_eq!(item(&anew).persons_compared, 2);
    let found = facts(&desk, case).await.expect("facts");
    assert_eq!(found.reviews_open, 1);
    assert_eq!(anew.hits.len(), 2, "the old decision and the new hit");

    let closed = close(&desk, &entry.id, ReconsiderationOutcome::CompareAgain).await;
    let closed = closed.expect("closed");
    let current = closed.comparison.expect("the one under way");
    assert_eq!(current.id, anew.id);
    let old = current.hits.iter().find(|hit| hit.id == of_head);
    assert!(old.expect("on the record").superseded);
    let closed = closed.reconsideration.expect("an entry");
    assert_eq!(closed.closed_by, officer().principal.subject);
    assert_eq!(closed.closed_on, desk.today().to_string());
    assert!(listed(&desk, &officer(), false).await.is_empty());
    assert_eq!(listed(&desk, &officer(), true).await, [closed]);
    desk.close().await;
}

#[tokio::test]
async fn cmp11_only_whom_the_wrong_file_covered_waits_for_the_corrected_one() {
    let desk = Desk::open(None).await;
    let (case, household) = (new_id(), new_id());
    let head = Person::new("赵甲", 1, household);
    let wife = Person::new("钱乙", 2, household);
    let later = Person {
        items: Vec::new(),
        ..wife.clone()
    };
    desk.authorised(case, household).await;
    let first = People(vec![head.clone(), later]);
    let wrong = vehicles(&desk, &first, &[(&head, "车,")]).await;
    let all = People(vec![head.clone(), wife.clone()]);
    let second = vehicles(&desk, &all, &[(&wife, "车,")]).await;
    let whole = desk.comparison(&officer(), case).await.expect("one");
    assert_eq!((item(&whole).received, whole.hits.len()), (true, 2));

    let corrected = correct(&desk, &officer(), &wrong).await.expect("corrected");
    assert_eq!((corrected.items_forgotten, corrected.hits_dropped), (1, 1));
    let half = desk.comparison(&officer(), case).await.expect("one");
    let result = item(&half);
    assert_eq!((result.received, result.persons_compared), (false, 1));
    assert_eq!((result.persons_corrected, &result.batch_id), (1, &second));
    assert_eq!(half.hits[0].person_id, wife.id.to_string());

    vehicles(&desk, &all, &[(&head, "货车,"), (&wife, "货车,")]).await;
    let whole = desk.comparison(&officer(), case).await.expect("one");
    assert_eq!(
        (item(&whole).received, item(&whole).persons_corrected),
        (true, 0)
    );
    assert_eq!(whole.hits.len(), 2, "hers is not compared a second time");
    desk.close().await;
}

#[tokio::test]
async fn cmp11_what_is_complete_is_looked_at_again_by_a_named_person() {
    let desk = Desk::open(None).await;
    let (case, household) = (new_id(), new_id());
    let head = Person::new("赵甲", 1, household);
    let people = People(vec![head.clone()]);
    desk.authorised(case, household).await;
    deliver(&desk, &people, Some(&head)).await;
    let complete = desk.comparison(&officer(), case).await.expect("one");
    let flaw = &complete.hits[0];
    decide(&desk, &flaw.id, HitOutcome::Cleared).await;
    let known = facts(&desk, case).await;
    let corrected = correct(&desk, &officer(), &flaw.batch_id).await;
    let corrected = corrected.expect("corrected");
    assert_eq!(
        (corrected.items_forgotten, corrected.reconsiderations),
        (0, 2)
    );
    assert_eq!(facts(&desk, case).await, known, "nothing changes by itself");

    let queue = listed(&desk, &officer(), false).await;
    let of_hit = queue.iter().find(|entry| entry.hit.is_some());
    let as_whole = queue.iter().find(|entry| entry.hit.is_none());
    let (of_hit, as_whole) = (of_hit.expect("one"), as_whole.expect("one"));
    assert_eq!(as_whole.comparison_id, complete.id);
    let stands = close(&desk, &of_hit.id, ReconsiderationOutcome::Stands).await;
    assert_eq!(stands.expect("closed").comparison, None);
    match close(&desk, &of_hit.id, ReconsiderationOutcome::CompareAgain).await {
        Err(Error::Refused(refusal)) => {
            let unmet = &refusal.unmet[0];
            assert_eq!((unmet.rule, unmet.code), ("CMP-11", "RECONSIDERATION_OPEN"));
        }
        other => panic!("must be refused: {other:?}"),
    }
    // The case is not enrolled: the procedure compares again.
    let again = close(&desk, &as_whole.id, ReconsiderationOutcome::CompareAgain).await;
    let again = again.expect("closed").comparison.expect("opened");
    assert_eq!(again.purpose(), ComparisonPurpose::Procedure);
    assert!(again.id != complete.id && !again.complete);
    assert!(!facts(&desk, case).await.expect("facts").complete);

    // Of an enrolled one it is a later look.
    deliver(&desk, &people, None).await;
    enrolled(&desk, case, household).await;
    let current = desk.comparison(&officer(), case).await.expect("one");
    let corrected = correct(&desk, &officer(), &current.items[0].batch_id).await;
    assert_eq!(corrected.expect("corrected").reconsiderations, 1);
    let queue = listed(&desk, &officer(), false).await;
    let again = close(&desk, &queue[0].id, ReconsiderationOutcome::CompareAgain).await;
    let again = again.expect("closed").comparison.expect("opened");
    assert_eq!(again.purpose(), ComparisonPurpose::ReCheck);
    let known = facts(&desk, case).await.expect("facts");
    assert!(known.complete, "the procedure's stands");
    assert_eq!(comparisons(&desk, case).await.len(), 3);
    desk.close().await;
}

#[tokio::test]
async fn cmp11_a_file_is_corrected_once_by_whoever_delivered_it_or_the_county() {
    let desk = Desk::open(None).await;
    let mut people = Vec::new();
    let mut cases: Vec<Uuid> = Vec::new();
    for serial in 1..=3 {
        let (case, household) = (new_id(), new_id());
        desk.authorised(case, household).await;
        cases.push(case);
        people.push(Person::new("赵甲", serial, household));
    }
    let people = People(people);
    let rows: Vec<(&Person, &str)> = people.0.iter().map(|person| (person, "车,")).collect();
    let batch = vehicles(&desk, &people, &rows).await;
    for case in &cases {
        let comparison = desk.comparison(&officer(), *case).await.expect("one");
        decide(&desk, &comparison.hits[0].id, HitOutcome::Cleared).await;
    }
    let other = correct(&desk, &liaison("education"), &batch).await;
    let unknown = correct(&desk, &officer(), &new_id().to_string()).await;
    for answer in [other, unknown] {
        let error = Error::from_status(&answer.expect_err("out of scope"));
        assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    }
    let cadre = caller(Role::VillageCadre, VILLAGE);
    let denied = correct(&desk, &cadre, &batch).await.expect_err("denied");
    let denied = Error::from_status(&denied);
    assert!(matches!(denied, Error::PermissionDenied), "{denied:?}");
    let short = CorrectBatchRequest {
        request_id: new_id().to_string(),
        batch_id: batch.clone(),
        reason: "错".to_owned(),
    };
    match error(desk.service.correct_batch(by(&officer(), short)).await) {
        Error::Invalid(violations) => assert_eq!(violations[0].code, "TOO_SHORT"),
        other => panic!("must be invalid: {other:?}"),
    }
    let alerts = BatchHeader {
        row_kind: "job_loss".to_owned(),
        ..header(&desk, "human_resources")
    };
    let alerts = desk
        .alerts(
            &officer(),
            &people,
            alerts,
            "id_number,lost_on,unpaid_months\n",
        )
        .await;
    let alerts = alerts.expect("taken in").batch_id;
    let alerts = correct(&desk, &officer(), &alerts).await;
    match Error::from_status(&alerts.expect_err("invalid")) {
        Error::Invalid(violations) => assert_eq!(violations[0].code, "ITEM_BATCH"),
        other => panic!("must be invalid: {other:?}"),
    }

    let request = CorrectBatchRequest {
        request_id: new_id().to_string(),
        batch_id: batch.clone(),
        reason: "导出时串行,需重报".to_owned(),
    };
    let police = liaison("traffic_police");
    let first = desk
        .service
        .correct_batch(by(&police, request.clone()))
        .await;
    let first = first.expect("corrected").into_inner();
    assert_eq!(first.reconsiderations, 3);
    let again = desk.service.correct_batch(by(&police, request)).await;
    assert_eq!(again.expect("the same answer").into_inner(), first);
    let twice = correct(&desk, &officer(), &batch)
        .await
        .expect_err("refused");
    match Error::from_status(&twice) {
        Error::Refused(refusal) => assert_eq!(refusal.unmet[0].code, "BATCH_STANDS"),
        other => panic!("must be refused: {other:?}"),
    }

    // The queue is read page by page, by those whom it concerns.
    let page = |token: String| {
        let request = ListReconsiderationsRequest {
            page: Some(PageRequest {
                page_size: 2,
                page_token: token,
            }),
            ..ListReconsiderationsRequest::default()
        };
        let desk = &desk;
        async move {
            let page = desk.service.list_reconsiderations(by(&officer(), request));
            page.await.expect("listed").into_inner()
        }
    };
    let first = page(String::new()).await;
    let last = page(first.next_page_token.clone()).await;
    assert_eq!(
        (first.reconsiderations.len(), last.reconsiderations.len()),
        (2, 1)
    );
    assert!(last.next_page_token.is_empty());
    let stranger = caller(Role::TownshipOffice, OTHER_VILLAGE);
    assert!(listed(&desk, &stranger, true).await.is_empty());
    assert_eq!(listed(&desk, &cadre, true).await.len(), 3);
    let entry = &first.reconsiderations[0];
    let close = |caller: Caller, outcome: ReconsiderationOutcome, reason: &str| {
        let request = CloseReconsiderationRequest {
            request_id: new_id().to_string(),
            reconsideration_id: entry.id.clone(),
            outcome: outcome.into(),
            reason: reason.to_owned(),
        };
        let desk = &desk;
        async move {
            error(
                desk.service
                    .close_reconsideration(by(&caller, request))
                    .await,
            )
        }
    };
    let (stands, none) = (
        ReconsiderationOutcome::Stands,
        ReconsiderationOutcome::Unspecified,
    );
    let denied = close(cadre, stands, "已核对原始档案").await;
    assert!(matches!(denied, Error::PermissionDenied), "{denied:?}");
    let far = caller(Role::CountyOfficer, OTHER_VILLAGE);
    let far = close(far, stands, "已核对原始档案").await;
    assert!(matches!(far, Error::NotFound { .. }), "{far:?}");
    for (outcome, reason, code) in [
        (stands, "好", "TOO_SHORT"),
        (none, "已核对原始档案", "UNKNOWN_CODE"),
    ] {
        match close(officer(), outcome, reason).await {
            Error::Invalid(violations) => assert_eq!(violations[0].code, code),
            other => panic!("must be invalid: {other:?}"),
        }
    }
    desk.close().await;
}
