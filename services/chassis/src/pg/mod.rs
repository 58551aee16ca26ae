//! PostgreSQL: one pool per service, one transaction per request, scope in every transaction.

mod idempotency;
mod migrate;
mod tx;

use std::{
    sync::{Arc, LazyLock},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use kernel::{DivisionCode, Principal, Role, Scope};
use opentelemetry::metrics::{Counter, Gauge, Histogram};
use secrecy::ExposeSecret;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, PgExecutor, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::sync::watch;
use uuid::Uuid;

pub use idempotency::Claim;
pub(crate) use migrate::is_newer;
pub use migrate::{SchemaVersion, contract, migrate, pending};
pub use tx::Tx;

use crate::{
    auth::Caller, clock::Clock, config::DatabaseConfig, cursor::CursorKey, error::Error,
    secret::SecretKey, telemetry,
};

fn options(config: &DatabaseConfig, schema: &str) -> Result<PgConnectOptions, sqlx::Error> {
    let options: PgConnectOptions = config.url.expose_secret().parse()?;
    Ok(options.application_name(schema).disable_statement_logging())
}

/// Without the role change a superuser's session would ignore every policy. The limits keep one bad
/// statement or client from holding up the others.
async fn set_up(connection: &mut PgConnection, schema: &str) -> Result<(), sqlx::Error> {
    let setup = format!(
        "set role backstop_{schema}; set statement_timeout = '5s'; \
         set lock_timeout = '2s'; \
         set idle_in_transaction_session_timeout = '10s'; set time zone 'UTC'"
    );
    connection.execute(AssertSqlSafe(setup)).await.map(drop)
}

/// A connection as the user of the URL, beside any pool.
pub(crate) async fn connect(
    config: &DatabaseConfig,
    schema: &str,
) -> Result<PgConnection, sqlx::Error> {
    options(config, schema)?.connect().await
}

/// A connection as the service's own role, beside any pool.
pub(crate) async fn open(
    config: &DatabaseConfig,
    schema: &str,
) -> Result<PgConnection, sqlx::Error> {
    let mut connection = connect(config, schema).await?;
    set_up(&mut connection, schema).await?;
    Ok(connection)
}

/// How old a schema is; `None` when no migration has ended yet.
pub(crate) async fn schema_version(
    connection: &mut PgConnection,
    schema: &str,
) -> Result<Option<SchemaVersion>, sqlx::Error> {
    let select = format!("select version, floor from {schema}.schema_version");
    sqlx::query_as(AssertSqlSafe(select))
        .fetch_optional(connection)
        .await
}

/// This machine's clock less the database's, in seconds.
pub(crate) async fn clock_ahead(executor: impl PgExecutor<'_>) -> Result<f64, sqlx::Error> {
    let clock = "select extract(epoch from clock_timestamp())::float8";
    let before = SystemTime::now();
    let theirs: f64 = sqlx::query_scalar(clock).fetch_one(executor).await?;
    // They looked at their clock somewhere in between.
    let half = before.elapsed().unwrap_or_default() / 2;
    let ours = (before + half).duration_since(UNIX_EPOCH);
    Ok(ours.unwrap_or_default().as_secs_f64() - theirs)
}

/// Asks a database, by one connection that ends, whether it is there and how old the schema is; `None`
/// when no migration has ended yet. A pool would try by itself and not say what is wrong.
///
/// # Errors
/// The database does not answer, refuses, or has no such role or schema.
pub(crate) async fn look(
    config: &DatabaseConfig,
    schema: &str,
) -> Result<Option<SchemaVersion>, sqlx::Error> {
    let asked = async {
        let mut connection = open(config, schema).await?;
        let found = schema_version(&mut connection, schema).await?;
        connection.close().await?;
        Ok(found)
    };
    let in_time = tokio::time::timeout(ACQUIRE_TIMEOUT, asked).await;
    in_time.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// Begins a transaction in which everything is seen as it is at one moment, whoever writes meanwhile.
pub const SNAPSHOT: &str = "begin isolation level repeatable read read only";

/// A connection on which every row of the service can be read, and as long as it takes: for
/// [`crate::verification`]. It is the service's own role, so nobody else's right is needed.
///
/// # Errors
/// The database does not answer, refuses, or has no such role.
pub(crate) async fn connect_to_verify(
    config: &DatabaseConfig,
    schema: &str,
    county: DivisionCode,
) -> Result<PgConnection, sqlx::Error> {
    let mut connection = open(config, schema).await?;
    sqlx::query("select set_config('app.scope', $1, false), set_config('app.ledger', 'on', false)")
        .bind(county.prefix())
        .execute(&mut connection)
        .await?;
    let patient = "set statement_timeout = 0; set default_transaction_read_only = on";
    connection.execute(patient).await?;
    Ok(connection)
}

/// A service's database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Database(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: PgPool,
    schema: &'static str,
    clock: Clock,
    ledger_key: SecretKey,
    epoch: Uuid,
    committed: watch::Sender<i64>,
}

/// Waiting longer than this for a connection means overload; the caller is told to come back.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that was used so lately is there; asking it first would cost every transaction a
/// round trip.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

static BEGIN: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    telemetry::meter()
        .f64_histogram("backstop_database_begin")
        .with_unit("s")
        .build()
});
static UNAVAILABLE: LazyLock<Counter<u64>> = LazyLock::new(|| {
    telemetry::meter()
        .u64_counter("backstop_database_unavailable")
        .build()
});

static CLOCK: LazyLock<Gauge<f64>> = LazyLock::new(|| {
    telemetry::meter()
        .f64_gauge("backstop_clock_ahead")
        .with_unit("s")
        .build()
});

