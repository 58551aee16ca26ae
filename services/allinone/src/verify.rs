//! `backstop verify`: recomputes every ledger, and every case from its events.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use chassis::{
    evidence::EvidenceStore,
    secret::SecretKey,
    tlog::{LogKey, LogVerifier},
    verification::{self, Found, Subject},
};
use clap::Args;
use kernel::DivisionCode;
use serde::{Deserialize, Serialize};
use sqlx::{Connection, PgConnection};
use tokio::sync::mpsc;

use crate::{
    control,
    databases::{self, Databases, SocketFolder},
    folder::{DataFolder, Run, Secrets},
    platform::{SERVICES, log_origin},
    screen,
};

/// What to compare with.
#[derive(Debug, Clone, Args)]
#[group(skip)]
pub struct Options {
    /// A checkpoint that a witness holds (its state file); may be given several times.
    #[arg(long, value_name = "FILE")]
    witness: Vec<PathBuf>,
    /// Public key of the log, where it is not the one of the data folder.
    #[arg(long)]
    key: Option<LogVerifier>,
    /// The county, 12 digits.
    #[arg(long, env = "BACKSTOP_COUNTY", default_value = "999999000000")]
    county: DivisionCode,
    #[command(flatten)]
    databases: databases::Options,
}

/// What a ledger is checked with.
#[derive(Debug)]
pub(crate) struct Keys {
    ledger: SecretKey,
    log: LogVerifier,
}

impl Keys {
    pub(crate) fn of(secrets: &Secrets, county: DivisionCode) -> anyhow::Result<Self> {
        let signing = secrets.log_signing.parse().context("log-signing.key")?;
        Ok(Self {
            ledger: secrets.ledger.parse().context("ledger.key")?,
            log: LogKey::new(&log_origin(county), &signing)?.verifier(),
        })
    }
}

/// A checkpoint that somebody holds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Copy {
    holder: String,
    note: String,
}

/// What there is to tell of a verification.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line {
    /// So far.
    Progress { service: String, rows: i64, of: i64 },
    /// The ledger is what was recorded.
    Sound { service: String, found: String },
    /// It is not; the first wrong row.
    Fault { service: String, fault: String },
    /// It could not be read.
    Failed { service: String, reason: String },
}

pub(crate) async fn run(folder: &DataFolder, options: Options) -> anyhow::Result<()> {
    let (sender, queue) = mpsc::channel(64);
    let mut keys = Keys::of(&folder.secrets()?, options.county)?;
    if let Some(key) = options.key {
        keys.log = key;
    }
    let copies = options.witness.into_iter().map(|file| {
        let note = fs::read_to_string(&file);
        let note = note.with_context(|| format!("cannot read {}", file.display()))?;
        let holder = file.display().to_string();
        let genuine = keys.log.open(&note);
        genuine.with_context(|| holder.clone())?;
        Ok(Copy { holder, note })
    });
    let copies = copies.collect::<anyhow::Result<Vec<Copy>>>()?;
    let options = options.databases;
    // A folder that is in use has its databases open in another process: that one has to do it.
    if options.database_url.is_none()
        && let Ok(run) = folder.running()
    {
        let (told, shown) = tokio::join!(ask(&run, &copies, sender), show(queue));
        told?;
        return shown;
    }
    let _lock = match &options.database_url {
        None => Some(folder.lock()?),
        Some(_) => None,
    };
    let sockets = SocketFolder::new()?;
    let databases = Databases::open(folder.path(), &sockets, &options, |_| ()).await?;
    let evidence = EvidenceStore::folder(&folder.evidence())?;
    let work = async {
        all(&databases, &keys, &evidence, &copies, &sender).await;
        drop(sender);
    };
    let ((), shown) = tokio::join!(work, show(queue));
    databases.close().await;
    shown
}

