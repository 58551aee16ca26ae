//! Comparison rules are data: versions, days, exemptions, and what a hit tells of its rule (CMP-3).

use chassis::{
    error::Error,
    testing::{caller, new_id},
};
use kernel::Role;
use proto::{
    comparison::v1::{
        ComparisonRule, FindingKind, Hit, ListComparisonRulesRequest, PutComparisonRuleRequest,
        comparison_service_server::ComparisonService,
    },
    r#type::v1::ItemKind,
};
use uuid::Uuid;

use crate::{
    compare::file,
    desk::{COUNTY, Desk, People, Person, by, error, officer},
};

/// A version of the rule about vehicles.
fn rule(desk: &Desk) -> ComparisonRule {
    ComparisonRule {
        rule_id: "C-VEH-01".to_owned(),
        valid_from: desk.today().to_string(),
        item: ItemKind::Vehicle.into(),
        kind: FindingKind::Review.into(),
        expression: "price > threshold".to_owned(),
        exemption: "exemption != '' || kind == '代步车'".to_owned(),
        threshold: 3_000_000,
        unit: "fen".to_owned(),
        legal_basis: "县级文件".to_owned(),
        ..ComparisonRule::default()
    }
}

fn put(rule: ComparisonRule) -> PutComparisonRuleRequest {
    PutComparisonRuleRequest {
        request_id: new_id().to_string(),
        rule: Some(rule),
    }
}

async fn taken(desk: &Desk, request: PutComparisonRuleRequest) -> ComparisonRule {
    let taken = desk.service.put_comparison_rule(by(&officer(), request));
    let taken = taken.await.expect("taken").into_inner();
    taken.rule.expect("a rule")
}

/// What a register of vehicles finds in a new case.
async fn found(desk: &Desk, rows: &[(&str, &str)]) -> Vec<Hit> {
    let (case, household): (Uuid, Uuid) = (new_id(), new_id());
    let head = Person::new("赵甲", 1, household);
    desk.authorised(case, household).await;
    let (header, _) = file(desk, ItemKind::Vehicle, &[]);
    let rows = rows
        .iter()
        .map(|(price, rest)| format!("{},赵甲,{price},{rest}\n", head.number));
    let text = format!(
        "id_number,name,price,kind,exemption\n{}",
        rows.collect::<String>()
    );
    let people = People(vec![head.clone()]);
    let taken = desk.item(&officer(), &people, header, &text).await;
    taken.expect("taken in");
    let comparison = desk.comparison(&officer(), case).await;
    comparison.expect("a comparison").hits
}

fn names(hits: &[Hit]) -> Vec<(&str, i32)> {
    let names = hits.iter().map(|hit| (&*hit.rule_id, hit.rule_version));
    names.collect()
}

#[tokio::test]
async fn cmp3_the_version_of_the_day_judges_and_the_hit_says_by_which_threshold() {
    let desk = Desk::open(None).await;
    let rows = [
        ("30000", "小型汽车,"),
        ("30000.01", "小型汽车,"),
        ("50000", "小型汽车,报废"),
        ("50000", "代步车,"),
    ];
    let shipped = found(&desk, &rows).await;
    assert_eq!(
        names(&shipped),
        [
            ("C-VEH-01", 1),
            ("C-VEH-01", 1),
            ("C-VEH-03", 1),
            ("C-VEH-01", 1)
        ]
    );
    assert_eq!((shipped[0].threshold, &*shipped[0].unit), (0, ""));
    assert_eq!(shipped[2].kind(), FindingKind::Info);

    // From tomorrow on for ten days by the price, and then as before.
    let tomorrow = desk.today() + chrono::Days::new(1);
    let version = ComparisonRule {
        valid_from: tomorrow.to_string(),
        valid_to: (tomorrow + chrono::Days::new(9)).to_string(),
        ..rule(&desk)
    };
    let request = put(version);
    let first = taken(&desk, request.clone()).await;
    assert_eq!(first.version, 2);
    assert_eq!(taken(&desk, request).await, first, "the same answer");
    assert_eq!(names(&found(&desk, &rows[1..2]).await), [("C-VEH-01", 1)]);
    desk.pass(1);
    let judged = found(&desk, &rows).await;
    assert_eq!(names(&judged), [("C-VEH-01", 2), ("C-VEH-03", 1)]);
    let hit = &judged[0];
    assert_eq!((hit.threshold, &*hit.unit), (3_000_000, "fen"));
    assert_eq!((hit.row, &*hit.data_date), (3, &*desk.today().to_string()));
    assert_eq!(
        hit.evidence,
        ["kind=小型汽车", "price=30000.01", "exemption="]
    );
    desk.pass(10);
    assert_eq!(names(&found(&desk, &rows[..1]).await), [("C-VEH-01", 1)]);

    // A hard flaw by configuration is one.
    let hard = ComparisonRule {
        kind: FindingKind::HardFlaw.into(),
        ..rule(&desk)
    };
    assert_eq!(taken(&desk, put(hard)).await.version, 3);
    let judged = found(&desk, &rows[1..2]).await;
    assert_eq!(judged[0].kind(), FindingKind::HardFlaw);

    let listed = desk
        .service
        .list_comparison_rules(by(&officer(), ListComparisonRulesRequest {}))
        .await;
    let listed = listed.expect("listed").into_inner().rules;
    let versions = listed.iter().filter(|r| r.rule_id == "C-VEH-01");
    let versions: Vec<i32> = versions.map(|rule| rule.version).collect();
    assert_eq!(versions, [1, 2, 3]);
    assert!(listed.iter().all(|rule| !rule.legal_basis.is_empty()));
    desk.close().await;
}

