//! Calls to other services: channels that share calls among a service's replicas, and requests in a
//! caller's name.
//!
//! A replica that breaks a connection is left alone for a second, and the call goes to another one; no
//! replica's end or beginning is a failed call, nor a failed file. tonic has a balancer of its own, but one
//! that gives a dead replica its share of the calls until discovery takes it away.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use futures::{
    StreamExt,
    future::BoxFuture,
    stream::{self, Fuse},
};
use http_body::Frame;
use http_body_util::{BodyExt, BodyStream, LengthLimitError, Limited, StreamBody};
use opentelemetry::metrics::Counter;
use tokio::time::Instant;
use tonic::{
    Status,
    body::Body,
    transport::{self, Endpoint},
};

use crate::{auth::Caller, error::Error, telemetry, tls::Tls};

/// Longest that a call to another service may take; a page that waits longer helps nobody.
pub const DEADLINE: Duration = Duration::from_secs(5);
/// Where a call says how long it waits.
const GRPC_TIMEOUT: &str = "grpc-timeout";
/// Longest that a replica takes to be connected, and once more to greet by TLS.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// Largest answer that is read: a page of 100 with everything in it is far below.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The same with what gRPC writes before a message: whether it is compressed, and how long it is.
const ANSWER_BYTES_MAX: usize = MESSAGE_BYTES_MAX + 5;
/// A header of answers by a service that waits for what it needs: the call was not looked at.
const WAITING: &str = "backstop-waiting";

/// Names are looked up again with the first call after so long: a new replica gets calls, one that went
/// gets none.
const LOOK_UP_EVERY: Duration = Duration::from_secs(5);
/// The same after a replica broke a connection: perhaps others have taken its place.
const LOOK_UP_AFTER_BREAK: Duration = Duration::from_secs(1);
/// A call waits no longer for a name server; what was known is still good.
const LOOK_UP_WITHIN: Duration = Duration::from_secs(1);
/// A replica that broke a connection gets no calls for so long, where there are others.
const REST: Duration = Duration::from_secs(1);
/// Replicas of a service that are used; a county has two or three.
const REPLICAS_MAX: usize = 64;
/// A connection that ends, one to another replica that ends too, one to the first that is refused, and the one
/// that is left.
const ATTEMPTS_MAX: usize = 4;
/// Of a thousand calls so many may come to the same replica twice: a service that is gone is not asked twice as
/// often.
const REPLAYS_PER_MILLE: i64 = 100;
/// Replays that may be made at once, after a while without any.
const REPLAYS_SAVED_MAX: i64 = 50;
/// Calls at once of one connection; beyond, callers wait on HTTP/2 flow control.
pub(crate) const STREAMS_MAX: u32 = 256;
/// What of one call is on its way or waits to be read, each way. On a line of 30 ms that is 2 MB/s.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// The same of all calls of a connection: there is room for each, so that whoever does not read, be it a slow
/// subscriber or a file that waits for its turn, holds up nobody else. By default three of them hold up all.
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = STREAMS_MAX * STREAM_WINDOW_BYTES;
/// What is kept of a request to be said again: everything but a large file, and the beginning of that.
const KEPT_BYTES_MAX: usize = 256 * 1024;

static BROKEN: std::sync::LazyLock<Counter<u64>> = std::sync::LazyLock::new(|| {
    telemetry::meter()
        .u64_counter("backstop_peer_connections_broken")
        .build()
});

/// The services that a process calls.
#[derive(Debug, Clone)]
pub struct Peers {
    urls: BTreeMap<String, String>,
    /// Where the URLs stand.
    section: &'static str,
    tls: Option<Tls>,
}

impl Peers {
    /// Peers by the URLs in a section of the configuration, over mutual TLS where they are https.
    #[must_use]
    pub fn new(urls: &BTreeMap<String, String>, section: &'static str, tls: Option<Tls>) -> Self {
        Self {
            urls: urls.clone(),
            section,
            tls,
        }
    }

    /// A channel to the service `name`.
    ///
    /// # Errors
    /// It has no URL, or one that is none.
    pub fn channel(&self, name: &str) -> anyhow::Result<Channel> {
        let section = self.section;
        let urls = self.urls.get(name);
        let urls = urls.with_context(|| format!("{section}.{name} is missing"))?;
        Channel::new(urls, self.tls.clone(), lookup()).with_context(|| format!("{section}.{name}"))
    }
}

/// A channel that connects when it is first used and again whenever it has to. `urls` are one or
/// several, separated by commas; each name stands for all replicas that it resolves to.
///
/// # Errors
/// The URL is not one.
pub fn channel(urls: &str) -> anyhow::Result<Channel> {
    Channel::new(urls, None, lookup())
}

type Lookup =
    Arc<dyn Fn(String, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

fn lookup() -> Lookup {
    Arc::new(|host, port| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), port)).await?;
            Ok(found.collect())
        })
    })
}

/// Where a service is to be found.
#[derive(Debug, Clone)]
struct Place {
    host: String,
    port: u16,
    https: bool,
}

impl Place {
    fn parse(url: &str) -> anyhow::Result<Self> {
        let uri: http::Uri = url.trim().parse().context("is no URL")?;
        let https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => anyhow::bail!("is no URL of http or https"),
        };
        let host = uri.host().context("names no host")?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        Ok(Self { host, port, https })
    }
}

/// A connection to every replica of a service. Cheap to clone.
#[derive(Clone)]
pub struct Channel(Arc<Inner>);

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Channel").field(&self.0.places).finish()
    }
}

