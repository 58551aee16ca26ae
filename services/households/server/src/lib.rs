//! The registry of divisions, households and persons: the shell around `households-core`.

mod about;
pub mod access;
pub mod consume;
mod convert;
mod file;
mod import;
mod item;
mod ledger;
mod read;
mod rpc;
mod seal;
mod store;
pub mod whereabouts;

use chassis::{
    auth::ServiceIdentity,
    config::ProcessConfig,
    feed_server::FeedServer,
    lifecycle::Runtime,
    process::{self, Serving},
    secret::SecretKey,
    startup,
    subscription::{self, Followed},
    upload,
};
use proto::households::v1::households_service_server::HouseholdsServiceServer;
use schemars::JsonSchema;
use serde::Deserialize;
use sqlx::migrate::Migrator;
use tokio::net::TcpListener;
use tonic::service::Routes;

pub use rpc::Service;
pub use seal::{SealKeys, Sealer};

/// Schema and name of the service.
pub const NAME: &str = "households";

/// The service's own tables.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// What the service is configured with. Peers: `workflow`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What every service has.
    pub process: ProcessConfig,
    /// Keys that ID numbers and phones are sealed under.
    pub id_number_keys: SealKeys,
    /// Key of the hashes by which ID numbers are found. It cannot be changed without hashing all
    /// of them again.
    pub lookup_key: SecretKey,
}

async fn serve(config: Config, listener: TcpListener, runtime: Runtime) -> anyhow::Result<()> {
    let sealer = Sealer::new(&config.id_number_keys, &config.lookup_key)?;
    let config = config.process;
    let started = startup::start(listener, &config, NAME, &MIGRATOR, &runtime).await?;
    let Some(started) = started else {
        return Ok(());
    };
    let (database, peers) = (&started.database, &started.peers);
    let issuer = started.authenticator.clone();
    let identity = ServiceIdentity::new(&config.auth.service_token_file, issuer);

    upload::count("households", 0, 0);
    subscription::spawn(
        &runtime,
        database.clone(),
        config.county,
        peers.channel("workflow")?,
        identity,
        consume::Cases,
    );
    whereabouts::spawn_telling(&runtime, database.clone(), config.county);
    chassis::whereabouts::spawn(
        &runtime,
        database.clone(),
        config.county,
        whereabouts::Households,
    );

    let feed = FeedServer::new(
        database.clone(),
        runtime.lifecycle.clone(),
        access::sees_feed,
    );
    let service = Service::new(database.clone(), sealer);
    let log = service.access_log().clone();
    let own = Routes::new(HouseholdsServiceServer::new(service));
    started
        .serve(own, feed, &log, config.county, &runtime)
        .await
}

/// The service as a process.
#[derive(Debug)]
pub struct Households;

impl process::Service for Households {
    const NAME: &'static str = NAME;
    const FOLLOWS: &'static [Followed] = &[Followed::by::<consume::Cases>()];
    type Config = Config;

    fn process(config: &Config) -> &ProcessConfig {
        &config.process
    }

    fn migrator() -> &'static Migrator {
        &MIGRATOR
    }

    fn run(config: Config, listener: TcpListener, runtime: Runtime) -> Serving {
        Box::pin(serve(config, listener, runtime))
    }
}
