//! Reports of files.

use chassis::{clock::timestamp, error::Error, pg::Tx};
use chrono::{DateTime, NaiveDate, Utc};
use kernel::{BatchId, DivisionCode, local_date};
use prost::Message;
use proto::comparison::v1::{self as wire, BatchReport};

use super::reconsideration::Correction;

fn decode(report: &[u8]) -> Result<BatchReport, Error> {
    BatchReport::decode(report).map_err(|error| Error::Internal(error.into()))
}

/// A batch that nobody else can correct until this transaction ends.
pub struct Batch {
    /// Kind of alert rows, or the item.
    pub content: String,
    corrected_at: Option<DateTime<Utc>>,
}

impl Batch {
    /// Day on which somebody said that it was wrong.
    pub fn corrected_on(&self) -> Option<NaiveDate> {
        self.corrected_at.map(local_date)
    }
}

/// Locks a batch.
pub async fn lock(tx: &mut Tx, batch: BatchId) -> Result<Batch, Error> {
    let found = sqlx::query_as!(
        Batch,
        "select content, corrected_at from comparison.batches where batch_id = $1 for update",
        batch.0,
    )
    .fetch_optional(&mut **tx)
    .await?;
    found.ok_or(Error::NotFound { what: "batch" })
}

/// Notes that a batch was wrong; it is locked.
pub async fn correct(tx: &mut Tx, correction: &Correction<'_>) -> Result<(), Error> {
    let (now, by) = (tx.now(), tx.principal().subject.clone());
    sqlx::query!(
        "update comparison.batches set correction = $2, corrected_by = $3, corrected_at = $4
         where batch_id = $1",
        correction.batch,
        correction.reason,
        by,
        now,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The latest report on the same file.
pub async fn same_file(
    tx: &mut Tx,
    sha256: &str,
    department: &str,
    content: &str,
) -> Result<Option<BatchReport>, Error> {
    let report = sqlx::query_scalar!(
        "select report from comparison.batches
         where sha256 = $1 and department = $2 and content = $3
         order by finished_at desc limit 1",
        sha256,
        department,
        content,
    )
    .fetch_optional(&mut **tx)
    .await?;
    report.as_deref().map(decode).transpose()
}

/// The report of a batch.
pub async fn lookup(tx: &mut Tx, batch: BatchId) -> Result<BatchReport, Error> {
    let row = sqlx::query!(
        "select report, correction, corrected_by, corrected_at
         from comparison.batches where batch_id = $1",
        batch.0,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let row = row.ok_or(Error::NotFound { what: "batch" })?;
    Ok(BatchReport {
        correction: row.corrected_at.map(|at| wire::Correction {
            reason: row.correction,
            corrected_by: row.corrected_by,
            corrected_at: Some(timestamp(at)),
        }),
        ..decode(&row.report)?
    })
}

/// Keeps a report.
pub async fn insert(
    tx: &mut Tx,
    batch: BatchId,
    division: DivisionCode,
    content: &str,
    report: &BatchReport,
) -> Result<(), Error> {
    let now = tx.now();
    sqlx::query!(
        "insert into comparison.batches
             (batch_id, division_code, department, content, sha256, report, finished_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
        batch.0,
        division.as_str(),
        report.department,
        content,
        report.sha256,
        report.encode_to_vec(),
        now,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