struct Inner {
    places: Vec<Place>,
    tls: Option<Tls>,
    lookup: Lookup,
    replicas: RwLock<Arc<Replicas>>,
    /// Held by the one call that looks names up.
    looking_up: tokio::sync::Mutex<()>,
    began: Instant,
    /// Milliseconds since `began` from which names are looked up again.
    look_up_at_ms: AtomicU64,
    turn: AtomicUsize,
    /// In thousandths of a replay.
    replays: AtomicI64,
}

#[derive(Default)]
struct Replicas {
    /// Of the certificates that they are connected with.
    generation: u64,
    all: Vec<Arc<Replica>>,
}

struct Replica {
    address: SocketAddr,
    channel: transport::Channel,
    calls: AtomicUsize,
    /// Milliseconds since the channel began before which it is left alone.
    rests_until_ms: AtomicU64,
}

type Answer = Result<http::Response<Body>, tonic::codegen::StdError>;

/// What a call has met with.
#[derive(Default)]
struct Met {
    /// Everybody who was asked, the last one last.
    asked: Vec<SocketAddr>,
    /// Those who cannot be connected or are not ready: this call comes to them no more.
    absent: Vec<SocketAddr>,
}

/// A call on its way.
struct OnItsWay<'a>(&'a Replica);

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Replica {
    fn rests(&self, now_ms: u64) -> bool {
        self.rests_until_ms.load(Ordering::Relaxed) > now_ms
    }

    /// The answer: what begins it of a stream, all of it where there is one message.
    async fn call(&self, request: http::Request<Body>) -> Answer {
        let is_one = is_for_one(request.headers());
        self.calls.fetch_add(1, Ordering::Relaxed);
        let _on_its_way = OnItsWay(self);
        let mut channel = self.channel.clone();
        futures::future::poll_fn(|cx| tower::Service::poll_ready(&mut channel, cx)).await?;
        let answer = tower::Service::call(&mut channel, request).await?;
        if !is_one {
            return Ok(answer);
        }
        // Who breaks off in the middle has not answered.
        let (parts, body) = answer.into_parts();
        let whole = BodyExt::collect(Limited::new(body, ANSWER_BYTES_MAX)).await?;
        Ok(http::Response::from_parts(parts, Body::new(whole)))
    }
}

/// An answer to a call that was not looked at, so that its caller goes to another replica.
pub(crate) fn not_looked_at(error: Error) -> http::Response<Body> {
    let mut answer = Status::from(error).into_http();
    let waiting = http::HeaderValue::from_static("true");
    answer.headers_mut().insert(WAITING, waiting);
    answer
}

/// What a request says. A replica that is told may go; then another one is told, from the beginning, as long as
/// all of it that was read is still here. Both may have heard it: a command's effect happens once by its
/// `request_id`, and a row of a file is known by what it says.
struct Content {
    rest: Fuse<BodyStream<Body>>,
    read: Vec<Bytes>,
    read_bytes: usize,
    is_kept: bool,
    /// Its sender broke off, no replica did.
    is_broken: bool,
    /// Counts who was told; nobody but the last one hears more.
    told: usize,
}

impl Content {
    fn of(body: Body) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            rest: StreamExt::fuse(BodyStream::new(body)),
            read: Vec::new(),
            read_bytes: 0,
            is_kept: true,
            is_broken: false,
            told: 0,
        }))
    }

    /// All of it from the beginning, where that is still here.
    fn body(content: &Arc<Mutex<Self>>) -> Option<Body> {
        let content = content.clone();
        let mut own = locked(&content);
        if !own.is_kept {
            return None;
        }
        own.told += 1;
        let (told, mut at) = (own.told, 0);
        drop(own);
        let frames = stream::poll_fn(move |cx| locked(&content).poll_next(told, &mut at, cx));
        Some(Body::new(StreamBody::new(frames)))
    }

    fn poll_next(
        &mut self,
        told: usize,
        at: &mut usize,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if told != self.told {
            return Poll::Ready(Some(Err(Status::cancelled("another replica is told"))));
        }
        if let Some(piece) = self.read.get(*at) {
            *at += 1;
            return Poll::Ready(Some(Ok(Frame::data(piece.clone()))));
        }
        let frame = ready!(self.rest.poll_next_unpin(cx));
        match frame
            .as_ref()
            .map(|frame| frame.as_ref().map(Frame::data_ref))
        {
            Some(Ok(Some(piece))) => {
                self.read_bytes = self.read_bytes.saturating_add(piece.len());
                self.is_kept &= self.read_bytes <= KEPT_BYTES_MAX;
                match self.is_kept {
                    true => self.read.push(piece.clone()),
                    false => self.read = Vec::new(),
                }
                *at = self.read.len();
            }
            // What broke off is not whole; said again it would seem to be.
            Some(Err(_)) => (self.is_kept, self.is_broken) = (false, true),
            Some(Ok(None)) | None => {}
        }
        Poll::Ready(frame)
    }
}

fn locked(content: &Mutex<Content>) -> MutexGuard<'_, Content> {
    content.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Channel {
    fn new(urls: &str, tls: Option<Tls>, lookup: Lookup) -> anyhow::Result<Self> {
        let places = urls.split(',').map(Place::parse);
        let places: Vec<Place> = places.collect::<anyhow::Result<_>>()?;
        BROKEN.add(0, &[]);
        ensure!(
            tls.is_some() || places.iter().all(|place| !place.https),
            "is https, and no tls section names certificates"
        );
        Ok(Self(Arc::new(Inner {
            places,
            tls,
            lookup,
            replicas: RwLock::default(),
            looking_up: tokio::sync::Mutex::new(()),
            began: Instant::now(),
            look_up_at_ms: AtomicU64::new(0),
            turn: AtomicUsize::new(0),
            replays: AtomicI64::new(REPLAYS_SAVED_MAX * 1000),
        })))
    }
}

