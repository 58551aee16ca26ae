//! `main` of a process: arguments, configuration, telemetry, sockets, signals.

use std::{
    future::Future, io::Write, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use clap::{Arg, ArgAction, ArgMatches, Command};
use futures::future::{BoxFuture, try_join_all};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use sqlx::{PgConnection, migrate::Migrator};
use tokio::{net::TcpListener, time::Instant};

use crate::{
    config::{DatabaseConfig, ProcessConfig, Settings},
    doctor::{self, Check, Question},
    health,
    ledger::Known,
    lifecycle::{INTERRUPTED, Runtime, Stopped, signal},
    pg, probe, server,
    subscription::Followed,
    telemetry,
    tlog::{LogConfig, LogVerifier},
    verification::{self, Depth, Found, Subject},
};

/// Longer than the longest request, shorter than an orchestrator's patience.
const GRACE: Duration = Duration::from_secs(25);
/// What still blocks a thread when all is done, a name server or a disk that hangs, is not waited for.
const BLOCKED: Duration = Duration::from_secs(1);

/// What goes on until the runtime stops. In a box it is compiled with the service; else every program that runs
/// the service would compile all of it once more.
pub type Serving = BoxFuture<'static, anyhow::Result<()>>;

/// A service as the process sees it.
pub trait Service: 'static {
    /// One word: schema, role, image command.
    const NAME: &'static str;
    /// Its configuration.
    type Config: DeserializeOwned + JsonSchema + Clone + Send + Sync + 'static;
    /// The feeds that it follows.
    const FOLLOWS: &'static [Followed];

    /// The part of the configuration that every service has.
    fn process(config: &Self::Config) -> &ProcessConfig;
    /// The service's own tables.
    fn migrator() -> &'static Migrator;
    /// Brings the schema to the program's version.
    fn migrate(database: &DatabaseConfig) -> impl Future<Output = anyhow::Result<()>> + Send {
        pg::migrate(&database.url, Self::NAME, Self::migrator())
    }
    /// The log that the ledger is sealed in, where it is.
    fn log(_: &Self::Config) -> Option<&LogConfig> {
        None
    }
    /// Says what of the service's own does not follow from its ledger, where something has to.
    fn verify(
        _: &Self::Config,
        _: &mut PgConnection,
        _: Depth,
    ) -> impl Future<Output = anyhow::Result<Option<String>>> + Send {
        std::future::ready(Ok(None))
    }
    /// What `doctor` looks at beside what every service has.
    fn examine(_: &Self::Config) -> Vec<Question> {
        Vec::new()
    }
    /// Serves until the runtime stops.
    fn run(config: Self::Config, listener: TcpListener, runtime: Runtime) -> Serving;
}

/// Runs a service, or does what its arguments ask for instead.
#[must_use]
pub fn main<S: Service>() -> ExitCode {
    let migrate = Command::new("migrate")
        .about("Brings the schema to this program's version and ends; needs process.database only")
        .arg(flag("dry-run", "Says what would run, and runs nothing"));
    let witness = "A checkpoint that a witness holds (its state file), - for standard input; may be given \
                   several times";
    let witness = Arg::new("witness").long("witness").help(witness);
    let witness = witness.value_name("FILE").action(ArgAction::Append);
    let verification = Command::new("verify")
        .about(
            "Recomputes the ledger and what follows from it, beside the running service, and ends",
        )
        .arg(witness.value_parser(clap::value_parser!(PathBuf)));
    let more = [migrate, verification];
    let examine = async |config: &S::Config| doctor::service::<S>(config).await;
    run::<S::Config>(
        S::NAME,
        &more,
        examine,
        async |asked, settings| match asked {
            Some(("migrate", arguments)) => {
                let database = settings.section(&["process", "database"])?;
                migrate_or_say::<S>(&database, arguments.get_flag("dry-run")).await
            }
            Some(("verify", arguments)) => {
                let witnesses = arguments.get_many("witness").unwrap_or_default();
                verify::<S>(&settings.all()?, witnesses).await
            }
            Some(_) => health::service(&settings).await,
            None => serve::<S>(settings.all()?).await,
        },
    )
}

async fn migrate_or_say<S: Service>(database: &DatabaseConfig, say: bool) -> anyhow::Result<()> {
    if !say {
        return S::migrate(database).await;
    }
    let lines = pg::pending(&database.url, S::NAME, S::migrator()).await?;
    Ok(writeln!(std::io::stdout(), "{}", lines.join("\n"))?)
}

/// Checks with those checkpoints that others hold.
async fn verify<S: Service>(
    config: &S::Config,
    witnesses: impl Iterator<Item = &PathBuf>,
) -> anyhow::Result<()> {
    let log = S::log(config).map(LogConfig::verifier).transpose()?;
    let mut known = Vec::new();
    for file in witnesses {
        let log = log.as_ref();
        let log = log.context("--witness: this ledger is not sealed")?;
        // Where the program runs there may be no way to put a file.
        let note = match file.to_str() {
            Some("-") => std::io::read_to_string(std::io::stdin()),
            _ => std::fs::read_to_string(file),
        };
        let note = note.with_context(|| format!("cannot read {}", file.display()))?;
        known.push(verification::known(log, &note, file.display().to_string())?);
    }
    // Two, so that PostgreSQL reads on two cores.
    match verify_once::<S>(config, 2, log.as_ref(), &known, Depth::Files).await? {
        Found::Fault(fault) => bail!(fault),
        sound => Ok(writeln!(std::io::stdout(), "{}: {sound}", S::NAME)?),
    }
}

