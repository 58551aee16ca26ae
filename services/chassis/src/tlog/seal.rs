//! Seals a service's ledger: brings what is new into tiles, checks that it goes on from what was signed
//! before, and signs. One replica at a time; the others find it done.

use std::{ops::ControlFlow, time::Duration};

use anyhow::anyhow;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use kernel::DivisionCode;
use schemars::JsonSchema;
use serde::Deserialize;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use super::{
    checkpoint::{Checkpoint, LogKey, LogVerifier, WitnessVerifier},
    extract::{Entry, Extract},
    proof::{Claim, check_consistency},
    store::{self, Pieces, Signed, Which},
    tile::TileId,
};
use crate::{
    auth::Caller,
    error::Error,
    feed,
    ledger::{self, MAC_BYTES, PayloadMac},
    lifecycle::Runtime,
    merkle::Hash,
    pg::{Database, Tx},
    secret::SecretKey,
    telemetry,
};

/// Rows of one transaction: a tenth of a second, and memory for a few megabytes.
const ROWS: i64 = 8192;
/// How often the clock is looked at. No statement is made for it.
const TICK: Duration = Duration::from_secs(1);
/// How often the database is asked for what other replicas committed.
const LOOK: Duration = Duration::from_secs(60);
/// Wait after a failure.
const RETRY: Duration = Duration::from_secs(10);
/// Proofs in one extract: a case has some fifty items.
const EXTRACT_MAX: usize = 1000;

/// How a ledger is sealed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// Name of the log, the same for ever; like a URL without its scheme.
    pub origin: String,
    /// Ed25519 seed that checkpoints are signed with; the same on all replicas, and nobody else's.
    pub key: SecretKey,
    /// Public keys of the witnesses whose cosignatures are taken in.
    #[serde(default)]
    pub witnesses: Vec<String>,
    /// Least time between two checkpoints.
    #[serde(default = "minute")]
    pub checkpoint_seconds: u32,
    /// Longest that an event may wait for a checkpoint before evidence counts as missing.
    #[serde(default = "four_hours")]
    pub evidence_limit_seconds: u32,
}

impl LogConfig {
    /// The public key that goes with it.
    ///
    /// # Errors
    /// The origin is no name of a log.
    pub fn verifier(&self) -> anyhow::Result<LogVerifier> {
        Ok(LogKey::new(&self.origin, &self.key)?.verifier())
    }
}

const fn minute() -> u32 {
    60
}

impl LogConfig {
    /// Longest that an event may wait where nothing else is said.
    pub const EVIDENCE_LIMIT_SECONDS: u32 = 4 * 3600;
}

const fn four_hours() -> u32 {
    LogConfig::EVIDENCE_LIMIT_SECONDS
}

/// A service's ledger as a transparency log. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Log {
    database: Database,
    county: DivisionCode,
    shared: std::sync::Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    key: LogKey,
    verifier: LogVerifier,
    witnesses: Vec<WitnessVerifier>,
    every: TimeDelta,
    limit: TimeDelta,
}

/// A checkpoint with what witnesses have added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// Rows and root.
    pub checkpoint: Checkpoint,
    /// The signed note with every cosignature.
    pub note: String,
    /// When the log signed it.
    pub signed_at: DateTime<Utc>,
    /// Witnesses that have cosigned it.
    pub witnesses: Vec<String>,
}

/// How much of the log is under a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Rows.
    pub size: u64,
    /// Rows under the last checkpoint.
    pub sealed: u64,
    /// Since when the oldest other row waits.
    pub waiting_since: Option<DateTime<Utc>>,
    /// Longest that a row may wait.
    pub limit: TimeDelta,
    /// How long it has waited.
    pub waited: TimeDelta,
}

impl Status {
    /// Whether rows have waited too long: what happens now could be bent without a trace.
    #[must_use]
    pub fn is_overdue(&self) -> bool {
        self.waited > self.limit
    }
}

