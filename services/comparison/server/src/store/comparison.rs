//! Comparisons and the items received for them.

use chassis::{error::Error, pg::Tx};
use chrono::{DateTime, NaiveDate, Utc};
use comparison_core::{
    outcome::{ItemState, LeftOut},
    recheck::Purpose,
};
use kernel::{CaseId, Code, DivisionCode, HouseholdId, ItemKind};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use uuid::Uuid;

use super::{
    ROWS_AT_ONCE,
    check::Check,
    code, damaged, division,
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
    pub purpose: Purpose,
    /// It ended before all items had come.
    pub unfinished: bool,
}

impl Comparison {
    /// Whether it ended with all items.
    pub const fn is_complete(&self) -> bool {
        self.completed_at.is_some() && !self.unfinished
    }

    /// Forgets what an item was compared with in a batch; whom it was compared for then waits for another.
    pub fn forget(&mut self, item: ItemKind, batch: Uuid) {
        let known = self.received.iter().position(|r| r.item == item);
        let Some(mut known) = known.map(|at| self.received.swap_remove(at)) else {
            return;
        };
        let before = known.compared().count();
        known.sources.retain(|source| source.id != batch);
        let waiting = before - known.compared().count();
        known.left_out.corrected += u32::try_from(waiting).unwrap_or(u32::MAX);
        // Where nothing is left the item is missing, and nobody is left out of it.
        self.received
            .extend(Received::of(item, known.sources, known.left_out));
    }

    fn received(&self, item: ItemKind) -> Option<&Received> {
        self.received.iter().find(|r| r.item == item)
    }

    /// Whom an item was compared for.
    pub fn compared(&self, item: ItemKind) -> Vec<Uuid> {
        let received = self.received(item).into_iter();
        received.flat_map(Received::compared).collect()
    }

    /// Whether an item was compared for everybody who has to be.
    pub fn has(&self, item: ItemKind) -> bool {
        let received = self.received(item);
        received.is_some_and(|received| received.state().is_whole())
    }

    /// Adds what an item was compared with now; `left_out` is for whom it still was not.
    pub fn receive(&mut self, item: ItemKind, source: Source, left_out: LeftOut) {
        let earlier = self.received.iter().position(|r| r.item == item);
        let earlier = earlier.map(|at| self.received.swap_remove(at));
        let mut sources = earlier.map_or_else(Vec::new, |earlier| earlier.sources);
        sources.push(source);
        self.received.extend(Received::of(item, sources, left_out));
    }
}

/// An item that has been compared.
#[derive(Debug, Clone)]
pub struct Received {
    pub item: ItemKind,
    /// Day of the oldest data.
    pub data_date: NaiveDate,
    /// What it was compared with, oldest first.
    pub sources: Vec<Source>,
    pub left_out: LeftOut,
}

/// What an item was compared with: a department's batch, or a check that stands for one (CMP-7).
#[derive(Debug, Clone)]
pub struct Source {
    pub id: Uuid,
    pub data_date: NaiveDate,
    /// For whom.
    pub compared: Vec<Uuid>,
    pub check: Option<Check>,
}

impl Received {
    /// An item by what it was compared with; `None` for nothing. A source for nobody is no data, and
    /// stands only while there is no other.
    fn of(item: ItemKind, mut sources: Vec<Source>, left_out: LeftOut) -> Option<Self> {
        let newest = sources.pop()?;
        sources.retain(|source| !source.compared.is_empty());
        if sources.is_empty() || !newest.compared.is_empty() {
            sources.push(newest);
        }
        Some(Self {
            item,
            data_date: sources.iter().map(|source| source.data_date).min()?,
            sources,
            left_out,
        })
    }

    /// Whom it was compared for.
    pub fn compared(&self) -> impl Iterator<Item = Uuid> {
        self.sources
            .iter()
            .flat_map(|source| &source.compared)
            .copied()
    }

    /// The newest batch.
    pub fn batch(&self) -> Option<Uuid> {
        let mut batches = self.sources.iter().filter(|source| source.check.is_none());
        batches.next_back().map(|source| source.id)
    }

