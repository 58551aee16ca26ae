//! The ledger: every feed row is a leaf of a Merkle log, and any row that was changed, removed or
//! moved is found and named.

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use sqlx::{AssertSqlSafe, PgConnection, Row};
use uuid::Uuid;

use crate::{
    error::Error,
    feed::frontier_of,
    merkle::{self, Frontier, Hash},
    secret::SecretKey,
};

/// Keyed hash of a payload. The leaf holds this and not the payload, so that a payload can be erased
/// and nobody can guess a payload from its leaf.
#[must_use]
pub fn payload_mac(key: &SecretKey, payload: &[u8]) -> Hash {
    // A key of 32 bytes is always accepted.
    Hmac::<Sha256>::new_from_slice(key.expose())
        .map(|mac| {
            mac.chain_update(b"ledger")
                .chain_update(payload)
                .finalize()
                .into_bytes()
                .into()
        })
        .unwrap_or_default()
}

/// What is hashed of a feed row.
#[derive(Debug, Clone, Copy)]
pub struct Leaf<'a> {
    /// Position of the row.
    pub position: i64,
    /// Kind of the item.
    pub kind: &'a str,
    /// What it is about.
    pub subject: Uuid,
    /// Where it lies.
    pub division: &'a str,
    /// Department that it belongs to: decides who sees it, as the division does.
    pub department: Option<&'a str>,
    /// W3C trace context of the change: leads from the record to what else was done with it.
    pub traceparent: &'a str,
    /// When it was recorded, to the microsecond.
    pub recorded_at: DateTime<Utc>,
    /// Keyed hash of the payload.
    pub payload_mac: &'a [u8],
}

impl Leaf<'_> {
    /// Canonical bytes: a version byte, then every field with its length before it.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![1];
        let mut put = |field: &[u8]| {
            bytes.extend((field.len() as u32).to_be_bytes());
            bytes.extend(field);
        };
        put(&self.position.to_be_bytes());
        put(self.kind.as_bytes());
        put(self.subject.as_bytes());
        put(self.division.as_bytes());
        put(self.department.unwrap_or_default().as_bytes());
        put(self.traceparent.as_bytes());
        put(&self.recorded_at.timestamp_micros().to_be_bytes());
        put(self.payload_mac);
        bytes
    }
}

/// What is wrong with a ledger, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A position is not there: the row was deleted, or others were moved.
    #[error("row {position} is missing")]
    Missing {
        /// The position.
        position: i64,
    },
    /// The payload is not what was recorded.
    #[error("the payload of row {position} was changed")]
    Payload {
        /// The position.
        position: i64,
    },
    /// The row, or one that stood here before, is not what was recorded.
    #[error("row {position} was changed or moved")]
    Changed {
        /// The position.
        position: i64,
    },
    /// The log does not end at its head: the tail was deleted, or rows were put behind it.
    #[error("the head says {head} rows, {found} are there")]
    Tail {
        /// Rows by the head.
        head: i64,
        /// Rows found.
        found: i64,
    },
    /// The head is not what follows from the rows.
    #[error("the head of {head} rows does not follow from the rows")]
    Head {
        /// Rows by the head.
        head: i64,
    },
}

/// A whole ledger, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Rows checked before the end or the first fault.
    pub rows: i64,
    /// Root of the log, when nothing is wrong.
    pub root: Option<Hash>,
    /// The first fault.
    pub fault: Option<Fault>,
}

/// Recomputes the ledger of `schema` row by row. `connection` must see every row: the owner's
/// with row-level security off, or a superuser's. `progress` is told rows done and rows in all.
///
/// # Errors
/// The database does not answer. A fault of the ledger is in the report.
pub async fn verify(
    connection: &mut PgConnection,
    schema: &str,
    key: &SecretKey,
    mut progress: impl FnMut(i64, i64),
) -> Result<Report, Error> {
    let (head, roots) = read_head(connection, schema).await?;
    let recorded = frontier_of(head, roots).ok();
    let select = format!(
        "select position, kind, subject, division_code, recorded_at, payload, payload_mac, root, \
         department, traceparent \
         from {schema}.feed order by position"
    );
    let mut rows = sqlx::query(AssertSqlSafe(select)).fetch(&mut *connection);
    let mut frontier = Frontier::default();
    let mut at_head = (head == 0).then(|| frontier.clone());
    let mut done = 0;
    let failed = |rows, fault| {
        Ok(Report {
            rows,
            root: None,
            fault: Some(fault),
        })
    };
    while let Some(row) = rows.try_next().await? {
        let position: i64 = row.try_get(0)?;
        if position != done + 1 {
            return failed(done, Fault::Missing { position: done + 1 });
        }
        let payload: Option<&[u8]> = row.try_get(5)?;
        let mac: &[u8] = row.try_get(6)?;
        if payload.is_some_and(|payload| payload_mac(key, payload) != mac) {
            return failed(done, Fault::Payload { position });
        }
        let leaf = Leaf {
            position,
            kind: row.try_get(1)?,
            subject: row.try_get(2)?,
            division: row.try_get(3)?,
            department: row.try_get(8)?,
            traceparent: row.try_get(9)?,
            recorded_at: row.try_get(4)?,
            payload_mac: mac,
        };
        let root = frontier.push(merkle::leaf_hash(&leaf.bytes()));
        if root != row.try_get::<&[u8], _>(7)? {
            return failed(done, Fault::Changed { position });
        }
        done = position;
        if done == head {
            at_head = Some(frontier.clone());
        }
        if done % 4096 == 0 {
            progress(done, head);
        }
    }
    progress(done, head);
    drop(rows);
    // Rows that were committed meanwhile lie behind the head as it was, and before the head as it is.
    let (now, _) = read_head(connection, schema).await?;
    if done < head || done > now {
        return failed(done, Fault::Tail { head, found: done });
    }
    if recorded != at_head {
        return failed(done, Fault::Head { head });
    }
    Ok(Report {
        rows: done,
        root: Some(frontier.root()),
        fault: None,
    })
}

async fn read_head(
    connection: &mut PgConnection,
    schema: &str,
) -> Result<(i64, Vec<Vec<u8>>), Error> {
    let head = format!("select position, frontier from {schema}.feed_head");
    let row = sqlx::query(AssertSqlSafe(head))
        .fetch_one(connection)
        .await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}
