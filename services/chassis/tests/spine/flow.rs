//! All calls of a process to a replica share one connection: nobody who does not read what has come may hold
//! up the others, or the end of a service.

use std::time::Duration;

use bytes::Bytes;
use chassis::{
    auth::Caller,
    client::{self, Channel},
    lifecycle::{Runtime, Stopped},
    pg::Database,
};
use futures::{StreamExt as _, future, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use kernel::Role;
use proto::feed::v1::{ListItemsRequest, SubscribeRequest, feed_service_client::FeedServiceClient};
use tonic::{Status, body::Body, service::Routes};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tower::ServiceExt as _;

use crate::{COUNTY, VILLAGE, authenticator, done, fresh, issuer, item, serve_beside};

/// Of each of those who do not read; more than one connection has room for by default.
const BYTES: usize = 4 * 1024 * 1024;
/// How many of them there are.
const SLOW: usize = 3;
const ITEM_BYTES: usize = 64 * 1024;

/// The feed, and a method that takes what it is sent and reads nothing of it.
async fn served(database: &Database, runtime: &Runtime) -> (Channel, Caller) {
    let issuer = issuer(31);
    let own = authenticator(&issuer, "spine").await;
    let token = issuer.token("somebody", Role::CountyOfficer, COUNTY, None);
    let caller = own.verify(&token).await.expect("verified");
    let unread = |body: axum::body::Body| async move {
        let _body = body;
        future::pending::<()>().await;
    };
    let routes = axum::Router::new().route("/backstop.slow/Take", axum::routing::post(unread));
    let url = serve_beside(Routes::from(routes), database, &issuer, runtime).await;
    (client::channel(&url).expect("a channel"), caller)
}

/// So many items that are so large.
async fn publish(database: &Database, officer: &Caller, items: usize, bytes: usize) {
    let mut tx = database.begin(officer).await.expect("a transaction");
    for _ in 0..items {
        let mut large = item(chassis::testing::new_id(), VILLAGE);
        large.payload = vec![7; bytes];
        tx.publish(large);
    }
    tx.commit().await.expect("committed");
}

/// Somebody else's calls are answered, in the time that each has.
async fn others_are_answered(channel: &Channel, caller: &Caller) {
    let mut feed = FeedServiceClient::new(channel.clone());
    for _ in 0..10 {
        let request = ListItemsRequest {
            page_size: 3,
            ..ListItemsRequest::default()
        };
        let page = feed.list_items(client::authorise(caller, request)).await;
        assert_eq!(page.expect("answered").into_inner().items.len(), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_read_a_feed_holds_up_nobody() {
    let (test, database, officer) = fresh().await;
    publish(&database, &officer, BYTES / ITEM_BYTES, ITEM_BYTES).await;
    let runtime = Runtime::system();
    let (channel, caller) = served(&database, &runtime).await;
    let mut feed = FeedServiceClient::new(channel.clone());
    let mut unread = Vec::new();
    for _ in 0..SLOW {
        let request = client::authorise_stream(&caller, SubscribeRequest::default());
        unread.push(feed.subscribe(request).await.expect("subscribed"));
    }
    // Until everything that has room has come.
    tokio::time::sleep(Duration::from_millis(500)).await;
    others_are_answered(&channel, &caller).await;

    // And whoever reads later gets all of it.
    let last = unread.pop().expect("one").into_inner();
    let read = last.take(BYTES / ITEM_BYTES).count();
    let read = tokio::time::timeout(Duration::from_secs(10), read).await;
    assert_eq!(read, Ok(BYTES / ITEM_BYTES));
    drop(unread);
    runtime.lifecycle.wait(Duration::from_secs(10)).await;
    done(test, [database]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_file_is_not_read_holds_up_nobody() {
    let (test, database, officer) = fresh().await;
    for _ in 0..3 {
        crate::make_one(&database, &officer, VILLAGE).await;
    }
    let runtime = Runtime::system();
    let (channel, caller) = served(&database, &runtime).await;
    let mut sending = tokio::task::JoinSet::new();
    for _ in 0..SLOW {
        let request = client::authorise_stream(&caller, ());
        let token = request.metadata().get("authorization").expect("a token");
        let pieces = (0..BYTES / ITEM_BYTES).map(|_| Bytes::from(vec![7; ITEM_BYTES]));
        let pieces = stream::iter(pieces).map(|piece| Ok::<_, Status>(Frame::data(piece)));
        let request = http::Request::post("http://a.test/backstop.slow/Take")
            .header("content-type", "application/grpc")
            .header("authorization", token.to_str().expect("text"))
            .body(Body::new(StreamBody::new(pieces)))
            .expect("a request");
        sending.spawn(channel.clone().oneshot(request));
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    others_are_answered(&channel, &caller).await;
    sending.shutdown().await;
    runtime.lifecycle.wait(Duration::from_secs(10)).await;
    done(test, [database]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_stops_does_not_wait_for_whoever_is_far_behind() {
    let (test, database, officer) = fresh().await;
    publish(&database, &officer, 400, 4 * 1024).await;
    let runtime = Runtime::system();
    let (channel, caller) = served(&database, &runtime).await;
    let mut feed = FeedServiceClient::new(channel);
    let request = client::authorise_stream(&caller, SubscribeRequest::default());
    let mut items = feed.subscribe(request).await.expect("subscribed");
    let mut reading = tokio::task::JoinSet::new();
    reading.spawn(async move {
        let mut last = 0;
        while let Ok(Some(message)) = items.get_mut().message().await {
            last = message.item.expect("an item").position;
            // Each has its effect, in a transaction of its own.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        last
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    // What is on its way is read within three seconds, all of it within forty.
    let stopped = runtime.lifecycle.wait(Duration::from_secs(4)).await;
    assert_eq!(stopped, Stopped::Drained);
    let last = reading.join_all().await;
    assert!((5..100).contains(&last[0]), "{last:?}");
    done(test, [database]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_watches_the_health_of_a_service_is_told_of_its_end_and_holds_it_up_no_longer() {
    let (test, database, _) = fresh().await;
    let runtime = Runtime::system();
    let (channel, _) = served(&database, &runtime).await;
    let mut health = HealthClient::new(channel);
    let watch = health.watch(HealthCheckRequest::default());
    let mut told = watch.await.expect("watched").into_inner();
    let serving = told.message().await.expect("told").expect("a status");
    assert_eq!(serving.status(), ServingStatus::Serving);
    let stopped = runtime.lifecycle.wait(Duration::from_secs(4)).await;
    assert_eq!(stopped, Stopped::Drained);
    let stopping = told.message().await.expect("told").expect("a status");
    assert_eq!(stopping.status(), ServingStatus::NotServing);
    assert_eq!(told.message().await.expect("ended"), None);
    done(test, [database]).await;
}
