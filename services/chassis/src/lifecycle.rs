//! What a process waits for until it is ready, and a two-stage shutdown with tracked tasks: first
//! everybody is asked to stop, then, after a grace time, whatever is left is cancelled.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

use crate::clock::Clock;

/// What a service is run with.
#[derive(Debug, Clone)]
pub struct Runtime {
    /// Where time and ids come from.
    pub clock: Clock,
    /// How it is stopped.
    pub lifecycle: Lifecycle,
}

impl Runtime {
    /// A runtime with the machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self {
            clock: Clock::system(),
            lifecycle: Lifecycle::new(),
        }
    }
}

/// Starts tasks and stops them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lifecycle {
    soft: CancellationToken,
    hard: CancellationToken,
    tracker: TaskTracker,
    missing: Arc<Mutex<BTreeMap<&'static str, String>>>,
}

/// How a shutdown ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Every task ended by itself.
    Drained,
    /// Some tasks had to be cancelled.
    Cancelled,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}

impl Lifecycle {
    /// A new lifecycle with nothing running.
    #[must_use]
    pub fn new() -> Self {
        let hard = CancellationToken::new();
        Self {
            soft: hard.child_token(),
            hard,
            tracker: TaskTracker::new(),
            missing: Arc::default(),
        }
    }

    /// What is needed and not there, under the name of the setting that it hangs on. `why` goes to
    /// whoever asks `/readyz`: no secret, nothing of a person.
    pub fn missing(&self, what: &'static str, why: impl Into<String>) {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing.insert(what, why.into());
    }

    /// Takes back what was missing.
    pub fn there(&self, what: &'static str) {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing.remove(what);
    }

    /// Why the process is not ready, a line each; empty when it is.
    #[must_use]
    pub fn not_ready(&self) -> Vec<String> {
        if self.is_stopping() {
            return vec!["stopping".to_owned()];
        }
        let missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = missing.iter().map(|(what, why)| format!("{what}: {why}"));
        lines.collect()
    }

    /// Starts a task that is waited for on shutdown and cancelled after the grace time.
    pub fn spawn<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let hard = self.hard.clone();
        let span = tracing::info_span!("task", task = name);
        self.tracker.spawn(
            async move {
                tokio::select! {
                    () = task => {}
                    () = hard.cancelled() => tracing::warn!("task was cancelled"),
                }
            }
            .instrument(span),
        );
    }

    /// Resolves when the shutdown begins.
    pub async fn stopping(&self) {
        self.soft.cancelled().await;
    }

    /// Whether the shutdown has begun.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// Begins the shutdown.
    pub fn stop(&self) {
        self.soft.cancel();
    }

    /// Begins the shutdown, waits for the tasks and cancels what is left after `grace`.
    pub async fn wait(&self, grace: Duration) -> Stopped {
        self.stop();
        self.tracker.close();
        if tokio::time::timeout(grace, self.tracker.wait())
            .await
            .is_ok()
        {
            return Stopped::Drained;
        }
        self.hard.cancel();
        self.tracker.wait().await;
        Stopped::Cancelled
    }
}

/// Resolves on Ctrl-C (a person) or SIGTERM (an orchestrator that starts a graceful shutdown).
pub async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = match signal(SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(error) => {
            tracing::error!(%error, "cannot listen for SIGTERM");
            return;
        }
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn drains_what_ends_and_cancels_what_does_not() {
        let lifecycle = Lifecycle::new();
        let own = lifecycle.clone();
        lifecycle.spawn("obedient", async move { own.stopping().await });
        assert_eq!(
            lifecycle.wait(Duration::from_secs(5)).await,
            Stopped::Drained
        );

        let lifecycle = Lifecycle::new();
        lifecycle.spawn("stubborn", std::future::pending());
        assert_eq!(
            lifecycle.wait(Duration::from_millis(10)).await,
            Stopped::Cancelled
        );
    }

    #[test]
    fn says_what_is_missing() {
        let lifecycle = Lifecycle::new();
        assert!(lifecycle.not_ready().is_empty());
        lifecycle.missing("process.database.url", "does not answer");
        lifecycle.missing("process.database.url", "refused");
        assert_eq!(lifecycle.not_ready(), ["process.database.url: refused"]);
        lifecycle.there("process.database.url");
        assert!(lifecycle.not_ready().is_empty());
        lifecycle.stop();
        assert_eq!(lifecycle.not_ready(), ["stopping"]);
    }
}
