//! Villages that become part of others (ORG-1): every household, case and plan follows its village.
//!
//! The registry decides a merge and its feed tells of it. Each service writes it down and moves what
//! it keeps of the village, a batch at a time and whatever else comes in late. What was recorded
//! (feed, record of access, minutes, papers) keeps the code that it was recorded under and is shown
//! to the village of today.

use std::time::Duration;

use anyhow::Context;
use chrono::NaiveDate;
use kernel::DivisionCode;
use prost::Message;
use proto::feed::v1::{DivisionMerge, Item};
use sqlx::AssertSqlSafe;
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

/// How often own commits are looked at for something that lies in a merged village.
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

impl Merge {
    fn read(item: &Item) -> anyhow::Result<Self> {
        let merge = DivisionMerge::decode(&item.payload[..])?;
        Ok(Self {
            from: merge.from_code.parse().context("from_code")?,
            into: merge.into_code.parse().context("into_code")?,
            merged_on: merge.merged_on.parse().context("merged_on")?,
            merged_by: merge.merged_by,
        })
    }
}

/// Writes a merge down and tells of it: from here on the village's past is shown to the other.
///
/// # Errors
/// The database does not answer.
pub async fn note(tx: &mut Tx, merge: &Merge) -> Result<(), Error> {
    let schema = tx.database().schema();
    let follow = format!("update {schema}.division_merges set into_code = $2 where into_code = $1");
    let insert = format!(
        "insert into {schema}.division_merges (from_code, into_code, merged_on) \
         values ($1, $2, $3)"
    );
    sqlx::query(AssertSqlSafe(follow))
        .bind(merge.from.as_str())
        .bind(merge.into.as_str())
        .execute(&mut **tx)
        .await?;
    sqlx::query(AssertSqlSafe(insert))
        .bind(merge.from.as_str())
        .bind(merge.into.as_str())
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

/// Follows the registry's merges; for the services that keep something of households.
#[derive(Debug)]
pub struct Merges;

impl Consumer for Merges {
    const SOURCE: &'static str = "households";
    const KINDS: &'static [&'static str] = &[DIVISION_MERGED];
    type Prepared = Merge;

    async fn prepare(&self, item: &Item) -> Result<Merge, Error> {
        let merge = Merge::read(item).context("payload of a merge");
        merge.map_err(Error::Internal)
    }

    async fn apply(&self, tx: &mut Tx, _: &Item, merge: Merge) -> Result<(), Error> {
        note(tx, &merge).await
    }
}

/// Moves what a service keeps of merged villages.
pub trait Follow: Send + Sync + 'static {
    /// Moves some of what lies in merged villages, at most [`BATCH`]; says how many it found.
    fn follow(&self, tx: &mut Tx) -> impl Future<Output = Result<usize, Error>> + Send;
}

/// Moves the rows that belong to what was moved: tables of the service, each with the column that
/// names what a row belongs to.
///
/// # Errors
/// The database does not answer.
pub async fn carry(
    tx: &mut Tx,
    moved: Vec<(Uuid, DivisionCode)>,
    belongings: &[(&str, &str)],
) -> Result<(), Error> {
    if moved.is_empty() {
        return Ok(());
    }
    let schema = tx.database().schema();
    let (ids, divisions): (Vec<Uuid>, Vec<String>) = moved
        .into_iter()
        .map(|(id, division)| (id, division.to_string()))
        .unzip();
    for (table, owner) in belongings {
        let update = format!(
            "update {schema}.{table} set division_code = moved.division_code \
             from unnest($1::uuid[], $2::text[]) as moved (id, division_code) \
             where {owner} = moved.id"
        );
        sqlx::query(AssertSqlSafe(update))
            .bind(&ids)
            .bind(&divisions)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

/// Moves until the runtime stops: at the start and after own commits, so that what arrives late
/// from a neighbour moves as well.
pub fn spawn(runtime: &Runtime, database: Database, county: DivisionCode, service: impl Follow) {
    let lifecycle = runtime.lifecycle.clone();
    runtime.lifecycle.spawn("division_merge", async move {
        let mut committed = database.committed();
        committed.mark_changed();
        loop {
            let mut wait = TICK;
            if committed.has_changed().unwrap_or_default() {
                committed.mark_unchanged();
                if let Err(error) = follow(&database, county, &service).await {
                    tracing::warn!(%error, "merged villages are looked at again later");
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

/// Moves everything that lies in merged villages now.
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
