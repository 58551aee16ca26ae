//! The asset comparison: whom it asks about, what it finds, when it is complete, who decides.

use std::{io::Write as _, sync::Mutex};

use chassis::{
    error::Error,
    testing::{caller, new_id},
};
use comparison::Registry;
use comparison_core::row::Row;
use encoding_rs::GB18030;
use flate2::{Compression, write::GzEncoder};
use kernel::{HouseholdId, Role};
use proto::{
    comparison::v1::{
        AnswerHitRequest, BatchHeader, CaseFacts, DecideHitRequest, FindingKind,
        GetCaseFactsRequest, Hit, HitOutcome, StartComparisonRequest, SubmitItemFileRequest,
        comparison_service_server::ComparisonService, submit_item_file_request::Part,
    },
    households::v1::{FoundPerson, GapReason, ListAuthorisedPersonsResponse},
    r#type::v1::ItemKind,
    workflow::v1::GetEvidenceStatusResponse,
};
use uuid::Uuid;

use crate::desk::{Desk, People, Person, VILLAGE, all_items, by, error, header, number, officer};

pub fn columns(item: ItemKind) -> (&'static str, &'static str) {
    match item {
        ItemKind::HouseholdRegistration => ("public_security", "household"),
        ItemKind::CommercialHousing => ("housing", "use"),
        ItemKind::BusinessRegistration => ("market_regulation", "kind,operating"),
        ItemKind::HousingFund => ("housing_fund", "monthly_base"),
        ItemKind::BankDeposit => ("banking", "balance"),
        ItemKind::Insurance => ("insurance", "kind"),
        ItemKind::Securities => ("securities", "market_value"),
        ItemKind::Vehicle => ("traffic_police", "kind,exemption"),
        ItemKind::PublicPayroll => ("finance", "employer"),
        ItemKind::Unspecified => unreachable!("no item"),
    }
}

pub fn file(desk: &Desk, item: ItemKind, rows: &[(&str, &str, &str)]) -> (BatchHeader, String) {
    let (department, columns) = columns(item);
    let header = BatchHeader {
        item: item.into(),
        ..header(desk, department)
    };
    let rows = rows
        .iter()
        .map(|(number, name, values)| format!("{number},{name},{values}\n"));
    (
        header,
        format!("id_number,name,{columns}\n{}", rows.collect::<String>()),
    )
}

pub async fn facts(desk: &Desk, case: Uuid) -> Option<CaseFacts> {
    let request = GetCaseFactsRequest {
        case_id: case.to_string(),
    };
    let facts = desk.service.get_case_facts(by(&officer(), request)).await;
    facts.expect("answered").into_inner().facts
}

