//! The four services and the gateway in one process, on loopback sockets of their own.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use chassis::{
    clock::Clock,
    lifecycle::{Lifecycle, Runtime},
    process::Service,
};
use kernel::DivisionCode;
use serde_json::{Map, Value, json};
use tokio::{net::TcpListener, sync::mpsc};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{databases::Databases, folder::Secrets, issuer::Issuer};

/// The services, in the order in which they start: workflow asks the three others.
pub const SERVICES: [&str; 4] = ["households", "comparison", "measures", "workflow"];

/// Service tokens are good for two days.
const RENEW_EVERY: Duration = Duration::from_secs(24 * 3600);
/// An embedded database opens in half a second; a busy machine is given its time.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Requests end within their deadline of 5 s or are cut: all of it has to stop within 10 s.
const GRACE: Duration = Duration::from_secs(3);

/// Name of a county's ledger as a log.
#[must_use]
pub fn log_origin(county: DivisionCode) -> String {
    format!("backstop/{county}/ledger")
}

/// Every socket, bound before anything starts: a busy port is told at once.
#[derive(Debug)]
pub struct Sockets {
    http: TcpListener,
    services: Vec<TcpListener>,
}

impl Sockets {
    /// Binds HTTP at `http` and a free loopback port for every service.
    ///
    /// # Errors
    /// A port is taken.
    pub async fn bind(http: SocketAddr) -> anyhow::Result<Self> {
        let http = TcpListener::bind(http).await.with_context(|| {
            format!("cannot listen on {http}; choose another address with BACKSTOP_LISTEN")
        })?;
        let mut services = Vec::new();
        for _ in SERVICES {
            services.push(TcpListener::bind("127.0.0.1:0").await?);
        }
        Ok(Self { http, services })
    }
}

/// What a platform is made of.
#[derive(Debug)]
pub struct Settings<'a> {
    /// The county of the deployment.
    pub county: DivisionCode,
    /// Where the rows are.
    pub databases: &'a Databases,
    /// The folder's keys.
    pub secrets: &'a Secrets,
    /// Who mints the services' tokens.
    pub issuer: Arc<Issuer>,
    /// Redis for the alert feeds; in memory when absent.
    pub redis_url: Option<String>,
    /// Folder of evidence files.
    pub evidence: PathBuf,
    /// Public keys of the witnesses whose cosignatures are taken in.
    pub witnesses: Vec<String>,
    /// Where time comes from.
    pub clock: Clock,
}

