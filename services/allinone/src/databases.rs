//! Where the services' rows are: PostgreSQL in this process, one instance for each service, or one
//! that `DATABASE_URL` names.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use chassis::lifecycle::Lifecycle;
use clap::Args;
use pglite_oxide::PgliteServer;
use sqlx::{
    ConnectOptions,
    postgres::{PgConnectOptions, PgSslMode},
};
use tempfile::TempDir;

use crate::turnstile::{Turn, Turnstile};

/// Connections per service on a real PostgreSQL.
const CONNECTIONS: u32 = 8;
/// An embedded instance serves one and lets a second wait.
const CONNECTIONS_EMBEDDED: u32 = 1;
const GRACE: Duration = Duration::from_secs(2);
/// A client finds a socket by a folder and a port. The pool passes the turnstile.
const PORT: u16 = 5432;
/// An operator goes to the server itself.
const PORT_WITHIN: u16 = 5433;

/// Which PostgreSQL to use.
#[derive(Debug, Clone, Args)]
#[group(skip)]
pub struct Options {
    /// PostgreSQL 15 or newer to use in place of the embedded one; a schema and role per service.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
}

/// The databases of all services.
#[derive(Debug)]
pub enum Databases {
    /// One PostgreSQL with a schema per service.
    External {
        /// `postgres://…`
        url: String,
        /// Connections of each service's pool.
        connections: u32,
    },
    /// An instance per service in this process.
    Embedded {
        /// In the order of [`crate::platform::SERVICES`].
        instances: Vec<Instance>,
        /// Of the turnstiles.
        lifecycle: Lifecycle,
    },
}

/// PostgreSQL in this process.
#[derive(Debug)]
pub struct Instance {
    service: &'static str,
    server: PgliteServer,
    turnstile: Turnstile,
    sockets: PathBuf,
}

/// Where embedded databases listen: a folder that only this user enters, gone when dropped. It is
/// not below the data folder, because a socket's path has at most 104 bytes.
#[derive(Debug)]
pub struct SocketFolder(TempDir);

impl SocketFolder {
    /// Makes one.
    ///
    /// # Errors
    /// The folder for temporary files cannot be written.
    pub fn new() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("backstop-").tempdir();
        Ok(Self(folder.context("no folder for sockets can be made")?))
    }

    /// Does what dropping does, for a process that ends at once.
    pub(crate) fn remove(&self) {
        // What stays is empty sockets in a folder for temporary files.
        let _ = std::fs::remove_dir_all(self.0.path());
    }
}

/// A way for an operator past the service.
#[derive(Debug)]
pub struct Door {
    /// Where to connect; one connection at a time.
    pub url: String,
    _turn: Option<Turn>,
}

impl Databases {
    /// The PostgreSQL that `options` names, else embedded instances below `folder` that listen
    /// below `sockets`.
    ///
    /// # Errors
    /// An instance does not start.
    pub async fn open(
        folder: &Path,
        sockets: &SocketFolder,
        options: &Options,
        mut progress: impl FnMut(&str),
    ) -> anyhow::Result<Self> {
        if let Some(url) = &options.database_url {
            return Ok(Self::External {
                url: url.clone(),
                connections: CONNECTIONS,
            });
        }
        let lifecycle = Lifecycle::new();
        let mut instances = Vec::new();
        for service in crate::platform::SERVICES {
            progress(service);
            let root = folder.join("pg").join(service);
            let own = sockets.0.path().join(service);
            let within = socket(&own, PORT_WITHIN);
            let server = on_own_thread({
                let within = within.clone();
                move || {
                    std::fs::create_dir_all(&root)?;
                    PgliteServer::builder().path(root).unix(within).start()
                }
            });
            let server = server
                .await?
                .with_context(|| format!("the database of {service}"))?;
            let turnstile = Turnstile::open(&socket(&own, PORT), &within, &lifecycle)?;
            instances.push(Instance {
                service,
                server,
                turnstile,
                sockets: own,
            });
        }
        Ok(Self::Embedded {
            instances,
            lifecycle,
        })
    }

