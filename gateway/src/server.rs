//! The HTTP server: its configuration, routes and limits.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use async_graphql::dynamic::Schema;
use axum::{
    BoxError, Extension, Router,
    error_handling::HandleErrorLayer,
    extract::{DefaultBodyLimit, MatchedPath, State},
    middleware::{self, Next},
    response::Response,
    routing::{any, get, post, put},
    serve::ListenerExt,
};
use chassis::{
    auth::{self, Authenticator, Caller, ServiceIdentity},
    clock::Clock,
    config::AuthConfig,
    doctor::{self, Check},
    error::Error,
    lifecycle::{Lifecycle, Runtime},
    probe,
    process::Serving,
    telemetry,
    tls::{Tls, TlsConfig},
};
use http::{
    HeaderMap, HeaderValue, Request, Version,
    header::{CONNECTION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
};
use opentelemetry::metrics::Histogram;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::{net::TcpListener, sync::Semaphore};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::{
    door::{self, Door},
    explorer, files, graphql,
    locale::Locale,
    log,
    peers::Peers,
    problem::{Rejection, RequestId},
    schema, socket,
};

/// Requests that are worked on at once; more are turned away at once rather than late.
const REQUESTS_MAX: usize = 512;
/// Requests without an account that are worked on at once: they take nothing from those with one.
const ANONYMOUS_MAX: usize = 64;
/// Sockets that are open at once.
const SOCKETS_MAX: usize = 2000;
/// A request has its services' deadline of 5 s, for what it asks one after the other.
const REQUEST_WITHIN: Duration = Duration::from_secs(15);
/// A file of 50 MB over a township's line of 1 Mbit/s.
const FILE_WITHIN: Duration = Duration::from_secs(15 * 60);

/// What is missing while there are no keys of the issuer.
const JWKS: &str = "auth.jwks";
/// How often an issuer that gave none is asked for keys.
const KEYS_EVERY: Duration = Duration::from_secs(2);

/// How the gateway is configured.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where HTTP is served.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// URLs of the four services, by name. Several of one, separated by commas, are its replicas, and so
    /// is whatever a name in a URL resolves to; it is looked up again every 5 s.
    pub peers: BTreeMap<String, String>,
    /// Mutual TLS towards the services: the gateway's own certificate, for peers that are https.
    #[serde(default)]
    pub tls: Option<TlsConfig>,
    /// How callers prove who they are.
    pub auth: AuthConfig,
    /// Whether the schema can be asked for and explored in a browser at `/`.
    #[serde(default)]
    pub explorer: bool,
    /// Whether a proxy of the deployment stands before it and writes down who called
    /// (`X-Forwarded-For`); else whoever calls could write anything there.
    #[serde(default)]
    pub behind_proxy: bool,
    /// Asked to stop, the gateway goes on for so long and ends each connection with its next answer. A
    /// connection that is cut just when a client sends its next request by it is a failed request.
    #[serde(default = "two_seconds")]
    pub drain_seconds: u32,
}

const fn two_seconds() -> u32 {
    2
}

/// What every request is served with.
#[derive(Clone)]
pub struct Gateway {
    pub schema: Schema,
    pub peers: Peers,
    pub authenticator: Authenticator,
    pub lifecycle: Lifecycle,
    pub clock: Clock,
    pub sockets: Arc<Semaphore>,
    /// The gateway's own name, in which it asks for what needs no account.
    pub identity: ServiceIdentity,
    pub door: Arc<Door>,
    pub behind_proxy: bool,
}

impl Gateway {
    /// Who makes a request.
    pub async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Error> {
        let token = auth::bearer(headers).ok_or(Error::Unauthenticated)?;
        self.authenticator.verify(token).await
    }
}

/// Serves until the runtime stops.
///
/// # Errors
/// The key set cannot be read, a peer has no URL, or the listener fails.
pub fn run(config: Config, listener: TcpListener, runtime: Runtime) -> Serving {
    Box::pin(serve(config, listener, runtime))
}

async fn serve(config: Config, listener: TcpListener, runtime: Runtime) -> anyhow::Result<()> {
    (runtime.lifecycle).missing(JWKS, "the issuer's keys cannot be fetched");
    let tls = config.tls.as_ref();
    let tls = tls.map(|tls| Tls::open(tls, "tls", &runtime.lifecycle));
    let peers = Peers::connect(&config.peers, tls.transpose()?)?;
    let authenticator = Authenticator::new(&config.auth).await?;
    let gateway = Gateway {
        schema: schema::build(peers.clone(), config.explorer),
        peers,
        identity: ServiceIdentity::new(&config.auth.service_token_file, authenticator.clone()),
        door: Door::new(),
        behind_proxy: config.behind_proxy,
        authenticator,
        lifecycle: runtime.lifecycle.clone(),
        clock: runtime.clock,
        sockets: Arc::new(Semaphore::new(SOCKETS_MAX)),
    };
    telemetry::watch_readiness("gateway", &gateway.lifecycle);
    wait_for_keys(&gateway).await;
    let sockets = gateway.sockets.clone();
    let open = move || u64::try_from(SOCKETS_MAX - sockets.available_permits()).ok();
    telemetry::watch("backstop_sockets_open", &[], open);
    let lifecycle = runtime.lifecycle;
    // A message on a socket does not wait for the acknowledgement of the one before it.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection answers late");
        }
    });
    let router = router(gateway, config.explorer);
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let drain = Duration::from_secs(config.drain_seconds.into());
    axum::serve(listener, service)
        .with_graceful_shutdown(async move {
            lifecycle.stopping().await;
            tokio::time::sleep(drain).await;
        })
        .await?;
    Ok(())
}

