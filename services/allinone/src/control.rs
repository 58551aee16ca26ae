//! The operator's way into a running `backstop up`: on loopback, for whoever may read the folder.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{StatusCode, header::AUTHORIZATION},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chassis::{
    clock::{Clock, ClockShift},
    doctor::Check,
    evidence::EvidenceStore,
    lifecycle::Lifecycle,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};

use crate::{
    databases::Databases,
    doctor,
    folder::{DataFolder, Run},
    verify,
};

/// Lines of a verification that may wait for a slow reader.
const QUEUE: usize = 64;
/// A verification that runs is cut: it changes nothing.
const GRACE: Duration = Duration::from_secs(1);

/// A clock, and what moves it if it can be moved.
#[derive(Debug, Clone)]
pub(crate) struct MovableClock {
    pub(crate) clock: Clock,
    pub(crate) shift: Option<ClockShift>,
}

/// The endpoint.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) address: SocketAddr,
    lifecycle: Lifecycle,
}

struct Shared {
    folder: DataFolder,
    clock: MovableClock,
    databases: Arc<Databases>,
    keys: verify::Keys,
    token: String,
    lifecycle: Lifecycle,
}

/// How far to move the clock.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Advance {
    pub(crate) seconds: i64,
}

/// What the clock says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Now {
    pub(crate) now: DateTime<Utc>,
}

impl Control {
    pub(crate) async fn start(
        folder: &DataFolder,
        clock: MovableClock,
        databases: Arc<Databases>,
        keys: verify::Keys,
        token: String,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let lifecycle = Lifecycle::new();
        let context = Arc::new(Shared {
            folder: folder.clone(),
            clock,
            databases,
            keys,
            token,
            lifecycle: lifecycle.clone(),
        });
        let router = Router::new()
            .route("/clock", get(now))
            .route("/clock/advance", post(advance))
            .route("/verify", post(verification))
            .route("/doctor", post(examination))
            .layer(middleware::from_fn_with_state(
                context.clone(),
                authenticate,
            ))
            .with_state(context);
        let own = lifecycle.clone();
        lifecycle.spawn("control", async move {
            let stopping = async move { own.stopping().await };
            let served = axum::serve(listener, router)
                .with_graceful_shutdown(stopping)
                .await;
            if let Err(error) = served {
                tracing::error!(%error, "operator commands are not served");
            }
        });
        Ok(Self { address, lifecycle })
    }

    pub(crate) async fn stop(self) {
        self.lifecycle.wait(GRACE).await;
    }
}

async fn authenticate(
    State(context): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let given = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    if given.and_then(|text| text.strip_prefix("Bearer ")) == Some(&context.token) {
        next.run(request).await
    } else {
        StatusCode::UNAUTHORIZED.into_response()
    }
}

async fn now(State(context): State<Arc<Shared>>) -> Json<Now> {
    Json(Now {
        now: context.clock.clock.now(),
    })
}

async fn advance(
    State(context): State<Arc<Shared>>,
    Json(request): Json<Advance>,
) -> Result<Json<Now>, (StatusCode, String)> {
    let Some(shift) = &context.clock.shift else {
        let reason = "only the clock of `backstop up --demo` can be moved";
        return Err((StatusCode::CONFLICT, reason.to_owned()));
    };
    if request.seconds <= 0 {
        return Err((StatusCode::BAD_REQUEST, "a clock goes forward".to_owned()));
    }
    shift.advance(chrono::Duration::seconds(request.seconds));
    let clock_offset_seconds = shift.offset().num_seconds();
    context
        .folder
        .change_demo(|state| state.clock_offset_seconds = clock_offset_seconds)
        .map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")))?;
    Ok(now(State(context)).await)
}

/// Verifies every ledger; a line of JSON for everything there is to tell.
async fn verification(
    State(context): State<Arc<Shared>>,
    Json(copies): Json<Vec<verify::Copy>>,
) -> Response {
    let (lines, queue) = mpsc::channel(QUEUE);
    let lifecycle = context.lifecycle.clone();
    lifecycle.spawn("verify", async move {
        let evidence = EvidenceStore::folder(&context.folder.evidence());
        match evidence {
            Ok(evidence) => {
                let (databases, keys) = (&context.databases, &context.keys);
                verify::all(databases, keys, &evidence, &copies, &lines).await;
            }
            Err(error) => tracing::error!(%error, "the evidence cannot be read"),
        }
    });
    let lines = ReceiverStream::new(queue).map(|line: verify::Line| {
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        Ok::<_, serde_json::Error>(Bytes::from(text))
    });
    Body::from_stream(lines).into_response()
}

async fn examination(State(context): State<Arc<Shared>>) -> Json<Vec<Check>> {
    Json(doctor::databases(&context.databases).await)
}

/// Sends a command to the process that runs on the folder.
pub(crate) async fn send(
    run: &Run,
    path: &str,
    body: Option<&impl Serialize>,
) -> anyhow::Result<reqwest::Response> {
    let url = format!("http://{}{path}", run.control);
    let client = reqwest::Client::new();
    let request = match body {
        Some(body) => client.post(url).json(body),
        None => client.get(url),
    };
    let answer = request.bearer_auth(&run.control_token).send().await;
    let answer = answer.context("the running backstop does not answer")?;
    if answer.status().is_success() {
        return Ok(answer);
    }
    anyhow::bail!("{}", answer.text().await?)
}
