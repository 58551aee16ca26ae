//! `GET /graphql/ws`: subscriptions by the protocol `graphql-transport-ws`. The token comes in
//! `connection_init`; the socket ends with it.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use async_graphql::{
    Data, Executor, Request as GraphqlRequest, Response as GraphqlResponse,
    dynamic::Schema,
    http::{ClientMessage, WebSocket as Answers, WebSocketProtocols, WsMessage},
};
use axum::{
    Extension,
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket},
    },
    response::{IntoResponse, Response},
};
use chassis::error::Error;
use futures::{
    Sink, SinkExt as _, Stream, StreamExt as _,
    stream::{self, BoxStream},
};
use http::HeaderMap;
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;

use crate::{
    guard,
    locale::Locale,
    problem::{Rejection, RequestId},
    schema,
    server::Gateway,
};

const PROTOCOL: &str = "graphql-transport-ws";
/// A client says who it is within this time.
const INIT_WITHIN: Duration = Duration::from_secs(10);
/// How often a client is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(15);
/// A client from which nothing has come for so long is gone.
const SILENT_MAX: Duration = Duration::from_secs(45);
/// A client that takes nothing for so long is let go; it comes back with its cursor.
const SEND_WITHIN: Duration = Duration::from_secs(20);
/// Messages of a client have a document and variables, as requests do.
const MESSAGE_BYTES_MAX: usize = 96 * 1024;
/// What one front end watches at once.
const OPERATIONS_MAX: usize = 20;
/// Messages of a client that wait for being looked at.
const QUEUE: usize = 16;

/// Why a socket is closed: the codes of the protocol.
type Close = (u16, &'static str);
const GOING_AWAY: Close = (1001, "Going away");
const BAD_REQUEST: Close = (4400, "Bad request");
const UNAUTHORIZED: Close = (4401, "Unauthorized");
const FORBIDDEN: Close = (4403, "Forbidden");
const INIT_TIMEOUT: Close = (4408, "Connection initialisation timeout");
const DUPLICATE: Close = (4409, "Subscriber already exists");
const TOO_MANY: Close = (4429, "Too many operations");
const SLOW: Close = (4429, "Too slow");

pub async fn upgrade(
    State(gateway): State<Gateway>,
    Extension(id): Extension<RequestId>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let locale = Locale::of(&headers);
    let Ok(place) = gateway.sockets.clone().try_acquire_owned() else {
        let full = Rejection::Error(Error::Unavailable { what: "sockets" });
        return full.document(locale, &id);
    };
    let upgrade = upgrade
        .protocols([PROTOCOL])
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX);
    if upgrade.selected_protocol().is_none() {
        return Rejection::BadRequest.document(locale, &id);
    }
    upgrade
        .on_upgrade(move |socket| async move {
            Connection {
                gateway,
                id,
                locale,
            }
            .serve(socket)
            .await;
            drop(place);
        })
        .into_response()
}

struct Connection {
    gateway: Gateway,
    id: RequestId,
    locale: Locale,
}

/// What a client has going.
#[derive(Default)]
struct Operations {
    acknowledged: bool,
    live: HashSet<String>,
}

type Shared = Arc<Mutex<Operations>>;