    /// The newest check.
    pub fn check(&self) -> Option<&Check> {
        let mut checks = self
            .sources
            .iter()
            .filter_map(|source| source.check.as_ref());
        checks.next_back()
    }

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
    corrected: u32,
    sources: Vec<StoredSource>,
}

#[derive(Deserialize)]
struct StoredSource {
    source_id: Uuid,
    data_date: NaiveDate,
    compared: Vec<Uuid>,
    check: Option<Check>,
}

impl TryFrom<StoredReceived> for Received {
    type Error = Error;
    fn try_from(row: StoredReceived) -> Result<Self, Error> {
        let sources = row.sources.into_iter().map(|source| Source {
            id: source.source_id,
            data_date: source.data_date,
            compared: source.compared,
            check: source.check,
        });
        let mut sources: Vec<Source> = sources.collect();
        // A program that knows no sources names the newest batch for everybody.
        let named = |person: &Uuid| {
            sources
                .iter()
                .any(|source| source.compared.contains(person))
        };
        let rest: Vec<Uuid> = row.compared.into_iter().filter(|p| !named(p)).collect();
        if sources.is_empty() || !rest.is_empty() {
            sources.push(Source {
                id: row.batch_id,
                data_date: row.data_date,
                compared: rest,
                check: None,
            });
        }
        let left_out = LeftOut {
            not_authorised: row.not_authorised,
            expired: row.expired,
            withdrawn: row.withdrawn,
            unanswered: row.unanswered,
            corrected: row.corrected,
        };
        Self::of(
            code("received_items", "item", &row.item)?,
            sources,
            left_out,
        )
        .ok_or_else(|| damaged("received_items", "compared"))
    }
}

struct Row {
    id: Uuid,
    case_id: Uuid,
    household_id: Uuid,
    division_code: String,
    persons_compared: i32,
    opened_at: DateTime<Utc>,
    completed_at: Option<DateTime<Utc>>,
    purpose: String,
    unfinished: bool,
    received: Json<Vec<StoredReceived>>,
    hits: Json<Vec<StoredHit>>,
}

impl TryFrom<Row> for Comparison {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self, Error> {
        let received = row.received.0.into_iter().map(TryFrom::try_from);
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
            purpose: code(TABLE, "purpose", &row.purpose)?,
            unfinished: row.unfinished,
        })
    }
}

