//! What a service's database is like.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::{Check, Finding, Question, WITHIN, late, verdict};
use crate::{
    clock::Clock,
    config::DatabaseConfig,
    error::Error,
    pg::{self, SchemaVersion},
    startup::Obstacle,
    tlog,
};

/// Looks at a service's database; `setting` says where it is named.
pub async fn database(
    config: &DatabaseConfig,
    setting: &'static str,
    schema: &'static str,
    own: SchemaVersion,
) -> Vec<Check> {
    let mut session = Session {
        config,
        setting,
        schema,
        connection: None,
        is_open: false,
    };
    let mut checks = vec![server(&session).await];
    let fits = async |connection: &mut PgConnection| {
        let there = pg::schema_version(connection, schema).await?;
        Ok(verdict::schema(schema, there, own))
    };
    if checks.iter().all(Check::can_go_on) {
        checks.push(session.look("schema", fits).await);
    }
    if !session.is_open {
        let rest = ["schema", "role", "clock", "connections", "quarantine"];
        let rest = rest.into_iter().skip(checks.len() - 1);
        let skipped = rest.map(|name| Finding::skipped("the database cannot be asked").of(name));
        checks.extend(skipped.collect::<Vec<_>>());
        return checks;
    }
    checks.push(session.look("role", role).await);
    let clock = async |connection: &mut PgConnection| {
        Ok(verdict::clock(pg::clock_ahead(connection).await?))
    };
    checks.push(session.look("clock", clock).await);
    let pool = config.max_connections;
    let free = async |connection: &mut PgConnection| connections(connection, pool).await;
    checks.push(session.look("connections", free).await);
    let aside = async |connection: &mut PgConnection| quarantine(connection, schema).await;
    checks.push(session.look("quarantine", aside).await);
    if let Some(connection) = session.connection {
        // Whoever takes one client at a time waits for this one to go.
        let _ = tokio::time::timeout(WITHIN, connection.close()).await;
    }
    checks
}

/// Asks before the role is taken: that one may not be there yet.
async fn server(session: &Session<'_>) -> Check {
    let asked = async {
        let mut connection = pg::connect(session.config, session.schema).await?;
        let version = "select current_setting('server_version_num')::int";
        let version = sqlx::query_scalar(version).fetch_one(&mut connection).await;
        connection.close().await?;
        Ok(verdict::version(version?))
    };
    session.judged(asked).await.of("database")
}

/// One connection for all questions, and another one after a question that failed or hung.
struct Session<'a> {
    config: &'a DatabaseConfig,
    setting: &'static str,
    schema: &'static str,
    connection: Option<PgConnection>,
    /// Whether the service's role could be taken at all.
    is_open: bool,
}

impl Session<'_> {
    async fn look(
        &mut self,
        name: &str,
        ask: impl AsyncFnOnce(&mut PgConnection) -> Result<Finding, sqlx::Error>,
    ) -> Check {
        let kept = self.connection.take();
        let (mut still_good, mut is_open) = (None, self.is_open);
        let asked = async {
            let mut connection = match kept {
                Some(connection) => connection,
                None => pg::open(self.config, self.schema).await?,
            };
            is_open = true;
            let finding = ask(&mut connection).await?;
            still_good = Some(connection);
            Ok(finding)
        };
        let finding = self.judged(asked).await;
        (self.connection, self.is_open) = (still_good, is_open);
        finding.of(name)
    }

    async fn judged(&self, asked: impl Future<Output = Result<Finding, sqlx::Error>>) -> Finding {
        match tokio::time::timeout(WITHIN, asked).await {
            Ok(Ok(finding)) => finding,
            Ok(Err(error)) => self.refusal(error),
            Err(_) => late(),
        }
    }

    fn refusal(&self, error: sqlx::Error) -> Finding {
        let (setting, obstacle) = (self.setting, Obstacle::from(error));
        let advice = match &obstacle {
            Obstacle::Absent(_) => {
                format!("see to PostgreSQL, or correct its address in {setting}")
            }
            Obstacle::Unmigrated(_) => format!("run `{} migrate`", self.schema),
            Obstacle::Refused(_) => {
                format!("correct user, password or database in {setting}, or the user's rights")
            }
            Obstacle::Final(_) => format!("correct {setting}"),
        };
        Finding::wrong(format!("{setting}: {obstacle}"), advice)
    }
}

async fn role(connection: &mut PgConnection) -> Result<Finding, sqlx::Error> {
    let select = "select rolname::text, rolsuper or rolbypassrls as sees_all from pg_roles \
                  where rolname = ";
    let named = async |connection: &mut PgConnection, who: &str| {
        sqlx::query_as(AssertSqlSafe(format!("{select}{who}")))
            .fetch_one(connection)
            .await
    };
    let acts = named(connection, "current_user").await?;
    let login = named(connection, "session_user").await?;
    Ok(verdict::role(&acts, &login))
}

async fn connections(connection: &mut PgConnection, pool: u32) -> Result<Finding, sqlx::Error> {
    // Who is not superuser sees of other sessions only that they are there. What is reserved since
    // PostgreSQL 16 has no setting before it.
    let select = "select current_setting('max_connections')::int \
                         - current_setting('superuser_reserved_connections')::int \
                         - coalesce(current_setting('reserved_connections', true)::int, 0), \
                         (select coalesce(sum(numbackends), 0)::int from pg_stat_database)";
    let (most, used): (i32, i32) = sqlx::query_as(select).fetch_one(connection).await?;
    Ok(verdict::connections((most - used).max(0), most, pool))
}

async fn quarantine(connection: &mut PgConnection, schema: &str) -> Result<Finding, sqlx::Error> {
    let select = format!(
        "select source, count(*), max(recorded_at) from {schema}.quarantine group by source \
         order by source"
    );
    let aside: Vec<(String, i64, DateTime<Utc>)> = sqlx::query_as(AssertSqlSafe(select))
        .fetch_all(connection)
        .await?;
    Ok(verdict::quarantine(&aside))
}

/// Where a service is in the feed of another, as it was told; `None` when it never followed it.
pub(super) async fn cursor(
    config: &DatabaseConfig,
    schema: &str,
    source: &str,
) -> Result<Option<String>, sqlx::Error> {
    let mut connection = pg::open(config, schema).await?;
    let select = format!("select cursor from {schema}.cursors where source = $1");
    let cursor = sqlx::query_scalar(AssertSqlSafe(select))
        .bind(source)
        .fetch_optional(&mut connection)
        .await;
    connection.close().await?;
    cursor
}

/// Whether the ledger of a service is under a checkpoint, for which a row may wait so long.
#[must_use]
pub fn sealing(config: &DatabaseConfig, schema: &'static str, limit_seconds: u32) -> Question {
    let config = config.clone();
    let limit = TimeDelta::seconds(limit_seconds.into());
    Question::new("ledger", async move {
        let asked = async {
            let mut connection = pg::open(&config, schema).await?;
            let now = Clock::system().now();
            let found = tlog::status(&mut connection, schema, now, limit).await?;
            connection.close().await?;
            Ok::<_, Error>(found)
        };
        match asked.await {
            Ok((status, signed_at)) => {
                let ago = signed_at.map(|at| Clock::system().now() - at);
                verdict::sealing(&status, ago)
            }
            Err(_) => Finding::skipped("the database does not say"),
        }
    })
}
