//! Alerts of departments and the asset comparison: the shell around `comparison-core`.

mod about;
pub mod access;
mod answers;
pub mod consume;
mod convert;
pub mod evidence;
mod file;
mod intake;
mod item;
mod queries;
pub mod recheck;
mod register;
mod registry;
mod rpc;
mod rules;
mod store;
pub mod whereabouts;
pub mod window;

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context, bail};
use chassis::{
    auth::ServiceIdentity,
    bucket::{BucketConfig, Files},
    config::ProcessConfig,
    doctor::{Finding, Question},
    feed_server::FeedServer,
    lifecycle::Runtime,
    process::{self, Serving},
    startup,
    subscription::{self, Followed},
    upload,
};
use comparison_core::recheck::Interval;
use proto::comparison::v1::comparison_service_server::ComparisonServiceServer;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de::Error as _};
use sqlx::migrate::Migrator;
use tokio::net::TcpListener;
use tonic::service::Routes;

pub use queries::{Queries, QueryConfig};
pub use registry::{Households, Registry};
pub use rpc::{Alerts, Service};
pub use window::Windows;

/// Schema and name of the service.
pub const NAME: &str = "comparison";

/// The service's own tables.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// What the service is configured with. Peers: `households`, `workflow`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What every service has.
    pub process: ProcessConfig,
    /// Redis that replicas share the alert feeds' windows in, `redis://…`; each keeps its own when absent.
    #[serde(default)]
    #[schemars(with = "Option<String>", extend("writeOnly" = true))]
    pub redis_url: Option<SecretString>,
    /// Query tokens that go to departments (CMP-4).
    pub queries: QueryConfig,
    /// Folder that departments' registers lie in, each in one of its department's name; or
    /// `registers_s3`, or neither.
    #[serde(default)]
    pub registers_folder: Option<PathBuf>,
    /// Bucket that they lie in.
    #[serde(default)]
    pub registers_s3: Option<BucketConfig>,
    /// Months from one look at the household of an enrolled case to the next re-check, 1 to 12.
    #[serde(default = "six", deserialize_with = "months")]
    pub recheck_months: u32,
}

const fn six() -> u32 {
    6
}

fn months<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let months = u32::deserialize(deserializer)?;
    let known = Interval::new(months).map(|_| months);
    known.ok_or_else(|| D::Error::custom("1 to 12 months"))
}

/// Where departments put registers.
fn registers(config: &Config) -> anyhow::Result<Option<Files>> {
    match (&config.registers_folder, &config.registers_s3) {
        (None, None) => Ok(None),
        (Some(folder), None) => Files::folder(folder).context("registers_folder").map(Some),
        (None, Some(bucket)) => Files::bucket(bucket).context("registers_s3").map(Some),
        (Some(_), Some(_)) => bail!("either registers_folder or registers_s3, and not both"),
    }
}

async fn serve(config: Config, listener: TcpListener, runtime: Runtime) -> anyhow::Result<()> {
    let redis_url = config.redis_url.as_ref().map(SecretString::expose_secret);
    let windows = Windows::new(redis_url).context("redis_url")?;
    let queries = Arc::new(Queries::new(&config.queries)?);
    let registers = registers(&config)?;
    let interval = Interval::new(config.recheck_months).context("recheck_months")?;
    let config = config.process;
    let started = startup::start(listener, &config, NAME, &MIGRATOR, &runtime).await?;
    let Some(started) = started else {
        return Ok(());
    };
    let (database, peers) = (&started.database, &started.peers);
    let issuer = started.authenticator.clone();
    let identity = ServiceIdentity::new(&config.auth.service_token_file, issuer);

    upload::count("alerts", 0, 0);
    upload::count("items", 0, 0);
    upload::count("answers", 0, 0);
    subscription::spawn(
        &runtime,
        database.clone(),
        config.county,
        peers.channel("workflow")?,
        identity.clone(),
        consume::Cases,
    );
    subscription::spawn(
        &runtime,
        database.clone(),
        config.county,
        peers.channel("households")?,
        identity.clone(),
        chassis::whereabouts::Whereabouts,
    );
    chassis::whereabouts::spawn(
        &runtime,
        database.clone(),
        config.county,
        whereabouts::Comparisons,
    );

    let feed = FeedServer::new(
        database.clone(),
        runtime.lifecycle.clone(),
        access::sees_feed,
    );
    let registry = Households::new(peers.channel("households")?, identity.clone());
    let ledger: Arc<dyn evidence::Ledger> = Arc::new(evidence::Workflow::new(
        peers.channel("workflow")?,
        identity,
    ));
    recheck::spawn(
        &runtime,
        database.clone(),
        config.county,
        Arc::clone(&ledger),
        interval,
    );
    let service = Service::new(
        database.clone(),
        registry,
        ledger,
        windows,
        queries,
        registers,
        feed.clone(),
    );
    let log = service.access_log().clone();
    let own = Routes::new(ComparisonServiceServer::new(service));
    started
        .serve(own, feed, &log, config.county, &runtime)
        .await
}

/// The service as a process.
#[derive(Debug)]
pub struct Comparison;

impl process::Service for Comparison {
    const NAME: &'static str = NAME;
    const FOLLOWS: &'static [Followed] = &[
        Followed::by::<consume::Cases>(),
        Followed::by::<chassis::whereabouts::Whereabouts>(),
    ];
    type Config = Config;

    fn process(config: &Config) -> &ProcessConfig {
        &config.process
    }

    fn migrator() -> &'static Migrator {
        &MIGRATOR
    }

    fn examine(config: &Config) -> Vec<Question> {
        let redis_url = config.redis_url.clone();
        vec![Question::new("redis", async move {
            let redis_url = redis_url.as_ref().map(SecretString::expose_secret);
            match Windows::new(redis_url) {
                Ok(windows) => windows.examine().await,
                Err(error) => Finding::wrong(format!("redis_url: {error}"), "correct redis_url"),
            }
        })]
    }

    fn run(config: Config, listener: TcpListener, runtime: Runtime) -> Serving {
        Box::pin(serve(config, listener, runtime))
    }
}

#[cfg(test)]
mod tests {
    use serde::de::{IntoDeserializer as _, value};

    #[test]
    fn households_are_looked_at_again_each_month_to_once_a_year() {
        for (given, is_taken) in [(0_u32, false), (1, true), (12, true), (13, false)] {
            let given: value::U32Deserializer<value::Error> = given.into_deserializer();
            assert_eq!(super::months(given).is_ok(), is_taken);
        }
    }
}
