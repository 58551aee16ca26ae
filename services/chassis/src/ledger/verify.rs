//! Recomputes a ledger and compares it with everything that was sealed of it.

use std::{
    collections::{HashMap, VecDeque},
    ops::ControlFlow,
};

use bytes::Bytes;
use futures::{TryStreamExt as _, stream::FuturesOrdered};
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use tokio::sync::{mpsc, oneshot};

use super::{PayloadMac, row, rows};
use crate::{
    error::Error,
    feed::frontier_of,
    merkle::{Frontier, Hash},
    secret::SecretKey,
    tlog::{Edge, LogVerifier, Tile, WIDTH, store},
};

/// Rows fetched at once, whole tiles of them: some 4 MB.
const CHUNK: i64 = 8192;
/// Chunks that wait to be checked while the next is fetched.
const QUEUE: usize = 2;

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
    /// The row fits the others, and is not the one that was sealed: it was rewritten with all after it.
    #[error("row {position} is not the one that was sealed: the past was rewritten from here on")]
    Sealed {
        /// The position.
        position: i64,
    },
    /// A tile above the leaves is not what follows from the rows.
    #[error("tile {level}/{index} is not what follows from the rows")]
    Tile {
        /// Its level.
        level: u8,
        /// Its index.
        index: u64,
    },
    /// A stored checkpoint that the log's key has not signed, or not so.
    #[error("the checkpoint of {size} rows is not what the log signed")]
    Checkpoint {
        /// Its rows.
        size: u64,
    },
    /// The rows are not those that a checkpoint was signed for.
    #[error(
        "the past was rewritten: rows {} to {size} are not those of the checkpoint of {size} rows",
        after + 1
    )]
    Rewritten {
        /// Rows that are still those of a checkpoint.
        after: u64,
        /// Rows of the checkpoint.
        size: u64,
    },
    /// More rows were sealed than are there.
    #[error("the log was rolled back: {sealed} rows were sealed ({holder}), {found} are there")]
    RolledBack {
        /// Rows that were sealed.
        sealed: u64,
        /// Rows found.
        found: u64,
        /// Who says so.
        holder: String,
    },
    /// The log has shown another history to somebody.
    #[error(
        "split view: the checkpoint of {size} rows that {holder} holds is signed by this log and shows \
         another history"
    )]
    SplitView {
        /// Rows of the checkpoint.
        size: u64,
        /// Who holds it.
        holder: String,
    },
}

/// A checkpoint of this log that somebody else holds, its signature checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Rows.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
    /// Who holds it.
    pub holder: String,
}

/// A whole ledger, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Rows checked before the end or the first fault.
    pub rows: i64,
    /// Checkpoints that the rows were compared with.
    pub checkpoints: usize,
    /// Root of the log, when nothing is wrong.
    pub root: Option<Hash>,
    /// The first fault.
    pub fault: Option<Fault>,
}

/// Recomputes the ledger of `schema` row by row, and compares it with its tiles, with the checkpoints
/// that `log` has signed, and with `copies` that others hold. `connections` must see every row: the
/// owner's with row-level security off, or a superuser's. One is enough; with two, which the embedded
/// server does not have, the server reads on two cores. `progress` is told rows read and rows in all.
///
/// # Errors
/// The database does not answer, or there is no connection. A fault of the ledger is in the report.
pub async fn verify(
    connections: &mut [PgConnection],
    schema: &str,
    key: &SecretKey,
    log: Option<&LogVerifier>,
    copies: &[Known],
    mut progress: impl FnMut(i64, i64),
) -> Result<Report, Error> {
    let Some((connection, others)) = connections.split_first_mut() else {
        return Err(Error::Internal(anyhow::anyhow!("no connection to read by")));
    };
    // What was sealed first and the rows after it, so that what is sealed meanwhile is not missed.
    let sealed = Sealed::read(connection, schema, log, copies).await?;
    let (head, roots) = read_head(connection, schema).await?;
    let mut checker = Checker {
        macs: PayloadMac::new(key),
        buffer: Vec::with_capacity(512),
        frontier: Frontier::default(),
        edge: Edge::default(),
        upper: sealed.upper,
        known: sealed.known,
        matched: 0,
        compared: 0,
        head,
        at_head: (head == 0).then(Frontier::default),
        recorded: frontier_of(head, roots).ok(),
        tiled: sealed.tiled,
    };
    if let Some(fault) = sealed.fault {
        return Ok(checker.report(Some(fault)));
    }

    // Rows are checked on a thread of their own while the next ones are fetched.
    let (work, mut queue) = mpsc::channel::<Chunk>(QUEUE);
    let (verdict, judged) = oneshot::channel();
    let thread = std::thread::Builder::new().name("ledger".to_owned());
    let spawned = thread.spawn(move || {
        while let Some(chunk) = queue.blocking_recv() {
            let fault = match checker.check(&chunk) {
                Ok(None) => continue,
                Ok(Some(fault)) => Ok((checker, Some(fault))),
                Err(error) => Err(error),
            };
            // Whoever asked has gone: nobody to tell.
            let _ = verdict.send(fault);
            return;
        }
        let _ = verdict.send(Ok((checker, None)));
    });
    spawned.map_err(|error| Error::Internal(error.into()))?;

    // Positions are dense, or the checker finds the hole.
    let mut until = 0;
    let mut next = |connection| {
        until += CHUNK;
        read(connection, schema, until, sealed.tiled)
    };
    let mut reading = FuturesOrdered::new();
    for connection in std::iter::once(&mut *connection).chain(others) {
        row::read_in_order(connection, false).await?;
        reading.push_back(next(connection));
    }
    while let Some((connection, done, chunk)) = reading.try_next().await? {
        let is_last = chunk.copied.len() <= row::EMPTY_BYTES;
        reading.push_back(next(connection));
        // When nobody takes it a fault has been found.
        if work.send(chunk).await.is_err() || is_last {
            break;
        }
        progress(done.min(head), head);
    }
    // A read that was begun is brought to its end, or its connection could not be used again.
    while reading.try_next().await?.is_some() {}
    drop((reading, work));
    let judged = judged.await;
    let gone = |_| Error::Internal(anyhow::anyhow!("the thread that checks rows has ended"));
    let (checker, fault) = judged.map_err(gone)??;
    // Rows that were committed meanwhile lie behind the head as it was, and before the head as it is.
    let last = format!("select max(position) from {schema}.feed");
    let last: Option<i64> = sqlx::query_scalar(AssertSqlSafe(last))
        .fetch_one(&mut *connection)
        .await?;
    let (now, _) = read_head(connection, schema).await?;
    let fault = fault.or_else(|| checker.finish(now, last.unwrap_or(0)));
    Ok(checker.report(fault))
}

