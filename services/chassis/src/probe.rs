//! What an orchestrator asks a process: whether it is alive, has started, and is ready. With `?verbose` the
//! answer lists everything that the process needs, each with its state.

use axum::{Router, extract::RawQuery, http::StatusCode, routing::get};

use crate::{lifecycle::Lifecycle, telemetry};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    /// No need of the process counts: a restart brings nothing back that is away.
    Alive,
    /// Whether everything was there once.
    Started,
    /// Whether everything is there now.
    Ready,
}

const PROBES: [(&str, Probe); 3] = [
    ("/livez", Probe::Alive),
    ("/startupz", Probe::Started),
    ("/readyz", Probe::Ready),
];

/// The probes and `/metrics`, the same for every process.
pub fn pages<S: Clone + Send + Sync + 'static>(lifecycle: &Lifecycle) -> Router<S> {
    let metrics = get(|| async { telemetry::metrics_text() });
    let mut router = Router::new().route("/metrics", metrics);
    for (path, probe) in PROBES {
        let lifecycle = lifecycle.clone();
        let page = move |RawQuery(query): RawQuery| async move {
            answer(probe, &lifecycle, is_verbose(query.as_deref()))
        };
        router = router.route(path, get(page));
    }
    router
}

fn is_verbose(query: Option<&str>) -> bool {
    let mut parts = query.unwrap_or_default().split('&');
    parts.any(|part| part == "verbose" || part.starts_with("verbose="))
}

fn answer(probe: Probe, lifecycle: &Lifecycle, is_verbose: bool) -> (StatusCode, String) {
    let missing = lifecycle.not_ready();
    let holds = match probe {
        Probe::Alive => true,
        Probe::Started => lifecycle.has_started(),
        Probe::Ready => missing.is_empty(),
    };
    let status = match holds {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let said = match (is_verbose, holds) {
        (true, _) => list(lifecycle, holds),
        (false, true) => "ok".to_owned(),
        (false, false) => missing.join("\n"),
    };
    (status, said)
}

/// As the API server of Kubernetes lists its own.
fn list(lifecycle: &Lifecycle, holds: bool) -> String {
    let line = |(what, why): (&str, Option<String>)| match why {
        None => format!("[+]{what} ok\n"),
        Some(why) => format!("[-]{what}: {why}\n"),
    };
    let mut said: String = lifecycle.needed().into_iter().map(line).collect();
    if lifecycle.is_stopping() {
        said += "[-]stopping\n";
    }
    said += if holds { "passed\n" } else { "failed\n" };
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_ends_once_and_readiness_comes_and_goes() {
        let lifecycle = Lifecycle::new();
        let status = |probe| answer(probe, &lifecycle, false).0.as_u16();
        let all = || PROBES.map(|(_, probe)| status(probe));
        lifecycle.missing("start", "has not ended");
        assert_eq!(all(), [200, 503, 503]);
        lifecycle.there("start");
        assert_eq!(all(), [200, 200, 200]);
        lifecycle.missing("process.database.url", "does not answer");
        assert_eq!(all(), [200, 200, 503]);
        lifecycle.there("process.database.url");
        lifecycle.stop();
        assert_eq!(all(), [200, 200, 503]);
    }

    #[test]
    fn verbose_lists_each_need_with_its_state() {
        let lifecycle = Lifecycle::new();
        lifecycle.there("process.auth.jwks");
        lifecycle.missing("process.database.url", "does not answer");
        let (_, said) = answer(Probe::Ready, &lifecycle, true);
        let expected =
            "[+]process.auth.jwks ok\n[-]process.database.url: does not answer\nfailed\n";
        assert_eq!(said, expected);
        let (status, said) = answer(Probe::Alive, &lifecycle, true);
        assert!(status.is_success() && said.ends_with("does not answer\npassed\n"));
        let (_, said) = answer(Probe::Ready, &lifecycle, false);
        assert_eq!(said, "process.database.url: does not answer");
        for (query, verbose) in [("verbose", true), ("a=1&verbose=1", true), ("quiet", false)] {
            assert_eq!(is_verbose(Some(query)), verbose, "{query}");
        }
    }
}
