//! Departments that look up for themselves: who is asked about, what answers count, and how long.

use chassis::{auth::Caller, error::Error, testing::new_id};
use chrono::{DateTime, Days, Utc};
use comparison::Queries;
use comparison_query::{
    department,
    request::{self, Checked},
};
use kernel::Role;
use proto::{
    comparison::v1::{
        BatchHeader, BatchReport, Comparison, CreateRequestFileRequest, FindingKind,
        GetQueryKeysRequest, ItemResult, comparison_service_server::ComparisonService,
    },
    households::v1::GapReason,
    r#type::v1::ItemKind,
    workflow::v1::GetEvidenceStatusResponse,
};
use uuid::Uuid;

use crate::desk::{
    Desk, People, Person, VILLAGE, by, error, header, liaison, number, officer, query_config,
};

const ITEM: ItemKind = ItemKind::BankDeposit;

fn queries() -> Queries {
    Queries::new(&query_config(7, &[])).expect("keys")
}

fn banking(desk: &Desk) -> BatchHeader {
    BatchHeader {
        item: ITEM.into(),
        ..header(desk, "banking")
    }
}

async fn request_file(desk: &Desk, caller: &Caller, people: &People) -> Result<Vec<u8>, Error> {
    let request = CreateRequestFileRequest { item: ITEM.into() };
    desk.service.request_file(caller, &request, people).await
}

/// The questions of a request file, as the department reads them at some time.
fn read(file: &[u8], now: DateTime<Utc>) -> Vec<Checked> {
    let department = "banking".parse().expect("a department");
    let item = kernel::ItemKind::BankDeposit;
    let request = request::read(file, &queries().keys, &department, item, now).expect("a request");
    assert_eq!(request.refused, []);
    request.questions
}

async fn questions(desk: &Desk, people: &People) -> Vec<Checked> {
    let file = request_file(desk, &liaison("banking"), people)
        .await
        .expect("a file");
    read(&file, desk.clock.now())
}

/// What the department answers from a register.
fn answer(questions: &[Checked], rows: &[(&str, &str, &str)]) -> String {
    let rows = rows
        .iter()
        .map(|(number, name, balance)| format!("{number},{name},{balance}\n"));
    let register = format!("id_number,name,balance\n{}", rows.collect::<String>());
    let mut result = Vec::new();
    let item = kernel::ItemKind::BankDeposit;
    department::answer(item, questions, register.as_bytes(), &mut result).expect("answered");
    String::from_utf8(result).expect("text")
}

async fn deliver(desk: &Desk, people: &People, file: &str) -> BatchReport {
    let report = desk
        .result(&liaison("banking"), people, banking(desk), file)
        .await;
    report.expect("taken in")
}

fn codes(report: &BatchReport) -> Vec<&str> {
    report.bad_rows.iter().map(|bad| &*bad.code).collect()
}

async fn comparison(desk: &Desk, case: Uuid) -> Comparison {
    desk.comparison(&officer(), case)
        .await
        .expect("a comparison")
}

fn deposits(comparison: &Comparison) -> &ItemResult {
    comparison
        .items
        .iter()
        .find(|item| item.item() == ITEM)
        .expect("the item")
}

#[tokio::test]
async fn cmp5_a_department_answers_by_token_and_tells_a_band_of_those_asked_about_only() {
    let desk = Desk::open(None).await;
    let (case, household) = (new_id(), new_id());
    let (head, wife) = (
        Person::new("赵甲", 1, household),
        Person::new("钱乙", 2, household),
    );
    let silent = Person {
        items: vec![ItemKind::Vehicle],
        gap: GapReason::Withdrawn,
        ..Person::new("孙丙", 3, household)
    };
    let people = People(vec![head.clone(), wife.clone(), silent.clone()]);
    desk.authorised(case, household).await;

    let asked = questions(&desk, &people).await;
    let mut names: Vec<&str> = asked.iter().map(|q| &*q.question.name).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["赵甲", "钱乙"],
        "who has withdrawn is not asked about"
    );
    assert!(asked.iter().all(|q| q.question.case == case));
    assert_eq!(questions(&desk, &people).await, asked, "the same again");

    // The bank knows the head, and others.
    let result = answer(
        &asked,
        &[(&head.number, "赵甲", "90000"), (&number(9), "路人", "5")],
    );
    let report = deliver(&desk, &people, &result).await;
    assert_eq!(
        (report.rows_read, report.rows_refused, report.hits_recorded),
        (2, 0, 1)
    );
    let found = comparison(&desk, case).await;
    let hit = &found.hits[0];
    assert_eq!(
        (&*hit.rule_id, hit.kind()),
        ("C-DEP-01", FindingKind::Review)
    );
    assert_eq!(hit.evidence, ["balance_band=50000-100000"]);
    assert_eq!(
        (&hit.person_id, &hit.batch_id),
        (&head.id.to_string(), &report.batch_id)
    );
    let item = deposits(&found);
    assert_eq!(
        (item.persons_compared, item.persons_withdrawn, item.received),
        (2, 1, false)
    );
    assert_eq!(
        questions(&desk, &people).await,
        [],
        "nobody is left to ask about"
    );

    // The same file brings nothing new; another with the same tokens is a replay.
    assert_eq!(deliver(&desk, &people, &result).await, report);
    let replay = answer(&asked, &[]);
    let report = deliver(&desk, &people, &replay).await;
    assert_eq!(
        (codes(&report), report.hits_recorded),
        (vec!["TOKEN_ANSWERED"; 2], 0)
    );
    desk.close().await;
}