/// Fetches the rows of the chunk that ends at `until`, with their tiles; gives the connection back.
async fn read<'a>(
    connection: &'a mut PgConnection,
    schema: &str,
    until: i64,
    tiled: u64,
) -> Result<(&'a mut PgConnection, i64, Chunk), Error> {
    // The first one takes in whatever lies before the first position.
    let after = if until == CHUNK {
        i64::MIN
    } else {
        until - CHUNK
    };
    let copied = row::copy(connection, schema, (after, until)).await?;
    let last = until.unsigned_abs() / WIDTH;
    let first = last - CHUNK.unsigned_abs() / WIDTH;
    let tiles = match first * WIDTH < tiled {
        true => store::tiles_between(connection, schema, Some((first, last - 1))).await?,
        false => HashMap::new(),
    };
    Ok((connection, until, Chunk { copied, tiles }))
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

/// What was sealed of a ledger.
struct Sealed {
    known: VecDeque<Known>,
    upper: HashMap<(u8, u64), Vec<u8>>,
    tiled: u64,
    fault: Option<Fault>,
}

/// Who holds a stored checkpoint.
const OWN: &str = "the log";

impl Sealed {
    async fn read(
        connection: &mut PgConnection,
        schema: &str,
        log: Option<&LogVerifier>,
        copies: &[Known],
    ) -> Result<Self, Error> {
        let (mut known, mut fault) = (Vec::new(), None);
        for signed in store::checkpoints(connection, schema).await? {
            let genuine = log.is_none_or(|log| {
                let opened = log.open(&signed.note);
                opened.is_ok_and(|own| own.size == signed.size && own.root[..] == signed.root[..])
            });
            match Hash::try_from(&signed.root[..]) {
                Ok(root) if genuine => known.push(Known {
                    size: signed.size,
                    root,
                    holder: OWN.to_owned(),
                }),
                _ => {
                    fault.get_or_insert(Fault::Checkpoint { size: signed.size });
                }
            }
        }
        known.extend(copies.iter().cloned());
        // Own ones first: what differs from them is somebody else's.
        known.sort_by_key(|known| known.size);
        let differs = known
            .windows(2)
            .find(|pair| pair[0].size == pair[1].size && pair[0].root != pair[1].root);
        let split = differs.map(|pair| Fault::SplitView {
            size: pair[1].size,
            holder: pair[1].holder.clone(),
        });
        Ok(Self {
            known: known.into(),
            upper: store::tiles_between(connection, schema, None).await?,
            tiled: store::tiled(connection, schema).await?,
            fault: fault.or(split),
        })
    }
}

/// Rows as they were fetched, and the tiles that they should be in.
struct Chunk {
    copied: Bytes,
    tiles: HashMap<(u8, u64), Vec<u8>>,
}

/// Goes through the rows.
struct Checker {
    macs: PayloadMac,
    buffer: Vec<u8>,
    frontier: Frontier,
    edge: Edge,
    upper: HashMap<(u8, u64), Vec<u8>>,
    /// Checkpoints that lie ahead, shortest first.
    known: VecDeque<Known>,
    /// Rows up to which a checkpoint has been found to fit.
    matched: u64,
    compared: usize,
    head: i64,
    at_head: Option<Frontier>,
    recorded: Option<Frontier>,
    tiled: u64,
}

impl Checker {
    fn check(&mut self, chunk: &Chunk) -> Result<Option<Fault>, Error> {
        if chunk.copied.len() <= row::EMPTY_BYTES {
            return Ok(None);
        }
        let flow = rows(&chunk.copied, |row| self.row(&row, &chunk.tiles));
        match flow {
            None => Err(Error::Internal(anyhow::anyhow!("rows do not read"))),
            Some(ControlFlow::Break(fault)) => Ok(Some(fault)),
            Some(ControlFlow::Continue(())) => {
                let last: Vec<Tile> = self.edge.tiles().collect();
                let fault = last.iter().find_map(|tile| self.tile(tile, &chunk.tiles));
                Ok(fault)
            }
        }
    }

    fn row(
        &mut self,
        row: &row::Row<'_>,
        tiles: &HashMap<(u8, u64), Vec<u8>>,
    ) -> ControlFlow<Fault> {
        let (position, next) = (row.position, self.done() + 1);
        if position != next {
            return ControlFlow::Break(Fault::Missing { position: next });
        }
        let leaf = row.leaf_hash(&mut self.buffer);
        let root = self.frontier.push(leaf);
        if root != row.root {
            return ControlFlow::Break(Fault::Changed { position });
        }
        let payload = row.payload;
        if payload.is_some_and(|payload| !self.macs.fits(position, payload, row.payload_mac)) {
            return ControlFlow::Break(Fault::Payload { position });
        }
        if position == self.head {
            self.at_head = Some(self.frontier.clone());
        }
        for tile in self.edge.push(leaf) {
            if let Some(fault) = self.tile(&tile, tiles) {
                return ControlFlow::Break(fault);
            }
        }
        while let Some(known) = self.known.front()
            && known.size == self.frontier.len()
        {
            if known.root != root {
                // A tile may name the very row.
                let tiles = self.edge.tiles().find_map(|tile| self.tile(&tile, tiles));
                return ControlFlow::Break(tiles.unwrap_or_else(|| self.another_history(known)));
            }
            self.matched = known.size;
            self.compared += 1;
            self.known.pop_front();
        }
        ControlFlow::Continue(())
    }

    fn another_history(&self, known: &Known) -> Fault {
        match known.holder == OWN {
            true => Fault::Rewritten {
                after: self.matched,
                size: known.size,
            },
            false => Fault::SplitView {
                size: known.size,
                holder: known.holder.clone(),
            },
        }
    }

    /// Compares a tile with what was stored of it.
    fn tile(&self, tile: &Tile, leaves: &HashMap<(u8, u64), Vec<u8>>) -> Option<Fault> {
        let (level, index) = (tile.level, tile.index);
        let stored = match level {
            0 => leaves.get(&(level, index)),
            _ => self.upper.get(&(level, index)),
        };
        let stored = stored.map_or(&[][..], Vec::as_slice);
        let differs = tile
            .hashes
            .iter()
            .zip(stored.chunks(32))
            .position(|(a, b)| a != b);
        // What was sealed lies under it: where it stops short, pieces were taken out.
        let covered = (self.tiled >> (8 * u32::from(level))).saturating_sub(index * WIDTH);
        let covered = usize::try_from(covered)
            .unwrap_or(usize::MAX)
            .min(tile.hashes.len());
        let at = differs.or((stored.len() / 32 < covered).then_some(stored.len() / 32))?;
        match level {
            0 => Some(Fault::Sealed {
                position: i64::try_from(index * WIDTH + at as u64 + 1).unwrap_or(i64::MAX),
            }),
            _ => Some(Fault::Tile { level, index }),
        }
    }

    fn done(&self) -> i64 {
        i64::try_from(self.frontier.len()).unwrap_or(i64::MAX)
    }

    /// What is wrong when every row is right.
    fn finish(&self, now: i64, last: i64) -> Option<Fault> {
        let (done, head) = (self.done(), self.head);
        // Rows far behind the head, with nothing before them.
        if last > now.max(done) {
            return Some(Fault::Missing { position: done + 1 });
        }
        if done < head || done > now {
            return Some(Fault::Tail { head, found: done });
        }
        if self.recorded != self.at_head {
            return Some(Fault::Head { head });
        }
        let found = self.frontier.len();
        let longest = self.known.back().map(|known| known.size);
        // Of those who hold the same the log itself, which lies first.
        let ahead = self.known.iter().find(|known| Some(known.size) == longest);
        let ahead = ahead.map(|known| (known.size, known.holder.clone()));
        let tiles = (self.tiled > found).then(|| (self.tiled, "tiles".to_owned()));
        let (sealed, holder) = ahead.or(tiles)?;
        Some(Fault::RolledBack {
            sealed,
            found,
            holder,
        })
    }

    fn report(&self, fault: Option<Fault>) -> Report {
        Report {
            rows: self.done(),
            checkpoints: self.compared,
            root: fault.is_none().then(|| self.frontier.root()),
            fault,
        }
    }
}
