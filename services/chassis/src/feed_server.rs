//! Serves a feed: live to subscribers, a page at a time to everybody else.

use std::{pin::Pin, time::Duration};

use futures::{Stream, StreamExt as _};
use kernel::Principal;
use proto::feed::v1::{
    self as wire, ListItemsRequest, ListItemsResponse, SubscribeRequest, SubscribeResponse,
    feed_service_server::FeedService,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::{
    auth::{self, Caller},
    clock::timestamp,
    decode::Fields,
    error::Error,
    feed::{self, Filter, Stored},
    lifecycle::Lifecycle,
    pg::Database,
};

/// Items read at once: a short read, and a slow subscriber holds few of them in memory.
const PAGE: i64 = 200;
/// Messages between the reader and a subscriber; a slow one stops its reader and nobody else's. So many may be on
/// their way when a service stops, which waits until they are read.
const QUEUE: usize = 16;
/// Other replicas commit without telling this process, so it also looks by itself.
const POLL: Duration = Duration::from_secs(1);
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Whether a caller may see items of a kind.
pub type Policy = fn(&Principal, kind: &str) -> bool;

/// The feed of one database as a gRPC service.
#[derive(Debug, Clone)]
pub struct FeedServer {
    database: Database,
    lifecycle: Lifecycle,
    policy: Policy,
}

impl FeedServer {
    /// Serves `database`'s feed to whom `policy` lets see it.
    #[must_use]
    pub fn new(database: Database, lifecycle: Lifecycle, policy: Policy) -> Self {
        Self {
            database,
            lifecycle,
            policy,
        }
    }

    fn decode(&self, after: &str, filter: Option<wire::Filter>) -> Result<(i64, Filter), Error> {
        let after = self
            .database
            .cursors()
            .read_feed(self.database.epoch(), after)?;
        let filter = filter.unwrap_or_default();
        let mut f = Fields::new();
        // A service has some dozens of kinds.
        f.at_most("filter.kinds", filter.kinds.len(), 50);
        let division = f.parse_optional("filter.division_code", &filter.division_code);
        let department = f.parse_optional("filter.department", &filter.department);
        f.finish()?;
        Ok((
            after,
            Filter {
                kinds: filter.kinds,
                division,
                department,
            },
        ))
    }

    async fn page(
        &self,
        caller: &Caller,
        after: i64,
        filter: &Filter,
        most: i64,
    ) -> Result<feed::Page, Error> {
        let mut tx = self.database.read(caller).await?;
        let mut page = feed::page(&mut tx, after, filter, most).await?;
        page.items
            .retain(|item| (self.policy)(&caller.principal, &item.kind));
        Ok(page)
    }

    fn item(&self, stored: Stored) -> wire::Item {
        let cursor = self
            .database
            .cursors()
            .feed(self.database.epoch(), stored.position);
        wire::Item {
            position: stored.position,
            kind: stored.kind,
            subject: stored.subject.to_string(),
            division_code: stored.division.to_string(),
            merged_into_code: stored.lies_in.map(|d| d.to_string()).unwrap_or_default(),
            department: stored.department.map(|d| d.to_string()).unwrap_or_default(),
            payload: stored.payload.unwrap_or_default(),
            traceparent: stored.traceparent,
            recorded_at: Some(timestamp(stored.recorded_at)),
            cursor,
            epoch: self.database.epoch().to_string(),
        }
    }

    /// Sends everything after `after`, then everything new. No connection is held while sending.
    async fn send(
        &self,
        caller: &Caller,
        mut after: i64,
        filter: &Filter,
        queue: &mpsc::Sender<Result<SubscribeResponse, Status>>,
    ) -> Result<(), Error> {
        let mut committed = self.database.committed();
        let mut last_sent = tokio::time::Instant::now();
        let expiry = Duration::from_secs(caller.expires_at.saturating_sub(unix_seconds()));
        let expires = last_sent + expiry.min(Duration::from_secs(365 * 24 * 3600));
        while !self.lifecycle.is_stopping() && !queue.is_closed() {
            if tokio::time::Instant::now() >= expires {
                return Err(Error::Unauthenticated);
            }
            committed.borrow_and_update();
            let page = self.page(caller, after, filter, PAGE).await?;
            after = page.position;
            for stored in page.items {
                let item = self.item(stored);
                let cursor = item.cursor.clone();
                let item = Some(item);
                let message = Ok(SubscribeResponse { item, cursor });
                if !self.deliver(queue, message).await {
                    return Ok(());
                }
                last_sent = tokio::time::Instant::now();
            }
            if page.has_more {
                continue;
            }
            if last_sent.elapsed() >= HEARTBEAT {
                let cursor = self.database.cursors().feed(self.database.epoch(), after);
                let heartbeat = Ok(SubscribeResponse { item: None, cursor });
                if !self.deliver(queue, heartbeat).await {
                    return Ok(());
                }
                last_sent = tokio::time::Instant::now();
            }
            tokio::select! {
                _ = committed.changed() => {}
                () = tokio::time::sleep(POLL) => {}
                () = queue.closed() => {}
                () = self.lifecycle.stopping() => {}
            }
        }
        Ok(())
    }

    /// Whether a subscriber is there to whom more can be sent.
    async fn deliver(
        &self,
        queue: &mpsc::Sender<Result<SubscribeResponse, Status>>,
        message: Result<SubscribeResponse, Status>,
    ) -> bool {
        tokio::select! {
            sent = queue.send(message) => sent.is_ok(),
            () = self.lifecycle.stopping() => false,
        }
    }
}

#[tonic::async_trait]
impl FeedService for FeedServer {
    type SubscribeStream =
        Pin<Box<dyn Stream<Item = Result<SubscribeResponse, Status>> + Send + 'static>>;

    async fn subscribe(
        &self,
        request: Request<SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let caller = auth::caller(&request)?;
        let request = request.into_inner();
        let (after, filter) = self.decode(&request.after_cursor, request.filter)?;
        let (queue, messages) = mpsc::channel(QUEUE);
        let server = self.clone();
        self.lifecycle.spawn("feed.subscribe", async move {
            if let Err(error) = server.send(&caller, after, &filter, &queue).await {
                server.deliver(&queue, Err(error.into())).await;
            }
        });
        // Whoever is far behind would hold up the end of the service until it has read what waits here; it goes on
        // from its cursor elsewhere.
        let lifecycle = self.lifecycle.clone();
        let stopping = async move { lifecycle.stopping().await };
        let messages = ReceiverStream::new(messages).take_until(Box::pin(stopping));
        Ok(Response::new(Box::pin(messages)))
    }

    async fn list_items(
        &self,
        request: Request<ListItemsRequest>,
    ) -> Result<Response<ListItemsResponse>, Status> {
        let caller = auth::caller(&request)?;
        let request = request.into_inner();
        let most = match request.page_size {
            0 => 50,
            1..=200 => request.page_size.into(),
            _ => return Err(Error::invalid("page_size", "PAGE_SIZE", "1 to 200").into()),
        };
        let (after, filter) = self.decode(&request.after_cursor, request.filter)?;
        let page = self.page(&caller, after, &filter, most).await?;
        Ok(Response::new(ListItemsResponse {
            items: page
                .items
                .into_iter()
                .map(|stored| self.item(stored))
                .collect(),
            next_cursor: self
                .database
                .cursors()
                .feed(self.database.epoch(), page.position),
            has_more: page.has_more,
        }))
    }
}

/// Tokens end by the real clock, whatever a demo does to the county's.
fn unix_seconds() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(u64::MAX, |since| since.as_secs())
}