#[tokio::test]
async fn nine_items_make_a_comparison_complete_and_a_flaw_is_decided_by_a_person() {
    let desk = Desk::open(None).await;
    let (case, household) = (new_id(), new_id());
    let head = Person::new("赵甲", 1, household);
    let people = People(vec![head.clone(), Person::new("钱乙", 2, household)]);
    assert_eq!(facts(&desk, case).await, None);
    desk.authorised(case, household).await;
    desk.authorised(case, household).await;
    assert_eq!(
        facts(&desk, case)
            .await
            .expect("opened")
            .items_missing
            .len(),
        9
    );

    for item in all_items() {
        let rows: &[(&str, &str, &str)] = match item {
            ItemKind::BusinessRegistration => &[(&head.number, "赵 甲", "公司,是")],
            ItemKind::Vehicle => &[(&head.number, "赵甲", "小型汽车,")],
            ItemKind::BankDeposit => &[(&head.number, "赵甲", "860")],
            _ => &[],
        };
        let (header, file) = file(&desk, item, rows);
        let report = desk
            .item(&officer(), &people, header, &file)
            .await
            .expect("taken in");
        let hits = match item {
            ItemKind::BusinessRegistration | ItemKind::Vehicle => 1,
            _ => 0,
        };
        assert_eq!(report.hits_recorded, hits, "{item:?}");
    }
    let found = facts(&desk, case).await.expect("facts");
    assert!(found.complete && found.items_missing.is_empty());
    assert_eq!((found.hard_flaws_open, found.reviews_open), (1, 1));
    assert_eq!(found.oldest_data_date, desk.today().to_string());

    let comparison = desk
        .comparison(&officer(), case)
        .await
        .expect("a comparison");
    assert_eq!((comparison.persons_compared, comparison.hits.len()), (2, 2));
    let flaw = comparison
        .hits
        .iter()
        .find(|hit| hit.kind() == FindingKind::HardFlaw);
    let flaw = flaw.expect("a flaw");
    assert_eq!((&*flaw.rule_id, flaw.row), ("C-BUS-01", 2));
    assert_eq!(flaw.evidence, ["kind=公司", "operating=yes"]);

    let answer = AnswerHitRequest {
        request_id: new_id().to_string(),
        hit_id: flaw.id.clone(),
        explanation: "公司早已注销".to_owned(),
        evidence_sha256: String::new(),
    };
    let cadre = caller(Role::VillageCadre, VILLAGE);
    let answered = desk
        .service
        .answer_hit(by(&cadre, answer))
        .await
        .expect("answered");
    assert_eq!(
        answered.into_inner().hit.expect("a hit").explanation,
        "公司早已注销"
    );
    let decide = |reason: &str| DecideHitRequest {
        request_id: new_id().to_string(),
        hit_id: flaw.id.clone(),
        outcome: HitOutcome::Cleared.into(),
        reason: reason.to_owned(),
    };
    let denied = error(
        desk.service
            .decide_hit(by(&cadre, decide("已核实注销")))
            .await,
    );
    assert!(matches!(denied, Error::PermissionDenied), "{denied:?}");
    let short = error(desk.service.decide_hit(by(&officer(), decide("ok"))).await);
    assert!(matches!(short, Error::Invalid(_)), "{short:?}");
    let decided = desk
        .service
        .decide_hit(by(&officer(), decide("已核实注销")))
        .await;
    let decided = decided.expect("decided").into_inner().hit.expect("a hit");
    assert_eq!(decided.decided_by, officer().principal.subject);
    assert_eq!(facts(&desk, case).await.expect("facts").hard_flaws_open, 0);
    match error(
        desk.service
            .decide_hit(by(&officer(), decide("再决定一次")))
            .await,
    ) {
        Error::Refused(refusal) => assert_eq!(refusal.unmet[0].code, "HIT_UNDECIDED"),
        other => panic!("must be refused: {other:?}"),
    }
    // Too old by now: another one, for the same household only.
    let start = |household: Uuid| StartComparisonRequest {
        request_id: new_id().to_string(),
        case_id: case.to_string(),
        household_id: household.to_string(),
    };
    let other = error(
        desk.service
            .start_comparison(by(&officer(), start(new_id())))
            .await,
    );
    assert!(matches!(other, Error::NotFound { .. }), "{other:?}");
    desk.service
        .start_comparison(by(&officer(), start(household)))
        .await
        .expect("opened");
    assert!(!facts(&desk, case).await.expect("facts").complete);
    desk.close().await;
}

