//! Brings a service's schema to the program's version: role, spine, the service's own migrations,
//! grants.

use std::borrow::Cow;

use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, migrate::Migrator,
    postgres::PgConnectOptions,
};

/// Migrates `schema` as the user of `url`, who will own it.
///
/// Several at once wait for each other. The application role gets rows, never tables: it can change
/// neither the schema nor the feed's past, and nothing of another service.
///
/// # Errors
/// The database does not answer, the user may not create schemas and roles, or a migration fails.
pub async fn migrate(url: &SecretString, schema: &str, migrator: &Migrator) -> anyhow::Result<()> {
    let options: PgConnectOptions = url.expose_secret().parse()?;
    let mut connection = options.disable_statement_logging().connect().await?;
    // One lock for all services: creating a role is not safe beside another session's.
    connection
        .execute("select pg_advisory_lock(729431)")
        .await?;
    let result = migrate_locked(&mut connection, schema, migrator).await;
    connection
        .execute("select pg_advisory_unlock(729431)")
        .await?;
    connection.close().await?;
    result
}

async fn migrate_locked(
    connection: &mut PgConnection,
    schema: &str,
    migrator: &Migrator,
) -> anyhow::Result<()> {
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
    let own = Migrator {
        table_name: Cow::Owned(format!("{schema}._sqlx_migrations")),
        // The advisory lock above is held already.
        locking: false,
        migrations: migrator.migrations.clone(),
        ..Migrator::DEFAULT
    };
    own.run_direct(None, connection, false).await?;
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
         revoke all on {schema}._sqlx_migrations from {role}"
    );
    connection.execute(AssertSqlSafe(grants)).await?;
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