/// The last checkpoint of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daily {
    /// The day in the county.
    pub day: NaiveDate,
    /// Whether the day is over: no later checkpoint takes its place.
    pub is_final: bool,
    /// The checkpoint; one of an earlier day when nothing happened since.
    pub served: Served,
    /// Name and id of the log's key.
    pub key: String,
}

/// How much of the log of `schema` is under a checkpoint, and when the last one was signed; for whoever has
/// no more than a connection of the service's role.
///
/// # Errors
/// The database does not answer.
pub(crate) async fn status(
    connection: &mut PgConnection,
    schema: &str,
    now: DateTime<Utc>,
    limit: TimeDelta,
) -> Result<(Status, Option<DateTime<Utc>>), Error> {
    sqlx::query("select set_config('app.ledger', 'on', false)")
        .execute(&mut *connection)
        .await?;
    looked(connection, schema, now, limit).await
}

async fn looked(
    connection: &mut PgConnection,
    schema: &str,
    now: DateTime<Utc>,
    limit: TimeDelta,
) -> Result<(Status, Option<DateTime<Utc>>), Error> {
    let last = store::checkpoint(connection, schema, Which::Last).await?;
    let signed_at = last.as_ref().map(|last| last.signed_at);
    let sealed = last.map_or(0, |last| last.size);
    let (size, since) = store::waiting(connection, schema, sealed).await?;
    let status = Status {
        size,
        sealed,
        // A row that is gone waits for ever.
        waited: match since {
            None if size != sealed => TimeDelta::MAX,
            since => since.map_or(TimeDelta::zero(), |since| now - since),
        },
        waiting_since: since,
        limit,
    };
    Ok((status, signed_at))
}

impl Log {
    /// The ledger of `database` under the given key.
    ///
    /// # Errors
    /// The origin or a witness's key is malformed.
    pub fn new(
        database: Database,
        county: DivisionCode,
        config: &LogConfig,
    ) -> anyhow::Result<Self> {
        let key = LogKey::new(&config.origin, &config.key);
        let key =
            key.map_err(|_| anyhow!("log.origin is not a name without spaces and plus signs"))?;
        let witness = |text: &String| {
            let verifier = text.parse::<WitnessVerifier>();
            verifier.map_err(|error| anyhow!("log.witnesses: {error}"))
        };
        let witnesses = config
            .witnesses
            .iter()
            .map(witness)
            .collect::<anyhow::Result<_>>()?;
        let shared = Shared {
            verifier: key.verifier(),
            key,
            witnesses,
            every: TimeDelta::seconds(config.checkpoint_seconds.into()),
            limit: TimeDelta::seconds(config.evidence_limit_seconds.into()),
        };
        Ok(Self {
            database,
            county,
            shared: shared.into(),
        })
    }

    /// The public key.
    #[must_use]
    pub fn verifier(&self) -> &LogVerifier {
        &self.shared.verifier
    }

