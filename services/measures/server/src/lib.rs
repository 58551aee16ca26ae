//! Who helps, with what, and what came of it (S36, S46–S54): the shell around `measures-core`.

mod about;
pub mod access;
mod arrival;
pub mod consume;
mod convert;
mod item;
mod rpc;
mod store;
pub mod whereabouts;

use chassis::{
    auth::ServiceIdentity,
    config::ProcessConfig,
    feed_server::FeedServer,
    lifecycle::Runtime,
    process::{self, Serving},
    startup,
    subscription::{self, Followed},
};
use proto::measures::v1::measures_service_server::MeasuresServiceServer;
use schemars::JsonSchema;
use serde::Deserialize;
use sqlx::migrate::Migrator;
use tokio::net::TcpListener;
use tonic::service::Routes;

pub use rpc::Service;

/// Schema and name of the service.
pub const NAME: &str = "measures";

/// The service's own tables.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// What the service is configured with. Peers: `workflow`, `households`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What every service has.
    pub process: ProcessConfig,
}

async fn serve(config: Config, listener: TcpListener, runtime: Runtime) -> anyhow::Result<()> {
    let config = config.process;
    let started = startup::start(listener, &config, NAME, &MIGRATOR, &runtime).await?;
    let Some(started) = started else {
        return Ok(());
    };
    let (database, peers) = (&started.database, &started.peers);
    let issuer = started.authenticator.clone();
    let identity = ServiceIdentity::new(&config.auth.service_token_file, issuer);

    let cases = consume::Cases::new(peers.channel("households")?, identity.clone());
    subscription::spawn(
        &runtime,
        database.clone(),
        config.county,
        peers.channel("workflow")?,
        identity.clone(),
        cases,
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
        whereabouts::Plans,
    );

    let feed = FeedServer::new(
        database.clone(),
        runtime.lifecycle.clone(),
        access::sees_feed,
    );
    let service = Service::new(database.clone());
    let log = service.access_log().clone();
    let own = Routes::new(MeasuresServiceServer::new(service));
    started
        .serve(own, feed, &log, config.county, &runtime)
        .await
}

/// The service as a process.
#[derive(Debug)]
pub struct Measures;

impl process::Service for Measures {
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

    fn run(config: Config, listener: TcpListener, runtime: Runtime) -> Serving {
        Box::pin(serve(config, listener, runtime))
    }
}
