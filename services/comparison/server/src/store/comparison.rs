//! Comparisons and the items received for them.

use chassis::{division_merge, error::Error, pg::Tx};
use chrono::{DateTime, NaiveDate, Utc};
use comparison_core::outcome::{ItemState, LeftOut};
use kernel::{CaseId, Code, DivisionCode, HouseholdId, ItemKind};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use uuid::Uuid;

use super::{
    ROWS_AT_ONCE, code, division,
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
    /// Whom it was compared for.
    pub compared: Vec<Uuid>,
    pub left_out: LeftOut,
}

impl Received {
    /// What counts of it.
    pub const fn state(&self) -> ItemState {
        ItemState {
            item: self.item,
            data_date: self.data_date,
            left_out: self.left_out,
        }
    }
}

#[derive(Deserialize)]
struct StoredReceived {
    item: String,
    data_date: NaiveDate,
    batch_id: Uuid,
    compared: Vec<Uuid>,
    not_authorised: u32,
    expired: u32,
    withdrawn: u32,
    unanswered: u32,
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
                compared: received.compared,
                left_out: LeftOut {
                    not_authorised: received.not_authorised,
                    expired: received.expired,
                    withdrawn: received.withdrawn,
                    unanswered: received.unanswered,
                },
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
                                  'data_date', data_date, 'batch_id', batch_id,
                                  'compared', compared, 'not_authorised', not_authorised,
                                  'expired', expired, 'withdrawn', withdrawn,
                                  'unanswered', unanswered)), '[]')
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

/// Those of some that are under way; nobody else can change them until this transaction ends.
pub async fn lock_open(tx: &mut Tx, ids: &[Uuid]) -> Result<Vec<Comparison>, Error> {
    // In one order, so that two files do not wait for each other.
    let open = sqlx::query_scalar!(
        "select id from comparison.comparisons where id = any($1) and completed_at is null
         order by id for update",
        ids
    )
    .fetch_all(&mut **tx)
    .await?;
    let rows = select!("where id = any($1) order by id", &open)
        .fetch_all(&mut **tx)
        .await?;
    rows.into_iter().map(TryFrom::try_from).collect()
}

/// A comparison that lacks an item, or persons of it.
#[derive(Debug, Clone)]
pub struct Lacking {
    pub id: Uuid,
    pub case: CaseId,
    pub household: HouseholdId,
    pub division: DivisionCode,
    /// For whom the item was compared before.
    pub compared: Vec<Uuid>,
    /// For whom not.
    pub left_out: LeftOut,
}

/// Comparisons under way at once: cases between authorisation and comparison, some hundreds in a
/// county. More wait for the next delivery.
const OPEN_MAX: i64 = 10_000;

/// Open comparisons in scope that lack an item for somebody, oldest first.
pub async fn lacking(tx: &mut Tx, item: ItemKind) -> Result<Vec<Lacking>, Error> {
    let rows = sqlx::query!(
        r#"select c.id, c.household_id, coalesce(r.compared, '{}') as "compared!",
                coalesce(r.not_authorised, 0) as "not_authorised!",
                coalesce(r.expired, 0) as "expired!", coalesce(r.withdrawn, 0) as "withdrawn!",
                coalesce(r.unanswered, 0) as "unanswered!", c.case_id, c.division_code
         from comparison.comparisons c
         left join comparison.received_items r on r.comparison_id = c.id and r.item = $1
         where c.completed_at is null
           and (r.item is null or r.not_authorised + r.expired + r.withdrawn + r.unanswered > 0)
         order by c.id limit $2"#,
        item.as_str(),
        OPEN_MAX,
    )
    .fetch_all(&mut **tx)
    .await?;
    let lacking = rows.into_iter().map(|row| {
        Ok(Lacking {
            id: row.id,
            case: CaseId(row.case_id),
            household: HouseholdId(row.household_id),
            division: division(TABLE, &row.division_code)?,
            compared: row.compared,
            left_out: LeftOut {
                not_authorised: row.not_authorised.unsigned_abs(),
                expired: row.expired.unsigned_abs(),
                withdrawn: row.withdrawn.unsigned_abs(),
                unanswered: row.unanswered.unsigned_abs(),
            },
        })
    });
    lacking.collect()
}

/// The households of some comparisons, each once.
pub async fn households(tx: &mut Tx, ids: &[Uuid]) -> Result<Vec<(Uuid, HouseholdId)>, Error> {
    let rows = sqlx::query!(
        "select id, household_id from comparison.comparisons where id = any($1)",
        ids
    )
    .fetch_all(&mut **tx)
    .await?;
    let rows = rows.into_iter();
    Ok(rows
        .map(|row| (row.id, HouseholdId(row.household_id)))
        .collect())
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

#[derive(Serialize)]
struct NewReceived<'a> {
    comparison_id: Uuid,
    division_code: DivisionCode,
    item: &'static str,
    data_date: NaiveDate,
    batch_id: Uuid,
    compared: &'a [Uuid],
    not_authorised: u32,
    expired: u32,
    withdrawn: u32,
    unanswered: u32,
    completed_at: Option<DateTime<Utc>>,
}

/// Notes for whom an item was compared, in each of some comparisons.
pub async fn receive(tx: &mut Tx, comparisons: &[Comparison], item: ItemKind) -> Result<(), Error> {
    let received = comparisons.iter().filter_map(|comparison| {
        let received = comparison.received.iter().find(|r| r.item == item)?;
        Some(NewReceived {
            comparison_id: comparison.id,
            division_code: comparison.division,
            item: item.as_str(),
            data_date: received.data_date,
            batch_id: received.batch,
            compared: &received.compared,
            not_authorised: received.left_out.not_authorised,
            expired: received.left_out.expired,
            withdrawn: received.left_out.withdrawn,
            unanswered: received.left_out.unanswered,
            completed_at: comparison.completed_at,
        })
    });
    let received: Vec<NewReceived<'_>> = received.collect();
    for received in received.chunks(ROWS_AT_ONCE) {
        sqlx::query!(
            "with received as (
                 select * from jsonb_to_recordset($1) as r (
                     comparison_id uuid, division_code text, item text, data_date date, batch_id uuid,
                     compared uuid[], not_authorised integer, expired integer, withdrawn integer,
                     unanswered integer, completed_at timestamptz)),
             written as (
                 insert into comparison.received_items
                     (comparison_id, division_code, item, data_date, batch_id, compared,
                      not_authorised, expired, withdrawn, unanswered)
                 select comparison_id, division_code, item, data_date, batch_id, compared,
                        not_authorised, expired, withdrawn, unanswered from received
                 on conflict (comparison_id, item) do update
                 set data_date = excluded.data_date, batch_id = excluded.batch_id,
                     compared = excluded.compared, not_authorised = excluded.not_authorised,
                     expired = excluded.expired, withdrawn = excluded.withdrawn,
                     unanswered = excluded.unanswered)
             update comparison.comparisons c
             set persons_compared = greatest(persons_compared, cardinality(r.compared)),
                 completed_at = r.completed_at
             from received r where c.id = r.comparison_id",
            Json(received) as _,
        )
        .execute(&mut **tx)
        .await?;
    }
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
    const TABLES: [&str; 3] = ["received_items", "hits", "queries"];
    division_merge::carry(tx, moved, &TABLES.map(|table| (table, "comparison_id"))).await?;
    Ok(found)
}