#[tokio::test]
async fn nobody_is_compared_who_has_not_allowed_it_and_outsiders_leave_no_trace() {
    let desk = Desk::open(None).await;
    let (case, household) = (new_id(), new_id());
    let head = Person::new("赵甲", 1, household);
    let wife = Person {
        items: vec![ItemKind::Vehicle],
        ..Person::new("钱乙", 2, household)
    };
    let people = People(vec![head.clone(), wife.clone()]);
    desk.authorised(case, household).await;
    let outsider = number(777);
    let rows: Vec<(&str, &str, &str)> = vec![
        (&head.number, "赵甲", "商铺"),
        (&wife.number, "钱乙", "住宅"),
        (&outsider, "局外人", "住宅"),
        (&head.number, "别人", "住宅"),
    ];
    let (header, content) = file(&desk, ItemKind::CommercialHousing, &rows);
    let report = desk
        .item(&officer(), &people, header.clone(), &content)
        .await
        .expect("taken in");
    assert_eq!(
        (report.rows_read, report.rows_unmatched, report.rows_refused),
        (4, 2, 1)
    );
    assert_eq!(report.bad_rows[0].code, "NAME_MISMATCH");
    assert_eq!(
        report.hits_recorded, 2,
        "the wife allowed her vehicles only, another name is to be looked at"
    );
    let comparison = desk
        .comparison(&officer(), case)
        .await
        .expect("a comparison");
    let rules: Vec<&str> = comparison.hits.iter().map(|hit| &*hit.rule_id).collect();
    assert_eq!(rules, ["C-HSE-01", "C-ROW-02"]);
    assert_eq!(comparison.hits[1].evidence, ["fault=NAME_MISMATCH"]);
    let of_head = |hit: &Hit| hit.person_id == head.id.to_string();
    assert!(comparison.hits.iter().all(of_head));
    let housing = &comparison.items[1];
    assert!(!housing.received, "not for everybody");
    assert_eq!(
        (housing.persons_compared, housing.persons_not_authorised),
        (1, 1)
    );

    // The same file for a case that came later.
    let again = desk
        .item(&officer(), &people, header.clone(), &content)
        .await
        .expect("taken in");
    assert_eq!(again, report);
    let later = new_id();
    desk.authorised(later, household).await;
    let again = desk
        .item(&officer(), &people, header, &content)
        .await
        .expect("taken in");
    assert_eq!(again.hits_recorded, 2);

    let mut owner = desk.test.owner().await;
    let tables: Vec<String> = sqlx::query_scalar(
        "select relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where nspname = 'comparison' and relkind = 'r'",
    )
    .fetch_all(&mut owner)
    .await
    .expect("tables");
    assert!(tables.len() > 8);
    for table in tables {
        let dump =
            format!("select coalesce(string_agg(t::text, ''), '') from comparison.{table} t");
        let dump: String = sqlx::query_scalar(sqlx::AssertSqlSafe(dump))
            .fetch_one(&mut owner)
            .await
            .expect("dumped");
        for trace in [&*outsider, "局外人", &head.number, "赵甲"] {
            let hex: String = trace.bytes().map(|byte| format!("{byte:02x}")).collect();
            assert!(
                !dump.contains(trace) && !dump.contains(&hex),
                "{trace} in {table}"
            );
        }
    }
    desk.close().await;
}

#[tokio::test]
async fn a_household_that_nobody_may_ask_about_stays_incomplete() {
    let desk = Desk::open(None).await;
    let (case, household) = (new_id(), new_id());
    desk.authorised(case, household).await;
    let nobody = People::default();
    for item in all_items() {
        let (header, file) = file(&desk, item, &[]);
        desk.item(&officer(), &nobody, header, &file)
            .await
            .expect("taken in");
    }
    let found = facts(&desk, case).await.expect("facts");
    assert_eq!((found.complete, found.items_missing.len()), (false, 9));
    let (mut header, file) = file(&desk, ItemKind::Vehicle, &[]);
    header.department = "finance".to_owned();
    match desk.item(&officer(), &nobody, header, &file).await {
        Err(Error::Invalid(violations)) => assert_eq!(violations[0].code, "ITEM_DEPARTMENT"),
        other => panic!("must be refused: {other:?}"),
    }
    let stranger = caller(Role::TownshipOffice, "999999002000");
    assert_eq!(desk.comparison(&stranger, case).await, None);
    desk.close().await;
}

