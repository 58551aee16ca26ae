//! `main` of a service: configuration, telemetry, sockets, signals.

use std::{future::Future, net::SocketAddr, process::ExitCode, time::Duration};

use axum::{Router, http::StatusCode, routing::get};
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;

use crate::{
    config::{self, DatabaseConfig, ProcessConfig},
    lifecycle::{Runtime, Stopped, signal},
    telemetry,
};

/// Longer than the longest request, shorter than an orchestrator's patience.
const GRACE: Duration = Duration::from_secs(25);

/// A service as the process sees it.
pub trait Service {
    /// One word: schema, role, image command.
    const NAME: &'static str;
    /// Its configuration.
    type Config: DeserializeOwned + Send;

    /// The part of the configuration that every service has.
    fn process(config: &Self::Config) -> &ProcessConfig;
    /// Brings the schema to the program's version.
    fn migrate(database: &DatabaseConfig) -> impl Future<Output = anyhow::Result<()>> + Send;
    /// Serves until the runtime stops.
    fn run(
        config: Self::Config,
        listener: TcpListener,
        runtime: Runtime,
    ) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// Runs a service; `migrate` as the only argument migrates and ends.
#[must_use]
pub fn main<S: Service>() -> ExitCode {
    block_on(S::NAME, async {
        let config: S::Config = config::load()?;
        if std::env::args().nth(1).as_deref() == Some("migrate") {
            return S::migrate(&S::process(&config).database).await;
        }
        let process = S::process(&config).clone();
        let listener = TcpListener::bind(process.listen).await?;
        let runtime = Runtime::system();
        if let Some(address) = process.metrics_listen {
            serve_metrics(address, &runtime).await?;
        }
        tracing::info!(address = %process.listen, "serving");
        until_signal(&runtime, S::run(config, listener, runtime.clone())).await
    })
}

/// Runs a program with telemetry and TLS set up; what goes wrong is said in one line.
pub fn block_on(name: &'static str, program: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    // A provider is installed only once; whoever was first is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let program = async {
        let telemetry = telemetry::init(name)?;
        let ended = program.await;
        telemetry.shutdown();
        ended
    };
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(program));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until it ends or somebody wants the process to stop, and then stops in order.
///
/// # Errors
/// What `serving` ended with.
pub async fn until_signal(
    runtime: &Runtime,
    serving: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let served = tokio::select! {
        served = serving => served,
        () = signal() => Ok(()),
    };
    if runtime.lifecycle.wait(GRACE).await == Stopped::Cancelled {
        tracing::warn!("some tasks had to be cancelled");
    }
    served
}

async fn serve_metrics(address: SocketAddr, runtime: &Runtime) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).await?;
    let lifecycle = runtime.lifecycle.clone();
    let router = Router::new()
        .route("/metrics", get(|| async { telemetry::metrics_text() }))
        .route("/livez", get(|| async { StatusCode::OK }));
    runtime.lifecycle.spawn("metrics", async move {
        let stopping = async move { lifecycle.stopping().await };
        if let Err(error) = axum::serve(listener, router)
            .with_graceful_shutdown(stopping)
            .await
        {
            tracing::error!(%error, "metrics are not served");
        }
    });
    Ok(())
}
