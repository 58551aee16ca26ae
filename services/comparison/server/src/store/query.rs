//! Questions put to departments that look up for themselves (CMP-4, CMP-5).

use std::collections::HashMap;

use chassis::{error::Error, pg::Tx};
use chrono::{DateTime, Utc};
use kernel::{BatchId, Code, DivisionCode, ItemKind};
use serde::Serialize;
use sqlx::types::Json;
use uuid::Uuid;

use super::ROWS_AT_ONCE;

/// A question.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Asked {
    pub id: Uuid,
    #[serde(rename = "comparison_id")]
    pub comparison: Uuid,
    #[serde(rename = "division_code")]
    pub division: DivisionCode,
    #[serde(rename = "person_id")]
    pub person: Uuid,
    pub asked_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// The questions for an item in some comparisons that still can be answered, by comparison and person.
pub async fn open(
    tx: &mut Tx,
    item: ItemKind,
    comparisons: &[Uuid],
) -> Result<HashMap<(Uuid, Uuid), Asked>, Error> {
    let now = tx.now();
    let rows = sqlx::query!(
        "select id, comparison_id, division_code, person_id, asked_at, expires_at
         from comparison.queries
         where comparison_id = any($1) and item = $2 and batch_id is null and expires_at > $3",
        comparisons,
        item.as_str(),
        now,
    )
    .fetch_all(&mut **tx)
    .await?;
    let rows = rows.into_iter().map(|row| {
        let asked = Asked {
            id: row.id,
            comparison: row.comparison_id,
            division: super::division("queries", &row.division_code)?,
            person: row.person_id,
            asked_at: row.asked_at,
            expires_at: row.expires_at,
        };
        Ok(((asked.comparison, asked.person), asked))
    });
    rows.collect()
}

/// Puts questions; each takes the place of an earlier one that was not answered in time.
pub async fn put(tx: &mut Tx, item: ItemKind, asked: &[Asked]) -> Result<(), Error> {
    for asked in asked.chunks(ROWS_AT_ONCE) {
        sqlx::query!(
            "insert into comparison.queries
                 (id, comparison_id, division_code, item, person_id, asked_at, expires_at)
             select id, comparison_id, division_code, $2, person_id, asked_at, expires_at
             from jsonb_to_recordset($1) as q (
                 id uuid, comparison_id uuid, division_code text, person_id uuid,
                 asked_at timestamptz, expires_at timestamptz)
             on conflict (comparison_id, item, person_id) do update
             set id = excluded.id, asked_at = excluded.asked_at, expires_at = excluded.expires_at,
                 batch_id = null",
            Json(asked) as _,
            item.as_str(),
        )
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// What became of a question.
#[derive(Debug, Clone, Copy)]
pub struct State {
    pub comparison: Uuid,
    pub person: Uuid,
    pub is_answered: bool,
}

/// What became of some questions; those that nobody put in scope are not there.
pub async fn states(tx: &mut Tx, ids: &[Uuid]) -> Result<HashMap<Uuid, State>, Error> {
    let mut states = HashMap::new();
    for ids in ids.chunks(ROWS_AT_ONCE) {
        let rows = sqlx::query!(
            r#"select id, comparison_id, person_id, batch_id is not null as "is_answered!"
               from comparison.queries where id = any($1)"#,
            ids
        )
        .fetch_all(&mut **tx)
        .await?;
        states.extend(rows.into_iter().map(|row| {
            let state = State {
                comparison: row.comparison_id,
                person: row.person_id,
                is_answered: row.is_answered,
            };
            (row.id, state)
        }));
    }
    Ok(states)
}

/// Notes which file has answered questions; their comparisons are locked.
pub async fn answer(tx: &mut Tx, ids: &[Uuid], batch: BatchId) -> Result<(), Error> {
    for ids in ids.chunks(ROWS_AT_ONCE) {
        sqlx::query!(
            "update comparison.queries set batch_id = $2 where id = any($1)",
            ids,
            batch.0,
        )
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}
