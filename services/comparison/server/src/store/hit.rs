//! Hits of comparison rules.

use chassis::{error::Error, pg::Tx};
use chrono::NaiveDate;
use comparison_core::{
    finding::FindingKind,
    outcome::{HitOutcome, HitState},
};
use kernel::{Code, DivisionCode, ItemKind};
use serde::Deserialize;
use uuid::Uuid;

use super::{code, damaged};

/// A hit.
#[derive(Debug, Clone)]
pub struct Hit {
    pub id: Uuid,
    pub comparison: Uuid,
    pub item: ItemKind,
    pub rule_id: String,
    pub rule_version: i32,
    pub kind: FindingKind,
    pub person: Uuid,
    pub evidence: Vec<String>,
    pub data_date: NaiveDate,
    pub batch: Uuid,
    pub row: i64,
    pub explanation: String,
    pub explanation_sha256: String,
    pub outcome: Option<HitOutcome>,
    pub decided_by: String,
    pub decided_reason: String,
    pub decided_on: Option<NaiveDate>,
}

impl Hit {
    /// What counts of it.
    pub const fn state(&self) -> HitState {
        HitState {
            kind: self.kind,
            outcome: self.outcome,
        }
    }
}

/// A row as JSON has it.
#[derive(Deserialize)]
pub struct StoredHit {
    id: Uuid,
    comparison_id: Uuid,
    item: String,
    rule_id: String,
    rule_version: i32,
    kind: String,
    person_id: Uuid,
    evidence: Vec<String>,
    data_date: NaiveDate,
    batch_id: Uuid,
    row_number: i64,
    explanation: String,
    explanation_sha256: String,
    outcome: Option<String>,
    decided_by: String,
    decided_reason: String,
    decided_on: Option<NaiveDate>,
}

impl TryFrom<StoredHit> for Hit {
    type Error = Error;
    fn try_from(row: StoredHit) -> Result<Self, Error> {
        let outcome = match row.outcome.as_deref() {
            None => None,
            Some("CONFIRMED") => Some(HitOutcome::Confirmed),
            Some("CLEARED") => Some(HitOutcome::Cleared),
            Some(_) => return Err(damaged("hits", "outcome")),
        };
        Ok(Self {
            id: row.id,
            comparison: row.comparison_id,
            item: code("hits", "item", &row.item)?,
            rule_id: row.rule_id,
            rule_version: row.rule_version,
            kind: code("hits", "kind", &row.kind)?,
            person: row.person_id,
            evidence: row.evidence,
            data_date: row.data_date,
            batch: row.batch_id,
            row: row.row_number,
            explanation: row.explanation,
            explanation_sha256: row.explanation_sha256,
            outcome,
            decided_by: row.decided_by,
            decided_reason: row.decided_reason,
            decided_on: row.decided_on,
        })
    }
}

/// The comparison that a hit belongs to. `None` out of scope.
pub async fn comparison_of(tx: &mut Tx, hit: Uuid) -> Result<Option<Uuid>, Error> {
    let comparison = sqlx::query_scalar!(
        "select comparison_id from comparison.hits where id = $1",
        hit
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(comparison)
}

/// Adds a hit.
pub async fn insert(tx: &mut Tx, hit: &Hit, division: DivisionCode) -> Result<(), Error> {
    sqlx::query!(
        "insert into comparison.hits
             (id, comparison_id, division_code, item, rule_id, rule_version, kind, person_id,
              evidence, data_date, batch_id, row_number)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        hit.id,
        hit.comparison,
        division.as_str(),
        hit.item.as_str(),
        hit.rule_id,
        hit.rule_version,
        Code::as_str(hit.kind),
        hit.person,
        &hit.evidence,
        hit.data_date,
        hit.batch,
        hit.row,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Stores what was said of a hit; its comparison is locked.
pub async fn update(tx: &mut Tx, hit: &Hit) -> Result<(), Error> {
    let outcome = hit.outcome.map(|outcome| match outcome {
        HitOutcome::Confirmed => "CONFIRMED",
        HitOutcome::Cleared => "CLEARED",
    });
    sqlx::query!(
        "update comparison.hits
         set explanation = $2, explanation_sha256 = $3, outcome = $4, decided_by = $5,
             decided_reason = $6, decided_on = $7
         where id = $1",
        hit.id,
        hit.explanation,
        hit.explanation_sha256,
        outcome,
        hit.decided_by,
        hit.decided_reason,
        hit.decided_on,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
