//! Stands before an embedded PostgreSQL, which serves one connection at a time, and lets its
//! clients through in turn.
//!
//! Three things need it. An operator's command must reach a database whose only connection the
//! service's pool holds: the turnstile closes that connection between two transactions, and the pool
//! opens another when the operator has left. The embedded server waits for its client when it is
//! shut down, and ends when a client resets the connection: behind the turnstile every connection
//! ends in order.
//!
//! Both sides are Unix sockets in a folder that only this user enters: the embedded server asks for
//! no password, and it answers in small writes, each of which TCP would hold back until the other
//! side acknowledged the one before it (40 ms).

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chassis::lifecycle::Lifecycle;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
};

/// The embedded server cleans a session up in milliseconds.
const DRAIN: Duration = Duration::from_secs(2);

/// The turnstile of one database.
#[derive(Debug, Clone)]
pub(crate) struct Turnstile(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    backend: PathBuf,
    /// Fair: whoever asked first is next.
    turn: Arc<Semaphore>,
    operators: AtomicUsize,
    asked: Notify,
}

/// An operator's turn: while it is held nobody else reaches the database.
#[derive(Debug)]
pub(crate) struct Turn {
    _turn: OwnedSemaphorePermit,
}

impl Turnstile {
    /// Opens a turnstile at `socket` before the database at `backend`.
    pub(crate) fn open(
        socket: &Path,
        backend: &Path,
        lifecycle: &Lifecycle,
    ) -> anyhow::Result<Self> {
        let listener = UnixListener::bind(socket)?;
        let shared = Arc::new(Shared {
            backend: backend.to_owned(),
            turn: Arc::new(Semaphore::new(1)),
            operators: AtomicUsize::new(0),
            asked: Notify::new(),
        });
        let (own, clients) = (lifecycle.clone(), shared.clone());
        lifecycle.spawn("turnstile", async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = own.stopping() => break,
                };
                if let Ok((client, _)) = accepted {
                    let (stopping, shared) = (own.clone(), clients.clone());
                    own.spawn("turnstile.client", async move {
                        if let Err(error) = pass(client, &shared, &stopping).await {
                            tracing::debug!(%error, "a database client went away");
                        }
                    });
                }
            }
        });
        Ok(Self(shared))
    }

    /// Waits for the end of the running transaction and keeps others out.
    pub(crate) async fn enter(&self) -> anyhow::Result<Turn> {
        self.0.operators.fetch_add(1, Ordering::SeqCst);
        self.0.asked.notify_waiters();
        let turn = self.0.turn.clone().acquire_owned().await;
        self.0.operators.fetch_sub(1, Ordering::SeqCst);
        Ok(Turn { _turn: turn? })
    }
}

/// Lets one client through until it leaves, or until an operator waits and no transaction runs.
async fn pass(
    mut client: UnixStream,
    shared: &Shared,
    lifecycle: &Lifecycle,
) -> anyhow::Result<()> {
    let _turn = tokio::select! {
        turn = shared.turn.acquire() => turn?,
        () = lifecycle.stopping() => return Ok(()),
    };
    let mut backend = UnixStream::connect(&shared.backend).await?;
    let ended = relay(&mut client, &mut backend, shared, lifecycle).await;
    // In order: no reset, whatever is still on its way.
    let _ = backend.shutdown().await;
    let _ =
        tokio::time::timeout(DRAIN, tokio::io::copy(&mut backend, &mut tokio::io::sink())).await;
    ended
}

async fn relay(
    client: &mut UnixStream,
    backend: &mut UnixStream,
    shared: &Shared,
    lifecycle: &Lifecycle,
) -> anyhow::Result<()> {
    let mut conversation = Conversation::default();
    let (mut sent, mut answered) = (vec![0; 32 * 1024], vec![0; 32 * 1024]);
    loop {
        let asked = shared.asked.notified();
        if shared.operators.load(Ordering::SeqCst) > 0 && conversation.is_between_transactions() {
            return Ok(());
        }
        tokio::select! {
            read = client.read(&mut sent) => {
                let bytes = match read? { 0 => return Ok(()), len => &sent[..len] };
                conversation.client_says(bytes);
                backend.write_all(bytes).await?;
            }
            read = backend.read(&mut answered) => {
                let bytes = match read? { 0 => return Ok(()), len => &answered[..len] };
                conversation.backend_says(bytes);
                client.write_all(bytes).await?;
            }
            () = asked => {}
            () = lifecycle.stopping() => return Ok(()),
        }
    }
}