impl Inner {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn replicas(&self) -> Arc<Replicas> {
        let replicas = self.replicas.read();
        replicas.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether what is known can be used as it is.
    fn is_fresh(&self, known: &Replicas, generation: u64) -> bool {
        let outdated = known.generation != generation && !known.all.is_empty();
        !outdated && self.now_ms() < self.look_up_at_ms.load(Ordering::Relaxed)
    }

    /// The replicas as they are now. One call looks them up, others go on with what is known.
    async fn current(&self) -> io::Result<Arc<Replicas>> {
        let generation = self.tls.as_ref().map_or(0, Tls::generation);
        let known = self.replicas();
        // That nobody is known may be because somebody looks them up: only who holds the lock can tell.
        if !known.all.is_empty() && self.is_fresh(&known, generation) {
            return Ok(known);
        }
        let _looking_up = match known.all.is_empty() || known.generation != generation {
            // There is nothing to go on with.
            true => self.looking_up.lock().await,
            false => match self.looking_up.try_lock() {
                Ok(held) => held,
                Err(_) => return Ok(known),
            },
        };
        let known = self.replicas();
        if self.is_fresh(&known, generation) {
            return some(known);
        }
        let found = self.look_up().await;
        // Set when the answer is there: whoever waited for it uses it, be it that there is none.
        let again = match found {
            Ok(_) => LOOK_UP_EVERY,
            Err(_) => LOOK_UP_AFTER_BREAK,
        };
        let again = self.now_ms() + u64::try_from(again.as_millis()).unwrap_or(0);
        self.look_up_at_ms.store(again, Ordering::Relaxed);
        let found = match found {
            Ok(found) => found,
            Err(error) if known.all.is_empty() => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "a name cannot be looked up, what was known stays");
                let of = |replica: &Arc<Replica>| replica.address;
                let places = known.all.iter().map(of);
                places
                    .map(|address| (address, self.place_of(address)))
                    .collect()
            }
        };
        let same = |address: SocketAddr| {
            let same = |one: &&Arc<Replica>| one.address == address;
            (known.generation == generation).then(|| known.all.iter().find(same).cloned())?
        };
        let mut all = Vec::new();
        for (address, place) in found {
            match same(address) {
                Some(replica) => all.push(replica),
                None => all.push(Arc::new(self.connect(&place, address)?)),
            }
        }
        let replicas = Arc::new(Replicas { generation, all });
        *self
            .replicas
            .write()
            .unwrap_or_else(PoisonError::into_inner) = replicas.clone();
        Ok(replicas)
    }

    fn place_of(&self, address: SocketAddr) -> Place {
        let same = self
            .places
            .iter()
            .find(|place| place.port == address.port());
        same.or(self.places.first()).cloned().unwrap_or(Place {
            host: address.ip().to_string(),
            port: address.port(),
            https: false,
        })
    }

    async fn look_up(&self) -> io::Result<Vec<(SocketAddr, Place)>> {
        let mut found: Vec<(SocketAddr, Place)> = Vec::new();
        let mut failed = None;
        for place in &self.places {
            let asked = (self.lookup)(place.host.clone(), place.port);
            let answer = tokio::time::timeout(LOOK_UP_WITHIN, asked).await;
            match answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(addresses) => {
                    for address in addresses {
                        let known = found.iter().any(|(one, _)| *one == address);
                        if !known && found.len() < REPLICAS_MAX {
                            found.push((address, place.clone()));
                        }
                    }
                }
                Err(error) => failed = Some(error),
            }
        }
        match (found.is_empty(), failed) {
            (true, Some(error)) => Err(error),
            (true, None) => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the name has no address",
            )),
            (false, _) => Ok(found),
        }
    }

    fn connect(&self, place: &Place, address: SocketAddr) -> io::Result<Replica> {
        let scheme = if place.https { "https" } else { "http" };
        let origin = format!("{scheme}://{}:{}", bracketed(&place.host), place.port);
        let endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))
            .map_err(io::Error::other)?
            .origin(origin.parse().map_err(io::Error::other)?)
            .connect_timeout(CONNECT_WITHIN)
            .tcp_nodelay(true)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            // A black hole is found within 20 s.
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(10))
            .keep_alive_while_idle(true);
        let endpoint = match &self.tls {
            Some(tls) if place.https => {
                let config = tls.client().domain_name(&place.host);
                let config = config.timeout(CONNECT_WITHIN);
                endpoint.tls_config(config).map_err(io::Error::other)?
            }
            _ => endpoint,
        };
        Ok(Replica {
            address,
            channel: endpoint.connect_lazy(),
            calls: AtomicUsize::new(0),
            rests_until_ms: AtomicU64::new(0),
        })
    }

    /// The one with the fewest calls on their way of those that do not rest; whom a call asked last only when there
    /// is no other that is as well, and nobody who was absent.
    fn pick(&self, replicas: &Replicas, met: &Met) -> Option<Arc<Replica>> {
        let now = self.now_ms();
        // A call that is made again takes no turn: else each would begin where the one before did.
        let turn = match met.asked.is_empty() {
            true => self.turn.fetch_add(1, Ordering::Relaxed),
            false => self.turn.load(Ordering::Relaxed),
        };
        let many = replicas.all.len();
        let ordered = (0..many).filter_map(|at| replicas.all.get((at + turn) % many));
        let present = ordered.filter(|replica| !met.absent.contains(&replica.address));
        let best = present.min_by_key(|replica| {
            let calls = replica.calls.load(Ordering::Relaxed);
            let was_last = met.asked.last() == Some(&replica.address);
            (replica.rests(now), was_last, calls)
        });
        best.cloned()
    }

    fn broke(&self, replica: &Replica, why: &dyn std::fmt::Display) {
        let now = self.now_ms();
        let rest = u64::try_from(REST.as_millis()).unwrap_or(0);
        let rested = replica.rests_until_ms.swap(now + rest, Ordering::Relaxed);
        if rested <= now {
            BROKEN.add(1, &[]);
            tracing::warn!(replica = %replica.address, reason = %why, "a replica is left alone");
        }
        self.look_up_soon();
    }

    fn look_up_soon(&self) {
        let soon = u64::try_from(LOOK_UP_AFTER_BREAK.as_millis()).unwrap_or(0);
        let soon = self.now_ms().saturating_add(soon);
        self.look_up_at_ms.fetch_min(soon, Ordering::Relaxed);
    }

    /// Whether a call may be made once more; every call saves a tenth of a replay.
    fn may_replay(&self) -> bool {
        let spend = |saved: i64| (saved >= 1000).then_some(saved - 1000);
        let spent = (self.replays).fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend);
        spent.is_ok()
    }

    fn save(&self) {
        let save = |saved: i64| Some((saved + REPLAYS_PER_MILLE).min(REPLAYS_SAVED_MAX * 1000));
        let _ = (self.replays).fetch_update(Ordering::Relaxed, Ordering::Relaxed, save);
    }

    async fn call(&self, request: http::Request<Body>) -> Answer {
        let is_one = is_for_one(request.headers());
        let call = self.call_until_answered(request);
        if !is_one {
            return call.await;
        }
        // tonic's own time begins when there is a connection, and ends when the answer begins.
        let answer = tokio::time::timeout(DEADLINE, call).await;
        answer.unwrap_or_else(|_| Err(unavailable(&"no answer in time")))
    }

    async fn call_until_answered(&self, request: http::Request<Body>) -> Answer {
        self.save();
        let (parts, body) = request.into_parts();
        let content = Content::of(body);
        let mut met = Met::default();
        let (mut answer, mut is_missed) = self.attempt(&parts, &content, &mut met).await;
        for _ in 1..ATTEMPTS_MAX {
            if !is_missed {
                break;
            }
            let (again, next) = self.attempt(&parts, &content, &mut met).await;
            // The first one's reason is as good when both have one.
            answer = again.or(answer);
            is_missed = next;
        }
        answer
    }

    /// The answer, and whether it is only what is said when no replica looks at the call. After others it may be
    /// that nobody is asked any more.
    async fn attempt(
        &self,
        parts: &http::request::Parts,
        content: &Arc<Mutex<Content>>,
        met: &mut Met,
    ) -> (Answer, bool) {
        let replicas = match self.current().await {
            Ok(replicas) => replicas,
            Err(error) => return (Err(unavailable(&error)), false),
        };
        let Some(replica) = self.pick(&replicas, met) else {
            return (Err(unavailable(&"no replica")), false);
        };
        // One that has not been asked yet is not asked more often than without the others, and one that rests may
        // have come back.
        let was_asked = met.asked.contains(&replica.address);
        if was_asked && !self.may_replay() {
            return (Err(unavailable(&"asked often enough")), false);
        }
        let Some(body) = Content::body(content) else {
            return (Err(unavailable(&"cannot be said again")), false);
        };
        met.asked.push(replica.address);
        let request = http::Request::from_parts(parts.clone(), body);
        match replica.call(request).await {
            Ok(answer) if answer.headers().contains_key(WAITING) => {
                self.broke(&replica, &"is not ready");
                met.absent.push(replica.address);
                (Ok(answer), true)
            }
            Ok(answer) => (Ok(answer), false),
            // Slow is not broken, and asking twice makes nobody faster, nor an answer smaller. Nor is one broken
            // whom its caller left.
            Err(error) if is_final(&*error) || locked(content).is_broken => (Err(error), false),
            Err(error) => {
                let why = chain(&*error);
                let is_absent = is_about_connecting(&*error);
                if is_absent {
                    met.absent.push(replica.address);
                }
                // A connection that was told to end says nothing of its replica, which may be the only one: the
                // next connection does.
                match is_absent || was_asked {
                    true => self.broke(&replica, &why),
                    false => self.look_up_soon(),
                }
                (Err(unavailable(&why)), true)
            }
        }
    }
}