async fn verify_once<S: Service>(
    config: &S::Config,
    connections: usize,
    log: Option<&LogVerifier>,
    known: &[Known],
    depth: Depth,
) -> anyhow::Result<Found> {
    let process = S::process(config);
    let connect = || pg::connect_to_verify(&process.database, S::NAME, process.county);
    let mut connections = try_join_all((0..connections).map(|_| connect())).await?;
    let subject = Subject {
        schema: S::NAME,
        key: &process.ledger_key,
        log,
        known,
    };
    let found = verification::verify(&mut connections, &subject, |_, _| ()).await?;
    let more = match (&found, connections.first_mut()) {
        (Found::Sound { .. }, Some(connection)) => S::verify(config, connection, depth).await?,
        _ => None,
    };
    Ok(more.map_or(found, Found::Fault))
}

async fn serve<S: Service>(config: S::Config) -> anyhow::Result<()> {
    let process = S::process(&config).clone();
    let listener = listen(process.listen, "process.listen").await?;
    let runtime = Runtime::system();
    runtime.lifecycle.missing(server::START, "has not ended");
    if let Some(address) = process.metrics_listen {
        serve_metrics(address, &runtime).await?;
    }
    spawn_verifying::<S>(&config, &runtime)?;
    tracing::info!(address = %process.listen, "serving");
    until_signal(&runtime, S::run(config, listener, runtime.clone())).await
}

/// Verifies the rows soon after the start and then each day, so that what somebody bends is known before
/// somebody thinks of looking. Files, of which there are terabytes, are for the command.
fn spawn_verifying<S: Service>(config: &S::Config, runtime: &Runtime) -> anyhow::Result<()> {
    let log = S::log(config).map(LogConfig::verifier).transpose()?;
    let given = Arc::new((config.clone(), log));
    verification::spawn(&runtime.lifecycle, S::NAME, move || {
        let given = given.clone();
        // One connection: nobody waits for it.
        async move { verify_once::<S>(&given.0, 1, given.1.as_ref(), &[], Depth::Rows).await }
    });
    Ok(())
}

/// Binds the address that the key `key` gives.
///
/// # Errors
/// Somebody else has it, or this machine does not.
pub async fn listen(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| format!("{key}: cannot listen on {address}"))
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    let flag = Arg::new(name).long(name).help(help);
    flag.action(ArgAction::SetTrue)
}

/// Runs a program by its arguments: `does` is given the subcommand (`health` or one of `more`), or none
/// to serve, and `examine` is what `doctor` looks at. What goes wrong is said in one line.
pub fn run<C: DeserializeOwned + JsonSchema>(
    name: &'static str,
    more: &[Command],
    examine: impl AsyncFnOnce(&C) -> Vec<Check>,
    does: impl AsyncFnOnce(Option<(&str, &ArgMatches)>, Settings) -> anyhow::Result<()>,
) -> ExitCode {
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
        .subcommand(
            Command::new("doctor")
                .about(
                    "Looks at everything that the process needs; ends with 0 when nothing is wrong",
                )
                .arg(flag(
                    "json",
                    "Says it as JSON, with the effective configuration, secrets hidden",
                )),
        )
        .subcommands(more)
        .get_matches();
    let asked = arguments.subcommand();
    let program = async {
        if let Some(("doctor", arguments)) = asked {
            return doctor::run(name, arguments.get_flag("json"), examine).await;
        }
        let settings = Settings::read::<C>()?;
        if arguments.get_flag("print-config") {
            std::io::stdout().write_all(settings.print().as_bytes())?;
        }
        if arguments.get_flag("print-config") || arguments.get_flag("check-config") {
            return settings.all::<C>().map(drop);
        }
        if arguments.subcommand_name() == Some("health") {
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
        .and_then(|runtime| {
            let ended = runtime.block_on(program);
            runtime.shutdown_timeout(BLOCKED);
            ended
        });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until it ends or somebody wants the process to stop, and then stops in order. Whoever wants it a
/// second time does not wait for that: what was acknowledged is in the database.
///
/// # Errors
/// What `serving` ended with.
pub async fn until_signal(
    runtime: &Runtime,
    serving: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        // Listened for from the first moment: a start may keep its thread for a while.
        biased;
        () = signal() => tokio::select! {
            served = stop(runtime, serving) => served,
            () = signal() => {
                tracing::warn!("told to stop a second time, ends at once");
                std::process::exit(INTERRUPTED)
            }
        },
        served = &mut serving => stop(runtime, std::future::ready(served)).await,
    }
}

/// Lets everything end, for a while.
async fn stop(
    runtime: &Runtime,
    serving: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    runtime.lifecycle.stop();
    let until = Instant::now() + GRACE;
    // It ends when its last request has ended.
    let served = match tokio::time::timeout_at(until, serving).await {
        Ok(served) => served,
        Err(_) => {
            tracing::warn!("some requests had to be cut");
            Ok(())
        }
    };
    let rest = until.saturating_duration_since(Instant::now());
    if runtime.lifecycle.wait(rest).await == Stopped::Cancelled {
        tracing::warn!("some tasks had to be cancelled");
    }
    served
}

async fn serve_metrics(address: SocketAddr, runtime: &Runtime) -> anyhow::Result<()> {
    let listener = listen(address, "process.metrics_listen").await?;
    let lifecycle = runtime.lifecycle.clone();
    let router = probe::pages(&lifecycle);
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