#[tokio::test]
async fn sec3_without_evidence_no_comparison_is_opened_or_answered() {
    let desk = Desk::open(None).await;
    let (case, household) = (new_id(), new_id());
    let people = People(vec![Person::new("赵甲", 1, household)]);
    desk.authorised(case, household).await;
    let overdue = GetEvidenceStatusResponse {
        overdue: true,
        waited_seconds: 4 * 3600 + 61,
        limit_seconds: 4 * 3600,
        ..GetEvidenceStatusResponse::default()
    };
    *desk.ledger.0.lock().expect("not poisoned") = overdue;
    let start = || StartComparisonRequest {
        request_id: new_id().to_string(),
        case_id: case.to_string(),
        household_id: household.to_string(),
    };
    let refused = error(desk.service.start_comparison(by(&officer(), start())).await);
    let (vehicles, rows) = file(&desk, ItemKind::Vehicle, &[]);
    let answered = desk
        .item(&officer(), &people, vehicles.clone(), &rows)
        .await;
    for refused in [refused, answered.expect_err("refused")] {
        let Error::Refused(refusal) = refused else {
            panic!("{refused:?}");
        };
        let unmet = &refusal.unmet[0];
        assert_eq!((unmet.rule, unmet.code), ("SEC-3", "EVIDENCE_OVERDUE"));
        assert_eq!((&*unmet.needed, &*unmet.found), ("240", "241"));
    }
    let missing = facts(&desk, case)
        .await
        .expect("opened before")
        .items_missing;
    assert_eq!(missing.len(), 9, "nothing was compared");

    *desk.ledger.0.lock().expect("not poisoned") = GetEvidenceStatusResponse::default();
    desk.item(&officer(), &people, vehicles, &rows)
        .await
        .expect("taken in");
    let started = desk.service.start_comparison(by(&officer(), start())).await;
    started.expect("opened");
    desk.close().await;
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(text).expect("packed");
    gzip.finish().expect("packed")
}

/// What is kept of files.
async fn kept(desk: &Desk) -> i64 {
    let mut owner = desk.test.owner().await;
    sqlx::query_scalar(
        "select (select count(*) from comparison.batches) + (select count(*) from comparison.hits)
              + (select count(*) from comparison.received_items)",
    )
    .fetch_one(&mut owner)
    .await
    .expect("counted")
}

#[tokio::test]
async fn a_file_is_read_as_offices_export_it_packed_or_not() {
    let desk = Desk::open(None).await;
    let case = new_id();
    let household = new_id();
    let head = Person::new("买买提·艾力", 1, household);
    let people = People(vec![head.clone()]);
    desk.authorised(case, household).await;
    let rows = [(&*head.number, "买买提 • 艾力", "860.5")];
    for (item, packed, gbk) in [
        (ItemKind::BankDeposit, false, false),
        (ItemKind::Securities, true, false),
        (ItemKind::HousingFund, false, true),
        (ItemKind::Insurance, true, true),
    ] {
        let (header, text) = match item {
            ItemKind::Insurance => file(
                &desk,
                item,
                &[(&head.number, "买买提•艾力", "\"投资型,甲\"")],
            ),
            _ => file(&desk, item, &rows),
        };
        let mut bytes = if gbk {
            GB18030.encode(&text).0.into_owned()
        } else {
            format!("\u{feff}{text}").into_bytes()
        };
        if packed {
            bytes = gzip(&bytes);
        }
        let report = desk.item(&officer(), &people, header, &bytes).await;
        let report = report.expect("taken in");
        assert_eq!((report.rows_read, report.rows_refused), (1, 0), "{item:?}");
    }
    let comparison = desk.comparison(&officer(), case).await.expect("one");
    let rules: Vec<&str> = comparison.hits.iter().map(|hit| &*hit.rule_id).collect();
    assert_eq!(rules, ["C-PRO-01", "C-INS-01"]);
    assert_eq!(comparison.hits[1].evidence[0], "kind=投资型,甲");
    desk.close().await;
}