fn router(gateway: Gateway, explorer: bool) -> Router {
    let requests = Router::new().route("/graphql", any(graphql::serve));
    let files = Router::new()
        .route("/files/households", put(files::households))
        .route("/files/alerts", put(files::alerts))
        .route("/files/items/{item}", put(files::items))
        .route("/files/requests/{item}", post(files::requests))
        .route("/files/results/{item}", put(files::results))
        .route("/files/evidence", put(files::evidence))
        .route("/files/evidence/{sha256}", get(files::stored_evidence))
        .route("/files/notices/{village}", get(files::notice))
        // Each counts as it reads.
        .layer(DefaultBodyLimit::disable());
    let log = Router::new()
        .route("/log/checkpoint", get(log::checkpoint))
        .route("/log/tile/{*path}", get(log::tile))
        .route("/log/inclusion/{index}/{size}", get(log::inclusion))
        .route("/log/consistency/{from}/{size}", get(log::consistency))
        .route("/log/seal/{day}", get(log::seal))
        .route("/log/cosignatures", post(log::cosignatures))
        .route(
            "/.well-known/backstop-query-keys.json",
            get(log::query_keys),
        )
        // It counts as it reads.
        .layer(DefaultBodyLimit::disable());
    let objections = Router::new().route("/objections", post(door::object));
    let mut router = Router::new()
        .merge(limited(requests, REQUESTS_MAX, REQUEST_WITHIN))
        .merge(limited(objections, ANONYMOUS_MAX, REQUEST_WITHIN))
        .merge(limited(files, REQUESTS_MAX, FILE_WITHIN))
        .merge(limited(log, ANONYMOUS_MAX, REQUEST_WITHIN))
        .route("/graphql/ws", get(socket::upgrade));
    if explorer {
        router = router
            .route("/", get(explorer::page))
            .route("/explorer/{file}", get(explorer::file));
    }
    router
        // Probes and metrics are answered however much there is to do.
        .merge(probe::pages(&gateway.lifecycle))
        .layer(CatchPanicLayer::new())
        .layer(middleware::from_fn_with_state(gateway.clone(), observe))
        .with_state(gateway)
}

/// So many at once, and each so long.
fn limited(router: Router<Gateway>, at_once: usize, within: Duration) -> Router<Gateway> {
    let limits = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(overloaded))
        .load_shed()
        .concurrency_limit(at_once)
        .timeout(within);
    router.layer(limits)
}

/// Its own needs only: services that are away make some answers incomplete, and no gateway better. Keys that
/// were there once stay good where the issuer is away.
async fn wait_for_keys(gateway: &Gateway) {
    gateway.authenticator.spawn_reloading(&gateway.lifecycle);
    if gateway.authenticator.has_keys().await {
        gateway.lifecycle.there(JWKS);
        return;
    }
    let (issuer, lifecycle) = (gateway.authenticator.clone(), gateway.lifecycle.clone());
    gateway.lifecycle.spawn("issuer", async move {
        while !issuer.has_keys().await {
            tokio::select! {
                () = tokio::time::sleep(KEYS_EVERY) => {}
                () = lifecycle.stopping() => return,
            }
        }
        lifecycle.there(JWKS);
    });
}

/// Looks at what the gateway needs, for `doctor`.
pub async fn examine(config: &Config) -> Vec<Check> {
    let tls = config.tls.as_ref();
    let around = doctor::neighbours("", &config.auth, &config.peers, tls, None).await;
    around.checks
}

async fn overloaded(id: Extension<RequestId>, headers: HeaderMap, _: BoxError) -> Response {
    Rejection::Error(Error::Unavailable { what: "gateway" }).document(Locale::of(&headers), &id)
}

static DURATION: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    telemetry::meter()
        .f64_histogram("http.server.duration")
        .with_unit("s")
        .build()
});

/// One id, one span and one measurement for every request.
async fn observe(
    State(gateway): State<Gateway>,
    mut request: Request<axum::body::Body>,
    next: Next,
) -> Response {
    let given = request
        .headers()
        .get("x-request-id")
        .and_then(|id| id.to_str().ok());
    // Another's text would come into our logs.
    let id = given
        .and_then(|id| Uuid::try_parse(id).ok())
        .unwrap_or_else(|| gateway.clock.new_id())
        .to_string();
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("other", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("http", http.route = route, request_id = id);
    let parent = request
        .headers()
        .get("traceparent")
        .and_then(|value| value.to_str().ok());
    telemetry::continue_trace(&span, parent.unwrap_or_default());
    request.extensions_mut().insert(RequestId(id.clone()));
    // HTTP/2 tells its connections by itself.
    let by_header = request.version() < Version::HTTP_2;
    let began = Instant::now();
    let mut response = next.run(request).instrument(span).await;
    let labels = [
        telemetry::label("http_route", route),
        telemetry::label("http_status", i64::from(response.status().as_u16())),
    ];
    DURATION.record(began.elapsed().as_secs_f64(), &labels);
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert("x-request-id", id);
    }
    if by_header && gateway.lifecycle.is_stopping() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
