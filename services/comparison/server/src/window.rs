//! Hot windows of the alert feeds: the newest alerts of a division, and of a department in it.
//!
//! A window is a copy: PostgreSQL's feed is the truth. It carries the feed position that it was read
//! at, and is used only while the feed has not moved beyond it, so a cache that is lost, flushed,
//! frozen or restored from an old copy costs a read and never an answer. Replicas share windows in
//! Redis; within a process a window is read once however many ask for it.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use chassis::{doctor::Finding, error::Error, telemetry};
use opentelemetry::metrics::Counter;
use prost::Message;
use proto::comparison::v1::Alert;
use redis::{
    Client, Script,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use uuid::Uuid;

use crate::store::alert::Wanted;

/// Alerts in a window: five pages of the largest size.
pub const WINDOW_ALERTS: i64 = 500;
/// Bytes of windows in a process: some hundred full ones.
const LOCAL_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// A window that nobody reads is forgotten.
const LIVES: Duration = Duration::from_secs(3600);
/// Longer than Redis ever takes when it is well.
const REDIS_WAIT: Duration = Duration::from_millis(50);
/// After a failure Redis is left alone for this long.
const REDIS_REST_MS: u64 = 1000;

static READS: LazyLock<Counter<u64>> = LazyLock::new(|| {
    telemetry::meter()
        .u64_counter("backstop_alert_window_reads")
        .build()
});

/// The newest alerts of a feed.
#[derive(Clone, PartialEq, Message)]
pub struct Window {
    /// Feed position that it was read at.
    #[prost(int64, tag = "1")]
    pub position: i64,
    /// Newest first, at most [`WINDOW_ALERTS`].
    #[prost(message, repeated, tag = "2")]
    pub alerts: Vec<Alert>,
    /// Whether there are older ones.
    #[prost(bool, tag = "3")]
    pub has_older: bool,
}

/// The windows of all feeds.
#[derive(Clone)]
pub struct Windows {
    local: moka::future::Cache<(Wanted, i64), Arc<Window>>,
    redis: Option<Arc<Redis>>,
}

impl std::fmt::Debug for Windows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Windows").finish_non_exhaustive()
    }
}

struct Redis {
    connection: ConnectionManager,
    put: Script,
    /// Milliseconds on `clock` before which Redis is left alone.
    rests_until_ms: AtomicU64,
    /// Whether the last question failed: told once, not with every question.
    failing: AtomicBool,
    clock: tokio::time::Instant,
}

impl Windows {
    /// Shares windows in the Redis at `redis_url`, or keeps them in the process.
    ///
    /// # Errors
    /// The URL is not one. Whether Redis is there is not asked: it may come and go.
    pub fn new(redis_url: Option<&str>) -> anyhow::Result<Self> {
        let bytes = |_: &(Wanted, i64), window: &Arc<Window>| {
            u32::try_from(window.encoded_len()).unwrap_or(u32::MAX)
        };
        let local = moka::future::Cache::builder()
            .weigher(bytes)
            .max_capacity(LOCAL_BYTES_MAX)
            .time_to_idle(LIVES)
            .build();
        for source in ["memory", "redis", "postgres", "redis_failed"] {
            count(source, 0);
        }
        let redis = redis_url.map(Redis::new).transpose()?.map(Arc::new);
        Ok(Self { local, redis })
    }

    /// Whether Redis answers; nothing is wrong when it does not.
    pub async fn examine(&self) -> Finding {
        let Some(redis) = &self.redis else {
            return Finding::ok("not given: each replica keeps windows of its own");
        };
        let mut connection = redis.connection.clone();
        let ping = redis::cmd("PING");
        let ping = ping.query_async::<String>(&mut connection);
        let advice = "windows are read from PostgreSQL meanwhile; see the runbook RedisAway";
        // The time that windows give it, twice: it has to be connected to first.
        match tokio::time::timeout(REDIS_WAIT * 2, ping).await {
            Ok(Ok(_)) => Finding::ok("answers"),
            // Redis' own word for what is wrong, and no password.
            Ok(Err(error)) => Finding::warning(format!("redis_url: {}", error.category()), advice),
            Err(_) => Finding::warning("redis_url: does not answer", advice),
        }
    }