#[tokio::test]
async fn rows_that_contradict_each_other_are_looked_at_by_a_person() {
    let desk = Desk::open(None).await;
    let (case, household) = (new_id(), new_id());
    let head = Person::new("赵甲", 1, household);
    let people = People(vec![head.clone()]);
    desk.authorised(case, household).await;
    let rows = ["100", "100", "900", "viel"].map(|base| (&*head.number, "赵甲", base));
    let (header, text) = file(&desk, ItemKind::HousingFund, &rows);
    let report = desk.item(&officer(), &people, header, &text).await;
    let report = report.expect("taken in");
    let codes: Vec<(i64, &str)> = report.bad_rows.iter().map(|r| (r.row, &*r.code)).collect();
    assert_eq!(
        codes,
        [(4, "CONTRADICTORY_ROWS"), (5, "CONTRADICTORY_ROWS")]
    );
    let comparison = desk.comparison(&officer(), case).await.expect("one");
    let hits = comparison
        .hits
        .iter()
        .map(|hit| (hit.row, &*hit.rule_id, &*hit.evidence[0]));
    assert_eq!(
        hits.collect::<Vec<_>>(),
        [
            (4, "C-ROW-01", "earlier_row=2"),
            (5, "C-ROW-01", "earlier_row=2")
        ]
    );
    assert_eq!(facts(&desk, case).await.expect("facts").reviews_open, 2);

    // Of things that there may be many of, each row counts; but not without end.
    let many: Vec<(&str, &str, &str)> = (0..80).map(|_| (&*head.number, "赵甲", "车,")).collect();
    let (header, text) = file(&desk, ItemKind::Vehicle, &many);
    let report = desk.item(&officer(), &people, header, &text).await;
    let report = report.expect("taken in");
    assert_eq!((report.rows_refused, report.hits_recorded), (30, 51));
    assert_eq!(report.bad_rows[0].code, "TOO_MANY_ROWS");
    desk.close().await;
}

/// A registry that answers differently when it is asked again.
struct Changing(Mutex<Vec<People>>);

impl Registry for Changing {
    async fn lookup(&self, _rows: &[(u32, Row)]) -> Result<Vec<FoundPerson>, Error> {
        unreachable!("alerts only")
    }

    async fn authorised(
        &self,
        household: HouseholdId,
    ) -> Result<ListAuthorisedPersonsResponse, Error> {
        let people = {
            let mut answers = self.0.lock().expect("not poisoned");
            if answers.len() > 1 {
                answers.remove(0)
            } else {
                answers[0].clone()
            }
        };
        people.authorised(household).await
    }
}

