//! Serves gRPC: authentication, traces, metrics, deadlines, limits, health, reflection, and a
//! shutdown that lets requests end.

use std::{
    future::Future,
    sync::LazyLock,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use opentelemetry::metrics::Histogram;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{
    body::Body,
    service::Routes,
    transport::{
        Server,
        server::{Router, TcpIncoming},
    },
};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;

use crate::{
    auth::{AuthLayer, Authenticator},
    client,
    error::Error,
    lifecycle::{Lifecycle, Runtime},
    pg::Database,
    startup, telemetry,
    tls::Tls,
};

/// A connection that is older is asked to end when its calls have ended (GOAWAY), so that callers who ask
/// for addresses only when they connect come to new replicas. Nothing is cut: a feed lasts as long as its
/// token, and a file takes a quarter of an hour over a slow line. tonic's grace time is not what it is
/// elsewhere: with one it cuts the connection and says nothing before.
const CONNECTION_AGE: Duration = Duration::from_secs(5 * 60);
/// How often readiness is looked at.
const HEALTH_EVERY: Duration = Duration::from_secs(2);

/// What is missing until a service serves.
pub(crate) const START: &str = "start";

static DURATION: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    telemetry::meter()
        .f64_histogram("rpc.server.duration")
        .with_unit("s")
        .build()
});

/// Where a service listens, by mutual TLS where certificates are given.
#[derive(Debug)]
pub struct Socket {
    listener: TcpListener,
    tls: Option<Tls>,
    /// Ends whoever answers until it is served.
    waiting: Option<DropGuard>,
}

impl From<TcpListener> for Socket {
    fn from(listener: TcpListener) -> Self {
        Self::new(listener, None)
    }
}

impl Socket {
    /// A socket that was bound.
    #[must_use]
    pub const fn new(listener: TcpListener, tls: Option<Tls>) -> Self {
        Self {
            listener,
            tls,
            waiting: None,
        }
    }

    /// The same, answered from now on: who connects to a process that starts is told to go elsewhere. Where nobody
    /// accepts, the kernel does, and a call would wait until its time is over.
    pub(crate) async fn waiting(
        listener: TcpListener,
        tls: Option<Tls>,
        lifecycle: &Lifecycle,
    ) -> std::io::Result<Self> {
        // The socket stays open when its first server has ended.
        let listener = listener.into_std()?;
        let second = TcpListener::from_std(listener.try_clone()?)?;
        let waiting = CancellationToken::new();
        let mut socket = Self::new(TcpListener::from_std(listener)?, tls.clone());
        socket.waiting = Some(waiting.clone().drop_guard());
        let second = Self::new(second, tls);
        let own = lifecycle.clone();
        let not_ready = not_ready().await;
        lifecycle.spawn("waiting", async move {
            let until = async {
                tokio::select! {
                    () = waiting.cancelled() => {}
                    () = own.stopping() => {}
                }
            };
            if let Err(error) = second.serve_until(not_ready, &own, until).await {
                tracing::warn!(%error, "who connects during the start is not answered");
            }
        });
        Ok(socket)
    }

    /// Serves until the shutdown begins, then lets running requests end.
    async fn serve<L, B>(mut self, router: Router<L>, lifecycle: &Lifecycle) -> anyhow::Result<()>
    where
        L: tower::Layer<Routes> + Clone,
        L::Service: tower::Service<http::Request<Body>, Response = http::Response<B>>
            + Clone
            + Send
            + 'static,
        B: tonic::codegen::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<tonic::codegen::StdError>,
        <L::Service as tower::Service<http::Request<Body>>>::Future: Send,
        <L::Service as tower::Service<http::Request<Body>>>::Error:
            Into<tonic::codegen::StdError> + Send + 'static,
    {
        drop(self.waiting.take());
        self.serve_until(router, lifecycle, lifecycle.stopping())
            .await
    }

    async fn serve_until<L, B>(
        self,
        router: Router<L>,
        lifecycle: &Lifecycle,
        until: impl Future<Output = ()>,
    ) -> anyhow::Result<()>
    where
        L: tower::Layer<Routes> + Clone,
        L::Service: tower::Service<http::Request<Body>, Response = http::Response<B>>
            + Clone
            + Send
            + 'static,
        B: tonic::codegen::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<tonic::codegen::StdError>,
        <L::Service as tower::Service<http::Request<Body>>>::Future: Send,
        <L::Service as tower::Service<http::Request<Body>>>::Error:
            Into<tonic::codegen::StdError> + Send + 'static,
    {
        match self.tls {
            Some(tls) => {
                let incoming = tls.incoming(self.listener, lifecycle);
                let served = router.serve_with_incoming_shutdown(incoming, until);
                served.await?;
            }
            None => {
                // Said here: the builder's own setting does not reach a listener that is given. Without
                // it an answer waits up to 40 ms for the acknowledgement of its first half.
                let incoming = TcpIncoming::from(self.listener).with_nodelay(Some(true));
                let served = router.serve_with_incoming_shutdown(incoming, until);
                served.await?;
            }
        }
        Ok(())
    }
}

