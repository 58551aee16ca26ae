//! The asset comparison: whom it asks about, what it finds, when it is complete, who decides.

use chassis::{
    error::Error,
    testing::{caller, new_id},
};
use kernel::Role;
use proto::{
    comparison::v1::{
        AnswerHitRequest, BatchHeader, CaseFacts, DecideHitRequest, FindingKind,
        GetCaseFactsRequest, HitOutcome, StartComparisonRequest,
        comparison_service_server::ComparisonService,
    },
    r#type::v1::ItemKind,
    workflow::v1::GetEvidenceStatusResponse,
};
use uuid::Uuid;

use crate::desk::{Desk, People, Person, VILLAGE, all_items, by, error, header, number, officer};

fn columns(item: ItemKind) -> (&'static str, &'static str) {
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

fn file(desk: &Desk, item: ItemKind, rows: &[(&str, &str, &str)]) -> (BatchHeader, String) {
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

async fn facts(desk: &Desk, case: Uuid) -> Option<CaseFacts> {
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
        report.hits_recorded, 1,
        "the wife allowed her vehicles only"
    );
    let comparison = desk
        .comparison(&officer(), case)
        .await
        .expect("a comparison");
    assert_eq!(comparison.hits[0].person_id, head.id.to_string());

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
    assert_eq!(again.hits_recorded, 1);

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
