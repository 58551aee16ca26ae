//! Alert rules: what the program ships, and over it what somebody has put.

use chassis::{error::Error, pg::Tx};
use chrono::NaiveDate;
use comparison_core::{alert::AlertRule, rule::Head};
use kernel::Code;

use super::{code, damaged, rule};

const TABLE: &str = "alert_rules";

struct Row {
    rule_id: String,
    version: i32,
    valid_from: NaiveDate,
    valid_to: Option<NaiveDate>,
    department: String,
    row_kind: String,
    subject_classes: Vec<String>,
    expression: String,
    threshold: i64,
    unit: String,
    severity: String,
    risk: String,
    suppress_days: i32,
    legal_basis: String,
}

impl TryFrom<Row> for AlertRule {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self, Error> {
        let classes = row.subject_classes.iter();
        let department = row.department.parse();
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
            department: department.map_err(|_| damaged(TABLE, "department"))?,
            row_kind: row.row_kind,
            subject_classes: classes
                .map(|class| code(TABLE, "subject_classes", class))
                .collect::<Result<_, _>>()?,
            severity: code(TABLE, "severity", &row.severity)?,
            risk: code(TABLE, "risk", &row.risk)?,
            suppress_days: row.suppress_days.unsigned_abs(),
        })
    }
}

/// Every version of every rule.
pub async fn list(tx: &mut Tx) -> Result<Vec<AlertRule>, Error> {
    let rows = sqlx::query_as!(
        Row,
        "select rule_id, version, valid_from, valid_to, department, row_kind, subject_classes,
                expression, threshold, unit, severity, risk, suppress_days, legal_basis
         from comparison.alert_rules order by rule_id, version limit $1",
        rule::MOST,
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut rules = crate::rules::ALERT.clone();
    for row in rows {
        rules.push(row.try_into()?);
    }
    Ok(rules)
}

/// Adds a version. Somebody who adds the same one meanwhile wins.
pub async fn insert(tx: &mut Tx, rule: &AlertRule) -> Result<(), Error> {
    let classes = rule
        .subject_classes
        .iter()
        .map(|class| class.as_str().to_owned());
    let classes: Vec<String> = classes.collect();
    let head = &rule.head;
    sqlx::query!(
        "insert into comparison.alert_rules
             (rule_id, version, valid_from, valid_to, department, row_kind, subject_classes,
              expression, threshold, unit, severity, risk, suppress_days, legal_basis)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        head.rule_id,
        rule::number(head.version),
        head.valid_from,
        head.valid_to,
        rule.department.as_str(),
        rule.row_kind,
        &classes,
        head.expression,
        head.threshold,
        head.unit,
        rule.severity.as_str(),
        rule.risk.as_str(),
        rule::number(rule.suppress_days),
        head.legal_basis,
    )
    .execute(&mut **tx)
    .await
    .map_err(|error| rule::conflict(error, head))?;
    Ok(())
}
