//! The rules that the program ships: data, read once.

use std::sync::LazyLock;

use comparison_core::{alert::AlertRule, finding::ComparisonRule, rule::Head};
use kernel::Code;
use serde::Deserialize;

#[derive(Deserialize)]
struct Table<R> {
    rule: Vec<R>,
}

#[derive(Deserialize)]
struct AlertRow {
    department: String,
    row_kind: String,
    subject_classes: Vec<String>,
    severity: String,
    risk: String,
    suppress_days: u32,
    #[serde(flatten)]
    head: HeadRow,
}

#[derive(Deserialize)]
struct ComparisonRow {
    item: String,
    kind: String,
    exemption: String,
    #[serde(flatten)]
    head: HeadRow,
}

#[derive(Deserialize)]
struct HeadRow {
    rule_id: String,
    expression: String,
    threshold: i64,
    unit: String,
    legal_basis: String,
}

fn head(row: HeadRow) -> Option<Head> {
    Some(Head {
        rule_id: row.rule_id,
        version: 1,
        // Before the first county began.
        valid_from: chrono::NaiveDate::from_ymd_opt(2020, 1, 1)?,
        valid_to: None,
        expression: row.expression,
        threshold: row.threshold,
        unit: row.unit,
        legal_basis: row.legal_basis,
    })
}

fn alert_rule(row: AlertRow) -> Option<AlertRule> {
    let classes = row
        .subject_classes
        .iter()
        .map(|class| Code::parse(class).ok());
    Some(AlertRule {
        head: head(row.head)?,
        department: row.department.parse().ok()?,
        row_kind: row.row_kind,
        subject_classes: classes.collect::<Option<_>>()?,
        severity: Code::parse(&row.severity).ok()?,
        risk: Code::parse(&row.risk).ok()?,
        suppress_days: row.suppress_days,
    })
}

/// Alert rules as shipped.
pub static ALERT: LazyLock<Vec<AlertRule>> = LazyLock::new(|| {
    let table: Table<AlertRow> = toml::from_str(include_str!("../rules/alert.toml"))
        .expect("rules/alert.toml is part of the program and tested");
    table.rule.into_iter().filter_map(alert_rule).collect()
});

/// Comparison rules as shipped.
pub static COMPARISON: LazyLock<Vec<ComparisonRule>> = LazyLock::new(|| {
    let table: Table<ComparisonRow> = toml::from_str(include_str!("../rules/comparison.toml"))
        .expect("rules/comparison.toml is part of the program and tested");
    let rule = |row: ComparisonRow| {
        Some(ComparisonRule {
            head: head(row.head)?,
            item: Code::parse(&row.item).ok()?,
            kind: Code::parse(&row.kind).ok()?,
            exemption: row.exemption,
        })
    };
    table.rule.into_iter().filter_map(rule).collect()
});

#[cfg(test)]
mod tests {
    use comparison_core::{
        alert,
        finding::{self, FindingKind},
    };
    use kernel::ItemKind;

    use super::*;

    #[test]
    fn every_shipped_rule_is_read_and_compiles() {
        let rows = |text: &str| text.matches("[[rule]]").count();
        assert_eq!(ALERT.len(), rows(include_str!("../rules/alert.toml")));
        for rule in ALERT.iter() {
            assert_eq!(alert::check(rule), Ok(()), "{}", rule.head.rule_id);
        }
        assert_eq!(
            COMPARISON.len(),
            rows(include_str!("../rules/comparison.toml"))
        );
        for rule in COMPARISON.iter() {
            assert_eq!(finding::check(rule), [], "{}", rule.head.rule_id);
            assert!(!rule.head.legal_basis.is_empty(), "{}", rule.head.rule_id);
            let has_threshold = rule.head.expression.contains("threshold");
            assert_eq!(rule.head.unit.is_empty(), !has_threshold);
        }
        for item in ItemKind::ALL {
            assert!(COMPARISON.iter().any(|rule| rule.item == *item), "{item}");
        }
        let hard = COMPARISON
            .iter()
            .filter(|rule| rule.kind == FindingKind::HardFlaw);
        let hard: Vec<&str> = hard.map(|rule| &*rule.head.rule_id).collect();
        assert_eq!(
            hard,
            ["C-HSE-01", "C-BUS-01", "C-FIN-01"],
            "decided for the project"
        );
    }
}
