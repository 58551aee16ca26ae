//! Where things lie: villages that become part of others (ORG-1), and households that move to another
//! village (REG-12). What is open of a household goes with it.
//!
//! The registry decides both and its feed tells of them. Each service writes them down and moves
//! what it keeps, a batch at a time and whatever else comes in late. What was recorded (feed, record
//! of access, minutes, papers) keeps the code that it was recorded under: after a merge it is shown to
//! the village of today as well; of what has left it is shown there, and no more where it was made.

use std::time::Duration;

use anyhow::Context;
use chrono::NaiveDate;
use kernel::{Department, DivisionCode};
use prost::Message;
use proto::feed::v1::{DivisionMerge, HouseholdMove, Item};
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use crate::{
    error::Error,
    feed,
    lifecycle::Runtime,
    pg::{Database, Tx},
    subscription::Consumer,
};

/// Kind of the item that tells of a merge, in the feed of the registry and of all that heard of it.
pub const DIVISION_MERGED: &str = "division.merged";
/// The same of a household that lies in another village now.
pub const HOUSEHOLD_MOVED: &str = "household.moved";

/// How often own commits are looked at for something that does not lie where it should.
const TICK: Duration = Duration::from_secs(1);
/// Wait after a failure.
const RETRY: Duration = Duration::from_secs(10);
/// Households, cases or plans moved in one transaction: it stays short, and others get at theirs.
pub const BATCH: i64 = 50;

/// A village that became part of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    /// The village that is no more.
    pub from: DivisionCode,
    /// The village that it is part of.
    pub into: DivisionCode,
    /// First day on which it is.
    pub merged_on: NaiveDate,
    /// Account that merged them.
    pub merged_by: String,
}

/// Something that left a village for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Departure {
    /// A household, or something that belongs to one.
    pub subject: Uuid,
    /// Where it lay.
    pub from: DivisionCode,
    /// Where it lies.
    pub into: DivisionCode,
}

/// A departure to be told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// What left.
    pub left: Departure,
    /// The household that it went with.
    pub household: Uuid,
    /// Set when it belongs to one department.
    pub department: Option<Department>,
}

impl Move {
    /// Of a household itself.
    #[must_use]
    pub const fn of_household(left: Departure) -> Self {
        Self {
            left,
            household: left.subject,
            department: None,
        }
    }
}

/// What the registry tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A village is no more.
    Merged(Merge),
    /// A household lives in another village.
    Moved(Departure),
}

impl News {
    fn read(item: &Item) -> anyhow::Result<Self> {
        let payload = &item.payload[..];
        if item.kind == HOUSEHOLD_MOVED {
            let told = HouseholdMove::decode(payload)?;
            return Ok(Self::Moved(Departure {
                subject: told.household_id.parse().context("household_id")?,
                from: told.from_code.parse().context("from_code")?,
                into: told.into_code.parse().context("into_code")?,
            }));
        }
        let merge = DivisionMerge::decode(payload)?;
        Ok(Self::Merged(Merge {
            from: merge.from_code.parse().context("from_code")?,
            into: merge.into_code.parse().context("into_code")?,
            merged_on: merge.merged_on.parse().context("merged_on")?,
            merged_by: merge.merged_by,
        }))
    }
}

/// Writes a merge down and tells of it: from here on the village's past is shown to the other.
///
/// # Errors
/// The database does not answer.
pub async fn note(tx: &mut Tx, merge: &Merge) -> Result<(), Error> {
    let schema = tx.database().schema();
    let (from, into) = (merge.from.as_str(), merge.into.as_str());
    for follow in [
        format!("update {schema}.division_merges set into_code = $2 where into_code = $1"),
        // What had left the one for the other is back where it was.
        format!("delete from {schema}.departures where into_code = $1 and from_code = $2"),
        format!("update {schema}.departures set into_code = $2 where into_code = $1"),
    ] {
        let follow = sqlx::query(AssertSqlSafe(follow)).bind(from).bind(into);
        follow.execute(&mut **tx).await?;
    }
    let insert = format!(
        "insert into {schema}.division_merges (from_code, into_code, merged_on) \
         values ($1, $2, $3)"
    );
    sqlx::query(AssertSqlSafe(insert))
        .bind(from)
        .bind(into)
        .bind(merge.merged_on)
        .execute(&mut **tx)
        .await?;
    let payload = DivisionMerge {
        from_code: merge.from.to_string(),
        into_code: merge.into.to_string(),
        merged_on: merge.merged_on.to_string(),
        merged_by: merge.merged_by.clone(),
    };
    let subject = tx.database().clock().new_id();
    tx.publish(feed::Item {
        kind: DIVISION_MERGED.to_owned(),
        subject,
        division: merge.into,
        department: None,
        payload: payload.encode_to_vec(),
    });
    Ok(())
}

