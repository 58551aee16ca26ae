//! Which papers and photos there are, and whose.

use chassis::{error::Error, evidence::EvidenceRef, pg::Tx};
use chrono::{DateTime, Utc};
use kernel::DivisionCode;

/// A stored file.
#[derive(Clone)]
pub struct Stored {
    pub sha256: String,
    /// The division that has it today.
    pub division_code: String,
    pub content_type: String,
    pub bytes: i64,
    pub stored_by: String,
    pub stored_at: DateTime<Utc>,
}

/// A file by its hash; `None` out of scope. Of several the one of the widest division.
pub async fn lookup(tx: &mut Tx, sha256: &str) -> Result<Option<Stored>, Error> {
    let stored = sqlx::query_as!(
        Stored,
        r#"select sha256, coalesce(into_code, division_code) as "division_code!", content_type,
                  bytes, stored_by, stored_at
           from workflow.evidence
           left join workflow.division_merges on from_code = division_code
           where sha256 = $1 order by division_code limit 1"#,
        sha256
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(stored)
}

/// Stores what a file is; `false` when the division has it already.
pub async fn insert(
    tx: &mut Tx,
    file: &EvidenceRef,
    division: &DivisionCode,
) -> Result<bool, Error> {
    let (by, at) = (tx.principal().subject.clone(), tx.now());
    let inserted = sqlx::query!(
        "insert into workflow.evidence
             (sha256, division_code, content_type, bytes, stored_by, stored_at)
         values ($1, $2, $3, $4, $5, $6) on conflict do nothing",
        file.sha256,
        division.as_str(),
        file.content_type,
        i64::try_from(file.bytes).unwrap_or(i64::MAX),
        by,
        at
    )
    .execute(&mut **tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Gives papers that are in scope to a division as well: each has its own right to what it holds.
pub async fn share(tx: &mut Tx, papers: &[String], division: &DivisionCode) -> Result<(), Error> {
    sqlx::query!(
        "insert into workflow.evidence
             (sha256, division_code, content_type, bytes, stored_by, stored_at)
         select distinct on (sha256) sha256, $2, content_type, bytes, stored_by, stored_at
         from workflow.evidence where sha256 = any($1) order by sha256, stored_at
         on conflict do nothing",
        papers,
        division.as_str()
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Whether every one of these is in scope (WF-10).
///
/// # Errors
/// [`Error::Invalid`] naming `field` when one is not; the database does not answer.
pub async fn check(tx: &mut Tx, field: &str, papers: &[&str]) -> Result<(), Error> {
    if papers.is_empty() {
        return Ok(());
    }
    let papers: Vec<String> = papers.iter().map(|hash| (*hash).to_owned()).collect();
    let missing = sqlx::query_scalar!(
        r#"select hash as "hash!" from unnest($1::text[]) as hash
           where not exists (select from workflow.evidence where sha256 = hash) limit 1"#,
        &papers
    )
    .fetch_optional(&mut **tx)
    .await?;
    match missing {
        None => Ok(()),
        Some(_) => {
            let expected = "the hash of a file that was stored before";
            Err(Error::invalid(field, "EVIDENCE_UNKNOWN", expected))
        }
    }
}
