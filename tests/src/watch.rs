//! Listens to what is said to PostgreSQL: a relay between the services and the server that writes
//! down every statement that is executed.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::{Buf, Bytes};
use chassis::lifecycle::Lifecycle;
use kernel::DivisionCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Statements in the order in which they were executed, over all connections.
#[derive(Debug, Clone, Default)]
pub struct Statements(Arc<Mutex<Vec<Statement>>>);

/// Begins or ends a transaction.
const CONTROL: [&str; 3] = ["begin", "commit", "rollback"];
/// Says for whom a transaction is.
const SCOPE: &str = "select set_config('app.scope', $1";

#[derive(Debug, Clone)]
struct Statement {
    /// Prefix of the division that the transaction may see: tells whose it is.
    scope: String,
    sql: String,
}

impl Statements {
    /// Relays to `server` and returns the address to connect to.
    ///
    /// # Panics
    /// There is no free port.
    pub async fn relay(&self, server: SocketAddr, lifecycle: &Lifecycle) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (statements, own) = (self.clone(), lifecycle.clone());
        lifecycle.spawn("watch", async move {
            loop {
                let client = tokio::select! {
                    accepted = listener.accept() => accepted.expect("accepted").0,
                    () = own.stopping() => return,
                };
                let (statements, stopping) = (statements.clone(), own.clone());
                own.spawn("watch.connection", async move {
                    tokio::select! {
                        () = statements.follow(client, server) => {}
                        () = stopping.stopping() => {}
                    }
                });
            }
        });
        address
    }

    /// Forgets everything heard so far.
    pub fn clear(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// What was asked of tables in transactions of callers who see `division`: no transaction
    /// control, no scope setting, and nothing that services do on their own account meanwhile.
    #[must_use]
    pub fn of_data(&self, division: &DivisionCode) -> Vec<String> {
        let statements = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        statements
            .iter()
            .filter(|statement| statement.scope == division.prefix())
            .map(|statement| statement.sql.clone())
            .filter(|sql| !sql.starts_with(SCOPE))
            .collect()
    }

    async fn follow(&self, mut client: TcpStream, server: SocketAddr) {
        let mut server = TcpStream::connect(server)
            .await
            .expect("the server answers");
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        let up = async {
            let mut heard = Connection::default();
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(len @ 1..) = from_client.read(&mut buffer).await {
                heard.listen(&buffer[..len], &self.0);
                if to_server.write_all(&buffer[..len]).await.is_err() {
                    break;
                }
            }
            let _ = to_server.shutdown().await;
        };
        let down = async {
            let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
            let _ = to_client.shutdown().await;
        };
        tokio::join!(up, down);
    }
}

/// What one client says: simple queries, and prepared statements by name.
#[derive(Default)]
struct Connection {
    started: bool,
    rest: Vec<u8>,
    prepared: HashMap<String, String>,
    scope: String,
}

impl Connection {
    fn listen(&mut self, bytes: &[u8], statements: &Mutex<Vec<Statement>>) {
        self.rest.extend_from_slice(bytes);
        loop {
            // The first message has a length and no type.
            let head = usize::from(self.started);
            let Some(len) = self.rest.get(head..head + 4) else {
                return;
            };
            let len = u32::from_be_bytes(len.try_into().expect("four bytes")) as usize;
            if self.rest.len() < head + len {
                return;
            }
            let mut message = Bytes::from(self.rest.drain(..head + len).collect::<Vec<u8>>());
            if self.started {
                let kind = message.get_u8();
                message.advance(4);
                if let Some(sql) = self.execute(kind, message) {
                    let scope = self.scope.clone();
                    statements
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(Statement { scope, sql });
                }
            }
            self.started = true;
        }
    }

    fn execute(&mut self, kind: u8, mut body: Bytes) -> Option<String> {
        match kind {
            b'Q' => {
                let sql = text(&mut body);
                if CONTROL
                    .iter()
                    .any(|word| sql.to_lowercase().starts_with(word))
                {
                    self.scope.clear();
                }
                Some(sql)
            }
            b'P' => {
                let (name, sql) = (text(&mut body), text(&mut body));
                self.prepared.insert(name, sql);
                None
            }
            b'B' => {
                let (_portal, name) = (text(&mut body), text(&mut body));
                let sql = self.prepared.get(&name).cloned().unwrap_or_default();
                if sql.starts_with(SCOPE) {
                    self.scope = first_parameter(body);
                }
                Some(sql)
            }
            _ => None,
        }
    }
}

fn text(body: &mut Bytes) -> String {
    let end = body
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(body.len());
    let text = String::from_utf8_lossy(&body.split_to(end)).into_owned();
    body.advance(body.len().min(1));
    text
}

/// Of a Bind message from its format codes on.
fn first_parameter(mut body: Bytes) -> String {
    let formats = usize::from(body.get_u16());
    body.advance(2 * formats + 2);
    let len = body.get_u32() as usize;
    String::from_utf8_lossy(&body[..len]).into_owned()
}
