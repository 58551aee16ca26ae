//! The consumer side of a feed: every item takes effect exactly once.

use std::{
    future::Future,
    sync::{
        LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use kernel::DivisionCode;
use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge},
};
use proto::feed::v1::{Filter, Item, SubscribeRequest, feed_service_client::FeedServiceClient};
use rand::RngExt;
use sqlx::{AssertSqlSafe, Row};
use tracing::Instrument;

use crate::{
    auth::ServiceIdentity,
    client::{self, Channel},
    error::Error,
    lifecycle::Runtime,
    pg::{Database, Tx},
    telemetry,
};

/// What a service does with the items of another service's feed.
pub trait Consumer: Send + Sync + 'static {
    /// The service whose feed it is; names the cursor.
    const SOURCE: &'static str;
    /// Kinds of items that are wanted.
    const KINDS: &'static [&'static str];
    /// What [`Consumer::prepare`] fetched.
    type Prepared: Send;

    /// Fetches what the effect needs from other services. No database connection is held.
    fn prepare(&self, item: &Item) -> impl Future<Output = Result<Self::Prepared, Error>> + Send;

    /// Applies the effect. Runs in the transaction that moves the cursor.
    fn apply(
        &self,
        tx: &mut Tx,
        item: &Item,
        prepared: Self::Prepared,
    ) -> impl Future<Output = Result<(), Error>> + Send;
}

/// A feed that a service follows, for whoever asks how far it is.
#[derive(Debug, Clone, Copy)]
pub struct Followed {
    /// The service whose feed it is.
    pub source: &'static str,
    /// Kinds of items that are wanted; all when empty.
    pub kinds: &'static [&'static str],
}

impl Followed {
    /// What a consumer follows.
    #[must_use]
    pub const fn by<C: Consumer>() -> Self {
        Self {
            source: C::SOURCE,
            kinds: C::KINDS,
        }
    }
}

/// Tries before an item is put aside: with the waits below, about 3 s.
const TRIES: u32 = 5;
const WAIT_FIRST: Duration = Duration::from_millis(100);
/// A neighbour that is back is noticed within this time.
const WAIT_LONGEST: Duration = Duration::from_secs(5);

static APPLIED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    telemetry::meter()
        .u64_counter("backstop_feed_applied")
        .build()
});
static QUARANTINED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    telemetry::meter()
        .u64_counter("backstop_feed_quarantined")
        .build()
});
static INTERRUPTED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    telemetry::meter()
        .u64_counter("backstop_feed_interrupted")
        .build()
});
static LAG: LazyLock<Gauge<f64>> = LazyLock::new(|| {
    telemetry::meter()
        .f64_gauge("backstop_feed_lag")
        .with_unit("s")
        .build()
});

static CONSUMED: LazyLock<Gauge<i64>> = LazyLock::new(|| {
    telemetry::meter()
        .i64_gauge("backstop_feed_consumed_position")
        .build()
});

/// Follows a feed until the runtime stops.
pub fn spawn<C: Consumer>(
    runtime: &Runtime,
    database: Database,
    county: DivisionCode,
    channel: Channel,
    identity: ServiceIdentity,
    consumer: C,
) {
    // Alerts look at how they grow: they have to be there before the first.
    let labels = labels::<C>(&database);
    APPLIED.add(0, &labels);
    QUARANTINED.add(0, &labels);
    INTERRUPTED.add(0, &labels);
    LAG.record(0.0, &labels);
    let lifecycle = runtime.lifecycle.clone();
    let follower = Follower {
        database,
        county,
        channel,
        identity,
        consumer,
        advanced: AtomicBool::new(false),
    };
    runtime.lifecycle.spawn("subscription", async move {
        let mut wait = WAIT_FIRST;
        loop {
            let ended = tokio::select! {
                ended = follower.follow() => ended,
                () = lifecycle.stopping() => return,
            };
            if ended.is_ok() || follower.advanced.swap(false, Ordering::Relaxed) {
                wait = WAIT_FIRST;
            }
            if let Err(error) = ended {
                INTERRUPTED.add(1, &labels);
                interrupted::<C>(&error);
            }
            tokio::select! {
                () = tokio::time::sleep(jittered(wait)) => {}
                () = lifecycle.stopping() => return,
            }
            wait = (wait * 2).min(WAIT_LONGEST);
        }
    });
}

fn labels<C: Consumer>(database: &Database) -> [KeyValue; 2] {
    [
        telemetry::label("source", C::SOURCE),
        telemetry::label("consumer", database.schema()),
    ]
}

/// A source that was restored to an earlier state has items that this service never saw, or saw in
/// another order: only a person can say what is right, so this is an error until somebody does.
fn interrupted<C: Consumer>(error: &Error) {
    match error {
        Error::CursorEpochChanged => {
            tracing::error!(
                source = C::SOURCE,
                "the feed's source was restored, not resumed"
            );
        }
        _ => tracing::warn!(source = C::SOURCE, %error, "feed interrupted, will resume"),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "jitter decides nothing that has to be repeatable"
)]
fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(rand::rng().random_range(0.5..1.0))
}

struct Follower<C> {
    database: Database,
    county: DivisionCode,
    channel: Channel,
    identity: ServiceIdentity,
    consumer: C,
    /// Whether an item was handled since the last interruption.
    advanced: AtomicBool,
}