#[tokio::test]
async fn cmp4_a_withdrawal_stops_what_is_not_answered_and_shows() {
    let desk = Desk::open(None).await;
    let (case, household) = (new_id(), new_id());
    let (head, wife) = (
        Person::new("赵甲", 1, household),
        Person::new("钱乙", 2, household),
    );
    desk.authorised(case, household).await;
    let both = People(vec![head.clone(), wife.clone()]);
    let asked = questions(&desk, &both).await;
    // Between question and answer the wife thinks better of it.
    let withdrawn = Person {
        items: Vec::new(),
        gap: GapReason::Withdrawn,
        ..wife.clone()
    };
    let people = People(vec![head.clone(), withdrawn]);
    let rows = [
        (&*head.number, "赵甲", "1"),
        (&*wife.number, "钱乙", "990000"),
    ];
    let report = deliver(&desk, &people, &answer(&asked, &rows)).await;
    assert_eq!(
        (codes(&report), report.hits_recorded),
        (vec!["TOKEN_NOT_AUTHORISED"], 0)
    );
    let found = comparison(&desk, case).await;
    let item = deposits(&found);
    assert_eq!(
        (item.persons_compared, item.persons_withdrawn, item.received),
        (1, 1, false)
    );
    desk.close().await;
}

#[tokio::test]
async fn cmp5_what_is_not_answered_stays_missing_until_it_is() {
    let desk = Desk::open(None).await;
    let (case, household) = (new_id(), new_id());
    let (head, wife) = (
        Person::new("赵甲", 1, household),
        Person::new("钱乙", 2, household),
    );
    let people = People(vec![head.clone(), wife.clone()]);
    desk.authorised(case, household).await;
    let asked = questions(&desk, &people).await;
    let (of_head, of_wife): (Vec<_>, Vec<_>) =
        asked.into_iter().partition(|q| q.question.name == "赵甲");
    deliver(&desk, &people, &answer(&of_head, &[])).await;
    let item = deposits(&comparison(&desk, case).await).clone();
    assert_eq!(
        (
            item.persons_compared,
            item.persons_unanswered,
            item.received
        ),
        (1, 1, false)
    );
    assert_eq!(questions(&desk, &people).await, of_wife, "still open");
    deliver(&desk, &people, &answer(&of_wife, &[])).await;
    let item = deposits(&comparison(&desk, case).await).clone();
    assert_eq!(
        (
            item.persons_compared,
            item.persons_unanswered,
            item.received
        ),
        (2, 0, true)
    );
    desk.close().await;
}

