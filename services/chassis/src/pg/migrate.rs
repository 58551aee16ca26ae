//! Brings a service's schema to the program's version: role, spine, the service's own migrations,
//! grants. And says whether a schema and a program fit.
//!
//! During a rollout the old program runs beside the new schema, so a newer schema is no fault by itself.
//! Only a migration that takes something away ends that: its first line says
//! `-- contract since 0012: …`, where 0012 is the first migration whose programs do without what it
//! takes. The highest such number is the schema's floor.

use std::{borrow::Cow, time::Duration};

use anyhow::{Context, bail};
use backon::{ExponentialBuilder, Retryable};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection,
    migrate::{Migrate, MigrateError, Migrator},
    postgres::PgConnectOptions,
};

/// One lock for the migrations of all services: creating a role is not safe beside another session's.
const LOCK: i64 = 729_431;
/// A server that is being started is waited for so often, half a minute in all.
const CONNECT_TRIES: usize = 9;
/// Another migration takes minutes at most; whoever waits longer is told.
const LOCK_WITHIN: &str = "15min";
/// A statement that waits for a table makes everybody behind it wait. It gives up after 1 s, and the
/// migration is tried again so often, with others in between: well over a minute in all.
const STATEMENT_TRIES: usize = 20;

/// How old a schema is, and how old a program may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct SchemaVersion {
    /// The newest migration that ran.
    pub version: i64,
    /// Programs that do not know this migration do not fit.
    pub floor: i64,
}

impl SchemaVersion {
    /// What the program brings a schema to.
    #[must_use]
    pub fn of(migrator: &Migrator) -> Self {
        let version = migrator.iter().map(|one| one.version).max();
        let floor = migrator.iter().filter_map(|one| contract(one.sql.as_str()));
        Self {
            version: version.unwrap_or(0),
            floor: floor.max().unwrap_or(0),
        }
    }
}

/// The migration that a program has to know to do without what `sql` takes away; `None` when it takes
/// nothing.
#[must_use]
pub fn contract(sql: &str) -> Option<i64> {
    let since = sql.strip_prefix("-- contract since ")?;
    since.split(':').next()?.trim().parse().ok()
}

async fn connect(url: &SecretString) -> anyhow::Result<PgConnection> {
    let options: PgConnectOptions = url.expose_secret().parse()?;
    let options = options.disable_statement_logging();
    let waits = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(250))
        .with_max_delay(Duration::from_secs(5))
        .with_max_times(CONNECT_TRIES);
    let connected = (|| options.connect())
        .retry(waits)
        .when(|error| matches!(error, sqlx::Error::Io(_)) || is_starting(error))
        .notify(|error, wait| tracing::warn!(%error, ?wait, "PostgreSQL is not there yet"))
        .await;
    connected.context("process.database.url")
}

/// cannot_connect_now
fn is_starting(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.code().as_deref() == Some("57P03"))
}

/// What [`migrate`] would do, a line each. Changes nothing.
///
/// # Errors
/// The database does not answer, or the schema is too new for this program.
pub async fn pending(
    url: &SecretString,
    schema: &str,
    migrator: &Migrator,
) -> anyhow::Result<Vec<String>> {
    let mut connection = connect(url).await?;
    let table = format!("{schema}._sqlx_migrations");
    let exists: Option<String> = sqlx::query_scalar("select to_regclass($1)::text")
        .bind(&table)
        .fetch_one(&mut connection)
        .await?;
    let applied = match exists {
        Some(_) => connection.list_applied_migrations(&table).await?,
        None => Vec::new(),
    };
    let there = recorded(&mut connection, schema).await?;
    connection.close().await?;
    if let Some(there) = there
        && is_newer(schema, there, SchemaVersion::of(migrator))?
    {
        let newest = there.version;
        return Ok(vec![format!(
            "{schema}: nothing; the schema is newer ({newest:04}) and fits"
        )]);
    }
    let pending = migrator
        .iter()
        .filter(|one| !applied.iter().any(|done| done.version == one.version));
    let mut lines: Vec<String> = pending
        .map(|one| {
            let takes = match contract(one.sql.as_str()) {
                Some(since) => format!(", after which programs before {since:04} do not fit"),
                None => String::new(),
            };
            format!(
                "{schema}: {:04} {}{takes}",
                one.version,
                one.description.as_ref()
            )
        })
        .collect();
    if lines.is_empty() {
        lines.push(format!(
            "{schema}: no migration; tables of every service and grants again"
        ));
    }
    Ok(lines)
}

/// Migrates `schema` as the user of `url`, who will own it.
///
/// Several at once wait for each other. The application role gets rows, never tables: it can change
/// neither the schema nor the feed's past, and nothing of another service. A schema that is newer than
/// this program and fits it is left alone.
///
/// # Errors
/// The database does not answer, the user may not create schemas and roles, a migration fails, or the
/// schema is too new for this program.
pub async fn migrate(url: &SecretString, schema: &str, migrator: &Migrator) -> anyhow::Result<()> {
    let mut connection = connect(url).await?;
    lock(&mut connection).await?;
    let mut result = Ok(());
    for attempt in 1..=STATEMENT_TRIES {
        result = migrate_locked(&mut connection, schema, migrator).await;
        match &result {
            Err(error) if attempt < STATEMENT_TRIES && is_lock_timeout(error) => {
                tracing::warn!(schema, attempt, "a table is in use, the migration waits");
                tokio::time::sleep(Duration::from_secs(4)).await;
            }
            _ => break,
        }
    }
    let unlock = format!("select pg_advisory_unlock({LOCK})");
    connection.execute(AssertSqlSafe(unlock)).await?;
    connection.close().await?;
    result
}