impl<C: Consumer> Follower<C> {
    /// Follows one stream until it ends.
    async fn follow(&self) -> Result<(), Error> {
        let caller = self.identity.caller().await?;
        let request = SubscribeRequest {
            after_cursor: self.resume_cursor().await?,
            filter: Some(Filter {
                kinds: C::KINDS.iter().map(|&kind| kind.to_owned()).collect(),
                ..Filter::default()
            }),
        };
        let mut feed = FeedServiceClient::new(self.channel.clone())
            .max_decoding_message_size(client::MESSAGE_BYTES_MAX);
        let mut stream = feed
            .subscribe(client::authorise_stream(&caller, request))
            .await?
            .into_inner();
        while let Some(message) = stream.message().await? {
            match message.item {
                Some(item) => self.handle(&item, &message.cursor).await?,
                // The source has nothing more.
                None => LAG.record(0.0, &labels::<C>(&self.database)),
            }
        }
        Ok(())
    }

    async fn handle(&self, item: &Item, cursor: &str) -> Result<(), Error> {
        let span = tracing::info_span!(
            "feed.apply",
            source = C::SOURCE,
            kind = item.kind,
            position = item.position
        );
        telemetry::continue_trace(&span, &item.traceparent);
        async {
            let mut wait = WAIT_FIRST;
            for attempt in 1..=TRIES {
                match self.apply(item, cursor).await {
                    Ok(()) => break,
                    // A neighbour that is down is no fault of the item: begin again from the cursor.
                    Err(error @ Error::Unavailable { .. }) => return Err(error),
                    Err(error) if attempt == TRIES => self.put_aside(item, cursor, &error).await?,
                    Err(error) => {
                        tracing::warn!(attempt, error = ?error, "item failed");
                        tokio::time::sleep(wait).await;
                        wait *= 2;
                    }
                }
            }
            self.advanced.store(true, Ordering::Relaxed);
            self.measure(item);
            Ok(())
        }
        .instrument(span)
        .await
    }

    async fn apply(&self, item: &Item, cursor: &str) -> Result<(), Error> {
        let prepared = self.consumer.prepare(item).await?;
        let mut tx = self.database.begin_internal(self.county).await?;
        let (_, done) = self.lock_cursor(&mut tx).await?;
        if item.position <= done {
            return Ok(());
        }
        self.consumer.apply(&mut tx, item, prepared).await?;
        self.move_cursor(&mut tx, item, cursor).await?;
        tx.commit().await.map(|_| ())
    }

    /// Stores a failing item with its reason and goes on: one bad item must not stop a county.
    async fn put_aside(&self, item: &Item, cursor: &str, error: &Error) -> Result<(), Error> {
        tracing::error!(error = ?error, "item put into quarantine");
        let mut tx = self.database.begin_internal(self.county).await?;
        let (_, done) = self.lock_cursor(&mut tx).await?;
        // Another replica got past it meanwhile: moving the cursor back would repeat its effects.
        if item.position <= done {
            return Ok(());
        }
        let insert = format!(
            "insert into {}.quarantine (source, position, reason, recorded_at) \
             values ($1, $2, $3, $4) on conflict do nothing",
            self.database.schema()
        );
        let now = tx.now();
        sqlx::query(AssertSqlSafe(insert))
            .bind(C::SOURCE)
            .bind(item.position)
            .bind(error.reason())
            .bind(now)
            .execute(&mut *tx)
            .await?;
        self.move_cursor(&mut tx, item, cursor).await?;
        tx.commit().await?;
        QUARANTINED.add(1, &labels::<C>(&self.database));
        Ok(())
    }

    /// Where to go on; the first time makes the row that [`Self::lock_cursor`] locks.
    async fn resume_cursor(&self) -> Result<String, Error> {
        let mut tx = self.database.begin_internal(self.county).await?;
        let create = format!(
            "insert into {}.cursors (source, cursor, position) values ($1, '', 0) \
             on conflict do nothing",
            self.database.schema()
        );
        sqlx::query(AssertSqlSafe(create))
            .bind(C::SOURCE)
            .execute(&mut *tx)
            .await?;
        let (cursor, position) = self.lock_cursor(&mut tx).await?;
        tx.commit().await?;
        CONSUMED.record(position, &labels::<C>(&self.database));
        Ok(cursor)
    }

    /// The cursor and its position, locked so that two replicas do not apply one item twice.
    async fn lock_cursor(&self, tx: &mut Tx) -> Result<(String, i64), Error> {
        let select = format!(
            "select cursor, position from {}.cursors where source = $1 for update",
            self.database.schema()
        );
        let row = sqlx::query(AssertSqlSafe(select))
            .bind(C::SOURCE)
            .fetch_one(&mut **tx)
            .await?;
        Ok((row.try_get(0)?, row.try_get(1)?))
    }

    async fn move_cursor(&self, tx: &mut Tx, item: &Item, cursor: &str) -> Result<(), Error> {
        let update = format!(
            "update {}.cursors set cursor = $2, position = $3 where source = $1",
            self.database.schema()
        );
        sqlx::query(AssertSqlSafe(update))
            .bind(C::SOURCE)
            .bind(cursor)
            .bind(item.position)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }

    fn measure(&self, item: &Item) {
        let labels = labels::<C>(&self.database);
        APPLIED.add(1, &labels);
        CONSUMED.record(item.position, &labels);
        if let Some(recorded_at) = item.recorded_at {
            let behind = self.database.clock().now().timestamp() - recorded_at.seconds;
            LAG.record(behind.max(0) as f64, &labels);
        }
    }
}