#[tokio::test]
async fn a_rule_that_cannot_judge_is_not_taken_and_says_why() {
    let desk = Desk::open(None).await;
    let day = |days: i64| (desk.today() + chrono::Duration::days(days)).to_string();
    let with = |change: &dyn Fn(&mut ComparisonRule)| {
        let mut rule = rule(&desk);
        change(&mut rule);
        rule
    };
    for (bad, field, code) in [
        (
            with(&|r| r.expression = "price >".to_owned()),
            "rule.expression",
            "EXPRESSION",
        ),
        (
            with(&|r| r.expression = "balance > 1".to_owned()),
            "rule.expression",
            "EXPRESSION",
        ),
        (
            with(&|r| r.expression = String::new()),
            "rule.expression",
            "REQUIRED",
        ),
        (
            with(&|r| r.exemption = "exemption".to_owned()),
            "rule.exemption",
            "EXPRESSION",
        ),
        (with(&|r| r.threshold = -1), "rule.threshold", "COUNT"),
        (
            with(&|r| r.threshold = 1_000_000_000_001),
            "rule.threshold",
            "COUNT",
        ),
        (
            with(&|r| r.valid_from = "2026-02-30".to_owned()),
            "rule.valid_from",
            "DATE",
        ),
        (
            with(&|r| r.valid_to = day(-1)),
            "rule.valid_to",
            "BEFORE_START",
        ),
        (with(&|r| r.item = 0), "rule.item", "UNKNOWN_CODE"),
        (with(&|r| r.kind = 0), "rule.kind", "UNKNOWN_CODE"),
        (
            with(&|r| r.legal_basis = String::new()),
            "rule.legal_basis",
            "REQUIRED",
        ),
        (
            with(&|r| r.rule_id = "C-ROW-01".to_owned()),
            "rule.rule_id",
            "RULE_BUILT_IN",
        ),
    ] {
        let answer = desk.service.put_comparison_rule(by(&officer(), put(bad)));
        match error(answer.await) {
            Error::Invalid(violations) => {
                let found: Vec<_> = violations.iter().map(|v| (&*v.field, &*v.code)).collect();
                assert_eq!(found, [(field, code)]);
            }
            other => panic!("must be invalid: {other:?}"),
        }
    }
    for role in [Role::DepartmentLiaison, Role::TownshipOffice, Role::Auditor] {
        let reader = caller(role, COUNTY);
        let answer = desk
            .service
            .put_comparison_rule(by(&reader, put(rule(&desk))));
        let denied = error(answer.await);
        assert!(matches!(denied, Error::PermissionDenied), "{denied:?}");
        let listed = desk
            .service
            .list_comparison_rules(by(&reader, ListComparisonRulesRequest {}))
            .await;
        listed.expect("listed");
    }
    desk.close().await;
}
