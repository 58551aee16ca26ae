//! Checks that the rows say what the events say.

use anyhow::Context;
use chassis::{
    error::Error,
    evidence::EvidenceStore,
    feed::{self, Stored},
    pg::SNAPSHOT,
};
use chrono::NaiveDate;
use kernel::Code;
use prost::Message;
use proto::workflow::v1::Case;
use sqlx::{Connection, PgConnection, Row};
use uuid::Uuid;

use crate::{case_file::CaseFile, convert, lead_file::LeadFile, store};

/// Rows looked at in one go.
const PAGE: i64 = 200;

/// Whether cases, leads and papers are what the ledger says. Returns the first difference.
///
/// # Errors
/// The database or the store does not answer. `connection` has to see every row.
pub async fn verify(
    connection: &mut PgConnection,
    papers: &EvidenceStore,
) -> anyhow::Result<Option<String>> {
    match verify_projection(connection).await? {
        None => verify_papers(connection, papers).await,
        fault => Ok(fault),
    }
}

/// Replays every case and lead and compares it with its row. Returns the first difference.
///
/// # Errors
/// The database does not answer. `connection` has to see every row.
pub async fn verify_projection(connection: &mut PgConnection) -> anyhow::Result<Option<String>> {
    // At one moment: cases go on meanwhile.
    let mut moment = connection.begin_with(SNAPSHOT).await?;
    let connection = &mut *moment;
    let mut after = Uuid::nil();
    loop {
        let rows = sqlx::query(
            "select id, state, open, due_on, version, body from workflow.cases
             where id > $1 order by id limit $2",
        )
        .bind(after)
        .bind(PAGE)
        .fetch_all(&mut *connection)
        .await?;
        let Some(last) = rows.last() else { break };
        after = last.try_get("id")?;
        for row in &rows {
            let id: Uuid = row.try_get("id")?;
            let items = feed::of_subject(connection, "workflow", id).await?;
            let file = match replay(connection, &items).await {
                Ok(file) => file,
                Err(error) => return Ok(Some(format!("case {id}: {error:#}"))),
            };
            let stored = Case::decode(row.try_get::<&[u8], _>("body")?).unwrap_or_default();
            let due_on = row.try_get::<Option<NaiveDate>, _>("due_on")?;
            let is_same = file.case.state.as_str() == row.try_get::<&str, _>("state")?
                && file.case.state.is_final() != row.try_get::<bool, _>("open")?
                && convert::day(due_on) == stored.due_on
                && file.case.version == row.try_get::<i64, _>("version")?
                && is_told(&file, &stored)
                && store::work::is_told(connection, &file).await?;
            if !is_same {
                return Ok(Some(format!("case {id}: its row differs from its events")));
            }
        }
    }
    verify_leads(connection).await
}

/// Whether a row's case is what its events make of it. The days of limits are those of the calendar
/// that was known when it was written.
fn is_told(file: &CaseFile, stored: &Case) -> bool {
    let made = convert::case::case(file);
    let made = Case {
        due_on: stored.due_on.clone(),
        last_chance_on: stored.last_chance_on.clone(),
        alarm: stored.alarm,
        ..made
    };
    made == *stored
}

async fn replay(connection: &mut PgConnection, items: &[Stored]) -> anyhow::Result<CaseFile> {
    let (id, version) = CaseFile::template(items)?;
    let template = store::template::find(connection, &id, version).await?;
    CaseFile::replay(items, template)
}

/// Reads every paper and photo and compares it with its hash. Returns the first that is missing or
/// altered.
async fn verify_papers(
    connection: &mut PgConnection,
    store: &EvidenceStore,
) -> anyhow::Result<Option<String>> {
    let mut after = String::new();
    loop {
        let hashes: Vec<String> = sqlx::query_scalar(
            "select distinct sha256 from workflow.evidence where sha256 > $1
             order by sha256 limit $2",
        )
        .bind(&after)
        .bind(PAGE)
        .fetch_all(&mut *connection)
        .await?;
        let Some(last) = hashes.last() else {
            return Ok(None);
        };
        after.clone_from(last);
        for hash in hashes {
            match store.get(&hash).await {
                Ok(_) => {}
                Err(Error::NotFound { .. }) => {
                    return Ok(Some(format!("evidence {hash} is missing")));
                }
                Err(Error::Internal(_)) => {
                    return Ok(Some(format!("evidence {hash} was altered")));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

async fn verify_leads(connection: &mut PgConnection) -> anyhow::Result<Option<String>> {
    let mut after = Uuid::nil();
    loop {
        let rows = sqlx::query(
            "select id, state, version, body from workflow.leads
             where id > $1 order by id limit $2",
        )
        .bind(after)
        .bind(PAGE)
        .fetch_all(&mut *connection)
        .await?;
        let Some(last) = rows.last() else {
            return Ok(None);
        };
        after = last.try_get("id")?;
        for row in &rows {
            let id: Uuid = row.try_get("id")?;
            let items = feed::of_subject(connection, "workflow", id).await?;
            let file = match LeadFile::replay(&items).context("replay") {
                Ok(file) => file,
                Err(error) => return Ok(Some(format!("lead {id}: {error:#}"))),
            };
            let is_same = file.lead.state.as_str() == row.try_get::<&str, _>("state")?
                && file.version == row.try_get::<i64, _>("version")?
                && convert::lead::lead(&file).encode_to_vec()
                    == row.try_get::<Vec<u8>, _>("body")?;
            if !is_same {
                return Ok(Some(format!("lead {id}: its row differs from its events")));
            }
        }
    }
}
