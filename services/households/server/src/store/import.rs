//! Reports of imports.

use chassis::{error::Error, pg::Tx};
use chrono::{DateTime, Utc};
use kernel::{BatchId, DivisionCode};
use prost::Message;
use proto::households::v1::ImportReport;

fn decode(report: &[u8]) -> Result<ImportReport, Error> {
    ImportReport::decode(report).map_err(|error| Error::Internal(error.into()))
}

/// The latest report on a file that went in whole, brought by somebody of the same division.
pub async fn lookup_whole(
    tx: &mut Tx,
    sha256: &str,
    division: DivisionCode,
) -> Result<Option<ImportReport>, Error> {
    let report = sqlx::query_scalar!(
        "select report from households.imports
         where sha256 = $1 and division_code = $2 and rows_refused = 0
         order by finished_at desc limit 1",
        sha256,
        division.as_str(),
    )
    .fetch_optional(&mut **tx)
    .await?;
    report.as_deref().map(decode).transpose()
}

/// The report of a batch.
pub async fn lookup(tx: &mut Tx, batch: BatchId) -> Result<ImportReport, Error> {
    let report = sqlx::query_scalar!(
        "select report from households.imports where batch_id = $1",
        batch.0,
    )
    .fetch_optional(&mut **tx)
    .await?;
    decode(&report.ok_or(Error::NotFound { what: "import" })?)
}

/// Keeps a report.
pub async fn insert(
    tx: &mut Tx,
    batch: BatchId,
    division: DivisionCode,
    report: &ImportReport,
    finished_at: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into households.imports
             (batch_id, division_code, sha256, rows_refused, report, finished_at)
         values ($1, $2, $3, $4, $5, $6)",
        batch.0,
        division.as_str(),
        report.sha256,
        report.rows_refused,
        report.encode_to_vec(),
        finished_at,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