async fn lock(connection: &mut PgConnection) -> anyhow::Result<()> {
    let at_once = format!("select pg_try_advisory_lock({LOCK})");
    let locked: bool = sqlx::query_scalar(AssertSqlSafe(at_once))
        .fetch_one(&mut *connection)
        .await?;
    if locked {
        return Ok(());
    }
    tracing::info!("another migration is running, this one waits");
    let wait = format!("set lock_timeout = '{LOCK_WITHIN}'; select pg_advisory_lock({LOCK})");
    let waited = connection.execute(AssertSqlSafe(wait)).await;
    waited.map(drop).context("another migration does not end")
}

/// lock_not_available, wherever in the chain it is.
fn is_lock_timeout(error: &anyhow::Error) -> bool {
    let of = |error: &sqlx::Error| match error {
        sqlx::Error::Database(error) => error.code().as_deref() == Some("55P03"),
        _ => false,
    };
    error.chain().any(|cause| {
        let ours = cause.downcast_ref::<sqlx::Error>().is_some_and(of);
        ours || match cause.downcast_ref::<MigrateError>() {
            Some(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
                of(error)
            }
            _ => false,
        }
    })
}

/// What a schema says of itself; `None` before its first migration.
async fn recorded(
    connection: &mut PgConnection,
    schema: &str,
) -> anyhow::Result<Option<SchemaVersion>> {
    let table = format!("{schema}.schema_version");
    let exists: Option<String> = sqlx::query_scalar("select to_regclass($1)::text")
        .bind(&table)
        .fetch_one(&mut *connection)
        .await?;
    if exists.is_none() {
        return Ok(None);
    }
    let select = format!("select version, floor from {table}");
    let there = sqlx::query_as(AssertSqlSafe(select));
    Ok(there.fetch_optional(connection).await?)
}

/// Whether the schema that is there is newer than the program's `own`.
///
/// # Errors
/// It has taken away what the program needs.
pub(crate) fn is_newer(
    schema: &str,
    there: SchemaVersion,
    own: SchemaVersion,
) -> anyhow::Result<bool> {
    if own.version < there.floor {
        bail!(
            "the schema {schema} is too new for this program: it needs one that knows migration \
             {:04}, and this one knows none after {:04}; install a newer release",
            there.floor,
            own.version
        );
    }
    Ok(there.version > own.version)
}

async fn migrate_locked(
    connection: &mut PgConnection,
    schema: &str,
    migrator: &Migrator,
) -> anyhow::Result<()> {
    let own = SchemaVersion::of(migrator);
    if let Some(there) = recorded(connection, schema).await?
        && is_newer(schema, there, own)?
    {
        tracing::info!(schema, "the schema is newer than this program, and fits it");
        return Ok(());
    }
    // Others wait behind a statement that waits, and give up after two seconds.
    connection.execute("set lock_timeout = '1s'").await?;
    let role = format!("backstop_{schema}");
    // Asked before done: an exception block is more than the embedded server can take.
    let prepare = format!(
        "create schema if not exists {schema};
         do $$ begin
             if not exists (select from pg_roles where rolname = '{role}') then
                 create role {role} nologin;
             end if;
             if not pg_has_role(current_user, '{role}', 'member') then
                 execute format('grant {role} to %I', current_user);
             end if;
         end $$;"
    );
    // Roles belong to the whole server and the lock to one database: a migration of another
    // database may create the role in the same moment. Then it is there the next time.
    let mut tries = 0;
    while let Err(error) = connection.execute(AssertSqlSafe(prepare.as_str())).await {
        tries += 1;
        if tries == ROLE_TRIES || !is_duplicate(&error) {
            return Err(error.into());
        }
    }
    let spine = include_str!("spine.sql").replace("{schema}", schema);
    connection.execute(AssertSqlSafe(spine)).await?;
    let run = Migrator {
        table_name: Cow::Owned(format!("{schema}._sqlx_migrations")),
        // The advisory lock above is held already.
        locking: false,
        migrations: migrator.migrations.clone(),
        ..Migrator::DEFAULT
    };
    run.run_direct(None, connection, false).await?;
    let grants = format!(
        "revoke all on schema {schema} from public;
         grant usage on schema {schema} to {role};
         grant select, insert, update, delete on all tables in schema {schema} to {role};
         grant usage on all sequences in schema {schema} to {role};
         grant execute on all functions in schema {schema} to {role};
         revoke update, delete on {schema}.feed from {role};
         revoke insert, delete on {schema}.feed_head from {role};
         revoke update, delete on {schema}.access, {schema}.access_of from {role};
         grant update (seal) on {schema}.access to {role};
         revoke update, delete on {schema}.log_tiles, {schema}.log_checkpoints, \
                                  {schema}.log_cosignatures from {role};
         revoke insert, update, delete on {schema}.schema_version from {role};
         revoke all on {schema}._sqlx_migrations from {role}"
    );
    connection.execute(AssertSqlSafe(grants)).await?;
    let record = format!(
        "insert into {schema}.schema_version (version, floor) values ($1, $2) \
         on conflict (only_row) do update set version = excluded.version, floor = excluded.floor"
    );
    sqlx::query(AssertSqlSafe(record))
        .bind(own.version)
        .bind(own.floor)
        .execute(connection)
        .await?;
    Ok(())
}

/// Every lost race means that somebody else's creation has been committed: one more try is enough
/// for the role and one for its membership; the rest is margin.
const ROLE_TRIES: u32 = 5;

/// unique_violation, duplicate_object, and the internal error of two grants at once.
fn is_duplicate(error: &sqlx::Error) -> bool {
    let code = match error {
        sqlx::Error::Database(error) => error.code(),
        _ => None,
    };
    matches!(code.as_deref(), Some("23505" | "42710" | "XX000"))
}
