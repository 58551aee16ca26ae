//! Listens to what is said to PostgreSQL: a relay between the services and the server that writes
//! down every statement that is executed.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use chassis::lifecycle::Lifecycle;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Statements in the order in which they were executed, over all connections.
#[derive(Debug, Clone, Default)]
pub struct Statements(Arc<Mutex<Vec<String>>>);

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

    /// Everything heard so far.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What was asked of tables: no transaction control and no scope setting.
    #[must_use]
    pub fn of_data(&self) -> Vec<String> {
        let control = [
            "begin",
            "commit",
            "rollback",
            "start transaction",
            "/* sqlx ping",
        ];
        let about_data = |sql: &String| {
            let sql = sql.trim_start().to_lowercase();
            !sql.is_empty()
                && !sql.starts_with("select set_config")
                && !control.iter().any(|word| sql.starts_with(word))
        };
        self.all().into_iter().filter(about_data).collect()
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
}

impl Connection {
    fn listen(&mut self, bytes: &[u8], statements: &Mutex<Vec<String>>) {
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
            let message: Vec<u8> = self.rest.drain(..head + len).collect();
            if self.started {
                let mut texts = message[5..]
                    .split(|&byte| byte == 0)
                    .map(String::from_utf8_lossy);
                let mut next = || texts.next().unwrap_or_default().into_owned();
                let executed = match message[0] {
                    b'Q' => Some(next()),
                    b'P' => {
                        let (name, sql) = (next(), next());
                        self.prepared.insert(name, sql);
                        None
                    }
                    b'B' => {
                        let (_portal, name) = (next(), next());
                        Some(self.prepared.get(&name).cloned().unwrap_or_default())
                    }
                    _ => None,
                };
                if let Some(sql) = executed {
                    statements
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(sql);
                }
            }
            self.started = true;
        }
    }
}
