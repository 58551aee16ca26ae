//! The sandbox of the end-to-end tests: the whole platform in this process, on real sockets and a
//! real database of its own, with a clock that the test moves; or, by `tests/compose.sh`, one that is
//! deployed.

pub mod client;
pub mod county;
mod deployed;
pub mod family;
pub mod journey;
mod sandbox;
pub mod watch;

use std::{
    future::Future,
    time::{Duration, Instant},
};

pub use client::{Answer, Client};
pub use sandbox::{Sandbox, witness};

/// The county of every test.
pub const COUNTY: &str = "999999000000";
/// Longest that a test waits for something to become true: consumers need milliseconds, a busy
/// machine is given its time.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `state` is there. Tests wait on state, never on time.
///
/// # Panics
/// It does not come within [`PATIENCE`].
pub async fn until<T, F>(what: &str, mut state: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let began = Instant::now();
    loop {
        if let Some(found) = state().await {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
