//! Tiles, checkpoints and cosignatures in a service's schema. Rows are only ever added.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection, Row, postgres::PgRow};

use super::{
    proof::Tiles,
    tile::{Edge, TileId, WIDTH},
};
use crate::{error::Error, merkle::Hash};

/// A checkpoint as it was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) size: u64,
    pub(crate) root: Vec<u8>,
    pub(crate) note: String,
    pub(crate) signed_at: DateTime<Utc>,
}

impl Signed {
    fn read(row: &PgRow) -> Result<Self, Error> {
        Ok(Self {
            size: row.try_get::<i64, _>("size")?.unsigned_abs(),
            root: row.try_get("root")?,
            note: row.try_get("note")?,
            signed_at: row.try_get("signed_at")?,
        })
    }
}

/// Which checkpoint.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Which {
    Last,
    OfSize(u64),
    /// The last one signed before an instant.
    Before(DateTime<Utc>),
}

pub(crate) async fn checkpoint(
    connection: &mut PgConnection,
    schema: &str,
    which: Which,
) -> Result<Option<Signed>, Error> {
    let (size, before) = match which {
        Which::Last => (None, None),
        Which::OfSize(size) => (Some(number(size)), None),
        Which::Before(instant) => (None, Some(instant)),
    };
    let select = format!(
        "select size, root, note, signed_at from {schema}.log_checkpoints \
         where ($1::bigint is null or size = $1) and ($2::timestamptz is null or signed_at < $2) \
         order by size desc limit 1"
    );
    let row = sqlx::query(AssertSqlSafe(select))
        .bind(size)
        .bind(before)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(Signed::read).transpose()
}

/// Every checkpoint, shortest first: one a minute, for a check of the whole.
pub(crate) async fn checkpoints(
    connection: &mut PgConnection,
    schema: &str,
) -> Result<Vec<Signed>, Error> {
    let select =
        format!("select size, root, note, signed_at from {schema}.log_checkpoints order by size");
    let rows = sqlx::query(AssertSqlSafe(select))
        .fetch_all(connection)
        .await?;
    rows.iter().map(Signed::read).collect()
}

pub(crate) async fn insert_checkpoint(
    connection: &mut PgConnection,
    schema: &str,
    signed: &Signed,
) -> Result<(), Error> {
    let insert = format!(
        "insert into {schema}.log_checkpoints (size, root, note, signed_at) values ($1, $2, $3, $4)"
    );
    sqlx::query(AssertSqlSafe(insert))
        .bind(number(signed.size))
        .bind(&signed.root)
        .bind(&signed.note)
        .bind(signed.signed_at)
        .execute(connection)
        .await?;
    Ok(())
}

/// The lines under a checkpoint, by witness.
pub(crate) async fn cosignatures(
    connection: &mut PgConnection,
    schema: &str,
    size: u64,
) -> Result<Vec<(String, String)>, Error> {
    let select = format!(
        "select witness, line from {schema}.log_cosignatures where size = $1 order by witness"
    );
    let rows = sqlx::query_as(AssertSqlSafe(select))
        .bind(number(size))
        .fetch_all(connection)
        .await?;
    Ok(rows)
}

/// Keeps a witness's first line under a checkpoint.
pub(crate) async fn insert_cosignature(
    connection: &mut PgConnection,
    schema: &str,
    size: u64,
    cosignature: &super::Cosignature,
) -> Result<(), Error> {
    let insert = format!(
        "insert into {schema}.log_cosignatures (size, witness, line, signed_at) \
         values ($1, $2, $3, $4) on conflict do nothing"
    );
    sqlx::query(AssertSqlSafe(insert))
        .bind(number(size))
        .bind(&cosignature.name)
        .bind(&cosignature.line)
        .bind(cosignature.at)
        .execute(connection)
        .await?;
    Ok(())
}

/// Leaves that are in tiles.
pub(crate) async fn tiled(connection: &mut PgConnection, schema: &str) -> Result<u64, Error> {
    let select = format!(
        "select n * {WIDTH} + first + length(hashes) / 32 from {schema}.log_tiles \
         where level = 0 order by n desc, first desc limit 1"
    );
    let leaves: Option<i64> = sqlx::query_scalar(AssertSqlSafe(select))
        .fetch_optional(connection)
        .await?;
    Ok(leaves.unwrap_or(0).unsigned_abs())
}