impl Inner {
    /// Shows the pool and the head of the feed whenever metrics are read.
    fn show(self: &Arc<Self>, max_connections: u32) {
        let schema = telemetry::label("schema", self.schema);
        let connections = |state, value: fn(&PgPool) -> u64| {
            let labels = [schema.clone(), telemetry::label("state", state)];
            let inner = Arc::downgrade(self);
            let value = move || inner.upgrade().map(|inner| value(&inner.pool));
            telemetry::watch("backstop_database_connections", &labels, value);
        };
        let idle = |pool: &PgPool| u64::try_from(pool.num_idle()).unwrap_or(u64::MAX);
        connections("idle", idle);
        connections("in_use", |pool| {
            let idle = u64::try_from(pool.num_idle()).unwrap_or(u64::MAX);
            u64::from(pool.size()).saturating_sub(idle)
        });
        let most = move || Some(u64::from(max_connections));
        telemetry::watch(
            "backstop_database_connections_max",
            std::slice::from_ref(&schema),
            most,
        );
        let inner = Arc::downgrade(self);
        let position = move || {
            let position = *inner.upgrade()?.committed.borrow();
            u64::try_from(position).ok()
        };
        let source = telemetry::label("source", self.schema);
        telemetry::watch("backstop_feed_position", &[source], position);
        UNAVAILABLE.add(0, &[schema]);
    }
}

impl Database {
    /// Connects as the service's own role, which owns nothing and reaches no other schema.
    ///
    /// # Errors
    /// The database does not answer, or its schema has not been migrated.
    pub async fn connect(
        config: &DatabaseConfig,
        schema: &'static str,
        ledger_key: SecretKey,
        clock: Clock,
    ) -> Result<Self, sqlx::Error> {
        let options = options(config, schema)?;
        let pool = PgPoolOptions::new()
            .max_connections(config.max_connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for > TRUSTED_FOR {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .after_connect(move |connection, _| Box::pin(set_up(connection, schema)))
            .connect_with(options)
            .await?;
        let head = format!("select epoch, position from {schema}.feed_head");
        let (epoch, position): (Uuid, i64) =
            sqlx::query_as(AssertSqlSafe(head)).fetch_one(&pool).await?;
        let committed = watch::Sender::new(position);
        let inner = Arc::new(Inner {
            pool,
            schema,
            clock,
            ledger_key,
            epoch,
            committed,
        });
        inner.show(config.max_connections);
        Ok(Self(inner))
    }

    /// A transaction that sees and writes the caller's scope.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn begin(&self, caller: &Caller) -> Result<Tx, Error> {
        self.begin_as(&caller.principal, false).await
    }

    /// The same, for reading only.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn read(&self, caller: &Caller) -> Result<Tx, Error> {
        self.begin_as(&caller.principal, true).await
    }

    /// A transaction of the service's own work on one county: consuming feeds, timers.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn begin_internal(&self, county: DivisionCode) -> Result<Tx, Error> {
        let scope = Scope {
            division: county,
            department: None,
        };
        let subject = format!("service:{}", self.0.schema);
        self.begin_as(
            &Principal {
                subject,
                role: Role::Service,
                scope,
            },
            false,
        )
        .await
    }

    /// A transaction of the ledger's own work: it reads every row of the feed, for hashes.
    ///
    /// # Errors
    /// The database does not answer.
    pub(crate) async fn begin_ledger(&self, county: DivisionCode) -> Result<Tx, Error> {
        let mut tx = self.begin_internal(county).await?;
        sqlx::query("select set_config('app.ledger', 'on', true)")
            .execute(&mut *tx)
            .await?;
        crate::ledger::read_in_order(&mut tx, true).await?;
        Ok(tx)
    }

    async fn begin_as(&self, principal: &Principal, read_only: bool) -> Result<Tx, Error> {
        // From asking the pool for a connection until the transaction has ended either way.
        let span = tracing::info_span!("sql", db.system = "postgresql", db.schema = self.0.schema);
        let labels = [telemetry::label("schema", self.0.schema)];
        let began = Instant::now();
        let begun = self.0.pool.begin().await;
        BEGIN.record(began.elapsed().as_secs_f64(), &labels);
        let transaction = begun.inspect_err(|_| UNAVAILABLE.add(1, &labels))?;
        Tx::start(self.clone(), transaction, span, principal, read_only).await
    }

    /// Whether the database answers. Its clock is compared with the machine's.
    pub async fn is_healthy(&self) -> bool {
        match clock_ahead(&self.0.pool).await {
            Ok(ahead) => {
                CLOCK.record(ahead, &[telemetry::label("schema", self.0.schema)]);
                true
            }
            Err(_) => false,
        }
    }

    /// Position of the last item that this process committed; changes wake feed readers.
    #[must_use]
    pub fn committed(&self) -> watch::Receiver<i64> {
        self.0.committed.subscribe()
    }

    /// Epoch of the feed.
    #[must_use]
    pub fn epoch(&self) -> Uuid {
        self.0.epoch
    }

    /// Signs and reads this service's cursors.
    #[must_use]
    pub fn cursors(&self) -> CursorKey {
        CursorKey::new(self.0.ledger_key.clone())
    }

    /// Where time and ids come from.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The service's schema.
    #[must_use]
    pub fn schema(&self) -> &'static str {
        self.0.schema
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.0.pool
    }

    pub(crate) fn ledger_key(&self) -> &SecretKey {
        &self.0.ledger_key
    }

    pub(crate) fn notify(&self, position: i64) {
        self.0.committed.send_if_modified(|last| {
            let newer = position > *last;
            *last = position.max(*last);
            newer
        });
    }

    /// Closes every connection.
    pub async fn close(&self) {
        self.0.pool.close().await;
    }
}