    /// Connections that each service's pool may have.
    #[must_use]
    pub const fn connections(&self) -> u32 {
        match self {
            Self::External { connections, .. } => *connections,
            Self::Embedded { .. } => CONNECTIONS_EMBEDDED,
        }
    }

    /// Where a service connects.
    #[must_use]
    pub fn url(&self, service: &str) -> String {
        match self {
            Self::External { url, .. } => url.clone(),
            Self::Embedded { instances, .. } => instances
                .iter()
                .find(|instance| instance.service == service)
                .map(|instance| url(&instance.sockets, PORT))
                .unwrap_or_default(),
        }
    }

    /// Lets an operator in beside, or for a moment before, the running service.
    ///
    /// # Errors
    /// The database is stopping.
    pub async fn operator(&self, service: &str) -> anyhow::Result<Door> {
        match self {
            Self::External { url, .. } => Ok(Door {
                url: url.clone(),
                _turn: None,
            }),
            Self::Embedded { instances, .. } => {
                let instance = instances
                    .iter()
                    .find(|instance| instance.service == service);
                let instance = instance.with_context(|| format!("no database of {service}"))?;
                let turn = instance.turnstile.enter().await?;
                Ok(Door {
                    url: url(&instance.sockets, PORT_WITHIN),
                    _turn: Some(turn),
                })
            }
        }
    }

    /// Stops embedded instances. The services have to be stopped before.
    pub async fn close(self) {
        let Self::Embedded {
            instances,
            lifecycle,
        } = self
        else {
            return;
        };
        lifecycle.wait(GRACE).await;
        for Instance {
            service, server, ..
        } in instances
        {
            let stopped = on_own_thread(move || server.shutdown());
            match tokio::time::timeout(GRACE, stopped).await {
                Ok(Ok(Ok(()))) => {}
                Ok(Ok(Err(error))) => {
                    tracing::warn!(service, %error, "the database did not stop well")
                }
                // Committed rows are on disk: the next start recovers.
                _ => tracing::warn!(service, "the database did not stop in time"),
            }
        }
    }
}

/// The embedded server blocks, and must not be called from a runtime's threads.
async fn on_own_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> anyhow::Result<T> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("pglite".to_owned())
        .spawn(move || {
            // Nobody waits any more: nothing to tell.
            let _ = sender.send(work());
        })?;
    Ok(receiver.await?)
}

/// Where a PostgreSQL client looks for the socket of `port`.
fn socket(folder: &Path, port: u16) -> PathBuf {
    folder.join(format!(".s.PGSQL.{port}"))
}

fn url(folder: &Path, port: u16) -> String {
    let options = PgConnectOptions::new_without_pgpass()
        .socket(folder)
        .port(port)
        .username("postgres")
        .database("postgres")
        .ssl_mode(PgSslMode::Disable);
    options.to_url_lossy().to_string()
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection, Executor, PgConnection, postgres::PgPoolOptions};

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn an_operator_gets_in_while_a_pool_holds_the_only_connection() {
        let folder = tempfile::tempdir().expect("a folder");
        let options = Options { database_url: None };
        let sockets = SocketFolder::new().expect("a folder");
        let databases = Databases::open(folder.path(), &sockets, &options, |_| ())
            .await
            .expect("started");
        let url = databases.url("workflow");
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .connect(&url)
            .await
            .expect("connected");
        pool.execute("create table t (n int)")
            .await
            .expect("created");
        pool.execute("insert into t values (1)")
            .await
            .expect("inserted");

        let door = databases.operator("workflow").await.expect("let in");
        let mut operator = PgConnection::connect(&door.url).await.expect("connected");
        let rows: i64 = sqlx::query_scalar("select count(*) from t")
            .fetch_one(&mut operator)
            .await
            .expect("read");
        assert_eq!(rows, 1);
        operator.close().await.expect("closed");
        drop(door);

        pool.execute("insert into t values (2)")
            .await
            .expect("the pool came back");
        // The pool is still open: closing must not wait for it.
        let closed = tokio::time::timeout(Duration::from_secs(10), databases.close()).await;
        closed.expect("closed in time");
    }
}
