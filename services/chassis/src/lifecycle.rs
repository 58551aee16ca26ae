//! What a process waits for until it is ready, and a two-stage shutdown with tracked tasks: first
//! everybody is asked to stop, then, after a grace time, whatever is left is cancelled.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
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
    needs: Arc<Mutex<Needs>>,
    /// Whether everything has been there at once.
    started: Arc<AtomicBool>,
}

/// What is needed, and why it is missing where it is.
type Needs = BTreeMap<&'static str, Option<String>>;

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
            needs: Arc::default(),
            started: Arc::default(),
        }
    }

    /// What is needed and not there, under the name of the setting that it hangs on. `why` goes to
    /// whoever asks `/readyz`: no secret, nothing of a person.
    pub fn missing(&self, what: &'static str, why: impl Into<String>) {
        self.needs().insert(what, Some(why.into()));
    }

    /// What is needed and there.
    pub fn there(&self, what: &'static str) {
        let mut needs = self.needs();
        needs.insert(what, None);
        if needs.values().all(Option::is_none) {
            self.started.store(true, Ordering::Relaxed);
        }
    }

    fn needs(&self) -> MutexGuard<'_, Needs> {
        self.needs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that is needed, with why it is missing where it is.
    #[must_use]
    pub fn needed(&self) -> Vec<(&'static str, Option<String>)> {
        let needs = self.needs();
        needs
            .iter()
            .map(|(&what, why)| (what, why.clone()))
            .collect()
    }

    /// Why the process is not ready, a line each; empty when it is.
    #[must_use]
    pub fn not_ready(&self) -> Vec<String> {
        if self.is_stopping() {
            return vec!["stopping".to_owned()];
        }
        let missing = |(what, why): (&str, Option<String>)| Some(format!("{what}: {}", why?));
        self.needed().into_iter().filter_map(missing).collect()
    }

    /// Whether the start has ended: everything was there at once. What goes missing later does not undo
    /// it.
    #[must_use]
    pub fn has_started(&self) -> bool {
        self.started.load(Ordering::Relaxed)
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

/// What a process ends with when it is told to stop a second time, and so ends at once.
pub const INTERRUPTED: i32 = 130;

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

    #[test]
    fn has_started_when_everything_was_there_at_once() {
        let lifecycle = Lifecycle::new();
        lifecycle.missing("start", "has not ended");
        lifecycle.missing("process.auth.jwks", "no keys");
        lifecycle.there("start");
        assert!(!lifecycle.has_started());
        lifecycle.there("process.auth.jwks");
        assert!(lifecycle.has_started());
        lifecycle.missing("process.auth.jwks", "no keys");
        assert!(lifecycle.has_started(), "the start is not undone");
        let why = Some("no keys".to_owned());
        let needed = [("process.auth.jwks", why), ("start", None)];
        assert_eq!(lifecycle.needed(), needed);
    }
}
