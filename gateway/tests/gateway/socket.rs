//! Subscriptions by `graphql-transport-ws`: who is let in, and with which code a socket ends.

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use crate::server::Server;

struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn open(server: &Server) -> Self {
        let url = server.url("/graphql/ws").replace("http", "ws");
        let mut request = url.into_client_request().expect("a request");
        let protocol = "graphql-transport-ws".parse().expect("a header");
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        let (socket, _) = connect_async(request).await.expect("a socket");
        Self(socket)
    }

    async fn accepted(server: &Server) -> Self {
        let mut socket = Self::open(server).await;
        socket.init(&server.token()).await;
        assert_eq!(socket.message().await["type"], "connection_ack");
        socket
    }

    async fn send(&mut self, message: Value) {
        let message = Message::text(message.to_string());
        self.0.send(message).await.expect("sent");
    }

    async fn init(&mut self, token: &str) {
        let payload = json!({ "Authorization": format!("Bearer {token}") });
        self.send(json!({ "type": "connection_init", "payload": payload }))
            .await;
    }

    async fn subscribe(&mut self, id: &str, query: &str) {
        let payload = json!({ "query": query });
        self.send(json!({ "type": "subscribe", "id": id, "payload": payload }))
            .await;
    }

    async fn message(&mut self) -> Value {
        match self.0.next().await {
            Some(Ok(Message::Text(text))) => serde_json::from_str(&text).expect("JSON"),
            other => panic!("{other:?}"),
        }
    }

    /// The code with which the other side closes, whatever comes before.
    async fn closed(mut self) -> u16 {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

const ALERTS: &str = "subscription { alerts { id } }";

#[tokio::test]
async fn who_it_is_comes_first() {
    let server = Server::start().await;
    let mut early = Socket::open(&server).await;
    early.subscribe("1", ALERTS).await;
    assert_eq!(early.closed().await, 4401);
    for token in ["", "x"] {
        let mut unknown = Socket::open(&server).await;
        unknown.init(token).await;
        assert_eq!(unknown.closed().await, 4403);
    }
    let mut twice = Socket::accepted(&server).await;
    twice.init(&server.token()).await;
    assert_eq!(twice.closed().await, 4429);
    // One says it within ten seconds.
    assert_eq!(Socket::open(&server).await.closed().await, 4408);
}

#[tokio::test]
async fn a_socket_ends_with_its_token() {
    let server = Server::start().await;
    let now = std::time::SystemTime::now();
    let now = now
        .duration_since(std::time::UNIX_EPOCH)
        .expect("now")
        .as_secs();
    let token = server.issuer.sign(&json!({
        "iss": "https://issuer.test", "aud": "backstop", "sub": "officer", "iat": now,
        "exp": now + 1, "role": "COUNTY_OFFICER", "division": "999999000000",
    }));
    let mut socket = Socket::open(&server).await;
    socket.init(&token).await;
    assert_eq!(socket.message().await["type"], "connection_ack");
    assert_eq!(socket.closed().await, 4403);
}

#[tokio::test]
async fn messages_that_the_protocol_does_not_know_end_the_socket() {
    let server = Server::start().await;
    for text in ["{", r#"{"type":"other"}"#, r#"{"type":"subscribe"}"#] {
        let mut socket = Socket::accepted(&server).await;
        socket.0.send(Message::text(text)).await.expect("sent");
        assert_eq!(socket.closed().await, 4400, "{text}");
    }
    let mut socket = Socket::accepted(&server).await;
    socket
        .0
        .send(Message::text("[".repeat(60)))
        .await
        .expect("sent");
    assert_eq!(socket.closed().await, 4400);
}

#[tokio::test]
async fn documents_pass_the_guard_and_errors_have_codes() {
    let server = Server::start().await;
    let mut socket = Socket::accepted(&server).await;
    let code = |message: &Value| message["payload"]["errors"][0]["extensions"]["code"].clone();
    socket
        .subscribe("1", &format!("subscription {{ {} }}", "a { ".repeat(30)))
        .await;
    let refused = socket.message().await;
    assert_eq!(code(&refused), "DOCUMENT_TOO_COMPLEX", "{refused}");
    assert_eq!(
        socket.message().await,
        json!({ "type": "complete", "id": "1" })
    );
    // An id that has ended may be used again; the service is down.
    socket.subscribe("1", ALERTS).await;
    let down = socket.message().await;
    assert_eq!(code(&down), "UNAVAILABLE", "{down}");
    assert_eq!(
        socket.message().await,
        json!({ "type": "complete", "id": "1" })
    );
    socket.send(json!({ "type": "ping" })).await;
    assert_eq!(socket.message().await, json!({ "type": "pong" }));
    server.stop();
    assert_eq!(socket.closed().await, 1001);
}