/// `select` of comparisons with everything that hangs on them, with the given rest.
macro_rules! select {
    ($rest:tt, $($argument:expr),* $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"select id, case_id, household_id, division_code, persons_compared, opened_at,
                      completed_at, purpose, unfinished,
                      (select coalesce(jsonb_agg(jsonb_build_object('item', item,
                                  'data_date', data_date, 'batch_id', batch_id,
                                  'compared', compared, 'not_authorised', not_authorised,
                                  'expired', expired, 'withdrawn', withdrawn,
                                  'unanswered', unanswered,
                                  'corrected', corrected, 'sources',
                                  (select coalesce(jsonb_agg(jsonb_build_object(
                                              'source_id', s.source_id, 'data_date', s.data_date,
                                              'compared', s.compared, 'check',
                                              (select to_jsonb(k) from comparison.reused_checks k
                                               where k.id = s.source_id))
                                              order by s.source_id), '[]')
                                   from comparison.item_sources s
                                   where s.comparison_id = r.comparison_id and s.item = r.item))),
                                  '[]')
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

/// Comparisons of cases: those of the procedure, newest first, then re-checks, newest first.
pub async fn of_cases(tx: &mut Tx, cases: &[CaseId]) -> Result<Vec<Comparison>, Error> {
    let cases: Vec<Uuid> = cases.iter().map(|case| case.0).collect();
    let rows = select!(
        "where case_id = any($1) order by purpose, id desc limit $2",
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

/// Which of some are under way; nobody else can change them until this transaction ends.
pub async fn lock_open_ids(tx: &mut Tx, ids: &[Uuid]) -> Result<Vec<Uuid>, Error> {
    // In one order, so that two files do not wait for each other.
    let open = sqlx::query_scalar!(
        "select id from comparison.comparisons where id = any($1) and completed_at is null
         order by id for update",
        ids
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(open)
}

/// Those of some that are under way, locked as by [`lock_open_ids`].
pub async fn lock_open(tx: &mut Tx, ids: &[Uuid]) -> Result<Vec<Comparison>, Error> {
    let open = lock_open_ids(tx, ids).await?;
    let rows = select!("where id = any($1) order by id", &open)
        .fetch_all(&mut **tx)
        .await?;
    rows.into_iter().map(TryFrom::try_from).collect()
}

/// Some, under way or not; nobody else can change them until this transaction ends.
pub async fn lock_all(tx: &mut Tx, ids: &[Uuid]) -> Result<Vec<Comparison>, Error> {
    let locked = sqlx::query_scalar!(
        "select id from comparison.comparisons where id = any($1) order by id for update",
        ids
    )
    .fetch_all(&mut **tx)
    .await?;
    let rows = select!("where id = any($1) order by id", &locked)
        .fetch_all(&mut **tx)
        .await?;
    rows.into_iter().map(TryFrom::try_from).collect()
}

/// Comparisons that something of a batch went into, in the order of their ids: at most those that were
/// under way when it came.
pub async fn using(tx: &mut Tx, batch: Uuid) -> Result<Vec<Uuid>, Error> {
    let ids = sqlx::query_scalar!(
        r#"select id as "id!" from (
               select comparison_id as id from comparison.item_sources where source_id = $1
               union select comparison_id from comparison.received_items where batch_id = $1
               union select comparison_id from comparison.hits where batch_id = $1) as used
           order by id limit $2"#,
        batch,
        OPEN_MAX,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(ids)
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

/// Open comparisons in scope that lack an item for somebody: those of the procedure, oldest first, then
/// re-checks, which hold up nobody.
pub async fn lacking(tx: &mut Tx, item: ItemKind) -> Result<Vec<Lacking>, Error> {
    let rows = sqlx::query!(
        r#"select c.id, c.household_id, coalesce(r.compared, '{}') as "compared!",
                coalesce(r.not_authorised, 0) as "not_authorised!",
                coalesce(r.expired, 0) as "expired!", coalesce(r.withdrawn, 0) as "withdrawn!",
                coalesce(r.unanswered, 0) as "unanswered!", coalesce(r.corrected, 0) as "corrected!",
                c.case_id, c.division_code
         from comparison.comparisons c
         left join comparison.received_items r on r.comparison_id = c.id and r.item = $1
         where c.completed_at is null
           and (r.item is null or r.not_authorised + r.expired + r.withdrawn + r.unanswered
                                  + r.corrected > 0)
         order by c.purpose, c.id limit $2"#,
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
                corrected: row.corrected.unsigned_abs(),
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

/// Opens one, unless the case has one under way. The procedure's own waits for no re-check: that ends.
pub async fn open(
    tx: &mut Tx,
    case: CaseId,
    household: HouseholdId,
    division: DivisionCode,
    purpose: Purpose,
) -> Result<Option<Uuid>, Error> {
    if purpose == Purpose::Procedure {
        end_recheck(tx, case).await?;
    }
    let (id, now) = (tx.database().clock().new_id(), tx.now());
    let inserted = sqlx::query!(
        "insert into comparison.comparisons
             (id, case_id, household_id, division_code, opened_at, purpose)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (case_id) where completed_at is null do nothing",
        id,
        case.0,
        household.0,
        division.as_str(),
        now,
        purpose.as_str(),
    )
    .execute(&mut **tx)
    .await?;
    Ok((inserted.rows_affected() == 1).then_some(id))
}

/// Ends a case's re-check that is under way, unfinished: nobody is compared for it any more.
pub async fn end_recheck(tx: &mut Tx, case: CaseId) -> Result<(), Error> {
    let now = tx.now();
    sqlx::query!(
        "update comparison.comparisons set completed_at = $2, unfinished = true
         where case_id = $1 and purpose = 'RE_CHECK' and completed_at is null",
        case.0,
        now,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Forgets what an item of some comparisons was compared with in a batch.
pub async fn forget(
    tx: &mut Tx,
    comparisons: &[Comparison],
    item: ItemKind,
    batch: Uuid,
) -> Result<(), Error> {
    let ids: Vec<Uuid> = comparisons.iter().map(|comparison| comparison.id).collect();
    sqlx::query!(
        "delete from comparison.item_sources
         where comparison_id = any($1) and item = $2 and source_id = $3",
        &ids,
        item.as_str(),
        batch,
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "delete from comparison.received_items where comparison_id = any($1) and item = $2",
        &ids,
        item.as_str(),
    )
    .execute(&mut **tx)
    .await?;
    // What is left of the item after all.
    receive(tx, comparisons, item).await
}

#[derive(Serialize)]
struct NewReceived<'a> {
    comparison_id: Uuid,
    division_code: DivisionCode,
    item: &'static str,
    data_date: NaiveDate,
    /// The newest source: a program that knows no checks takes one for a batch.
    batch_id: Uuid,
    compared: Vec<Uuid>,
    not_authorised: u32,
    expired: u32,
    withdrawn: u32,
    unanswered: u32,
    corrected: u32,
    completed_at: Option<DateTime<Utc>>,
    sources: Vec<NewSource<'a>>,
}

#[derive(Serialize)]
struct NewSource<'a> {
    source_id: Uuid,
    data_date: NaiveDate,
    compared: &'a [Uuid],
}

/// Notes for whom an item was compared, in each of some comparisons.
pub async fn receive(tx: &mut Tx, comparisons: &[Comparison], item: ItemKind) -> Result<(), Error> {
    let received = comparisons.iter().filter_map(|comparison| {
        let received = comparison.received(item)?;
        let sources = received.sources.iter().map(|source| NewSource {
            source_id: source.id,
            data_date: source.data_date,
            compared: &source.compared,
        });
        Some(NewReceived {
            comparison_id: comparison.id,
            division_code: comparison.division,
            item: item.as_str(),
            data_date: received.data_date,
            batch_id: received.sources.last()?.id,
            compared: received.compared().collect(),
            not_authorised: received.left_out.not_authorised,
            expired: received.left_out.expired,
            withdrawn: received.left_out.withdrawn,
            unanswered: received.left_out.unanswered,
            corrected: received.left_out.corrected,
            completed_at: comparison.completed_at,
            sources: sources.collect(),
        })
    });
    let received: Vec<NewReceived<'_>> = received.collect();
    for received in received.chunks(ROWS_AT_ONCE) {
        sqlx::query!(
            "with received as (
                 select * from jsonb_to_recordset($1) as r (
                     comparison_id uuid, division_code text, item text, data_date date, batch_id uuid,
                     compared uuid[], not_authorised integer, expired integer, withdrawn integer,
                     unanswered integer, corrected integer,
                     completed_at timestamptz, sources jsonb)),
             named as (
                 insert into comparison.item_sources
                     (comparison_id, division_code, item, source_id, data_date, compared)
                 select r.comparison_id, r.division_code, r.item, s.source_id, s.data_date, s.compared
                 from received r, jsonb_to_recordset(r.sources) as s (
                     source_id uuid, data_date date, compared uuid[])
                 on conflict do nothing),
             written as (
                 insert into comparison.received_items
                     (comparison_id, division_code, item, data_date, batch_id, compared,
                      not_authorised, expired, withdrawn, unanswered,
                      corrected)
                 select comparison_id, division_code, item, data_date, batch_id, compared,
                        not_authorised, expired, withdrawn, unanswered, corrected from received
                 on conflict (comparison_id, item) do update
                 set data_date = excluded.data_date, batch_id = excluded.batch_id,
                     compared = excluded.compared, not_authorised = excluded.not_authorised,
                     expired = excluded.expired, withdrawn = excluded.withdrawn,
                     unanswered = excluded.unanswered, corrected = excluded.corrected)
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
