//! The start of a service: it waits for what it needs and says what that is, rather than to end and be
//! started again. Until all is there the process is alive and not ready: calls are answered by
//! UNAVAILABLE, and a caller with another replica goes there.

use std::time::{Duration, Instant};

use anyhow::Context;
use backon::{ExponentialBuilder, Retryable};
use kernel::DivisionCode;
use proto::{
    access::v1::access_service_server::AccessServiceServer,
    feed::v1::feed_service_server::FeedServiceServer,
};
use sqlx::migrate::Migrator;
use tokio::net::TcpListener;
use tonic::service::Routes;

use crate::{
    access_log::AccessLog,
    access_server::AccessServer,
    auth::Authenticator,
    client::Peers,
    config::ProcessConfig,
    feed_server::FeedServer,
    lifecycle::Runtime,
    pg::{self, Database, SchemaVersion},
    server::{self, Socket},
    telemetry,
    tls::Tls,
};

/// What is missing while there is no database.
pub(crate) const URL: &str = "process.database.url";
/// What is missing while there are no keys of the issuer.
pub(crate) const JWKS: &str = "process.auth.jwks";
const WAIT_FIRST: Duration = Duration::from_millis(200);
/// What has come is noticed within this time.
const WAIT_LONGEST: Duration = Duration::from_secs(5);
/// A role or a password may be made after the program starts, and settings are read at the start only:
/// whoever is refused for so long ends, so that the next start reads what is right by now.
const REFUSED_AT_MOST: Duration = Duration::from_secs(120);

/// What a service serves with.
#[derive(Debug)]
pub struct Started {
    /// Where it listens.
    pub socket: Socket,
    /// Whom it calls.
    pub peers: Peers,
    /// Who calls.
    pub authenticator: Authenticator,
    /// Its database.
    pub database: Database,
}

impl Started {
    /// Serves what every service serves beside its `own` until the runtime stops, seals `log` meanwhile and once
    /// more after the last call, and closes the database.
    ///
    /// # Errors
    /// The listener fails.
    pub async fn serve(
        self,
        own: Routes,
        feed: FeedServer,
        log: &AccessLog,
        county: DivisionCode,
        runtime: &Runtime,
    ) -> anyhow::Result<()> {
        log.spawn_sealing(&runtime.lifecycle, county);
        let database = self.database;
        let access = AccessServer::new(database.clone());
        let routes = own
            .add_service(FeedServiceServer::new(feed))
            .add_service(AccessServiceServer::new(access));
        server::serve(
            self.socket,
            routes,
            self.authenticator,
            database.clone(),
            runtime,
        )
        .await?;
        log.seal_if_any(county).await;
        database.close().await;
        Ok(())
    }
}

/// Waits until the database is there and fits the program; `None` when the process is to stop before.
///
/// # Errors
/// A setting that no waiting makes right, credentials that are refused for two minutes, or a schema that
/// is too new for this program.
pub async fn start(
    listener: TcpListener,
    config: &ProcessConfig,
    schema: &'static str,
    migrator: &Migrator,
    runtime: &Runtime,
) -> anyhow::Result<Option<Started>> {
    telemetry::watch_readiness(schema, &runtime.lifecycle);
    let section = "process.tls";
    let tls = config.tls.as_ref();
    let tls = tls.map(|tls| Tls::open(tls, section, &runtime.lifecycle));
    let tls = tls.transpose()?;
    let peers = Peers::new(&config.peers, "process.peers", tls.clone());
    let socket = Socket::waiting(listener, tls, &runtime.lifecycle).await?;
    let authenticator = Authenticator::new(&config.auth).await.context(JWKS)?;
    let own = SchemaVersion::of(migrator);
    let database = match look(config, schema, own, runtime).await {
        Err(obstacle) if obstacle.can_pass() => {
            note(runtime, &obstacle);
            tokio::select! {
                found = wait(config, schema, own, runtime) => found?,
                () = runtime.lifecycle.stopping() => return Ok(None),
            }
        }
        looked => looked?,
    };
    Ok(Some(Started {
        socket,
        peers,
        authenticator,
        database,
    }))
}

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Obstacle {
    /// It may be there the next time.
    #[error("{0}")]
    Absent(String),
    /// The migration has not been there.
    #[error("waits for the migration: {0}")]
    Unmigrated(String),
    /// It is there and refuses who asks.
    #[error("{0}")]
    Refused(String),
    /// No waiting helps.
    #[error("{0:#}")]
    Final(anyhow::Error),
}

impl Obstacle {
    const fn can_pass(&self) -> bool {
        !matches!(self, Self::Final(_))
    }
}

impl From<sqlx::Error> for Obstacle {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Configuration(_) => Self::Final(error.into()),
            sqlx::Error::PoolTimedOut => Self::Absent("does not answer".to_owned()),
            sqlx::Error::Database(refusal) => {
                let code = refusal.code().unwrap_or_default();
                // PostgreSQL's own words: they name the user or the database, never a password.
                let said = refusal.message().to_owned();
                match &*code {
                    // Classes of: invalid authorisation, no such database, insufficient privilege.
                    "28000" | "28P01" | "3D000" | "42501" => Self::Refused(said),
                    // No such role, schema or table.
                    "22023" | "3F000" | "42P01" => Self::Unmigrated(said),
                    _ => Self::Absent(said),
                }
            }
            _ => Self::Absent(error.to_string()),
        }
    }
}

async fn look(
    config: &ProcessConfig,
    schema: &'static str,
    own: SchemaVersion,
    runtime: &Runtime,
) -> Result<Database, Obstacle> {
    let there = pg::look(&config.database, schema).await?;
    let there = there.map_or(
        SchemaVersion {
            version: 0,
            floor: 0,
        },
        |there| there,
    );
    let newer = pg::is_newer(schema, there, own).map_err(Obstacle::Final)?;
    if newer {
        tracing::info!(
            version = there.version,
            "the schema is newer than this program, and fits it"
        );
    }
    if there.version < own.version {
        return Err(Obstacle::Unmigrated(format!(
            "the schema {schema} is at {:04}, this program needs {:04}",
            there.version, own.version
        )));
    }
    let (clock, key) = (runtime.clock.clone(), config.ledger_key.clone());
    Ok(Database::connect(&config.database, schema, key, clock).await?)
}

fn note(runtime: &Runtime, obstacle: &Obstacle) {
    tracing::warn!(setting = URL, reason = %obstacle, "not ready");
    runtime.lifecycle.missing(URL, obstacle.to_string());
}

async fn wait(
    config: &ProcessConfig,
    schema: &'static str,
    own: SchemaVersion,
    runtime: &Runtime,
) -> anyhow::Result<Database> {
    let waits = ExponentialBuilder::default()
        .with_min_delay(WAIT_FIRST)
        .with_max_delay(WAIT_LONGEST)
        .with_jitter()
        .without_max_times();
    let mut refused_since = None;
    let may_pass = |obstacle: &Obstacle| match obstacle {
        Obstacle::Refused(_) => {
            let since = *refused_since.get_or_insert_with(Instant::now);
            since.elapsed() < REFUSED_AT_MOST
        }
        Obstacle::Absent(_) | Obstacle::Unmigrated(_) => {
            refused_since = None;
            true
        }
        Obstacle::Final(_) => false,
    };
    let found = (|| look(config, schema, own, runtime))
        .retry(waits)
        .when(may_pass)
        .notify(|obstacle, _| note(runtime, obstacle))
        .await
        .context(URL)?;
    runtime.lifecycle.there(URL);
    tracing::info!(setting = URL, "is there");
    Ok(found)
}
