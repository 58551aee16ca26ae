//! Reports of files.

use chassis::{error::Error, pg::Tx};
use kernel::{BatchId, DivisionCode};
use prost::Message;
use proto::comparison::v1::BatchReport;

fn decode(report: &[u8]) -> Result<BatchReport, Error> {
    BatchReport::decode(report).map_err(|error| Error::Internal(error.into()))
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
    let report = sqlx::query_scalar!(
        "select report from comparison.batches where batch_id = $1",
        batch.0,
    )
    .fetch_optional(&mut **tx)
    .await?;
    decode(&report.ok_or(Error::NotFound { what: "batch" })?)
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
