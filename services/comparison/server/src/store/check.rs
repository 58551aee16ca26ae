//! Checks of civil affairs that stand for departments' files (CMP-7).

use chassis::{error::Error, pg::Tx};
use chrono::{DateTime, NaiveDate, Utc};
use kernel::DivisionCode;
use serde::Deserialize;
use uuid::Uuid;

/// A check.
#[derive(Debug, Clone, Deserialize)]
pub struct Check {
    pub id: Uuid,
    pub checked_on: NaiveDate,
    pub reference: String,
    pub evidence_sha256: String,
    pub recorded_by: String,
    pub recorded_at: DateTime<Utc>,
}

/// Keeps a check of the household of a comparison.
pub async fn insert(
    tx: &mut Tx,
    comparison: Uuid,
    division: DivisionCode,
    check: &Check,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into comparison.reused_checks
             (id, comparison_id, division_code, checked_on, reference, evidence_sha256, recorded_by,
              recorded_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        check.id,
        comparison,
        division.as_str(),
        check.checked_on,
        check.reference,
        check.evidence_sha256,
        check.recorded_by,
        check.recorded_at,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
