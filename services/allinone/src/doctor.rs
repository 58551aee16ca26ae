//! `backstop doctor`: looks at the data folder, at what runs on it, and at its databases.

use std::{path::Path, time::Duration};

use anyhow::Context;
use chassis::{
    clock::Clock,
    config::{DatabaseConfig, Shown},
    doctor::{self, Check, Finding, Report, State, look},
    evidence::EvidenceStore,
    pg::SchemaVersion,
    tlog::LogConfig,
};
use clap::Args;
use kernel::DivisionCode;
use sqlx::{Connection as _, PgConnection, migrate::Migrator};

use crate::{
    control,
    databases::{self, Databases, SocketFolder},
    folder::{DataFolder, Run},
    platform::SERVICES,
};

/// Four databases, and each question of each has its own limit.
const WITHIN: Duration = Duration::from_secs(120);
/// An embedded database opens with its first client; a busy machine is given its time.
const OPENS_WITHIN: Duration = Duration::from_secs(20);
/// A service lets an operator in between two transactions.
const TURN_WITHIN: Duration = Duration::from_secs(5);

/// What to look at, and how to tell.
#[derive(Debug, Clone, Args)]
#[group(skip)]
pub struct Options {
    /// Says it as JSON, to be sent along with a question: nothing in it is a secret or anybody's.
    #[arg(long)]
    json: bool,
    /// The county, 12 digits.
    #[arg(long, env = "BACKSTOP_COUNTY", default_value = "999999000000")]
    county: DivisionCode,
    #[command(flatten)]
    databases: databases::Options,
}

pub(crate) async fn run(path: &Path, options: Options) -> anyhow::Result<()> {
    let mut report = Report::new("backstop");
    report.set(shown(path, &options));
    report.add(examine(path, &options.databases).await);
    report.tell(options.json)
}

fn shown(path: &Path, options: &Options) -> Vec<Shown> {
    let one = |key: &str, value: Option<String>, from: &str| Shown {
        key: key.to_owned(),
        from: value.is_some().then(|| from.to_owned()),
        value: value.map(Into::into),
    };
    let url = options.databases.database_url.as_ref();
    vec![
        one("data_dir", Some(path.display().to_string()), "--data-dir"),
        one("county", Some(options.county.to_string()), "--county"),
        one(
            "database_url",
            url.map(|_| "(hidden)".to_owned()),
            "--database-url",
        ),
    ]
}

async fn examine(path: &Path, options: &databases::Options) -> Vec<Check> {
    // Whoever starts the platform makes the folder; a look makes nothing.
    let folder = match path.is_dir().then(|| DataFolder::open(path)) {
        Some(Ok(folder)) => folder,
        Some(Err(error)) => {
            let advice = "give it to the user who runs backstop";
            return vec![Finding::wrong(format!("{error:#}"), advice).of("data folder")];
        }
        None => {
            let found = format!("{} is not there", path.display());
            let advice = "name it with BACKSTOP_DATA_DIR; `backstop up` makes a new one";
            return vec![Finding::wrong(found, advice).of("data folder")];
        }
    };
    let found = folder.path().display().to_string();
    let mut checks = vec![Finding::ok(found).of("data folder")];
    checks.push(keys(&folder).of("keys"));
    checks.push(look("papers", papers(&folder)).await);
    let running = folder.running();
    checks.push(look("platform", platform(running.as_ref())).await);
    let asked = tokio::time::timeout(WITHIN, ask(&folder, options, running.ok()));
    match asked
        .await
        .unwrap_or_else(|_| Err(anyhow::anyhow!("no answer")))
    {
        Ok(databases) => checks.extend(databases),
        Err(error) => {
            let advice = "stop what hangs, and start `backstop up` anew";
            checks.push(Finding::wrong(format!("{error:#}"), advice).of("databases"));
        }
    }
    checks
}

fn keys(folder: &DataFolder) -> Finding {
    match folder.wrong_keys() {
        None => Finding::skipped("none yet; `backstop up` makes them"),
        Some(wrong) if wrong.is_empty() => Finding::ok("all there"),
        Some(wrong) => Finding::wrong(
            wrong.join("; "),
            "take them from the backup: with others nothing that was kept can be read",
        ),
    }
}

