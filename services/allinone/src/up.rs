//! `backstop up`: starts everything, shows what to do with it, and stops it in order.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Instant};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chassis::{clock::Clock, lifecycle::signal, telemetry};
use clap::Args;
use kernel::{DivisionCode, Role};

use crate::{
    control::{Control, MovableClock},
    county,
    databases::{self, Databases, SocketFolder},
    folder::{DataFolder, Run, random_bytes},
    issuer::{Account, Issuer},
    platform::{self, Platform, Settings, Sockets},
    screen::Steps,
    verify,
};

/// How to start.
#[derive(Debug, Clone, Args)]
#[group(skip)]
pub struct Options {
    /// Loads a synthetic county once and gives the platform a clock that can be moved.
    #[arg(long)]
    pub demo: bool,
    /// Where HTTP is served.
    #[arg(long, env = "BACKSTOP_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The county, 12 digits.
    #[arg(long, env = "BACKSTOP_COUNTY", default_value = "999999000000")]
    county: DivisionCode,
    /// Redis or Valkey for the alert feeds; kept in memory without.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    redis_url: Option<String>,
    /// Public key of a witness whose cosignatures are taken in; may be given several times.
    #[arg(long, env = "BACKSTOP_WITNESSES", value_delimiter = ',')]
    witness: Vec<String>,
    #[command(flatten)]
    databases: databases::Options,
}

/// Starts, serves until Ctrl-C, stops.
///
/// # Errors
/// The folder or the port is taken, or a part does not start or fails.
pub(crate) async fn run(folder: DataFolder, options: Options) -> anyhow::Result<()> {
    let _lock = folder.lock()?;
    let clock = clock_of(&folder, options.demo)?;
    let sockets = Sockets::bind(options.listen).await?;
    // Warnings only: a person looks at this screen. BACKSTOP_LOG=info shows more.
    let telemetry = telemetry::init_with("backstop", "warn")?;
    let began = Instant::now();
    let steps = Steps::new();
    let within = SocketFolder::new()?;
    let opening = Databases::open(folder.path(), &within, &options.databases, |service| {
        steps.step(format!("starting PostgreSQL of {service}"));
    });
    let databases = Arc::new(unless_interrupted(&within, opening).await?);
    let started = start(&folder, &options, clock, sockets, databases.clone(), &steps);
    let started = unless_interrupted(&within, started).await;
    drop(steps);
    let served = match started {
        Ok(mut running) => {
            let served = serve(&folder, &options, &mut running, began).await;
            eprintln!("stopping …");
            // A second Ctrl-C does not wait.
            unless_interrupted(&within, running.stop()).await;
            served
        }
        Err(error) => Err(error),
    };
    if let Some(databases) = Arc::into_inner(databases) {
        databases.close().await;
    }
    folder.retire();
    telemetry.shutdown();
    served
}

/// Everything that runs on the databases.
struct Running {
    platform: Platform,
    issuer: Arc<Issuer>,
    control: Control,
    control_token: String,
    today: chrono::NaiveDate,
}

impl Running {
    async fn stop(self) {
        self.control.stop().await;
        self.platform.stop().await;
    }
}

/// Before anybody is served nothing has to be stopped in order: what was committed is on disk.
async fn unless_interrupted<T>(sockets: &SocketFolder, work: impl Future<Output = T>) -> T {
    tokio::select! {
        done = work => done,
        () = signal() => {
            sockets.remove();
            std::process::exit(130)
        }
    }
}

async fn start(
    folder: &DataFolder,
    options: &Options,
    clock: MovableClock,
    sockets: Sockets,
    databases: Arc<Databases>,
    steps: &Steps,
) -> anyhow::Result<Running> {
    let secrets = folder.secrets()?;
    let issuer = Arc::new(Issuer::open(folder.path())?);
    let today = clock.clock.today();
    let settings = Settings {
        county: options.county,
        databases: &databases,
        secrets: &secrets,
        issuer: issuer.clone(),
        redis_url: options.redis_url.clone(),
        evidence: folder.evidence(),
        witnesses: options.witness.clone(),
        clock: clock.clock.clone(),
    };
    let starting = platform::start(settings, sockets, |part| {
        steps.step(format!("starting {part}"))
    });
    let mut platform = starting.await?;
    steps.step("waiting until all is ready");
    if let Err(error) = platform.ready().await {
        platform.stop().await;
        return Err(error);
    }
    let control_token = BASE64_URL_SAFE_NO_PAD.encode(random_bytes());
    let keys = verify::Keys::of(&secrets, options.county)?;
    let control = Control::start(folder, clock, databases, keys, control_token.clone());
    Ok(Running {
        platform,
        issuer,
        control: control.await?,
        control_token,
        today,
    })
}

/// Serves until Ctrl-C or until a part fails.
async fn serve(
    folder: &DataFolder,
    options: &Options,
    running: &mut Running,
    began: Instant,
) -> anyhow::Result<()> {
    let serving = async {
        let officer = Account::new(Role::CountyOfficer, options.county);
        let token = running.issuer.mint(&officer)?;
        if options.demo {
            county::load_once(folder, &running.platform, &running.issuer, running.today).await?;
        }
        folder.announce(&Run {
            pid: std::process::id(),
            http: running.platform.http,
            control: running.control.address,
            control_token: running.control_token.clone(),
        })?;
        greet(running, &token, began);
        Err(running.platform.failed().await)
    };
    tokio::select! {
        served = serving => served,
        () = signal() => Ok(()),
    }
}

/// The machine's clock, or a demonstration's that stands where it was left.
fn clock_of(folder: &DataFolder, demo: bool) -> anyhow::Result<MovableClock> {
    let state = folder.demo()?;
    if !demo {
        // Its rows may lie in the future: the machine's clock would contradict them.
        anyhow::ensure!(
            state.is_none(),
            "this data folder holds a demonstration; start it with --demo or choose another folder \
             with BACKSTOP_DATA_DIR"
        );
        return Ok(MovableClock {
            clock: Clock::system(),
            shift: None,
        });
    }
    let state = folder.change_demo(|_| ())?;
    let (clock, shift) = Clock::shiftable();
    shift.advance(chrono::Duration::seconds(state.clock_offset_seconds));
    Ok(MovableClock {
        clock,
        shift: Some(shift),
    })
}

fn greet(running: &Running, token: &str, began: Instant) {
    let http = running.platform.http;
    println!(
        "Backstop is ready after {:.1} s.\n",
        began.elapsed().as_secs_f64()
    );
    println!("  GraphQL     http://{http}/graphql");
    println!("  explorer    http://{http}/");
    println!("  ledger      http://{http}/log/checkpoint");
    println!("  health      http://{http}/livez  /startupz  /readyz  /metrics");
    for (service, address) in &running.platform.grpc {
        println!("  gRPC        {address}  {service}");
    }
    println!("\nA token of a county officer, good for 12 hours:\n\nTOKEN={token}\n");
    println!("A first query:\n");
    println!(
        "curl -s http://{http}/graphql -H 'content-type: application/json' \\\n  \
         -H \"authorization: Bearer $TOKEN\" \\\n  \
         -d '{{\"query\":\"{{ households(first: 3) {{ nodes {{ headName divisionCode }} }} }}\"}}'\n"
    );
    println!("Ctrl-C stops everything.");
}