#[tokio::test]
async fn cmp4_tokens_that_are_expired_bent_or_for_another_case_count_for_nothing() {
    let desk = Desk::open(None).await;
    let (case, other, household) = (new_id(), new_id(), new_id());
    let last_day = desk.today() + Days::new(3);
    let head = Person {
        expires_on: Some(last_day),
        ..Person::new("赵甲", 1, household)
    };
    let people = People(vec![head.clone()]);
    desk.authorised(case, household).await;
    let asked = questions(&desk, &people).await;
    assert_eq!(
        asked[0].query.expires_at,
        kernel::day_end(last_day),
        "no longer than the consent"
    );
    desk.authorised(other, household).await;
    let both = questions(&desk, &people).await;
    let for_other = both
        .iter()
        .find(|q| q.question.case == other)
        .expect("a question")
        .clone();

    // The answer for one case under the other's token, for another person, with a bent token.
    let row = |token: &str, case: Uuid, number: &str, rest: &str| {
        format!("{token},{case},{number},{rest}\n")
    };
    let (token, stranger) = (&*asked[0].question.token, number(2));
    let at = token.len() - 10;
    let other = if token[at..].starts_with('A') {
        'B'
    } else {
        'A'
    };
    let bent = format!("{}{other}{}", &token[..at], &token[at + 1..]);
    let header = "token,case_id,id_number,found,balance_band\n";
    let rows = [
        row(&for_other.question.token, case, &head.number, "no,"),
        row(token, case, &stranger, "no,"),
        row(&bent, case, &head.number, "no,"),
        row("x.y.z", case, &head.number, "no,"),
        row(token, case, "999999198001010015", "no,"),
        row(token, case, &head.number, "yes,7"),
    ];
    let report = deliver(&desk, &people, &format!("{header}{}", rows.concat())).await;
    assert_eq!(
        codes(&report),
        [
            "TOKEN_OTHER_CASE",
            "TOKEN_OTHER_PERSON",
            "TOKEN_SIGNATURE",
            "TOKEN_MALFORMED",
            "ID_CHECK_DIGIT",
            "BAND"
        ]
    );
    assert_eq!(deposits(&comparison(&desk, case).await).persons_compared, 0);

    // A department's code is not enough: the item has its own.
    let stranger = desk
        .result(&liaison("housing"), &people, banking(&desk), header)
        .await;
    assert!(matches!(stranger, Err(Error::Invalid(_))), "{stranger:?}");
    let housing = liaison("housing");
    let refused = request_file(&desk, &housing, &people).await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");

    desk.pass(4);
    let renewed = Person {
        expires_on: None,
        ..head.clone()
    };
    let people = People(vec![renewed]);
    let late = row(token, case, &head.number, "no,");
    let report = deliver(&desk, &people, &format!("{header}{late}")).await;
    assert_eq!(codes(&report), ["TOKEN_EXPIRED"]);
    let again = questions(&desk, &people).await;
    let again: Vec<_> = again
        .into_iter()
        .filter(|q| q.question.case == case)
        .collect();
    assert_ne!(again[0].question.token, token, "asked anew");
    let report = deliver(&desk, &people, &answer(&again, &[])).await;
    assert_eq!((codes(&report).len(), report.rows_read), (0, 1));
    desk.close().await;
}

#[tokio::test]
async fn two_answers_that_contradict_each_other_are_for_a_person_to_look_at() {
    let desk = Desk::open(None).await;
    let (case, household) = (new_id(), new_id());
    let head = Person::new("赵甲", 1, household);
    let people = People(vec![head.clone()]);
    desk.authorised(case, household).await;
    let token = questions(&desk, &people).await.remove(0).question.token;
    let file = format!(
        "token,case_id,id_number,found,balance_band\n{token},{case},{n},no,\n{token},{case},{n},yes,0-2000\n",
        n = head.number
    );
    let report = deliver(&desk, &people, &file).await;
    assert_eq!(
        (codes(&report), report.hits_recorded),
        (vec!["CONTRADICTORY_ROWS"], 1)
    );
    let found = comparison(&desk, case).await;
    assert_eq!(found.hits[0].rule_id, "C-ROW-01");
    assert_eq!(found.hits[0].evidence, ["earlier_row=2"]);
    desk.close().await;
}

#[tokio::test]
async fn questions_go_out_on_the_record_only_and_keys_to_services_only() {
    let desk = Desk::open(None).await;
    let (case, household) = (new_id(), new_id());
    let people = People(vec![Person::new("赵甲", 1, household)]);
    desk.authorised(case, household).await;
    questions(&desk, &people).await;
    let mut owner = desk.test.owner().await;
    let seen: i64 = sqlx::query_scalar(
        "select count(*) from comparison.access a
         join comparison.access_of o on o.access_id = a.id
         where a.rpc = 'CreateRequestFile' and o.household_id = $1",
    )
    .bind(household)
    .fetch_one(&mut owner)
    .await
    .expect("counted");
    assert_eq!(seen, 1);

    let overdue = GetEvidenceStatusResponse {
        overdue: true,
        ..GetEvidenceStatusResponse::default()
    };
    *desk.ledger.0.lock().expect("not poisoned") = overdue;
    for refused in [
        request_file(&desk, &officer(), &people).await.map(|_| ()),
        desk.result(&officer(), &people, banking(&desk), "")
            .await
            .map(|_| ()),
    ] {
        let Err(Error::Refused(refusal)) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(refusal.unmet[0].rule, "SEC-3");
    }
    let keys = desk
        .service
        .get_query_keys(by(&officer(), GetQueryKeysRequest {}));
    assert!(matches!(error(keys.await), Error::PermissionDenied));
    let service = chassis::testing::caller(Role::Service, VILLAGE);
    let keys = desk
        .service
        .get_query_keys(by(&service, GetQueryKeysRequest {}))
        .await;
    let keys = keys.expect("answered").into_inner().jwk_set;
    comparison_query::token::Keys::parse(&keys).expect("what departments read");
    assert!(!keys.contains("\"d\""), "no private half");
    desk.close().await;
}

#[test]
fn too_many_earlier_keys_are_refused_at_the_start() {
    let earlier: Vec<u8> = (8..24).collect();
    let error = Queries::new(&query_config(7, &earlier)).expect_err("refused");
    assert!(
        error.to_string().contains("queries.earlier_keys"),
        "{error:#}"
    );
    assert!(Queries::new(&query_config(7, &earlier[..15])).is_ok());
}