/// A running platform.
#[derive(Debug)]
pub struct Platform {
    /// Where HTTP is served.
    pub http: SocketAddr,
    /// Where each service serves gRPC.
    pub grpc: Vec<(&'static str, SocketAddr)>,
    gateway: Lifecycle,
    services: Vec<Lifecycle>,
    failures: mpsc::Receiver<anyhow::Error>,
}

/// Starts everything and tells `progress` what is being started.
///
/// # Errors
/// A configuration, a migration or a start fails.
pub async fn start(
    settings: Settings<'_>,
    sockets: Sockets,
    mut progress: impl FnMut(&str),
) -> anyhow::Result<Platform> {
    let http = sockets.http.local_addr()?;
    let mut grpc = Vec::new();
    for (service, listener) in SERVICES.into_iter().zip(&sockets.services) {
        grpc.push((service, listener.local_addr()?));
    }
    let (failed, failures) = mpsc::channel(SERVICES.len() + 1);
    let mut launcher = Launcher {
        settings,
        grpc,
        failed,
        services: Vec::new(),
    };
    for (service, listener) in SERVICES.into_iter().zip(sockets.services) {
        progress(service);
        if let Err(error) = launcher.service(service, listener).await {
            stop_all(&launcher.services).await;
            return Err(error.context(service));
        }
    }
    progress("gateway");
    let gateway = match launcher.gateway(sockets.http, http) {
        Ok(gateway) => gateway,
        Err(error) => {
            stop_all(&launcher.services).await;
            return Err(error);
        }
    };
    launcher.renew_tokens();
    let Launcher { grpc, services, .. } = launcher;
    Ok(Platform {
        http,
        grpc,
        gateway,
        services,
        failures,
    })
}

/// Brings every schema to this program's version.
///
/// # Errors
/// A database does not answer, or a migration fails.
pub async fn migrate(databases: &Databases, mut progress: impl FnMut(&str)) -> anyhow::Result<()> {
    for service in SERVICES {
        progress(service);
        let config = database(databases, service);
        let config = serde_json::from_value(config)?;
        let migrated = match service {
            "households" => households::Households::migrate(&config).await,
            "comparison" => comparison::Comparison::migrate(&config).await,
            "measures" => measures::Measures::migrate(&config).await,
            _ => workflow::Workflow::migrate(&config).await,
        };
        migrated.with_context(|| service)?;
    }
    Ok(())
}

fn database(databases: &Databases, service: &str) -> Value {
    json!({ "url": databases.url(service), "max_connections": databases.connections() })
}

struct Launcher<'a> {
    settings: Settings<'a>,
    grpc: Vec<(&'static str, SocketAddr)>,
    failed: mpsc::Sender<anyhow::Error>,
    services: Vec<Lifecycle>,
}

impl Launcher<'_> {
    async fn service(&mut self, name: &str, listener: TcpListener) -> anyhow::Result<()> {
        let secrets = self.settings.secrets;
        match name {
            "households" => {
                let own = json!({
                    "id_number_keys": { "current": "k1", "keys": { "k1": secrets.id_number_seal } },
                    "lookup_key": secrets.id_number_lookup,
                });
                self.launch::<households::Households>(own, listener).await
            }
            "comparison" => {
                let own = json!({
                    "redis_url": self.settings.redis_url,
                    "queries": {
                        "issuer": format!("backstop/{}", self.settings.county),
                        "key": secrets.query_signing,
                    },
                });
                self.launch::<comparison::Comparison>(own, listener).await
            }
            "measures" => self.launch::<measures::Measures>(json!({}), listener).await,
            _ => {
                let own = json!({
                    "evidence_folder": self.settings.evidence,
                    "log": {
                        "origin": log_origin(self.settings.county),
                        "key": secrets.log_signing,
                        "witnesses": self.settings.witnesses,
                    },
                });
                self.launch::<workflow::Workflow>(own, listener).await
            }
        }
    }

    /// Migrates a service and runs it, with the configuration that a deployment would read from a
    /// file: `own` beside the part that every service has.
    async fn launch<S: Service>(&mut self, own: Value, listener: TcpListener) -> anyhow::Result<()>
    where
        S::Config: 'static,
    {
        let mut config = match own {
            Value::Object(own) => own,
            _ => Map::new(),
        };
        config.insert(
            "process".to_owned(),
            self.process(S::NAME, listener.local_addr()?)?,
        );
        let config: S::Config = serde_json::from_value(Value::Object(config))?;
        S::migrate(&S::process(&config).database)
            .await
            .context("migration")?;
        let runtime = self.runtime();
        let (lifecycle, failed) = (runtime.lifecycle.clone(), self.failed.clone());
        self.services.push(lifecycle.clone());
        lifecycle.spawn(S::NAME, async move {
            if let Err(error) = S::run(config, listener, runtime).await {
                // Full only when everything has failed already.
                let _ = failed.try_send(error.context(S::NAME));
            }
        });
        Ok(())
    }

    fn gateway(&self, listener: TcpListener, http: SocketAddr) -> anyhow::Result<Lifecycle> {
        let config = json!({
            "listen": http,
            "peers": self.peers(),
            "auth": self.settings.issuer.service("gateway", self.settings.county)?,
            "explorer": true,
            // Whoever presses Ctrl-C has no other gateway to which clients could go meanwhile.
            "drain_seconds": 0,
        });
        let config: gateway::Config = serde_json::from_value(config).context("gateway")?;
        let runtime = self.runtime();
        let (lifecycle, failed) = (runtime.lifecycle.clone(), self.failed.clone());
        lifecycle.spawn("gateway", async move {
            if let Err(error) = gateway::run(config, listener, runtime).await {
                let _ = failed.try_send(error.context("gateway"));
            }
        });
        Ok(lifecycle)
    }