/// Writes down that something lies in another village now and tells of it, by items of a kind. That wakes
/// who [`spawn`]ed.
///
/// # Errors
/// The database does not answer.
pub async fn note_moves(tx: &mut Tx, kind: &str, moves: &[Move]) -> Result<(), Error> {
    let left: Vec<Departure> = moves.iter().map(|one| one.left).collect();
    depart(tx, &left).await?;
    let today = tx.today();
    for one in moves {
        let payload = HouseholdMove {
            household_id: one.household.to_string(),
            from_code: one.left.from.to_string(),
            into_code: one.left.into.to_string(),
            moved_on: today.to_string(),
        };
        tx.publish(feed::Item {
            kind: kind.to_owned(),
            subject: one.left.subject,
            division: one.left.into,
            department: one.department.clone(),
            payload: payload.encode_to_vec(),
        });
    }
    Ok(())
}

/// Writes down that something lies in another village now, where that is told already: from here on what
/// was recorded of it is shown there only. The same twice changes nothing.
///
/// # Errors
/// The database does not answer.
pub async fn depart(tx: &mut Tx, left: &[Departure]) -> Result<(), Error> {
    if left.is_empty() {
        return Ok(());
    }
    let schema = tx.database().schema();
    let subjects: Vec<Uuid> = left.iter().map(|one| one.subject).collect();
    let from: Vec<&str> = left.iter().map(|one| one.from.as_str()).collect();
    let into: Vec<&str> = left.iter().map(|one| one.into.as_str()).collect();
    // Where it went may have become part of another village meanwhile.
    let gone = format!(
        "select g.subject, g.from_code, coalesce(m.into_code, g.into_code) as into_code \
         from unnest($1::uuid[], $2::text[], $3::text[]) as g (subject, from_code, into_code) \
         left join {schema}.division_merges m on m.from_code = g.into_code"
    );
    for change in [
        format!(
            "insert into {schema}.departures (subject, from_code, into_code) \
             select * from ({gone}) as g where from_code <> into_code on conflict do nothing"
        ),
        // Back where it was before.
        format!(
            "delete from {schema}.departures d using ({gone}) as g \
             where d.subject = g.subject and d.from_code = g.into_code"
        ),
        format!(
            "update {schema}.departures d set into_code = g.into_code from ({gone}) as g \
             where d.subject = g.subject and d.into_code <> g.into_code"
        ),
    ] {
        let change = sqlx::query(AssertSqlSafe(change));
        let change = change.bind(&subjects).bind(&from).bind(&into);
        change.execute(&mut **tx).await?;
    }
    Ok(())
}

/// Follows what the registry tells; for the services that keep something of households.
#[derive(Debug)]
pub struct Whereabouts;

impl Consumer for Whereabouts {
    const SOURCE: &'static str = "households";
    const KINDS: &'static [&'static str] = &[DIVISION_MERGED, HOUSEHOLD_MOVED];
    type Prepared = News;

    async fn prepare(&self, item: &Item) -> Result<News, Error> {
        let news = News::read(item).with_context(|| format!("payload of {}", item.kind));
        news.map_err(Error::Internal)
    }

    async fn apply(&self, tx: &mut Tx, _: &Item, news: News) -> Result<(), Error> {
        match news {
            News::Merged(merge) => note(tx, &merge).await,
            News::Moved(left) => note_moves(tx, HOUSEHOLD_MOVED, &[Move::of_household(left)]).await,
        }
    }
}

/// Moves what a service keeps.
pub trait Follow: Send + Sync + 'static {
    /// Moves some of what does not lie where it should, at most [`BATCH`]; says how many it found.
    fn follow(&self, tx: &mut Tx) -> impl Future<Output = Result<usize, Error>> + Send;
}

/// Rows of a service that lie where something else does.
#[derive(Debug, Clone, Copy)]
pub struct Rows {
    /// Their table.
    pub table: &'static str,
    /// Its key.
    pub id: &'static str,
    /// Column that names what they go with when it leaves.
    pub subject: &'static str,
    /// SQL: which of them go. The rest stays as it was; with its village every row goes.
    pub open: &'static str,
}

/// A row that does not lie where it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stray {
    /// Its key, and the villages.
    pub departure: Departure,
    /// That what it belongs to has left; else its village was merged.
    pub has_left: bool,
}