/// What has to be known of a conversation in PostgreSQL's protocol: whether every request has been
/// answered and no transaction is open.
#[derive(Debug, Default)]
struct Conversation {
    client: Frames,
    backend: Frames,
    startup_seen: bool,
    unanswered: u64,
    idle: bool,
}

impl Conversation {
    fn client_says(&mut self, bytes: &[u8]) {
        // The first message has no type byte: a length of its own.
        let startup = if self.startup_seen {
            0
        } else {
            startup_len(bytes)
        };
        self.startup_seen = true;
        let unanswered = &mut self.unanswered;
        // Query and Sync are each answered by one ReadyForQuery.
        self.client.read(&bytes[startup..], |kind, _| {
            *unanswered += u64::from(matches!(kind, b'Q' | b'S'));
        });
        self.idle = false;
    }

    fn backend_says(&mut self, bytes: &[u8]) {
        let (unanswered, idle) = (&mut self.unanswered, &mut self.idle);
        self.backend.read(bytes, |kind, first| {
            if kind == b'Z' {
                *unanswered = unanswered.saturating_sub(1);
                *idle = first == b'I';
            }
        });
    }

    const fn is_between_transactions(&self) -> bool {
        self.idle && self.unanswered == 0
    }
}

/// The startup message is far smaller than a read: it always comes whole.
fn startup_len(bytes: &[u8]) -> usize {
    let len = bytes
        .first_chunk()
        .map_or(0, |len| u32::from_be_bytes(*len) as usize);
    len.min(bytes.len())
}

/// Cuts a stream into messages: type, length, body. Keeps the first byte of a body, no more.
#[derive(Debug, Default)]
struct Frames {
    head: Vec<u8>,
    skip: usize,
}

impl Frames {
    fn read(&mut self, mut bytes: &[u8], mut message: impl FnMut(u8, u8)) {
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            // Type, length, and the first byte of the body unless it is empty.
            while let Some((&byte, rest)) = bytes.split_first() {
                self.head.push(byte);
                bytes = rest;
                let Some(&[kind, a, b, c, d]) = self.head.first_chunk() else {
                    continue;
                };
                let body = (u32::from_be_bytes([a, b, c, d]) as usize).saturating_sub(4);
                if body > 0 && self.head.len() == 5 {
                    continue;
                }
                message(kind, self.head.get(5).copied().unwrap_or_default());
                self.skip = body.saturating_sub(1);
                self.head.clear();
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTUP: &[u8] = b"\0\0\0\x08\0\x03\0\0";
    const AUTHENTICATED: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";

    #[test]
    fn a_transaction_is_never_cut() {
        let mut conversation = Conversation::default();
        assert!(
            !conversation.is_between_transactions(),
            "nobody has logged in"
        );
        conversation.client_says(STARTUP);
        conversation.backend_says(AUTHENTICATED);
        assert!(conversation.is_between_transactions());

        conversation.client_says(b"Q\0\0\0\x0abegin\0");
        assert!(
            !conversation.is_between_transactions(),
            "a request is unanswered"
        );
        conversation.backend_says(b"C\0\0\0\x0aBEGIN\0Z\0\0\0\x05T");
        assert!(
            !conversation.is_between_transactions(),
            "a transaction is open"
        );
        conversation.client_says(b"Q\0\0\0\x0bcommit\0");
        conversation.backend_says(b"C\0\0\0\x0bCOMMIT\0Z\0\0\0\x05I");
        assert!(conversation.is_between_transactions());
    }

    #[test]
    fn pipelined_requests_are_all_awaited_and_cuts_do_not_matter() {
        let answers = b"1\0\0\0\x04Z\0\0\0\x05I2\0\0\0\x04Z\0\0\0\x05I";
        for cut in 0..answers.len() {
            let mut conversation = Conversation::default();
            conversation.client_says(STARTUP);
            conversation.backend_says(AUTHENTICATED);
            conversation.client_says(b"S\0\0\0\x04S\0");
            conversation.client_says(b"\0\0\x04");
            conversation.backend_says(&answers[..cut]);
            assert!(!conversation.is_between_transactions(), "cut at {cut}");
            conversation.backend_says(&answers[cut..]);
            assert!(conversation.is_between_transactions(), "cut at {cut}");
        }
    }
}
