//! The gateway: one GraphQL endpoint over the four services. It has no database and decides nothing;
//! the services check every caller themselves.

mod body;
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

use chassis::{health, lifecycle::Runtime, process};

pub use peers::Peers;
pub use server::{Config, run};

/// Runs the gateway, or does what its arguments ask for instead.
#[must_use]
pub fn main() -> ExitCode {
    let examine = async |config: &Config| server::examine(config).await;
    process::run::<Config>("gateway", &[], examine, async |asked, settings| {
        if asked.is_some() {
            return health::http(settings.section(&["listen"])?).await;
        }
        let config: Config = settings.all()?;
        let listener = process::listen(config.listen, "listen").await?;
        tracing::info!(address = %config.listen, "serving");
        let runtime = Runtime::system();
        process::until_signal(&runtime, run(config, listener, runtime.clone())).await
    })
}
