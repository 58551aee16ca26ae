//! Decisions that rest on a wrong file, to be looked at again (CMP-11).

use chassis::{error::Error, pg::Tx};
use chrono::{DateTime, NaiveDate, Utc};
use comparison_core::{correction::Reconsidered, recheck::Purpose};
use kernel::{CaseId, Code, DivisionCode, HouseholdId, ItemKind};
use serde::Serialize;
use sqlx::types::Json;
use uuid::Uuid;

use super::{
    ROWS_AT_ONCE, code, division,
    hit::{Hit, StoredHit},
};

const TABLE: &str = "reconsiderations";

/// A decision to look at again.
#[derive(Debug, Clone)]
pub struct Reconsideration {
    pub id: Uuid,
    pub batch: Uuid,
    pub item: ItemKind,
    pub comparison: Uuid,
    pub case: CaseId,
    pub household: HouseholdId,
    pub division: DivisionCode,
    pub purpose: Purpose,
    /// The decided hit; `None` for the comparison as a whole.
    pub hit: Option<Hit>,
    /// Why the batch was wrong, who said so, and when.
    pub correction: String,
    pub corrected_by: String,
    pub corrected_at: DateTime<Utc>,
    pub outcome: Option<Reconsidered>,
    pub closed_by: String,
    pub closed_reason: String,
    pub closed_on: Option<NaiveDate>,
}

struct Row {
    id: Uuid,
    batch_id: Uuid,
    item: String,
    comparison_id: Uuid,
    case_id: Uuid,
    household_id: Uuid,
    division_code: String,
    purpose: String,
    hit: Option<Json<StoredHit>>,
    correction: String,
    corrected_by: String,
    corrected_at: DateTime<Utc>,
    outcome: Option<String>,
    closed_by: String,
    closed_reason: String,
    closed_on: Option<NaiveDate>,
}

impl TryFrom<Row> for Reconsideration {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self, Error> {
        let outcome = row.outcome.map(|outcome| code(TABLE, "outcome", &outcome));
        Ok(Self {
            id: row.id,
            batch: row.batch_id,
            item: code(TABLE, "item", &row.item)?,
            comparison: row.comparison_id,
            case: CaseId(row.case_id),
            household: HouseholdId(row.household_id),
            division: division(TABLE, &row.division_code)?,
            purpose: code("comparisons", "purpose", &row.purpose)?,
            hit: row.hit.map(|hit| hit.0.try_into()).transpose()?,
            correction: row.correction,
            corrected_by: row.corrected_by,
            corrected_at: row.corrected_at,
            outcome: outcome.transpose()?,
            closed_by: row.closed_by,
            closed_reason: row.closed_reason,
            closed_on: row.closed_on,
        })
    }
}

/// `select` of entries with what they are about, with the given rest.
macro_rules! select {
    ($rest:tt, $($argument:expr),* $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"select r.id, r.batch_id, r.item, r.comparison_id, c.case_id, c.household_id,
                      r.division_code, c.purpose,
                      (select to_jsonb(h) from comparison.hits h where h.id = r.hit_id)
                      as "hit: Json<StoredHit>",
                      r.correction, r.corrected_by, r.corrected_at, r.outcome, r.closed_by,
                      r.closed_reason, r.closed_on
               from comparison.reconsiderations r
               join comparison.comparisons c on c.id = r.comparison_id "# + $rest,
            $($argument),*
        )
    };
}

/// Entries of a division behind one, oldest first, at most `most`.
pub async fn list(
    tx: &mut Tx,
    within: &str,
    with_closed: bool,
    after: Uuid,
    most: i64,
) -> Result<Vec<Reconsideration>, Error> {
    let rows = select!(
        "where r.id > $1 and r.division_code ^@ $2 and ($3 or r.outcome is null)
         order by r.id limit $4",
        after,
        within,
        with_closed,
        most,
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter().map(TryFrom::try_from).collect()
}

/// One that nobody else can close until this transaction ends. `None` out of scope.
pub async fn lock(tx: &mut Tx, id: Uuid) -> Result<Option<Reconsideration>, Error> {
    let row = select!("where r.id = $1 for update of r", id)
        .fetch_optional(&mut **tx)
        .await?;
    row.map(Reconsideration::try_from).transpose()
}

/// What a wrong batch makes somebody look at again.
#[derive(Debug, Clone)]
pub struct New {
    pub comparison: Uuid,
    pub division: DivisionCode,
    /// The decided hit; `None` for the comparison as a whole.
    pub hit: Option<Uuid>,
}

/// What is said of a wrong batch.
#[derive(Debug)]
pub struct Correction<'a> {
    pub batch: Uuid,
    pub item: ItemKind,
    pub reason: &'a str,
}

#[derive(Serialize)]
struct NewRow {
    id: Uuid,
    comparison_id: Uuid,
    division_code: DivisionCode,
    hit_id: Option<Uuid>,
}

/// Adds entries.
pub async fn insert(tx: &mut Tx, of: &Correction<'_>, entries: &[New]) -> Result<(), Error> {
    let (now, by) = (tx.now(), tx.principal().subject.clone());
    for entries in entries.chunks(ROWS_AT_ONCE) {
        let rows = entries.iter().map(|entry| NewRow {
            id: tx.database().clock().new_id(),
            comparison_id: entry.comparison,
            division_code: entry.division,
            hit_id: entry.hit,
        });
        let rows: Vec<NewRow> = rows.collect();
        sqlx::query!(
            "insert into comparison.reconsiderations
                 (id, comparison_id, division_code, hit_id, batch_id, item, correction, corrected_by,
                  corrected_at)
             select r.*, $2, $3, $4, $5, $6 from jsonb_to_recordset($1) as r (
                 id uuid, comparison_id uuid, division_code text, hit_id uuid)",
            Json(rows) as _,
            of.batch,
            of.item.as_str(),
            of.reason,
            by,
            now,
        )
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// Stores how one was closed; it is locked.
pub async fn close(tx: &mut Tx, entry: &Reconsideration) -> Result<(), Error> {
    sqlx::query!(
        "update comparison.reconsiderations
         set outcome = $2, closed_by = $3, closed_reason = $4, closed_on = $5 where id = $1",
        entry.id,
        entry.outcome.map(Code::as_str),
        entry.closed_by,
        entry.closed_reason,
        entry.closed_on,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
