//! Comparisons and the items received for them.

use chassis::{division_merge, error::Error, pg::Tx};
use chrono::{DateTime, NaiveDate, Utc};
use kernel::{CaseId, Code, DivisionCode, HouseholdId, ItemKind};
use serde::Deserialize;
use sqlx::types::Json;
use uuid::Uuid;

use super::{
    code, division,
    hit::{Hit, StoredHit},
};

const TABLE: &str = "comparisons";

/// A comparison with what came of it so far.
#[derive(Debug, Clone)]
pub struct Comparison {
    pub id: Uuid,
    pub case: CaseId,
    pub household: HouseholdId,
    pub division: DivisionCode,
    pub persons_compared: i32,
    pub received: Vec<Received>,
    pub hits: Vec<Hit>,
    pub opened_at: DateTime<Utc>,
    pub completed_at: Option<DateTime<Utc>>,
}

/// An item that a department has delivered.
#[derive(Debug, Clone)]
pub struct Received {
    pub item: ItemKind,
    pub data_date: NaiveDate,
    pub batch: Uuid,
}

#[derive(Deserialize)]
struct StoredReceived {
    item: String,
    data_date: NaiveDate,
    batch_id: Uuid,
}

struct Row {
    id: Uuid,
    case_id: Uuid,
    household_id: Uuid,
    division_code: String,
    persons_compared: i32,
    opened_at: DateTime<Utc>,
    completed_at: Option<DateTime<Utc>>,
    received: Json<Vec<StoredReceived>>,
    hits: Json<Vec<StoredHit>>,
}

impl TryFrom<Row> for Comparison {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self, Error> {
        let received = row.received.0.into_iter().map(|received| {
            Ok(Received {
                item: code("received_items", "item", &received.item)?,
                data_date: received.data_date,
                batch: received.batch_id,
            })
        });
        Ok(Self {
            id: row.id,
            case: CaseId(row.case_id),
            household: HouseholdId(row.household_id),
            division: division(TABLE, &row.division_code)?,
            persons_compared: row.persons_compared,
            received: received.collect::<Result<_, Error>>()?,
            hits: row
                .hits
                .0
                .into_iter()
                .map(TryFrom::try_from)
                .collect::<Result<_, _>>()?,
            opened_at: row.opened_at,
            completed_at: row.completed_at,
        })
    }
}

/// `select` of comparisons with everything that hangs on them, with the given rest.
macro_rules! select {
    ($rest:tt, $($argument:expr),* $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"select id, case_id, household_id, division_code, persons_compared, opened_at,
                      completed_at,
                      (select coalesce(jsonb_agg(jsonb_build_object('item', item,
                                  'data_date', data_date, 'batch_id', batch_id)), '[]')
                       from comparison.received_items r where r.comparison_id = c.id)
                      as "received!: Json<Vec<StoredReceived>>",
                      (select coalesce(jsonb_agg(to_jsonb(h) order by h.id), '[]')
                       from comparison.hits h where h.comparison_id = c.id)
                      as "hits!: Json<Vec<StoredHit>>"
               from comparison.comparisons c "# + $rest,
            $($argument),*
        )
    };
}

/// A case is compared again now and then; a page of cases has some hundred comparisons.
const MOST: i64 = 1000;

/// Comparisons of cases, newest first.
pub async fn of_cases(tx: &mut Tx, cases: &[CaseId]) -> Result<Vec<Comparison>, Error> {
    let cases: Vec<Uuid> = cases.iter().map(|case| case.0).collect();
    let rows = select!(
        "where case_id = any($1) order by id desc limit $2",
        &cases,
        MOST
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter().map(TryFrom::try_from).collect()
}

/// One that nobody else can change until this transaction ends.
pub async fn lock(tx: &mut Tx, id: Uuid) -> Result<Option<Comparison>, Error> {
    let found = sqlx::query_scalar!(
        "select id from comparison.comparisons where id = $1 for update",
        id
    )
    .fetch_optional(&mut **tx)
    .await?;
    if found.is_none() {
        return Ok(None);
    }
    let row = select!("where id = $1", id)
        .fetch_optional(&mut **tx)
        .await?;
    row.map(Comparison::try_from).transpose()
}

/// A comparison that lacks an item.
#[derive(Debug, Clone, Copy)]
pub struct Lacking {
    pub id: Uuid,
    pub household: HouseholdId,
}

/// Comparisons under way at once: cases between authorisation and comparison, some hundreds in a
/// county. More wait for the next delivery.
const OPEN_MAX: i64 = 10_000;

/// Open comparisons in scope that lack an item, oldest first.
pub async fn lacking(tx: &mut Tx, item: ItemKind) -> Result<Vec<Lacking>, Error> {
    let rows = sqlx::query!(
        "select id, household_id from comparison.comparisons c
         where completed_at is null and not exists (
             select from comparison.received_items r
             where r.comparison_id = c.id and r.item = $1)
         order by id limit $2",
        item.as_str(),
        OPEN_MAX,
    )
    .fetch_all(&mut **tx)
    .await?;
    let lacking = rows.into_iter().map(|row| Lacking {
        id: row.id,
        household: HouseholdId(row.household_id),
    });
    Ok(lacking.collect())
}

/// Opens one, unless the case has one under way.
pub async fn open(
    tx: &mut Tx,
    case: CaseId,
    household: HouseholdId,
    division: DivisionCode,
) -> Result<Option<Uuid>, Error> {
    let (id, now) = (tx.database().clock().new_id(), tx.now());
    let inserted = sqlx::query!(
        "insert into comparison.comparisons (id, case_id, household_id, division_code, opened_at)
         values ($1, $2, $3, $4, $5)
         on conflict (case_id) where completed_at is null do nothing",
        id,
        case.0,
        household.0,
        division.as_str(),
        now,
    )
    .execute(&mut **tx)
    .await?;
    Ok((inserted.rows_affected() == 1).then_some(id))
}

/// Notes that an item was compared for `persons` persons.
pub async fn receive(
    tx: &mut Tx,
    comparison: &Comparison,
    received: &Received,
    persons: i32,
    completed_at: Option<DateTime<Utc>>,
) -> Result<(), Error> {
    sqlx::query!(
        "with received as (
             insert into comparison.received_items
                 (comparison_id, division_code, item, data_date, batch_id)
             values ($1, $2, $3, $4, $5))
         update comparison.comparisons
         set persons_compared = greatest(persons_compared, $6), completed_at = $7
         where id = $1",
        comparison.id,
        comparison.division.as_str(),
        received.item.as_str(),
        received.data_date,
        received.batch,
        persons,
        completed_at,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Moves comparisons that lie in merged villages, with all that belongs to them, at most `most`;
/// says how many there were.
pub async fn follow_merges(tx: &mut Tx, most: i64) -> Result<usize, Error> {
    let rows = sqlx::query!(
        "with due as (
             select c.id, m.into_code from comparison.division_merges m
             join comparison.comparisons c on c.division_code = m.from_code
             order by c.id limit $1 for update of c
         )
         update comparison.comparisons c set division_code = due.into_code
         from due where c.id = due.id
         returning c.id, c.division_code",
        most
    )
    .fetch_all(&mut **tx)
    .await?;
    let moved = rows.into_iter();
    let moved = moved.map(|row| Ok((row.id, division(TABLE, &row.division_code)?)));
    let moved: Vec<_> = moved.collect::<Result<_, Error>>()?;
    let found = moved.len();
    const TABLES: [&str; 2] = ["received_items", "hits"];
    division_merge::carry(tx, moved, &TABLES.map(|table| (table, "comparison_id"))).await?;
    Ok(found)
}