    /// The window of a feed that stands at `position`. `load` reads it from PostgreSQL.
    pub async fn get(
        &self,
        wanted: &Wanted,
        epoch: Uuid,
        position: i64,
        load: impl Future<Output = Result<Window, Error>>,
    ) -> Result<Arc<Window>, Error> {
        let fetched = AtomicBool::new(false);
        let read = async {
            fetched.store(true, Ordering::Relaxed);
            let key = key(wanted, epoch);
            if let Some(redis) = &self.redis
                && let Some(window) = redis.get(&key).await
                && window.position >= position
            {
                count("redis", 1);
                return Ok(Arc::new(window));
            }
            let window = load.await?;
            count("postgres", 1);
            if let Some(redis) = &self.redis {
                redis.put(&key, &window).await;
            }
            Ok(Arc::new(window))
        };
        let found = self
            .local
            .try_get_with((wanted.clone(), position), read)
            .await;
        if !fetched.load(Ordering::Relaxed) {
            count("memory", 1);
        }
        found.map_err(|error: Arc<Error>| match &*error {
            Error::Unavailable { what } => Error::Unavailable { what },
            other => Error::Internal(anyhow::anyhow!("reading a window: {other:?}")),
        })
    }
}

fn count(source: &'static str, reads: u64) {
    READS.add(reads, &[telemetry::label("source", source)]);
}

fn key(wanted: &Wanted, epoch: Uuid) -> String {
    let department = wanted.department.as_deref().unwrap_or("*");
    format!("backstop:alerts:{epoch}:{}:{department}", wanted.within)
}

/// Sets a value unless a newer one is there. A value begins with its position as 20 digits, so that
/// Redis compares them as text.
const PUT: &str = "
local known = redis.call('GETRANGE', KEYS[1], 0, 19)
if known == '' or known < string.sub(ARGV[1], 1, 20) then
    redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
end
return 1";

impl Redis {
    fn new(url: &str) -> anyhow::Result<Self> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(REDIS_WAIT))
            .set_response_timeout(Some(REDIS_WAIT))
            .set_number_of_retries(0);
        Ok(Self {
            connection: ConnectionManager::new_lazy_with_config(Client::open(url)?, config)?,
            put: Script::new(PUT),
            rests_until_ms: AtomicU64::new(0),
            failing: AtomicBool::new(false),
            clock: tokio::time::Instant::now(),
        })
    }

    async fn get(&self, key: &str) -> Option<Window> {
        let mut connection = self.connection.clone();
        let mut command = redis::cmd("GET");
        let ask = command
            .arg(key)
            .query_async::<Option<Vec<u8>>>(&mut connection);
        let value = self.ask(ask).await??;
        // What cannot be read is not there.
        Window::decode(value.get(20..)?).ok()
    }

    async fn put(&self, key: &str, window: &Window) {
        let mut value = format!("{:020}", window.position).into_bytes();
        window.encode(&mut value).unwrap_or_default();
        let mut connection = self.connection.clone();
        let mut invocation = self.put.key(key);
        invocation.arg(value).arg(LIVES.as_secs());
        self.ask(invocation.invoke_async::<i64>(&mut connection))
            .await;
    }

    /// The answer, unless Redis does not give it soon or rests.
    async fn ask<T>(&self, ask: impl Future<Output = redis::RedisResult<T>>) -> Option<T> {
        let now_ms = || u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX);
        if now_ms() < self.rests_until_ms.load(Ordering::Relaxed) {
            return None;
        }
        match tokio::time::timeout(REDIS_WAIT, ask).await {
            Ok(Ok(answer)) => {
                self.failing.store(false, Ordering::Relaxed);
                Some(answer)
            }
            failed => {
                count("redis_failed", 1);
                if !self.failing.swap(true, Ordering::Relaxed) {
                    // Redis' own word for what is wrong; no value and no password.
                    let reason = match failed {
                        Ok(Err(error)) => error.category().to_owned(),
                        _ => "does not answer".to_owned(),
                    };
                    tracing::warn!(
                        setting = "redis_url",
                        reason,
                        "windows are read from PostgreSQL"
                    );
                }
                self.rests_until_ms
                    .store(now_ms() + REDIS_REST_MS, Ordering::Relaxed);
                None
            }
        }
    }
}