#[tokio::test]
async fn cmp4_who_withdraws_while_the_file_is_read_gets_nothing_recorded() {
    let desk = Desk::open(None).await;
    let (case, household) = (new_id(), new_id());
    let none = |serial, name, gap| Person {
        items: Vec::new(),
        gap,
        ..Person::new(name, serial, household)
    };
    let head = Person::new("赵甲", 1, household);
    let wife = Person::new("钱乙", 2, household);
    let son = Person::new("赵丙", 3, household);
    let uncle = none(4, "赵丁", GapReason::NotGiven);
    let first = People(vec![head.clone(), wife.clone(), son.clone(), uncle.clone()]);
    let without = |person: &Person, gap| Person {
        items: Vec::new(),
        gap,
        ..person.clone()
    };
    let last = People(vec![
        head.clone(),
        without(&wife, GapReason::Withdrawn),
        without(&son, GapReason::Expired),
        // He allows it too late: his row has not been read.
        Person {
            items: all_items().collect(),
            ..uncle.clone()
        },
    ]);
    desk.authorised(case, household).await;
    let rows: Vec<(&str, &str, &str)> = [&head, &wife, &son, &uncle]
        .map(|person| (&*person.number, person.name, "小型汽车,"))
        .to_vec();
    let (header, text) = file(&desk, ItemKind::Vehicle, &rows);
    let changing = Changing(Mutex::new(vec![first.clone(), last]));
    let report = desk
        .item(&officer(), &changing, header.clone(), &text)
        .await;
    assert_eq!(report.expect("taken in").hits_recorded, 1);
    let vehicles = |comparison: &proto::comparison::v1::Comparison| {
        let item = comparison
            .items
            .iter()
            .find(|i| i.item() == ItemKind::Vehicle);
        item.cloned().expect("an item")
    };
    let comparison = desk.comparison(&officer(), case).await.expect("one");
    assert_eq!(comparison.hits.len(), 1);
    assert_eq!(comparison.hits[0].person_id, head.id.to_string());
    let item = vehicles(&comparison);
    assert_eq!(
        (
            item.received,
            item.persons_compared,
            item.persons_not_authorised
        ),
        (false, 1, 1)
    );
    assert_eq!((item.persons_withdrawn, item.persons_expired), (1, 1));
    let found = facts(&desk, case).await.expect("facts");
    assert_eq!((found.items_missing.len(), found.persons_left_out), (9, 3));

    // Everybody allows it again: the same file counts for those who were left out, and for no one twice.
    let all = [&head, &wife, &son, &uncle].map(|person| Person {
        items: all_items().collect(),
        ..person.clone()
    });
    let all = People(all.to_vec());
    let report = desk.item(&officer(), &all, header.clone(), &text).await;
    let report = report.expect("taken in");
    assert_eq!((report.hits_recorded, report.rows_unmatched), (3, 1));
    let comparison = desk.comparison(&officer(), case).await.expect("one");
    let item = vehicles(&comparison);
    assert_eq!((item.received, item.persons_compared), (true, 4));
    assert_eq!(comparison.hits.len(), 4);
    let found = facts(&desk, case).await.expect("facts");
    assert_eq!((found.items_missing.len(), found.persons_left_out), (8, 0));
    let again = desk.item(&officer(), &all, header, &text).await;
    assert_eq!(again.expect("known"), report);
    desk.close().await;
}

#[tokio::test]
async fn bad_files_get_typed_answers_and_leave_nothing() {
    let desk = Desk::open(None).await;
    let (case, household) = (new_id(), new_id());
    let head = Person::new("赵甲", 1, household);
    let people = People(vec![head.clone()]);
    desk.authorised(case, household).await;
    let rows: Vec<(&str, &str, &str)> = (0..40).map(|_| (&*head.number, "赵甲", "车,")).collect();
    let (header, text) = file(&desk, ItemKind::Vehicle, &rows);
    let packed = gzip(text.as_bytes());
    let mut damaged = packed.clone();
    let len = damaged.len();
    damaged[len - 6] ^= 0xFF;
    let utf16: Vec<u8> = "\u{feff}id_number"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let no_kind = text.replacen("kind", "art", 1);
    let twice = text.replacen("exemption", "kind", 1);
    for (bytes, code) in [
        (&packed[..len - 9], "FILE_TRUNCATED"),
        (&damaged, "MALFORMED_FILE"),
        (&utf16, "FILE_ENCODING"),
        (no_kind.as_bytes(), "HEADER_MISSING"),
        (twice.as_bytes(), "HEADER_DUPLICATE"),
        (b"", "HEADER_MISSING"),
        (&[0; 5000], "HEADER_MISSING"),
    ] {
        match desk.item(&officer(), &people, header.clone(), bytes).await {
            Err(Error::Invalid(violations)) => assert_eq!(violations[0].code, code),
            other => panic!("{code}: {other:?}"),
        }
    }
    // A stream that breaks off after whole rows is no shorter file.
    let message = |part| Ok(SubmitItemFileRequest { part: Some(part) });
    let chunk = || message(Part::Chunk(text.clone().into_bytes()));
    let broken = Err(tonic::Status::cancelled("gone"));
    for broken in [
        vec![message(Part::Header(header.clone())), chunk(), broken],
        vec![
            message(Part::Header(header.clone())),
            chunk(),
            message(Part::Header(header.clone())),
        ],
        vec![chunk()],
        vec![],
    ] {
        match desk.item_stream(&officer(), &people, broken).await {
            Err(Error::Invalid(violations)) => assert_eq!(violations[0].code, "INCOMPLETE"),
            other => panic!("must be refused: {other:?}"),
        }
    }
    assert_eq!(kept(&desk).await, 0, "half a batch is none");

    let mut wrong_check = head.number.clone();
    let last = if wrong_check.pop() == Some('0') {
        '1'
    } else {
        '0'
    };
    wrong_check.push(last);
    let bad = [
        (&*wrong_check, "赵甲", "车,"),
        ("999999800101001", "赵甲", "车,"),
        ("9.99999198001010E+17", "赵甲", "车,"),
        ("", "赵甲", "车,"),
        (&*head.number, "", "车,"),
        (&*head.number, "赵甲", "一二三四五六七八九十一二三,"),
        (&*head.number, "赵甲", "\"车"),
    ];
    let (header, text) = file(&desk, ItemKind::Vehicle, &bad);
    let report = desk.item(&officer(), &people, header, &text).await;
    let report = report.expect("taken in");
    let codes: Vec<(i64, &str, &str)> = report
        .bad_rows
        .iter()
        .map(|bad| (bad.row, &*bad.column, &*bad.code))
        .collect();
    assert_eq!(
        codes,
        [
            (2, "id_number", "ID_CHECK_DIGIT"),
            (3, "id_number", "ID_FIFTEEN_DIGITS"),
            (4, "id_number", "ID_SPREADSHEET_FLOAT"),
            (5, "id_number", "REQUIRED"),
            (6, "name", "REQUIRED"),
            (7, "kind", "WORD"),
            (8, "", "QUOTE"),
        ]
    );
    assert!(report.bad_rows.iter().all(|bad| !bad.reason.is_empty()));
    assert_eq!((report.rows_read, report.rows_refused), (7, 7));
    assert_eq!(
        report.hits_recorded, 2,
        "two rows of his are to be looked at"
    );
    desk.close().await;
}