    fn process(&self, service: &str, listen: SocketAddr) -> anyhow::Result<Value> {
        let Settings {
            county,
            databases,
            secrets,
            issuer,
            ..
        } = &self.settings;
        Ok(json!({
            "listen": listen,
            "county": county.as_str(),
            "database": database(databases, service),
            "auth": issuer.service(service, *county)?,
            "ledger_key": secrets.ledger,
            "peers": self.peers(),
        }))
    }

    fn peers(&self) -> Map<String, Value> {
        let url = |&(name, address): &(&str, SocketAddr)| {
            (name.to_owned(), json!(format!("http://{address}")))
        };
        self.grpc.iter().map(url).collect()
    }

    fn runtime(&self) -> Runtime {
        Runtime {
            clock: self.settings.clock.clone(),
            lifecycle: Lifecycle::new(),
        }
    }

    fn renew_tokens(&self) {
        let (issuer, county) = (self.settings.issuer.clone(), self.settings.county);
        let Some(lifecycle) = self.services.last().cloned() else {
            return;
        };
        lifecycle.clone().spawn("token renewal", async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(RENEW_EVERY) => {}
                    () = lifecycle.stopping() => return,
                }
                for service in SERVICES.into_iter().chain(["gateway"]) {
                    if let Err(error) = issuer.renew(service, county) {
                        tracing::error!(service, %error, "the token was not renewed");
                    }
                }
            }
        });
    }
}

impl Platform {
    /// Waits until every service and the gateway say that they are ready.
    ///
    /// # Errors
    /// One of them has failed, or it takes too long.
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        let mut waiting: Vec<&str> = Vec::new();
        while began.elapsed() < READY_WITHIN {
            if let Ok(error) = self.failures.try_recv() {
                return Err(error);
            }
            waiting.clear();
            for &(service, address) in &self.grpc {
                if !serves(address).await {
                    waiting.push(service);
                }
            }
            let readyz = reqwest::get(format!("http://{}/readyz", self.http)).await;
            if !readyz.is_ok_and(|answer| answer.status().is_success()) {
                waiting.push("gateway");
            }
            if waiting.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!(
            "not ready after {} s: {}",
            READY_WITHIN.as_secs(),
            waiting.join(", ")
        )
    }

    /// Resolves when a part has failed.
    pub async fn failed(&mut self) -> anyhow::Error {
        match self.failures.recv().await {
            Some(error) => error,
            None => std::future::pending().await,
        }
    }

    /// Where a service serves gRPC.
    #[must_use]
    pub fn grpc(&self, service: &str) -> Option<SocketAddr> {
        self.grpc
            .iter()
            .find(|(name, _)| *name == service)
            .map(|&(_, address)| address)
    }

    /// Stops the gateway, so that nothing new comes in, and then the services.
    pub async fn stop(self) {
        self.gateway.wait(GRACE).await;
        stop_all(&self.services).await;
    }
}

/// All at once, and all within the one grace time.
async fn stop_all(services: &[Lifecycle]) {
    for service in services {
        service.stop();
    }
    let cut = Instant::now() + GRACE;
    for service in services {
        service
            .wait(cut.saturating_duration_since(Instant::now()))
            .await;
    }
}

async fn serves(address: SocketAddr) -> bool {
    let Ok(channel) = chassis::client::channel(&format!("http://{address}")) else {
        return false;
    };
    let asked = HealthClient::new(channel)
        .check(HealthCheckRequest::default())
        .await;
    asked.is_ok_and(|answer| answer.into_inner().status == 1)
}