/// Serves `routes` until the runtime stops, then lets running requests end.
///
/// # Errors
/// The listener fails.
pub async fn serve(
    socket: impl Into<Socket>,
    routes: Routes,
    authenticator: Authenticator,
    database: Database,
    runtime: &Runtime,
) -> anyhow::Result<()> {
    database.spawn_forgetting(&runtime.lifecycle);
    authenticator.spawn_reloading(&runtime.lifecycle);
    let (mut health, health_service) = tonic_health::server::health_reporter();
    let lifecycle = runtime.lifecycle.clone();
    look(&lifecycle, &authenticator, &database).await;
    lifecycle.there(START);
    health.set_service_status("", status(&lifecycle)).await;
    let issuer = authenticator.clone();
    runtime.lifecycle.spawn("health", async move {
        loop {
            tokio::select! {
                () = tokio::time::sleep(HEALTH_EVERY) => {}
                () = lifecycle.stopping() => break,
            }
            look(&lifecycle, &issuer, &database).await;
            health.set_service_status("", status(&lifecycle)).await;
        }
        health.set_service_status("", status(&lifecycle)).await;
        // Ends the streams of those who watch it, who would hold up the end; they have been told.
        health.clear_service_status("").await;
    });
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
        .build_v1()?;
    let router = Server::builder()
        .max_concurrent_streams(client::STREAMS_MAX)
        .initial_stream_window_size(client::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(client::CONNECTION_WINDOW_BYTES)
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .max_connection_age(CONNECTION_AGE)
        .layer(CatchPanicLayer::new())
        .layer(ObserveLayer)
        .layer(AuthLayer(authenticator))
        .add_routes(routes)
        .add_service(health_service)
        .add_service(reflection);
    socket.into().serve(router, &runtime.lifecycle).await
}

/// Answers health with NOT_SERVING and everything else with UNAVAILABLE.
async fn not_ready() -> Router {
    let (health, service) = tonic_health::server::health_reporter();
    let not_serving = tonic_health::ServingStatus::NotServing;
    health.set_service_status("", not_serving).await;
    let refuse = || async { client::not_looked_at(Error::Unavailable { what: "service" }) };
    let router = Routes::new(service).into_axum_router().fallback(refuse);
    Server::builder().add_routes(Routes::from(router))
}

/// Looks at what every service needs.
async fn look(lifecycle: &Lifecycle, issuer: &Authenticator, database: &Database) {
    match database.is_healthy().await {
        true => lifecycle.there(startup::URL),
        false => lifecycle.missing(startup::URL, "does not answer"),
    }
    match issuer.has_keys().await {
        true => lifecycle.there(startup::JWKS),
        false => lifecycle.missing(startup::JWKS, "the issuer's keys cannot be fetched"),
    }
}

fn status(lifecycle: &Lifecycle) -> tonic_health::ServingStatus {
    if lifecycle.not_ready().is_empty() {
        tonic_health::ServingStatus::Serving
    } else {
        tonic_health::ServingStatus::NotServing
    }
}

/// One span and one measurement for every call.
#[derive(Debug, Clone)]
struct ObserveLayer;

impl<S> tower::Layer<S> for ObserveLayer {
    type Service = Observe<S>;
    fn layer(&self, inner: S) -> Self::Service {
        Observe(inner)
    }
}

#[derive(Debug, Clone)]
struct Observe<S>(S);

impl<S> tower::Service<http::Request<Body>> for Observe<S>
where
    S: tower::Service<http::Request<Body>, Response = http::Response<Body>>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let fresh = self.0.clone();
        let mut inner = std::mem::replace(&mut self.0, fresh);
        // A method that nobody serves must not become a label of its own.
        let path = request.uri().path().to_owned();
        let method = if path.starts_with("/backstop.") {
            path
        } else {
            "other".to_owned()
        };
        let span = tracing::info_span!("rpc", rpc.method = method);
        let parent = request
            .headers()
            .get("traceparent")
            .and_then(|value| value.to_str().ok());
        telemetry::continue_trace(&span, parent.unwrap_or_default());
        Box::pin(
            async move {
                let began = Instant::now();
                let response = inner.call(request).await;
                let code = response.as_ref().map_or(13, |response| {
                    let code = response.headers().get("grpc-status");
                    code.and_then(|v| v.to_str().ok())
                        .and_then(|v| v.parse().ok())
                        .unwrap_or(0)
                });
                let labels = [
                    telemetry::label("rpc_method", method),
                    telemetry::label("rpc_code", i64::from(code)),
                ];
                DURATION.record(began.elapsed().as_secs_f64(), &labels);
                response
            }
            .instrument(span),
        )
    }
}
