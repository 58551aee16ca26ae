//! Comparison rules: what the program ships, and over it what somebody has put.

use chassis::{error::Error, pg::Tx};
use chrono::NaiveDate;
use comparison_core::{finding::ComparisonRule, rule::Head};
use kernel::Code;

use super::{code, rule};

const TABLE: &str = "comparison_rules";

struct Row {
    rule_id: String,
    version: i32,
    valid_from: NaiveDate,
    valid_to: Option<NaiveDate>,
    item: String,
    kind: String,
    expression: String,
    exemption: String,
    threshold: i64,
    unit: String,
    legal_basis: String,
}

impl TryFrom<Row> for ComparisonRule {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self, Error> {
        Ok(Self {
            head: Head {
                rule_id: row.rule_id,
                version: row.version.unsigned_abs(),
                valid_from: row.valid_from,
                valid_to: row.valid_to,
                expression: row.expression,
                threshold: row.threshold,
                unit: row.unit,
                legal_basis: row.legal_basis,
            },
            item: code(TABLE, "item", &row.item)?,
            kind: code(TABLE, "kind", &row.kind)?,
            exemption: row.exemption,
        })
    }
}

/// Every version of every rule.
pub async fn list(tx: &mut Tx) -> Result<Vec<ComparisonRule>, Error> {
    let rows = sqlx::query_as!(
        Row,
        "select rule_id, version, valid_from, valid_to, item, kind, expression, exemption, threshold,
                unit, legal_basis
         from comparison.comparison_rules order by rule_id, version limit $1",
        rule::MOST,
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut rules = crate::rules::COMPARISON.clone();
    for row in rows {
        rules.push(row.try_into()?);
    }
    Ok(rules)
}

/// Adds a version. Somebody who adds the same one meanwhile wins.
pub async fn insert(tx: &mut Tx, rule: &ComparisonRule) -> Result<(), Error> {
    let head = &rule.head;
    sqlx::query!(
        "insert into comparison.comparison_rules
             (rule_id, version, valid_from, valid_to, item, kind, expression, exemption, threshold,
              unit, legal_basis)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        head.rule_id,
        rule::number(head.version),
        head.valid_from,
        head.valid_to,
        rule.item.as_str(),
        Code::as_str(rule.kind),
        head.expression,
        rule.exemption,
        head.threshold,
        head.unit,
        head.legal_basis,
    )
    .execute(&mut **tx)
    .await
    .map_err(|error| rule::conflict(error, head))?;
    Ok(())
}