/// Has the running process verify and passes its lines on.
async fn ask(run: &Run, copies: &[Copy], lines: mpsc::Sender<Line>) -> anyhow::Result<()> {
    let mut answer = control::send(run, "/verify", Some(&copies)).await?;
    let mut rest = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        rest.extend_from_slice(&chunk);
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let line = rest.drain(..=end).collect::<Vec<u8>>();
            lines.send(serde_json::from_slice(&line)?).await?;
        }
    }
    Ok(())
}

async fn show(mut lines: mpsc::Receiver<Line>) -> anyhow::Result<()> {
    let bar = screen::bar(0, "");
    let (mut sound, mut wrong) = (0, 0);
    while let Some(line) = lines.recv().await {
        match line {
            Line::Progress { service, rows, of } => {
                bar.set_message(service);
                bar.set_length(of.unsigned_abs());
                bar.set_position(rows.unsigned_abs());
            }
            Line::Sound { service, found } => {
                sound += 1;
                bar.suspend(|| println!("{service}: {found}"));
            }
            Line::Fault {
                service,
                fault: what,
            }
            | Line::Failed {
                service,
                reason: what,
            } => {
                wrong += 1;
                bar.suspend(|| println!("{service}: {what}"));
            }
        }
    }
    bar.finish_and_clear();
    if wrong > 0 {
        bail!("{wrong} of {} ledgers are not sound", SERVICES.len());
    }
    anyhow::ensure!(sound == SERVICES.len(), "the verification was cut short");
    println!("every ledger is what was recorded, and every paper is there");
    Ok(())
}

/// Verifies every service, one after the other.
pub(crate) async fn all(
    databases: &Databases,
    keys: &Keys,
    evidence: &EvidenceStore,
    copies: &[Copy],
    lines: &mpsc::Sender<Line>,
) {
    for service in SERVICES {
        let line = match one(databases, service, keys, evidence, copies, lines).await {
            Ok(line) => line,
            Err(error) => Line::Failed {
                service: service.to_owned(),
                reason: format!("{error:#}"),
            },
        };
        if lines.send(line).await.is_err() {
            return;
        }
    }
}

async fn one(
    databases: &Databases,
    service: &'static str,
    keys: &Keys,
    evidence: &EvidenceStore,
    copies: &[Copy],
    lines: &mpsc::Sender<Line>,
) -> anyhow::Result<Line> {
    let (mut log, mut known) = (None, Vec::new());
    // The one ledger that is sealed.
    if service == "workflow" {
        log = Some(&keys.log);
        for copy in copies {
            known.push(verification::known(
                &keys.log,
                &copy.note,
                copy.holder.clone(),
            )?);
        }
    }
    let door = databases.operator(service).await?;
    let mut connections = vec![PgConnection::connect(&door.url).await?];
    // The embedded server has one client at a time.
    if matches!(databases, Databases::External { .. }) {
        connections.push(PgConnection::connect(&door.url).await?);
    }
    let subject = Subject {
        schema: service,
        key: &keys.ledger,
        log,
        known: &known,
    };
    let found = verification::verify(&mut connections, &subject, |rows, of| {
        // Progress is for the eye: one that finds the queue full is left out.
        let _ = lines.try_send(Line::Progress {
            service: service.to_owned(),
            rows,
            of,
        });
    });
    let mut found = found.await?;
    connections.truncate(1);
    let mut connection = connections.pop().context("a connection")?;
    if matches!(found, Found::Sound { .. })
        && service == "workflow"
        && let Some(fault) = workflow::verify(&mut connection, evidence).await?
    {
        found = Found::Fault(fault);
    }
    // The embedded server takes the next client only when this one has gone.
    let _ = tokio::time::timeout(Duration::from_secs(2), connection.close()).await;
    let service = service.to_owned();
    Ok(match found {
        Found::Sound { .. } => Line::Sound {
            service,
            found: found.to_string(),
        },
        Found::Fault(fault) => Line::Fault { service, fault },
    })
}
