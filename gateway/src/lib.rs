//! The gateway: one GraphQL endpoint over the four services. It has no database and decides nothing;
//! the services check every caller themselves.

mod contract;
mod door;
mod explorer;
mod files;
mod graphql;
pub mod guard;
pub mod locale;
mod log;
pub mod messages;
mod peers;
pub mod problem;
pub mod schema;
mod server;
mod socket;

use std::process::ExitCode;

use chassis::{config, lifecycle::Runtime, process};
use tokio::net::TcpListener;

pub use peers::Peers;
pub use server::{Config, run};

/// Runs the gateway.
#[must_use]
pub fn main() -> ExitCode {
    process::block_on("gateway", async {
        let config: Config = config::load()?;
        let listener = TcpListener::bind(config.listen).await?;
        tracing::info!(address = %config.listen, "serving");
        let runtime = Runtime::system();
        process::until_signal(&runtime, run(config, listener, runtime.clone())).await
    })
}