    /// Seals until the runtime stops: at once what is new, but never sooner after the last checkpoint
    /// than configured.
    pub fn spawn(&self, runtime: &Runtime) {
        let (log, lifecycle) = (self.clone(), runtime.lifecycle.clone());
        SEALING_FAILED.add(0, &[]);
        runtime.lifecycle.spawn("seal", async move {
            let mut committed = log.database.committed();
            let mut looked: Option<tokio::time::Instant> = None;
            let mut not_before: Option<DateTime<Utc>> = None;
            loop {
                let now = log.database.clock().now();
                let mut wait = TICK;
                let is_due = not_before.is_none_or(|due| now >= due);
                let is_old = looked.is_none_or(|looked| looked.elapsed() >= LOOK);
                if is_due && (is_old || committed.has_changed().unwrap_or_default()) {
                    committed.mark_unchanged();
                    looked = Some(tokio::time::Instant::now());
                    match log.seal().await {
                        Ok(last) => not_before = last.map(|at| at + log.shared.every),
                        Err(error) => {
                            tracing::error!(%error, cause = ?error, "the ledger was not sealed");
                            SEALING_FAILED.add(1, &[]);
                            (looked, wait) = (None, RETRY);
                        }
                    }
                }
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = lifecycle.stopping() => return,
                }
            }
        });
    }

    /// Brings everything that is new into tiles and signs it, unless the last checkpoint is too young.
    /// Returns when the last checkpoint was signed.
    ///
    /// # Errors
    /// The database does not answer; or the rows are not those that were recorded, or do not go on from
    /// what was signed before: then nothing is signed.
    pub async fn seal(&self) -> Result<Option<DateTime<Utc>>, Error> {
        self.seal_with("select pg_try_advisory_xact_lock(hashtext($1))")
            .await
    }

    async fn seal_with(&self, lock: &'static str) -> Result<Option<DateTime<Utc>>, Error> {
        loop {
            let mut tx = self.database.begin_ledger(self.county).await?;
            match self.round(&mut tx, lock).await {
                Ok(Round::Part) => {
                    tx.commit().await?;
                }
                Ok(Round::Signed(at)) => {
                    tx.commit().await?;
                    return Ok(Some(at));
                }
                // The lock is free again when somebody hears of it.
                Ok(Round::Nothing(last)) => {
                    tx.rollback().await?;
                    return Ok(last);
                }
                Err(error) => {
                    // What went wrong first is what is told.
                    let _ = tx.rollback().await;
                    return Err(error);
                }
            }
        }
    }

    async fn round(&self, tx: &mut Tx, lock: &'static str) -> Result<Round, Error> {
        let schema = self.database.schema();
        let mine: bool = sqlx::query_scalar(lock)
            .bind(format!("{schema}.log"))
            .fetch_one(&mut **tx)
            .await?;
        let last = store::checkpoint(tx, schema, Which::Last).await?;
        let signed_at = last.as_ref().map(|last| last.signed_at);
        let is_young = signed_at.is_some_and(|at| tx.now() < at + self.shared.every);
        // Another replica is at it.
        if !mine || is_young {
            return Ok(Round::Nothing(signed_at));
        }
        match self.advance(tx, last.as_ref()).await? {
            Advanced::Nothing => Ok(Round::Nothing(signed_at)),
            Advanced::Part => Ok(Round::Part),
            Advanced::Whole(checkpoint) => {
                self.sign(tx, last.as_ref(), checkpoint).await?;
                Ok(Round::Signed(tx.now()))
            }
        }
    }

    /// Brings at most [`ROWS`] rows into tiles.
    async fn advance(&self, tx: &mut Tx, last: Option<&Signed>) -> Result<Advanced, Error> {
        let schema = self.database.schema();
        let select = format!("select position from {schema}.feed_head");
        let head: i64 = sqlx::query_scalar(AssertSqlSafe(select))
            .fetch_one(&mut **tx)
            .await?;
        let head = head.unsigned_abs();
        let signed = last.map_or(0, |last| last.size);
        let bent = |what: String| Error::Internal(anyhow!("the ledger is bent: {what}"));
        let tiled = store::tiled(tx, schema).await?;
        if head < signed || head < tiled {
            let had = signed.max(tiled);
            return Err(bent(format!("{had} rows were sealed and {head} are there")));
        }
        if head == signed {
            return Ok(Advanced::Nothing);
        }
        let mut edge = store::edge(tx, schema, tiled).await?;
        let damaged = || Error::Internal(anyhow!("log_tiles do not hold {tiled} leaves"));
        let mut frontier = edge.frontier().ok_or_else(damaged)?;
        let before = edge.tiles();
        let before = before
            .map(|tile| ((tile.level, tile.index), tile.hashes.len()))
            .collect();

        // Rows committed since the head was read are left to the next time.
        let after = i64::try_from(tiled).unwrap_or(i64::MAX);
        let most = i64::try_from(head - tiled).unwrap_or(ROWS).min(ROWS);
        let copied = ledger::copy(tx, schema, (after, after + most)).await?;
        let macs = PayloadMac::new(self.database.ledger_key());
        let (mut pieces, mut buffer) = (Pieces::default(), Vec::new());
        let flow = ledger::rows(&copied, |row| {
            let position = row.position;
            if position.unsigned_abs() != edge.len() + 1 {
                return ControlFlow::Break(format!("row {} is missing", edge.len() + 1));
            }
            let leaf = row.leaf_hash(&mut buffer);
            if frontier.push(leaf) != *row.root {
                return ControlFlow::Break(format!("row {position} was changed or moved"));
            }
            if row
                .payload
                .is_some_and(|payload| !macs.fits(position, payload, row.payload_mac))
            {
                return ControlFlow::Break(format!("the payload of row {position} was changed"));
            }
            for tile in edge.push(leaf) {
                pieces.add(&tile, &before);
            }
            ControlFlow::Continue(())
        });
        match flow {
            None => return Err(Error::Internal(anyhow!("rows do not read"))),
            Some(ControlFlow::Break(what)) => return Err(bent(what)),
            Some(ControlFlow::Continue(())) => {}
        }
        if edge.len() < head && edge.len() < tiled + u64::try_from(ROWS).unwrap_or(0) {
            return Err(bent(format!("row {} is missing", edge.len() + 1)));
        }
        for tile in edge.tiles() {
            pieces.add(&tile, &before);
        }
        pieces.insert(tx, schema).await?;
        if edge.len() < head {
            return Ok(Advanced::Part);
        }
        Ok(Advanced::Whole(Checkpoint {
            size: edge.len(),
            root: frontier.root(),
        }))
    }

    /// Signs a checkpoint that goes on from the last one, and no other: the proof is made from tiles,
    /// as anybody else makes it.
    async fn sign(
        &self,
        tx: &mut Tx,
        last: Option<&Signed>,
        checkpoint: Checkpoint,
    ) -> Result<(), Error> {
        let refused = |why: &str| Error::Internal(anyhow!("no checkpoint is signed: {why}"));
        if let Some(last) = last {
            let own = self.shared.verifier.open(&last.note);
            let own = own.map_err(|_| refused("the last one is not this key's"))?;
            let (from, size) = (own.size, checkpoint.size);
            let proof = self.proof(tx, Claim::Consistency { from, size }).await?;
            let goes_on = check_consistency((from, own.root), (size, checkpoint.root), &proof);
            if !goes_on || from != last.size {
                return Err(refused("the log does not go on from the last one"));
            }
        }
        let note = self.shared.key.sign(&checkpoint);
        let signed = Signed {
            size: checkpoint.size,
            root: checkpoint.root.to_vec(),
            note: note.map_err(|_| refused("it cannot be written"))?,
            signed_at: tx.now(),
        };
        store::insert_checkpoint(tx, self.database.schema(), &signed).await
    }

    async fn proof(&self, tx: &mut Tx, claim: Claim) -> Result<Vec<Hash>, Error> {
        let unknown = Error::NotFound { what: "proof" };
        let Some(needed) = claim.tiles() else {
            return Err(unknown);
        };
        let tiles = store::tiles(tx, self.database.schema(), &needed).await?;
        claim.prove(&tiles).ok_or(unknown)
    }

    /// The last checkpoint, or the one of so many rows, with its cosignatures.
    ///
    /// # Errors
    /// There is none, or the database does not answer.
    pub async fn checkpoint(&self, size: Option<u64>) -> Result<Served, Error> {
        let mut tx = self.database.begin_ledger(self.county).await?;
        self.served(&mut tx, size.map_or(Which::Last, Which::OfSize))
            .await
    }

    async fn served(&self, tx: &mut Tx, which: Which) -> Result<Served, Error> {
        let schema = self.database.schema();
        let signed = store::checkpoint(tx, schema, which).await?;
        let signed = signed.ok_or(Error::NotFound { what: "checkpoint" })?;
        let damaged = || Error::Internal(anyhow!("log_checkpoints: a root is no hash"));
        let root = signed.root.try_into().map_err(|_| damaged())?;
        let (mut note, mut witnesses) = (signed.note, Vec::new());
        for (witness, line) in store::cosignatures(tx, schema, signed.size).await? {
            note.push_str(&line);
            witnesses.push(witness);
        }
        Ok(Served {
            checkpoint: Checkpoint {
                size: signed.size,
                root,
            },
            note,
            signed_at: signed.signed_at,
            witnesses,
        })
    }

    /// The last checkpoint of a day in the county.
    ///
    /// # Errors
    /// There was none yet, or the database does not answer.
    pub async fn daily(&self, day: NaiveDate) -> Result<Daily, Error> {
        let ends = kernel::day_end(day);
        let mut tx = self.database.begin_ledger(self.county).await?;
        Ok(Daily {
            day,
            is_final: tx.now() >= ends,
            served: self.served(&mut tx, Which::Before(ends)).await?,
            key: self.shared.verifier.name(),
        })
    }

    /// A tile's hashes, if the last checkpoint covers it.
    ///
    /// # Errors
    /// It is not there yet, or the database does not answer.
    pub async fn tile(&self, id: TileId) -> Result<Vec<u8>, Error> {
        let unknown = || Error::NotFound { what: "tile" };
        let leaves = id.leaves().ok_or_else(unknown)?;
        let mut tx = self.database.begin_ledger(self.county).await?;
        let schema = self.database.schema();
        let last = store::checkpoint(&mut tx, schema, Which::Last).await?;
        if last.is_none_or(|last| last.size < leaves) {
            return Err(unknown());
        }
        let mut found = store::tiles(&mut tx, schema, &[id]).await?;
        let mut bytes = found.remove(&(id.level, id.index)).ok_or_else(unknown)?;
        let len = usize::try_from(id.width * 32).unwrap_or(usize::MAX);
        if bytes.len() < len {
            return Err(Error::Internal(anyhow!("tile {id} is not whole")));
        }
        bytes.truncate(len);
        Ok(bytes)
    }

    /// Proves a claim about a log that the last checkpoint covers.
    ///
    /// # Errors
    /// There is no such log yet, or the database does not answer.
    pub async fn prove(&self, claim: Claim) -> Result<Vec<Hash>, Error> {
        let (Claim::Inclusion { size, .. } | Claim::Consistency { size, .. }) = claim;
        let mut tx = self.database.begin_ledger(self.county).await?;
        let last = store::checkpoint(&mut tx, self.database.schema(), Which::Last).await?;
        if last.is_none_or(|last| last.size < size) {
            return Err(Error::NotFound { what: "proof" });
        }
        self.proof(&mut tx, claim).await
    }

    /// Takes in the cosignatures of known witnesses under a checkpoint of this log, and returns the
    /// names of those who signed it. Others are left out.
    ///
    /// # Errors
    /// It is none of the log's checkpoints, or a known witness's signature is wrong.
    pub async fn cosign(&self, note: &str) -> Result<Vec<String>, Error> {
        let field = "note";
        let bad = |expected: &str| Error::invalid(field, "COSIGNATURE", expected);
        let shown = self.shared.verifier.open(note);
        let shown = shown.map_err(|_| bad("a checkpoint that this log has signed"))?;
        let mut found = Vec::new();
        for witness in &self.shared.witnesses {
            let cosignature = witness.open(note);
            let wrong = |_| bad("signatures that are their witness's");
            found.extend(cosignature.map_err(wrong)?);
        }
        if found.is_empty() {
            return Err(bad("the cosignature of a witness that this log knows"));
        }
        let mut tx = self.database.begin_ledger(self.county).await?;
        let schema = self.database.schema();
        let own = store::checkpoint(&mut tx, schema, Which::OfSize(shown.size)).await?;
        let own = own.ok_or(Error::NotFound { what: "checkpoint" })?;
        if own.root != shown.root {
            // Signed by this key, and not what the log holds: somebody else has the key.
            tracing::error!(
                size = shown.size,
                "a witness shows another checkpoint of this log"
            );
            return Err(bad("a checkpoint of this log"));
        }
        for cosignature in &found {
            store::insert_cosignature(&mut tx, schema, shown.size, cosignature).await?;
        }
        tx.commit().await?;
        Ok(found
            .into_iter()
            .map(|cosignature| cosignature.name)
            .collect())
    }

    /// How much of the log is under a checkpoint. What is overdue is sealed if it can be: after a
    /// standstill, or where a clock was moved, nobody waits for the next round.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn status(&self) -> Result<Status, Error> {
        let status = self.look().await?;
        if !status.is_overdue() {
            return Ok(status);
        }
        // Behind a replica that is at it, at most as long as the lock timeout.
        let lock = "select pg_advisory_xact_lock(hashtext($1)) is not null";
        if let Err(error) = self.seal_with(lock).await {
            tracing::error!(%error, cause = ?error, "the ledger is overdue and was not sealed");
        }
        self.look().await
    }

    async fn look(&self) -> Result<Status, Error> {
        let mut tx = self.database.begin_ledger(self.county).await?;
        let (schema, now) = (self.database.schema(), tx.now());
        let (status, _) = looked(&mut tx, schema, now, self.shared.limit).await?;
        Ok(status)
    }

    /// Every item about `subject` that the caller sees and the last checkpoint covers, with its proof.
    ///
    /// # Errors
    /// There is no such item, or the database does not answer.
    pub async fn extract(&self, caller: &Caller, subject: Uuid) -> Result<Extract, Error> {
        let mut tx = self.database.begin_ledger(self.county).await?;
        let Served {
            checkpoint, note, ..
        } = self.served(&mut tx, Which::Last).await?;
        drop(tx);
        let mut tx = self.database.read(caller).await?;
        let until = i64::try_from(checkpoint.size).unwrap_or(i64::MAX);
        let items = feed::with_macs(&mut tx, subject, until).await?;
        if items.is_empty() {
            return Err(Error::NotFound { what: "subject" });
        }
        if items.len() > EXTRACT_MAX {
            let limit = format!("{EXTRACT_MAX} items");
            return Err(Error::TooLarge { limit });
        }
        let claim = |position: i64| Claim::Inclusion {
            index: position.unsigned_abs() - 1,
            size: checkpoint.size,
        };
        let needed = items
            .iter()
            .filter_map(|(item, _)| claim(item.position).tiles());
        let needed: Vec<TileId> = needed.flatten().collect();
        let tiles = store::tiles(&mut tx, self.database.schema(), &needed).await?;
        let macs = PayloadMac::new(self.database.ledger_key());
        let mut extract = Extract::new(subject, note);
        for (item, payload_mac) in &items {
            let damaged =
                || Error::Internal(anyhow!("log_tiles do not hold row {}", item.position));
            let proof = claim(item.position).prove(&tiles).ok_or_else(damaged)?;
            let opens = item.payload.is_some() && payload_mac.len() == MAC_BYTES;
            let opening = opens.then(|| macs.opening(item.position));
            extract
                .items
                .push(Entry::new(item, payload_mac, opening, &proof));
        }
        Ok(extract)
    }
}

/// What came of one transaction.
enum Round {
    /// Another one has to go on.
    Part,
    Signed(DateTime<Utc>),
    /// When the last checkpoint was signed, if ever.
    Nothing(Option<DateTime<Utc>>),
}

/// How far tiles came in one transaction.
enum Advanced {
    Nothing,
    Part,
    Whole(Checkpoint),
}

static SEALING_FAILED: std::sync::LazyLock<opentelemetry::metrics::Counter<u64>> =
    std::sync::LazyLock::new(|| {
        telemetry::meter()
            .u64_counter("backstop_ledger_sealing_failed")
            .build()
    });
