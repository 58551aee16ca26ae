//! Free texts of commands: kept beside the feed, under the caller's scope.

use std::collections::HashMap;

use chassis::{error::Error, pg::Tx};
use kernel::DivisionCode;
use uuid::Uuid;

/// Stores the texts of the event that made `version`.
pub async fn insert(
    tx: &mut Tx,
    subject: Uuid,
    version: i64,
    division: &DivisionCode,
    texts: &[(impl AsRef<str>, String)],
) -> Result<(), Error> {
    for (field, body) in texts {
        sqlx::query!(
            "insert into workflow.texts (subject, version, field, division_code, body)
             values ($1, $2, $3, $4, $5)",
            subject,
            version,
            field.as_ref(),
            division.as_str(),
            body
        )
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// Texts with their fields, by the version of the event.
pub type Texts = HashMap<i64, Vec<(String, String)>>;

/// All texts of a case or lead.
pub async fn lookup(tx: &mut Tx, subject: Uuid) -> Result<Texts, Error> {
    let rows = sqlx::query!(
        "select version, field, body from workflow.texts where subject = $1",
        subject
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut texts = Texts::new();
    for row in rows {
        let of_event = texts.entry(row.version).or_default();
        of_event.push((row.field, row.body));
    }
    Ok(texts)
}