/// Whether a call is for one message: it says how long it waits, streams last as long as they last.
fn is_for_one(headers: &http::HeaderMap) -> bool {
    headers.contains_key(GRPC_TIMEOUT)
}

fn some(replicas: Arc<Replicas>) -> io::Result<Arc<Replicas>> {
    match replicas.all.is_empty() {
        true => Err(io::Error::new(
            io::ErrorKind::NotFound,
            "the name could not be looked up",
        )),
        false => Ok(replicas),
    }
}

fn bracketed(host: &str) -> String {
    match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    }
}

fn unavailable(why: &dyn std::fmt::Display) -> tonic::codegen::StdError {
    Status::unavailable(why.to_string()).into()
}

/// Whether a call ran out of its own time, or its answer is too large.
fn is_final(error: &(dyn std::error::Error + 'static)) -> bool {
    causes(error).any(|cause| cause.is::<tonic::TimeoutExpired>() || cause.is::<LengthLimitError>())
}

/// Whether there was no connection.
fn is_about_connecting(error: &(dyn std::error::Error + 'static)) -> bool {
    causes(error).any(|cause| cause.is::<tonic::ConnectError>())
}

fn causes<'e>(
    error: &'e (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'e (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

/// What an error says, with what it comes from: the outermost is "transport error".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let inner = error.to_string();
        if !text.ends_with(&inner) {
            text += ": ";
            text += &inner;
        }
        source = error.source();
    }
    text
}

impl tower::Service<http::Request<Body>> for Channel {
    type Response = http::Response<Body>;
    type Error = tonic::codegen::StdError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let inner = self.0.clone();
        Box::pin(async move { inner.call(request).await })
    }
}