async fn papers(folder: &DataFolder) -> Finding {
    if !folder.evidence().is_dir() {
        return Finding::skipped("none yet; `backstop up` makes the folder");
    }
    let advice = "see to its disk and its rights";
    let store = match EvidenceStore::folder(&folder.evidence()) {
        Ok(store) => store,
        Err(error) => return Finding::wrong(error.to_string(), advice),
    };
    match store.try_out(Clock::system().new_id()).await {
        Ok(()) => Finding::ok("the folder takes a file and gives it back"),
        Err(error) => Finding::wrong(error, advice),
    }
}

async fn platform(running: Result<&Run, &anyhow::Error>) -> Finding {
    let run = match running {
        Ok(run) => run,
        Err(why) => return Finding::skipped(why.to_string()),
    };
    let asked = async {
        let url = format!("http://{}/readyz", run.http);
        let answer = reqwest::Client::builder().no_proxy().build()?.get(url);
        let answer = answer.send().await?;
        let is_ready = answer.status().is_success();
        Ok::<_, reqwest::Error>((is_ready, answer.text().await?))
    };
    let advice = "see what it says on its screen, with BACKSTOP_LOG=info";
    match asked.await {
        Ok((true, _)) => Finding::ok(format!("process {} is ready on {}", run.pid, run.http)),
        Ok((false, why)) => Finding::wrong(why.replace('\n', "; "), advice),
        Err(error) => Finding::wrong(format!("{} does not answer: {error}", run.http), advice),
    }
}

async fn ask(
    folder: &DataFolder,
    options: &databases::Options,
    running: Option<Run>,
) -> anyhow::Result<Vec<Check>> {
    // A folder that is in use has its databases open in another process: that one has to look.
    if options.database_url.is_none()
        && let Some(run) = running
    {
        let answer = control::send(&run, "/doctor", Some(&())).await?;
        return Ok(answer.json().await?);
    }
    let _lock = match options.database_url {
        None if !folder.path().join("pg").exists() => {
            let skipped = Finding::skipped("none yet; `backstop up` makes them");
            return Ok(vec![skipped.of("databases")]);
        }
        None => Some(folder.lock()?),
        Some(_) => None,
    };
    let sockets = SocketFolder::new()?;
    let opened = Databases::open(folder.path(), &sockets, options, |_| ()).await?;
    let checks = databases(&opened).await;
    opened.close().await;
    Ok(checks)
}

/// Looks at the database of every service.
pub(crate) async fn databases(databases: &Databases) -> Vec<Check> {
    let mut checks = Vec::new();
    for service in SERVICES {
        match database(databases, service).await {
            Ok(found) => checks.extend(found.into_iter().map(|check| Check {
                name: format!("{service}: {}", check.name),
                ..check
            })),
            Err(error) => {
                let advice = "it is busy or stops; look again";
                let name = format!("{service}: database");
                checks.push(Finding::wrong(format!("{error:#}"), advice).of(name));
            }
        }
    }
    checks
}

async fn database(databases: &Databases, service: &'static str) -> anyhow::Result<Vec<Check>> {
    let turn = tokio::time::timeout(TURN_WITHIN, databases.operator(service));
    let door = turn.await.context("no turn in time")??;
    if let Databases::Embedded { .. } = databases {
        let opened = async { PgConnection::connect(&door.url).await?.close().await };
        let opened = tokio::time::timeout(OPENS_WITHIN, opened).await;
        opened.context("does not open in time")??;
    }
    let config = DatabaseConfig {
        url: door.url.clone().into(),
        max_connections: databases.connections(),
    };
    let own = SchemaVersion::of(migrator(service));
    let mut checks = doctor::database(&config, "DATABASE_URL", service, own).await;
    // The one ledger that is sealed.
    if service == "workflow" && checks.iter().all(|check| check.state != State::Wrong) {
        let limit = LogConfig::EVIDENCE_LIMIT_SECONDS;
        checks.push(doctor::sealing(&config, service, limit).ask().await);
    }
    if let Databases::Embedded { .. } = databases {
        // It has one user and takes one client at a time.
        checks.retain(|check| !["role", "connections"].contains(&check.name.as_str()));
    }
    Ok(checks)
}

fn migrator(service: &str) -> &'static Migrator {
    match service {
        "households" => &households::MIGRATOR,
        "comparison" => &comparison::MIGRATOR,
        "measures" => &measures::MIGRATOR,
        _ => &workflow::MIGRATOR,
    }
}
