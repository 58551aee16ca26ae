//! Whether what a service holds is what it recorded: its ledger, and its record of access.

use std::{
    fmt,
    sync::LazyLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use opentelemetry::metrics::Gauge;
use sqlx::{Connection, PgConnection};

use crate::{
    access_log,
    ledger::{self, Known},
    lifecycle::Lifecycle,
    pg::SNAPSHOT,
    secret::SecretKey,
    telemetry,
    tlog::{self, LogVerifier},
};

/// What is verified, and with what.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The service's schema.
    pub schema: &'a str,
    /// Key of the ledger's keyed hashes.
    pub key: &'a SecretKey,
    /// The log that the ledger is sealed in, where it is.
    pub log: Option<&'a LogVerifier>,
    /// Checkpoints of that log that others hold.
    pub known: &'a [Known],
}

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// What the database has.
    Rows,
    /// Files that its rows name, too.
    Files,
}

/// What came of it.
#[derive(Debug)]
pub enum Found {
    /// Everything is as it was recorded.
    Sound {
        /// Rows of the ledger.
        rows: i64,
        /// Checkpoints that they were compared with.
        checkpoints: usize,
        /// Root over them, lower-case hex.
        root: String,
    },
    /// Something is not: what, and where first.
    Fault(String),
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sound {
                rows,
                checkpoints,
                root,
            } => write!(f, "{rows} rows, {checkpoints} checkpoints, root {root}"),
            Self::Fault(fault) => f.write_str(fault),
        }
    }
}

/// A checkpoint that `holder` holds, as a signed note.
///
/// # Errors
/// `log` has not signed it.
pub fn known(log: &LogVerifier, note: &str, holder: String) -> anyhow::Result<Known> {
    let checkpoint = log.open(note).with_context(|| holder.clone())?;
    Ok(Known {
        size: checkpoint.size,
        root: checkpoint.root,
        holder,
    })
}

/// Recomputes a service's ledger and its record of access. `connections` have to see every row; see
/// [`ledger::verify`], also for `progress`.
///
/// # Errors
/// Something cannot be read. What is wrong is found, and no error.
pub async fn verify(
    connections: &mut [PgConnection],
    subject: &Subject<'_>,
    progress: impl FnMut(i64, i64),
) -> anyhow::Result<Found> {
    let (schema, known) = (subject.schema, subject.known);
    let report = ledger::verify(
        connections,
        schema,
        subject.key,
        subject.log,
        known,
        progress,
    );
    let report = report.await?;
    if let Some(fault) = report.fault {
        return Ok(Found::Fault(fault.to_string()));
    }
    let connection = connections.first_mut().context("a connection")?;
    // At one moment: calls are sealed meanwhile.
    let mut moment = connection.begin_with(SNAPSHOT).await?;
    let bent = access_log::verify(&mut moment, schema).await?;
    moment.commit().await?;
    if let Some(fault) = bent {
        return Ok(Found::Fault(fault));
    }
    Ok(Found::Sound {
        rows: report.rows,
        checkpoints: report.checkpoints,
        root: report.root.as_ref().map(tlog::hex).unwrap_or_default(),
    })
}

/// The process has more urgent things to do when it starts.
const FIRST_AFTER: Duration = Duration::from_secs(5);
const EVERY: Duration = Duration::from_secs(24 * 3600);
/// A database that is away, or a process that waits for one, is asked again.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

static SOUND: LazyLock<Gauge<u64>> = LazyLock::new(|| {
    telemetry::meter()
        .u64_gauge("backstop_ledger_sound")
        .build()
});
static VERIFIED: LazyLock<Gauge<u64>> = LazyLock::new(|| {
    telemetry::meter()
        .u64_gauge("backstop_ledger_verified_timestamp")
        .with_unit("s")
        .build()
});

/// Verifies now and then, until the process stops, and shows what was found.
pub fn spawn<F>(
    lifecycle: &Lifecycle,
    schema: &'static str,
    verify: impl Fn() -> F + Send + 'static,
) where
    F: Future<Output = anyhow::Result<Found>> + Send,
{
    let stopping = lifecycle.clone();
    lifecycle.spawn("verification", async move {
        let mut wait = FIRST_AFTER;
        loop {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stopping.stopping() => return,
            }
            if !stopping.not_ready().is_empty() {
                continue;
            }
            let found = tokio::select! {
                found = verify() => found,
                () = stopping.stopping() => return,
            };
            wait = show(schema, found);
        }
    });
}

/// Says how long to wait until the next time.
fn show(schema: &'static str, found: anyhow::Result<Found>) -> Duration {
    let labels = [telemetry::label("schema", schema)];
    match found {
        Err(error) => {
            tracing::warn!(schema, error = format!("{error:#}"), "cannot be verified");
            return AGAIN_AFTER;
        }
        Ok(Found::Fault(fault)) => {
            tracing::error!(schema, fault, "what is there is not what was recorded");
            SOUND.record(0, &labels);
        }
        Ok(sound) => {
            tracing::info!(schema, found = %sound, "verified");
            SOUND.record(1, &labels);
        }
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    VERIFIED.record(now.unwrap_or_default().as_secs(), &labels);
    EVERY
}