/// A request in the caller's name, with deadline and trace context.
#[must_use]
pub fn authorise<T>(caller: &Caller, message: T) -> tonic::Request<T> {
    let mut request = authorise_stream(caller, message);
    request.set_timeout(DEADLINE);
    request
}

/// The same for streams, which last as long as they last.
#[must_use]
pub fn authorise_stream<T>(caller: &Caller, message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    if let Ok(value) = format!("Bearer {}", caller.token()).parse() {
        request.metadata_mut().insert("authorization", value);
    }
    if let Some(Ok(value)) = telemetry::traceparent().map(|text| text.parse()) {
        request.metadata_mut().insert("traceparent", value);
    }
    request
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt as _;
    use tokio::{io::AsyncReadExt as _, net::TcpListener};
    use tonic::{
        service::Routes,
        transport::{Server, server::TcpIncoming},
    };
    use tonic_health::{
        ServingStatus,
        pb::{HealthCheckRequest, health_client::HealthClient},
        server::HealthReporter,
    };

    use super::*;
    use crate::lifecycle::Lifecycle;

    /// A replica that answers with `status`, so that it can be told from others.
    async fn replica(status: ServingStatus) -> (SocketAddr, Lifecycle) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (health, service) = tonic_health::server::health_reporter();
        health.set_service_status("", status).await;
        let lifecycle = Lifecycle::new();
        let stopping = lifecycle.clone();
        lifecycle.spawn("replica", async move {
            let served = Server::builder()
                .add_service(service)
                .serve_with_incoming_shutdown(TcpIncoming::from(listener), async move {
                    stopping.stopping().await;
                });
            served.await.expect("served");
        });
        (address, lifecycle)
    }

    /// A replica that tells connections older than `age` to end, as `server` has it; how many there were.
    async fn ageing(age: Duration) -> (SocketAddr, HealthReporter, Arc<AtomicUsize>, Lifecycle) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (health, service) = tonic_health::server::health_reporter();
        health.set_service_status("", ServingStatus::Serving).await;
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        let incoming = TcpIncoming::from(listener).inspect(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let lifecycle = Lifecycle::new();
        lifecycle.spawn("replica", async move {
            let served = Server::builder()
                .max_connection_age(age)
                .add_service(service)
                .serve_with_incoming(incoming);
            served.await.expect("served");
        });
        (address, health, connections, lifecycle)
    }

    async fn ask(client: &mut HealthClient<Channel>) -> Result<i32, tonic::Status> {
        let mut request = tonic::Request::new(HealthCheckRequest::default());
        request.set_timeout(DEADLINE);
        let answer = client.check(request).await?;
        Ok(answer.into_inner().status)
    }

    /// How many of 40 calls each of two replicas answered.
    async fn shares(client: &mut HealthClient<Channel>) -> (usize, usize) {
        let mut answers = Vec::new();
        for _ in 0..40 {
            answers.push(ask(client).await.expect("answered"));
        }
        let first = answers.iter().filter(|status| **status == 1).count();
        (first, answers.len() - first)
    }

    #[tokio::test]
    async fn calls_are_shared_and_a_replica_that_ends_costs_none() {
        let (one, first) = replica(ServingStatus::Serving).await;
        let (two, second) = replica(ServingStatus::NotServing).await;
        let channel = channel(&format!("http://{one},http://{two}")).expect("URLs");
        let mut client = HealthClient::new(channel);
        assert_eq!(shares(&mut client).await, (20, 20));
        first.wait(Duration::from_secs(5)).await;
        assert_eq!(shares(&mut client).await, (0, 40));
        // Each second the one that is gone is tried again, and whoever meets it loses no stream by it.
        for _ in 0..25 {
            let request = tonic::Request::new(HealthCheckRequest::default());
            client.check(request).await.expect("answered");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        second.wait(Duration::from_secs(5)).await;
        let gone = ask(&mut client).await.expect_err("nobody is there");
        assert_eq!(gone.code(), tonic::Code::Unavailable);
    }

    /// It takes what it is told for a while, and goes without a word.
    async fn deserter(after: Duration) -> (SocketAddr, Arc<AtomicUsize>, Lifecycle) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let deserted = Arc::new(AtomicUsize::new(0));
        let counted = deserted.clone();
        let lifecycle = Lifecycle::new();
        lifecycle.spawn("deserter", async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut heard = [0; 16 * 1024];
                tokio::time::sleep(after).await;
                let _ = socket.read(&mut heard).await;
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        (address, deserted, lifecycle)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whoever_comes_while_names_are_looked_up_for_the_first_time_gets_what_is_found() {
        for _ in 0..2_000 {
            let channel = channel("http://127.0.0.1:1,http://127.0.0.1:2").expect("URLs");
            let begin = Arc::new(tokio::sync::Barrier::new(4));
            let mut callers = tokio::task::JoinSet::new();
            for _ in 0..4 {
                let (channel, begin) = (channel.clone(), begin.clone());
                callers.spawn(async move {
                    begin.wait().await;
                    channel.0.current().await.map(|found| found.all.len())
                });
            }
            for found in callers.join_all().await {
                assert_eq!(found.expect("found"), 2);
            }
        }
    }

    #[tokio::test]
    async fn a_replica_that_goes_when_it_was_told_costs_no_call() {
        // Until the call has come, with what it says.
        let (one, deserted, first) = deserter(Duration::from_millis(50)).await;
        let (two, second) = replica(ServingStatus::Serving).await;
        let channel = channel(&format!("http://{one},http://{two}")).expect("URLs");
        let mut client = HealthClient::new(channel);
        for _ in 0..25 {
            let request = tonic::Request::new(HealthCheckRequest::default());
            client.check(request).await.expect("answered");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(deserted.load(Ordering::Relaxed) > 0, "it was told");
        first.wait(Duration::ZERO).await;
        second.wait(Duration::from_secs(5)).await;
    }

    /// It begins every answer with `bytes` of a message and breaks off; how often it did.
    async fn half_hearted(bytes: usize) -> (SocketAddr, Arc<AtomicUsize>, Lifecycle) {
        // In one piece all of it would wait to be sent, and be forgotten when it breaks off.
        const PIECE_BYTES: usize = 16 * 1024;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let begun = Arc::new(AtomicUsize::new(0));
        let counted = begun.clone();
        let answer = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            let said = Bytes::from(vec![0; bytes]);
            let pieces = (0..bytes).step_by(PIECE_BYTES);
            let pieces = pieces.map(move |at| Ok(said.slice(at..bytes.min(at + PIECE_BYTES))));
            let gone = stream::once(async {
                // Until what it said is there.
                tokio::time::sleep(Duration::from_millis(20)).await;
                Err(io::ErrorKind::ConnectionReset)
            });
            let body = stream::iter(pieces).chain(gone);
            let kind = [("content-type", "application/grpc")];
            std::future::ready((
                kind,
                axum::body::Body::from_stream(body.map_err(io::Error::from)),
            ))
        };
        let routes = Routes::from(axum::Router::new().fallback(answer));
        let lifecycle = Lifecycle::new();
        lifecycle.spawn("half-hearted", async move {
            let served = Server::builder().add_routes(routes);
            let served = served.serve_with_incoming(TcpIncoming::from(listener));
            served.await.expect("served");
        });
        (address, begun, lifecycle)
    }

    #[tokio::test]
    async fn a_replica_that_breaks_off_its_answer_costs_no_call() {
        let (one, begun, first) = half_hearted(5).await;
        let (two, second) = replica(ServingStatus::Serving).await;
        let channel = channel(&format!("http://{one},http://{two}")).expect("URLs");
        let mut client = HealthClient::new(channel);
        for _ in 0..20 {
            assert_eq!(ask(&mut client).await.expect("answered"), 1);
        }
        assert!(begun.load(Ordering::Relaxed) > 0, "it was asked");
        first.wait(Duration::ZERO).await;
        second.wait(Duration::from_secs(5)).await;
    }

    #[tokio::test]
    async fn an_answer_that_is_too_large_is_not_asked_for_again() {
        let (address, begun, lifecycle) = half_hearted(2 * ANSWER_BYTES_MAX).await;
        let channel = channel(&format!("http://{address}")).expect("a URL");
        let mut client = HealthClient::new(channel);
        let _ = ask(&mut client).await.expect_err("too large");
        assert_eq!(begun.load(Ordering::Relaxed), 1);
        lifecycle.wait(Duration::ZERO).await;
    }

    /// Reads what one is told until it ends or breaks off; how many bytes, and whether it was whole.
    async fn hear(content: &Arc<Mutex<Content>>, pieces: usize) -> (usize, bool) {
        let mut heard = BodyStream::new(Content::body(content).expect("kept")).take(pieces);
        let mut bytes = 0;
        while let Some(frame) = heard.next().await {
            match frame {
                Ok(frame) => bytes += frame.data_ref().map_or(0, Bytes::len),
                Err(_) => return (bytes, false),
            }
        }
        (bytes, true)
    }

    fn said(pieces: Vec<Result<Bytes, Status>>) -> Arc<Mutex<Content>> {
        let frames = stream::iter(pieces).map(|piece| piece.map(Frame::data));
        Content::of(Body::new(StreamBody::new(frames)))
    }

    #[tokio::test]
    async fn what_is_said_again_is_whole_or_not_said() {
        let piece = |bytes| Ok(Bytes::from(vec![7; bytes]));
        let little = said(vec![piece(10), piece(20), piece(30)]);
        assert_eq!(hear(&little, 2).await, (30, true));
        assert!(locked(&little).is_kept);
        let mut first = BodyStream::new(Content::body(&little).expect("kept"));
        assert_eq!(hear(&little, 9).await, (60, true));
        assert_eq!(hear(&little, 9).await, (60, true));
        let late = first.next().await.expect("an end");
        assert!(late.is_err(), "who was told before hears no more");

        let much = said(vec![piece(10), piece(KEPT_BYTES_MAX), piece(30)]);
        assert_eq!(hear(&much, 1).await, (10, true));
        assert_eq!(hear(&much, 9).await, (KEPT_BYTES_MAX + 40, true));
        let again = Content::body(&much);
        assert!(again.is_none(), "its beginning is not here any more");

        let broken = said(vec![piece(10), Err(Status::cancelled("not whole"))]);
        assert_eq!(hear(&broken, 9).await, (10, false));
        assert!(
            Content::body(&broken).is_none(),
            "it would seem to be whole"
        );
    }

    #[tokio::test]
    async fn replicas_come_and_go_with_their_name() {
        let (one, first) = replica(ServingStatus::Serving).await;
        let (two, second) = replica(ServingStatus::NotServing).await;
        let names = Arc::new(Mutex::new(vec![one]));
        let known = names.clone();
        let lookup: Lookup = Arc::new(move |host, port| {
            assert_eq!((host.as_str(), port), ("households", 50051));
            let found = known.lock().expect("unpoisoned").clone();
            Box::pin(async move { Ok(found) })
        });
        let channel = Channel::new("http://households:50051", None, lookup).expect("a URL");
        let inner = channel.0.clone();
        let mut client = HealthClient::new(channel);
        assert_eq!(shares(&mut client).await, (40, 0));
        names.lock().expect("unpoisoned").push(two);
        assert_eq!(shares(&mut client).await, (40, 0), "not before it is time");
        inner.look_up_at_ms.store(0, Ordering::Relaxed);
        assert_eq!(shares(&mut client).await, (20, 20));
        names.lock().expect("unpoisoned").remove(0);
        inner.look_up_at_ms.store(0, Ordering::Relaxed);
        assert_eq!(shares(&mut client).await, (0, 40));
        // A name server that is away changes nothing.
        names.lock().expect("unpoisoned").clear();
        inner.look_up_at_ms.store(0, Ordering::Relaxed);
        assert_eq!(shares(&mut client).await, (0, 40));
        first.wait(Duration::from_secs(5)).await;
        second.wait(Duration::from_secs(5)).await;
    }

    #[tokio::test]
    async fn calls_do_not_queue_behind_a_name_server_that_is_away() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        let lookup: Lookup = Arc::new(move |_, _| {
            counted.fetch_add(1, Ordering::Relaxed);
            Box::pin(async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                Err(io::ErrorKind::TimedOut.into())
            })
        });
        let channel = Channel::new("http://households:50051", None, lookup).expect("a URL");
        let began = Instant::now();
        let calls = (0..50).map(|_| {
            let mut client = HealthClient::new(channel.clone());
            async move { ask(&mut client).await }
        });
        for answer in futures::future::join_all(calls).await {
            let code = answer.expect_err("no address").code();
            assert_eq!(code, tonic::Code::Unavailable);
        }
        assert!(
            began.elapsed() < Duration::from_secs(1),
            "{:?}",
            began.elapsed()
        );
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_service_that_is_gone_is_not_asked_twice_as_often() {
        let (address, asked, gone) = deserter(Duration::ZERO).await;
        let channel = channel(&format!("http://{address}")).expect("a URL");
        let mut client = HealthClient::new(channel);
        for _ in 0..1000 {
            let _ = ask(&mut client).await.expect_err("nobody is there");
        }
        let attempts = asked.load(Ordering::Relaxed);
        assert!(
            (1000..=1150).contains(&attempts),
            "{attempts} attempts for 1000 calls"
        );
        gone.wait(Duration::ZERO).await;
    }

    #[tokio::test]
    async fn a_replica_that_stays_away_costs_no_call_however_long() {
        let (one, first) = replica(ServingStatus::Serving).await;
        let (two, second) = replica(ServingStatus::Serving).await;
        first.wait(Duration::from_secs(5)).await;
        let channel = channel(&format!("http://{one},http://{two}")).expect("URLs");
        let inner = channel.0.clone();
        let mut client = HealthClient::new(channel);
        for _ in 0..500 {
            // As calls that come more than a second apart.
            for replica in &inner.replicas().all {
                replica.rests_until_ms.store(0, Ordering::Relaxed);
            }
            ask(&mut client).await.expect("answered");
        }
        second.wait(Duration::from_secs(5)).await;
    }

    #[tokio::test]
    async fn replicas_that_take_turns_cost_no_call_however_fast() {
        let (one, first) = replica(ServingStatus::Serving).await;
        let (two, second) = replica(ServingStatus::Serving).await;
        first.wait(Duration::from_secs(5)).await;
        let channel = channel(&format!("http://{one},http://{two}")).expect("URLs");
        let inner = channel.0.clone();
        let mut client = HealthClient::new(channel);
        for _ in 0..500 {
            // The other one came a moment ago, and the one that answered goes now.
            for replica in &inner.replicas().all {
                let rests = if replica.address == one { 0 } else { u64::MAX };
                replica.rests_until_ms.store(rests, Ordering::Relaxed);
            }
            ask(&mut client).await.expect("answered");
        }
        second.wait(Duration::from_secs(5)).await;
    }

    #[tokio::test]
    async fn a_call_that_met_an_end_goes_to_nobody_who_refused_it() {
        let (gone, first) = replica(ServingStatus::Serving).await;
        first.wait(Duration::from_secs(5)).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let come = listener.local_addr().expect("an address");
        let channel = channel(&format!("http://{gone},http://{come}")).expect("URLs");
        let replicas = channel.0.current().await.expect("replicas");
        // As of a moment ago, when it was not there yet.
        replicas.all[1]
            .rests_until_ms
            .store(u64::MAX, Ordering::Relaxed);
        let lifecycle = Lifecycle::new();
        lifecycle.spawn("come", async move {
            let (mut socket, _) = listener.accept().await.expect("called");
            // Of whoever answered until it served: that connection ends.
            tokio::time::sleep(Duration::from_millis(50)).await;
            let _ = socket.read(&mut [0; 1024]).await;
            drop(socket);
            let (health, service) = tonic_health::server::health_reporter();
            health.set_service_status("", ServingStatus::Serving).await;
            let served = Server::builder().add_service(service);
            let served = served.serve_with_incoming(TcpIncoming::from(listener));
            served.await.expect("served");
        });
        let own = lifecycle.clone();
        // The one that has gone answers what it was asked before, and seems well by that.
        let forget = async move {
            while !own.is_stopping() {
                replicas.all[0].rests_until_ms.store(0, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        lifecycle.spawn("forget", forget);
        let status = ask(&mut HealthClient::new(channel)).await;
        assert_eq!(status.expect("answered"), 1);
        lifecycle.wait(Duration::ZERO).await;
    }

    #[tokio::test]
    async fn a_connection_that_is_told_to_end_costs_no_call_where_the_other_replica_is_away() {
        let (gone, first) = replica(ServingStatus::Serving).await;
        first.wait(Duration::from_secs(5)).await;
        let (address, _, _, lifecycle) = ageing(Duration::from_millis(5)).await;
        let urls = format!("http://{gone},http://{address}");
        let channel = channel(&urls).expect("URLs");
        let calls = (0..8).map(|_| {
            let mut client = HealthClient::new(channel.clone());
            async move {
                for _ in 0..250 {
                    ask(&mut client).await.expect("answered");
                }
            }
        });
        futures::future::join_all(calls).await;
        lifecycle.wait(Duration::ZERO).await;
    }

    #[tokio::test]
    async fn a_replica_that_goes_costs_no_call_where_the_other_one_rests() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let going = listener.local_addr().expect("an address");
        let (well, serving) = replica(ServingStatus::Serving).await;
        let channel = channel(&format!("http://{going},http://{well}")).expect("URLs");
        let replicas = channel.0.current().await.expect("replicas");
        replicas.all[1]
            .rests_until_ms
            .store(u64::MAX, Ordering::Relaxed);
        let lifecycle = Lifecycle::new();
        lifecycle.spawn("going", async move {
            let (mut socket, _) = listener.accept().await.expect("called");
            // Until the call has come; then it goes with its socket.
            tokio::time::sleep(Duration::from_millis(50)).await;
            let _ = socket.read(&mut [0; 1024]).await;
        });
        let status = ask(&mut HealthClient::new(channel)).await;
        assert_eq!(status.expect("answered"), 1);
        lifecycle.wait(Duration::from_secs(5)).await;
        serving.wait(Duration::from_secs(5)).await;
    }

    /// As `server` has it, in fast motion.
    #[tokio::test]
    async fn a_connection_that_is_told_to_end_costs_no_call_and_cuts_no_stream() {
        let (address, health, connections, lifecycle) = ageing(Duration::from_millis(20)).await;
        let channel = channel(&format!("http://{address}")).expect("a URL");
        let mut client = HealthClient::new(channel.clone());
        let mut watcher = HealthClient::new(channel);
        let watched = watcher.watch(HealthCheckRequest::default()).await;
        let mut stream = watched.expect("answered").into_inner();
        let first = stream.message().await.expect("a stream").expect("a status");
        assert_eq!(first.status, 1);
        while connections.load(Ordering::Relaxed) < 20 {
            assert_eq!(ask(&mut client).await.expect("answered"), 1);
        }
        let not_serving = ServingStatus::NotServing;
        health.set_service_status("", not_serving).await;
        let next = stream.message().await.expect("a stream").expect("a status");
        assert_eq!(next.status, 2, "the stream outlived its connection's age");
        lifecycle.wait(Duration::ZERO).await;
    }

    #[tokio::test]
    async fn a_caller_that_breaks_off_leaves_its_replica_as_it_was() {
        let (address, serving) = replica(ServingStatus::Serving).await;
        let channel = channel(&format!("http://{address}")).expect("a URL");
        let inner = channel.0.clone();
        ask(&mut HealthClient::new(channel.clone()))
            .await
            .expect("answered");
        let frames = [
            Ok(Frame::data(Bytes::from_static(&[0]))),
            Err(Status::cancelled("gone")),
        ];
        let request = http::Request::post("/grpc.health.v1.Health/Check")
            .header("content-type", "application/grpc")
            .body(Body::new(StreamBody::new(stream::iter(frames))));
        let answer = inner.call(request.expect("a request")).await;
        assert!(answer.is_err(), "{answer:?}");
        let replicas = inner.replicas();
        assert!(!replicas.all[0].rests(inner.now_ms()), "no replica broke");
        serving.wait(Duration::from_secs(5)).await;
    }

    #[tokio::test]
    async fn slow_is_not_broken() {
        // Accepts, and never says anything.
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let channel = channel(&format!("http://{address}")).expect("a URL");
        let inner = channel.0.clone();
        let mut request = tonic::Request::new(HealthCheckRequest::default());
        request.set_timeout(Duration::from_millis(200));
        let answer = HealthClient::new(channel).check(request).await;
        let code = answer.expect_err("no answer").code();
        assert!(
            matches!(code, tonic::Code::Cancelled | tonic::Code::DeadlineExceeded),
            "{code:?}"
        );
        assert_eq!(inner.turn.load(Ordering::Relaxed), 1, "one attempt");
    }

    #[test]
    fn urls_are_checked_when_they_are_read() {
        for wrong in [
            "households:50051",
            "ftp://households",
            "",
            "http://a,",
            "https://a:1",
        ] {
            assert!(channel(wrong).is_err(), "{wrong}");
        }
        assert!(channel("http://[::1]:5,http://a:1").is_ok());
    }
}
