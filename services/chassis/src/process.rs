//! `main` of a process: arguments, configuration, telemetry, sockets, signals.

use std::{future::Future, io::Write, net::SocketAddr, process::ExitCode, time::Duration};

use anyhow::Context;
use axum::{Router, http::StatusCode, routing::get};
use clap::{Arg, ArgAction, Command};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;

use crate::{
    config::{DatabaseConfig, ProcessConfig, Settings},
    health,
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
    type Config: DeserializeOwned + JsonSchema + Send;

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

/// Runs a service, or does what its arguments ask for instead.
#[must_use]
pub fn main<S: Service>() -> ExitCode {
    let migrate = Command::new("migrate")
        .about("Brings the schema to this program's version and ends; needs process.database only");
    run::<S::Config>(S::NAME, &[migrate], async |asked, settings| match asked {
        Some("migrate") => S::migrate(&settings.section(&["process", "database"])?).await,
        Some(_) => health::grpc(settings.section(&["process", "listen"])?).await,
        None => serve::<S>(settings.all()?).await,
    })
}

async fn serve<S: Service>(config: S::Config) -> anyhow::Result<()> {
    let process = S::process(&config).clone();
    let listener = listen(process.listen, "process.listen").await?;
    let runtime = Runtime::system();
    if let Some(address) = process.metrics_listen {
        serve_metrics(address, &runtime).await?;
    }
    tracing::info!(address = %process.listen, "serving");
    until_signal(&runtime, S::run(config, listener, runtime.clone())).await
}

/// Binds the address that the key `key` gives.
///
/// # Errors
/// Somebody else has it, or this machine does not.
pub async fn listen(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| format!("{key}: cannot listen on {address}"))
}

/// Runs a program by its arguments: `does` is given the subcommand (`health` or one of `more`), or none
/// to serve. What goes wrong is said in one line.
pub fn run<C: DeserializeOwned + JsonSchema>(
    name: &'static str,
    more: &[Command],
    does: impl AsyncFnOnce(Option<&str>, Settings) -> anyhow::Result<()>,
) -> ExitCode {
    let flag = |name, help| {
        Arg::new(name)
            .long(name)
            .help(help)
            .action(ArgAction::SetTrue)
    };
    let arguments = Command::new(name)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Serves until it is asked to stop. Configured by BACKSTOP_CONFIG and BACKSTOP__…")
        .args_conflicts_with_subcommands(true)
        .arg(flag(
            "print-config",
            "Prints the effective configuration, secrets hidden, and ends",
        ))
        .arg(flag(
            "check-config",
            "Says what is wrong with the configuration and ends",
        ))
        .subcommand(Command::new("health").about("Ends with 0 when the running process is ready"))
        .subcommands(more)
        .get_matches();
    let asked = arguments.subcommand_name();
    let program = async {
        let settings = Settings::read::<C>()?;
        if arguments.get_flag("print-config") {
            std::io::stdout().write_all(settings.print().as_bytes())?;
        }
        if arguments.get_flag("print-config") || arguments.get_flag("check-config") {
            return settings.all::<C>().map(drop);
        }
        if asked == Some("health") {
            return does(asked, settings).await;
        }
        let telemetry = telemetry::init(name)?;
        let ended = does(asked, settings).await;
        telemetry.shutdown();
        ended
    };
    // A provider is installed only once; whoever was first is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
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
    let listener = listen(address, "process.metrics_listen").await?;
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