fn with<T>(shared: &Shared, change: impl FnOnce(&mut Operations) -> T) -> T {
    change(&mut shared.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Connection {
    async fn serve(self, socket: WebSocket) {
        let lifecycle = self.gateway.lifecycle.clone();
        let (mut sink, incoming) = socket.split();
        let operations = Shared::default();
        let (accept, accepted) = oneshot::channel();
        let (forward, forwarded) = mpsc::channel(QUEUE);
        let executor = Guarded {
            schema: self.gateway.schema.clone(),
            locale: self.locale,
            id: self.id.clone(),
        };
        let acknowledged = operations.clone();
        let answers = Answers::from_message_stream(
            executor,
            ReceiverStream::new(forwarded).map(Ok),
            WebSocketProtocols::GraphQLWS,
        )
        .on_connection_init(move |payload| async move {
            let data = self.initialise(&payload, accept).await?;
            with(&acknowledged, |operations| operations.acknowledged = true);
            Ok(data)
        });
        let close = tokio::select! {
            close = read(incoming, forward, &operations) => close,
            close = write(answers, &mut sink, &operations) => close,
            close = expire(accepted) => Some(close),
            () = lifecycle.stopping() => Some(GOING_AWAY),
        };
        if let Some((code, reason)) = close {
            let frame = CloseFrame {
                code,
                reason: reason.into(),
            };
            // Whoever is gone needs no farewell.
            let farewell = sink.send(Message::Close(Some(frame)));
            let _ = tokio::time::timeout(SEND_WITHIN, farewell).await;
        }
    }

    /// Who it is: `{"authorization": "Bearer …"}`.
    async fn initialise(
        self,
        payload: &serde_json::Value,
        accept: oneshot::Sender<u64>,
    ) -> async_graphql::Result<Data> {
        let given = payload.as_object().and_then(|payload| {
            let mut entries = payload.iter();
            entries.find(|(name, _)| name.eq_ignore_ascii_case("authorization"))
        });
        let given = given.and_then(|(_, value)| value.as_str());
        let token = given.and_then(|given| given.strip_prefix("Bearer "));
        let caller = match token {
            Some(token) => self.gateway.authenticator.verify(token).await,
            None => Err(Error::Unauthenticated),
        };
        let caller = caller.map_err(|error| async_graphql::Error::new(error.reason()))?;
        // Nobody listens when the socket has closed meanwhile.
        let _ = accept.send(caller.expires_at);
        let mut data = Data::default();
        data.insert(caller);
        data.insert(self.locale);
        data.insert(self.id);
        Ok(data)
    }
}

/// Takes what the client sends, as far as the protocol allows it.
async fn read(
    mut incoming: impl Stream<Item = Result<Message, axum::Error>> + Unpin,
    forward: mpsc::Sender<ClientMessage>,
    operations: &Shared,
) -> Option<Close> {
    loop {
        let message = tokio::time::timeout(SILENT_MAX, incoming.next()).await;
        let text = match message {
            Err(_) => return Some(SLOW),
            Ok(None | Some(Err(_) | Ok(Message::Close(_)))) => return None,
            Ok(Some(Ok(Message::Text(text)))) => text,
            Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => continue,
            Ok(Some(Ok(Message::Binary(_)))) => return Some(BAD_REQUEST),
        };
        if guard::check_json(text.as_bytes()).is_err() {
            return Some(BAD_REQUEST);
        }
        let Ok(message) = ClientMessage::from_bytes(text.as_bytes()) else {
            return Some(BAD_REQUEST);
        };
        if let Err(close) = with(operations, |operations| operations.take(&message)) {
            return Some(close);
        }
        if forward.send(message).await.is_err() {
            // The answers have ended; whoever writes them says why.
            std::future::pending::<()>().await;
        }
    }
}

impl Operations {
    fn take(&mut self, message: &ClientMessage) -> Result<(), Close> {
        match message {
            ClientMessage::Start { .. } if !self.acknowledged => Err(UNAUTHORIZED),
            ClientMessage::Start { .. } if self.live.len() >= OPERATIONS_MAX => Err(TOO_MANY),
            ClientMessage::Start { id, .. } if !self.live.insert(id.clone()) => Err(DUPLICATE),
            ClientMessage::Stop { id } => {
                self.live.remove(id);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Sends the answers, and asks now and then whether the client is there.
async fn write(
    answers: impl Stream<Item = WsMessage>,
    sink: &mut (impl Sink<Message> + Unpin),
    operations: &Shared,
) -> Option<Close> {
    let mut answers = std::pin::pin!(answers);
    let mut ping = tokio::time::interval_at(tokio::time::Instant::now() + PING_EVERY, PING_EVERY);
    loop {
        let message = tokio::select! {
            answer = answers.next() => match answer {
                Some(WsMessage::Text(text)) => {
                    ended(&text, operations);
                    Message::Text(text.into())
                }
                // The library's own code for a caller that was not accepted.
                Some(WsMessage::Close(1002, _)) => return Some(FORBIDDEN),
                Some(WsMessage::Close(4429, _)) => {
                    return Some((4429, "Too many initialisation requests"));
                }
                Some(WsMessage::Close(..)) => return Some(BAD_REQUEST),
                None => return None,
            },
            _ = ping.tick() => Message::Ping(Default::default()),
        };
        match tokio::time::timeout(SEND_WITHIN, sink.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return None,
            Err(_) => return Some(SLOW),
        }
    }
}

/// Lets an operation's id be used again when it has ended.
fn ended(text: &str, operations: &Shared) {
    #[derive(Deserialize)]
    struct Complete {
        id: String,
    }
    if text.starts_with(r#"{"type":"complete""#)
        && let Ok(complete) = serde_json::from_str::<Complete>(text)
    {
        with(operations, |operations| {
            operations.live.remove(&complete.id)
        });
    }
}

/// Waits until the client is too late, or its token has ended.
async fn expire(accepted: oneshot::Receiver<u64>) -> Close {
    match tokio::time::timeout(INIT_WITHIN, accepted).await {
        Err(_) => INIT_TIMEOUT,
        // It was not accepted; the answer says so.
        Ok(Err(_)) => std::future::pending().await,
        Ok(Ok(expires_at)) => {
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            let left = Duration::from_secs(expires_at).saturating_sub(now);
            let end = Instant::now().checked_add(left);
            match end {
                Some(end) => tokio::time::sleep_until(end.into()).await,
                None => std::future::pending().await,
            }
            FORBIDDEN
        }
    }
}

/// The schema behind the guard.
#[derive(Clone)]
struct Guarded {
    schema: Schema,
    locale: Locale,
    id: RequestId,
}

impl Guarded {
    /// What the guard has against a request.
    fn refusal(&self, request: &GraphqlRequest) -> Option<GraphqlResponse> {
        let fault = guard::check(&request.query).err()?;
        let error = Rejection::from(fault).graphql(self.locale, &self.id);
        let error = error.into_server_error(async_graphql::Pos::default());
        Some(GraphqlResponse::from_errors(vec![error]))
    }
}

impl Executor for Guarded {
    async fn execute(&self, request: GraphqlRequest) -> GraphqlResponse {
        match self.refusal(&request) {
            None => schema::execute(&self.schema, request).await,
            Some(refused) => refused,
        }
    }

    fn execute_stream(
        &self,
        request: GraphqlRequest,
        session_data: Option<Arc<Data>>,
    ) -> BoxStream<'static, GraphqlResponse> {
        match self.refusal(&request) {
            None => Executor::execute_stream(&self.schema, request, session_data),
            Some(refused) => stream::once(std::future::ready(refused)).boxed(),
        }
    }
}
