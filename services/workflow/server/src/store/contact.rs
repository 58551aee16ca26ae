//! Monitoring contacts (1_11_011): personal data, never in the feed.

use chassis::{error::Error, pg::Tx};

use crate::case_file::CaseFile;

/// Keeps whom to reach after the risk is gone.
pub async fn insert(tx: &mut Tx, file: &CaseFile, name: &str, phone: &str) -> Result<(), Error> {
    let (recorded_by, recorded_at) = (tx.principal().subject.clone(), tx.now());
    sqlx::query!(
        "insert into workflow.contacts
             (case_id, division_code, name, phone, recorded_by, recorded_at)
         values ($1, $2, $3, $4, $5, $6)",
        file.id.0,
        file.division.as_str(),
        name,
        phone,
        recorded_by,
        recorded_at
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