/// Tiles as far as they have grown, by level and index.
pub(crate) async fn tiles(
    connection: &mut PgConnection,
    schema: &str,
    wanted: &[TileId],
) -> Result<Tiles, Error> {
    let select = format!(
        "select level, n, string_agg(hashes, ''::bytea order by first) from {schema}.log_tiles \
         join (select distinct * from unnest($1::smallint[], $2::bigint[]) as w (level, n)) as wanted \
              using (level, n) \
         group by level, n"
    );
    let levels: Vec<i16> = wanted.iter().map(|tile| tile.level.into()).collect();
    let indexes: Vec<i64> = wanted.iter().map(|tile| number(tile.index)).collect();
    let rows = sqlx::query(AssertSqlSafe(select))
        .bind(levels)
        .bind(indexes)
        .fetch_all(connection)
        .await?;
    read_tiles(&rows)
}

/// The tiles of level 0 from index `first` to `last`, or every tile above level 0.
pub(crate) async fn tiles_between(
    connection: &mut PgConnection,
    schema: &str,
    leaves: Option<(u64, u64)>,
) -> Result<Tiles, Error> {
    let (first, last) = leaves.unwrap_or((0, i64::MAX.unsigned_abs()));
    let compare = if leaves.is_some() { "=" } else { ">" };
    let select = format!(
        "select level, n, string_agg(hashes, ''::bytea order by first) from {schema}.log_tiles \
         where level {compare} 0 and n between $1 and $2 group by level, n"
    );
    let rows = sqlx::query(AssertSqlSafe(select))
        .bind(number(first))
        .bind(number(last))
        .fetch_all(connection)
        .await?;
    read_tiles(&rows)
}

fn read_tiles(rows: &[PgRow]) -> Result<Tiles, Error> {
    let read = |row: &PgRow| {
        let level = u8::try_from(row.try_get::<i16, _>(0)?).unwrap_or(u8::MAX);
        let index = row.try_get::<i64, _>(1)?.unsigned_abs();
        Ok(((level, index), row.try_get(2)?))
    };
    rows.iter().map(read).collect()
}

/// The right edge of a log of `len` leaves.
pub(crate) async fn edge(
    connection: &mut PgConnection,
    schema: &str,
    len: u64,
) -> Result<Edge, Error> {
    let ids: Vec<TileId> = Edge::partial(len).collect();
    let mut found = tiles(connection, schema, &ids).await?;
    let edge = ids.iter().map(|id| {
        let bytes = found.remove(&(id.level, id.index))?;
        let (hashes, []) = bytes.as_chunks::<32>() else {
            return None;
        };
        Some(hashes.get(..usize::try_from(id.width).ok()?)?.to_vec())
    });
    let edge: Option<Vec<Vec<Hash>>> = edge.collect();
    let damaged = || Error::Internal(anyhow::anyhow!("log_tiles do not hold {len} leaves"));
    edge.and_then(|tiles| Edge::new(len, tiles))
        .ok_or_else(damaged)
}

/// Pieces of tiles to be written.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    levels: Vec<i16>,
    indexes: Vec<i64>,
    firsts: Vec<i16>,
    hashes: Vec<Vec<u8>>,
}

impl Pieces {
    /// What is new in a tile; `before` says how wide tiles were, by level and index.
    pub(crate) fn add(&mut self, tile: &super::Tile, before: &HashMap<(u8, u64), usize>) {
        let first = before.get(&(tile.level, tile.index)).copied().unwrap_or(0);
        if first < tile.hashes.len() {
            self.levels.push(tile.level.into());
            self.indexes.push(number(tile.index));
            self.firsts.push(i16::try_from(first).unwrap_or(i16::MAX));
            self.hashes.push(tile.hashes[first..].concat());
        }
    }

    pub(crate) async fn insert(
        self,
        connection: &mut PgConnection,
        schema: &str,
    ) -> Result<(), Error> {
        let insert = format!(
            "insert into {schema}.log_tiles (level, n, first, hashes) \
             select * from unnest($1::smallint[], $2::bigint[], $3::smallint[], $4::bytea[])"
        );
        sqlx::query(AssertSqlSafe(insert))
            .bind(self.levels)
            .bind(self.indexes)
            .bind(self.firsts)
            .bind(self.hashes)
            .execute(connection)
            .await?;
        Ok(())
    }
}

/// Rows of the log, and the first of them that is not under the last checkpoint.
pub(crate) async fn waiting(
    connection: &mut PgConnection,
    schema: &str,
    sealed: u64,
) -> Result<(u64, Option<DateTime<Utc>>), Error> {
    let select = format!(
        "select head.position, \
                (select recorded_at from {schema}.feed where position = $1) \
         from {schema}.feed_head head"
    );
    let (head, since): (i64, Option<DateTime<Utc>>) = sqlx::query_as(AssertSqlSafe(select))
        .bind(number(sealed).saturating_add(1))
        .fetch_one(connection)
        .await?;
    Ok((head.unsigned_abs(), since))
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
