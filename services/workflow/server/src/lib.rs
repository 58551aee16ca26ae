//! Leads and cases on their way through the procedure: the shell around `workflow-core`.

mod about;
pub mod access;
mod acting;
pub mod announced;
mod case_file;
pub mod consume;
mod convert;
pub mod deadlines;
pub mod facts;
mod intake;
mod lead_file;
mod print;
mod projection;
mod record;
mod rpc;
mod store;
pub mod whereabouts;

use std::{borrow::Cow, path::PathBuf};

use anyhow::Context;
use chassis::{
    auth::ServiceIdentity,
    bucket::BucketConfig,
    clock::Clock,
    config::ProcessConfig,
    doctor::{self, Finding, Question},
    evidence::EvidenceStore,
    feed_server::FeedServer,
    lifecycle::Runtime,
    process::{self, Serving},
    startup,
    subscription::{self, Followed},
    tlog::{Log, LogConfig},
    verification::Depth,
};
use proto::workflow::v1::workflow_service_server::WorkflowServiceServer;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use sqlx::{PgConnection, migrate::Migrator};
use tokio::net::TcpListener;
use tonic::service::Routes;

pub use projection::{verify, verify_projection};
pub use rpc::Service;

/// Schema and name of the service.
pub const NAME: &str = "workflow";

/// The service's own tables.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// What the service is configured with. Peers: `households`, `comparison`,
/// `measures`.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Given")]
pub struct Config {
    /// What every service has.
    pub process: ProcessConfig,
    /// Where papers and photos are.
    pub evidence: Place,
    /// How the ledger is sealed.
    pub log: LogConfig,
}

/// Where papers and photos are; the same for all replicas.
#[derive(Debug, Clone)]
pub enum Place {
    /// In a folder.
    Folder(PathBuf),
    /// In a bucket.
    Bucket(BucketConfig),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Given {
    process: ProcessConfig,
    /// Folder of papers and photos; shared by all replicas. This or `evidence_s3`.
    evidence_folder: Option<PathBuf>,
    evidence_s3: Option<BucketConfig>,
    log: LogConfig,
}

impl JsonSchema for Config {
    fn schema_name() -> Cow<'static, str> {
        Given::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Given::json_schema(generator)
    }
}

impl TryFrom<Given> for Config {
    type Error = &'static str;

    fn try_from(given: Given) -> Result<Self, Self::Error> {
        let evidence = match (given.evidence_folder, given.evidence_s3) {
            (Some(folder), None) => Place::Folder(folder),
            (None, Some(bucket)) => Place::Bucket(bucket),
            _ => return Err("either evidence_folder or evidence_s3, and not both"),
        };
        Ok(Self {
            process: given.process,
            evidence,
            log: given.log,
        })
    }
}

impl Place {
    /// The store that is there.
    ///
    /// # Errors
    /// The folder cannot be used, or a setting of the bucket is not right.
    pub fn open(&self) -> anyhow::Result<EvidenceStore> {
        match self {
            Self::Folder(folder) => EvidenceStore::folder(folder).context("evidence_folder"),
            Self::Bucket(bucket) => EvidenceStore::bucket(bucket).context("evidence_s3"),
        }
    }

    /// Whether papers can be stored and read there.
    async fn examine(&self) -> Finding {
        let setting = match self {
            // The service makes it when it starts, and a look should not.
            Self::Folder(folder) if !folder.is_dir() => {
                let found = format!("evidence_folder: {} is not there", folder.display());
                return Finding::warning(found, "start workflow, which makes it, or correct it");
            }
            Self::Folder(_) => "evidence_folder",
            Self::Bucket(_) => "evidence_s3",
        };
        let store = match self.open() {
            Ok(store) => store,
            Err(error) => {
                return Finding::wrong(format!("{error:#}"), format!("correct {setting}"));
            }
        };
        match store.try_out(Clock::system().new_id()).await {
            Ok(()) => Finding::ok("takes a file and gives it back"),
            Err(error) => {
                let advice = "its log, its disk and its rights say why; papers are UNAVAILABLE";
                Finding::wrong(format!("{setting}: {error}"), advice)
            }
        }
    }
}

async fn serve(config: Config, listener: TcpListener, runtime: Runtime) -> anyhow::Result<()> {
    let evidence = config.evidence.open()?;
    let (config, log) = (config.process, config.log);
    let started = startup::start(listener, &config, NAME, &MIGRATOR, &runtime).await?;
    let Some(started) = started else {
        return Ok(());
    };
    let (database, peers) = (&started.database, &started.peers);
    let issuer = started.authenticator.clone();
    let identity = ServiceIdentity::new(&config.auth.service_token_file, issuer);

    let neighbours = facts::Neighbours {
        households: peers.channel("households")?,
        comparison: peers.channel("comparison")?,
        measures: peers.channel("measures")?,
        identity: identity.clone(),
    };
    subscription::spawn(
        &runtime,
        database.clone(),
        config.county,
        peers.channel("comparison")?,
        identity.clone(),
        consume::Comparisons,
    );
    subscription::spawn(
        &runtime,
        database.clone(),
        config.county,
        peers.channel("households")?,
        identity,
        chassis::whereabouts::Whereabouts,
    );
    chassis::whereabouts::spawn(
        &runtime,
        database.clone(),
        config.county,
        whereabouts::Procedure,
    );
    deadlines::spawn(&runtime, database.clone(), config.county);
    deadlines::spawn_counting(&runtime, database.clone(), config.county);
    let ledger = Log::new(database.clone(), config.county, &log)?;
    ledger.spawn(&runtime);

    let feed = FeedServer::new(
        database.clone(),
        runtime.lifecycle.clone(),
        access::sees_feed,
    );
    let service = Service::new(database.clone(), neighbours, evidence, ledger);
    let log = service.access_log().clone();
    let own = Routes::new(WorkflowServiceServer::new(service));
    started
        .serve(own, feed, &log, config.county, &runtime)
        .await
}

/// The service as a process.
#[derive(Debug)]
pub struct Workflow;

impl process::Service for Workflow {
    const NAME: &'static str = NAME;
    const FOLLOWS: &'static [Followed] = &[
        Followed::by::<consume::Comparisons>(),
        Followed::by::<chassis::whereabouts::Whereabouts>(),
    ];
    type Config = Config;

    fn process(config: &Config) -> &ProcessConfig {
        &config.process
    }

    fn migrator() -> &'static Migrator {
        &MIGRATOR
    }

    fn log(config: &Config) -> Option<&LogConfig> {
        Some(&config.log)
    }

    async fn verify(
        config: &Config,
        connection: &mut PgConnection,
        depth: Depth,
    ) -> anyhow::Result<Option<String>> {
        match depth {
            Depth::Rows => verify_projection(connection).await,
            Depth::Files => verify(connection, &config.evidence.open()?).await,
        }
    }

    fn examine(config: &Config) -> Vec<Question> {
        let (place, limit) = (config.evidence.clone(), config.log.evidence_limit_seconds);
        vec![
            doctor::sealing(&config.process.database, NAME, limit),
            Question::new("evidence", async move { place.examine().await }),
        ]
    }

    fn run(config: Config, listener: TcpListener, runtime: Runtime) -> Serving {
        Box::pin(serve(config, listener, runtime))
    }
}