/// Rows that do not lie where they should, held against other writers, at most `most`.
///
/// # Errors
/// The database does not answer, or a code does not read.
pub async fn strays(tx: &mut Tx, rows: &Rows, most: i64) -> Result<Vec<Stray>, Error> {
    let schema = tx.database().schema();
    let Rows {
        table,
        id,
        subject,
        open,
    } = rows;
    // A household that has left goes its own way, also when its village is merged after that. Who
    // waited for another writer looks again at where the row lies.
    let select = format!(
        "with found as (
             select r.{id} as id, d.from_code, d.into_code, true as has_left
             from {schema}.departures d
             join {schema}.{table} r on r.{subject} = d.subject and r.division_code = d.from_code
             where {open}
             union all
             select r.{id}, m.from_code, m.into_code, false from {schema}.division_merges m
             join {schema}.{table} r on r.division_code = m.from_code),
         due as (select distinct on (id) * from found order by id, has_left desc limit $1)
         select r.{id}, due.from_code, due.into_code, due.has_left from due
         join {schema}.{table} r on r.{id} = due.id and r.division_code = due.from_code
         where not due.has_left or {open}
         order by r.{id} for update of r"
    );
    let found = sqlx::query(AssertSqlSafe(select))
        .bind(most)
        .fetch_all(&mut **tx)
        .await?;
    let read = |row: &sqlx::postgres::PgRow| {
        let code = |at: usize| {
            let code: String = row.try_get(at)?;
            let code = code.parse::<DivisionCode>();
            let code = code.context("a division code that does not read");
            code.map_err(Error::Internal)
        };
        Ok::<_, Error>(Stray {
            departure: Departure {
                subject: row.try_get(0)?,
                from: code(1)?,
                into: code(2)?,
            },
            has_left: row.try_get(3)?,
        })
    };
    found.iter().map(read).collect()
}

/// Moves the rows that are or belong to what was moved: tables of the service, each with the column
/// that names what a row is of.
///
/// # Errors
/// The database does not answer.
pub async fn carry(
    tx: &mut Tx,
    moved: &[(Uuid, DivisionCode)],
    belongings: &[(&str, &str)],
) -> Result<(), Error> {
    if moved.is_empty() {
        return Ok(());
    }
    let schema = tx.database().schema();
    let (ids, divisions): (Vec<Uuid>, Vec<String>) = moved
        .iter()
        .map(|(id, division)| (*id, division.to_string()))
        .unzip();
    for (table, owner) in belongings {
        let update = format!(
            "update {schema}.{table} set division_code = moved.division_code \
             from unnest($1::uuid[], $2::text[]) as moved (id, division_code) \
             where {table}.{owner} = moved.id"
        );
        sqlx::query(AssertSqlSafe(update))
            .bind(&ids)
            .bind(&divisions)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

/// Moves rows that do not lie where they should and what belongs to them, at most `most`; says which,
/// and where they lie now. For rows of which nothing has to be told.
///
/// # Errors
/// The database does not answer.
pub async fn gather(
    tx: &mut Tx,
    rows: &Rows,
    belongings: &[(&str, &str)],
    most: i64,
) -> Result<Vec<(Uuid, DivisionCode)>, Error> {
    let found = strays(tx, rows, most).await?;
    let places = found
        .iter()
        .map(|s| (s.departure.subject, s.departure.into));
    let places: Vec<_> = places.collect();
    let tables = [&[(rows.table, rows.id)][..], belongings].concat();
    carry(tx, &places, &tables).await?;
    Ok(places)
}

/// Moves until the runtime stops: at the start and after own commits, so that what arrives late
/// from a neighbour moves as well.
pub fn spawn(runtime: &Runtime, database: Database, county: DivisionCode, service: impl Follow) {
    let lifecycle = runtime.lifecycle.clone();
    runtime.lifecycle.spawn("whereabouts", async move {
        let mut committed = database.committed();
        committed.mark_changed();
        loop {
            let mut wait = TICK;
            if committed.has_changed().unwrap_or_default() {
                committed.mark_unchanged();
                if let Err(error) = follow(&database, county, &service).await {
                    tracing::warn!(%error, "what lies in another village is looked at again later");
                    committed.mark_changed();
                    wait = RETRY;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = lifecycle.stopping() => return,
            }
        }
    });
}

/// Moves everything that does not lie where it should now.
///
/// # Errors
/// The database does not answer, or something does not read. What was moved stays moved.
pub async fn follow(
    database: &Database,
    county: DivisionCode,
    service: &impl Follow,
) -> Result<(), Error> {
    let most = usize::try_from(BATCH).unwrap_or(usize::MAX);
    loop {
        let mut tx = database.begin_internal(county).await?;
        let found = service.follow(&mut tx).await?;
        tx.commit().await?;
        if found < most {
            return Ok(());
        }
    }
}