#[tokio::test]
async fn a_register_may_lie_in_the_countys_store_in_its_departments_folder() {
    let desk = Desk::open(None).await;
    let (case, household) = (new_id(), new_id());
    let head = Person::new("赵甲", 1, household);
    let people = People(vec![head.clone()]);
    desk.authorised(case, household).await;
    let rows = [(&*head.number, "赵甲", "小型汽车,")];
    let (header, text) = file(&desk, ItemKind::Vehicle, &rows);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(text.as_bytes()).expect("packed");
    let folder = desk.registers.path().join("traffic_police");
    std::fs::create_dir(&folder).expect("made");
    std::fs::write(folder.join("cars.csv.gz"), gzip.finish().expect("packed")).expect("written");
    std::fs::write(desk.registers.path().join("secret.csv"), &text).expect("written");

    let officer = officer();
    let submit = |object_key: &str| {
        let header = BatchHeader {
            object_key: object_key.to_owned(),
            ..header.clone()
        };
        desk.item(&officer, &people, header, "")
    };
    for (key, expected) in [
        ("traffic_police/none.csv", "NOT_FOUND"),
        ("traffic_police/../secret.csv", "NOT_FOUND"),
        ("secret.csv", "OWN_DEPARTMENT"),
        ("traffic_policeman/x.csv", "OWN_DEPARTMENT"),
        ("housing/flats.csv", "OWN_DEPARTMENT"),
    ] {
        let refused = submit(key).await.expect_err(key);
        let code = match &refused {
            Error::NotFound { .. } => "NOT_FOUND",
            Error::Invalid(violations) => &violations[0].code,
            other => panic!("{key}: {other:?}"),
        };
        assert_eq!(code, expected, "{key}");
    }
    let report = submit("traffic_police/cars.csv.gz")
        .await
        .expect("taken in");
    assert_eq!((report.rows_read, report.hits_recorded), (1, 1));
    // The same file that comes as chunks is known.
    let sent = std::fs::read(folder.join("cars.csv.gz")).expect("read");
    let again = desk.item(&officer, &people, header.clone(), sent);
    assert_eq!(again.await.expect("taken in"), report);
    desk.close().await;
}
