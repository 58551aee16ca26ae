//! Positions are dense, in commit order, and belong to what was committed.

use std::time::Duration;

use chassis::{
    auth::Caller,
    client,
    feed::{self, Filter},
    ledger,
    lifecycle::{Lifecycle, Runtime},
    pg::Database,
    testing::{TestDatabase, ledger_key},
};
use futures::{StreamExt, future::join_all};
use kernel::Role;
use proto::feed::v1::{SubscribeRequest, feed_service_client::FeedServiceClient};
use sqlx::Row;
use uuid::Uuid;

use crate::{VILLAGE, authenticator, done, fresh, issuer, make, read_all, replica, serve};

const WRITERS: u64 = 16;
const ROUNDS: u64 = 25;

/// Items that a writer's transaction makes.
fn size(writer: u64, round: u64) -> u64 {
    (writer + round) % 3 + 1
}

/// Every fourth transaction changes its mind.
fn commits(writer: u64, round: u64) -> bool {
    !(writer + round).is_multiple_of(4)
}

async fn write(database: &Database, officer: &Caller, writer: u64) -> Vec<Uuid> {
    let mut committed = Vec::new();
    for round in 0..ROUNDS {
        let mut tx = database.begin(officer).await.expect("a transaction");
        let mut made = Vec::new();
        for _ in 0..size(writer, round) {
            made.push(make(&mut tx, VILLAGE).await.expect("made"));
            tokio::task::yield_now().await;
        }
        if commits(writer, round) {
            tx.commit().await.expect("committed");
            committed.extend(made);
        }
    }
    committed
}

/// Follows in the database until `stop` and nothing is left: what it sees, as it sees it.
async fn follow(database: &Database, officer: &Caller, stop: &Lifecycle) -> Vec<(i64, Uuid)> {
    let (mut seen, mut after) = (Vec::new(), 0);
    loop {
        let stopping = stop.is_stopping();
        let mut tx = database.read(officer).await.expect("a transaction");
        let page = feed::page(&mut tx, after, &Filter::default(), 7).await;
        drop(tx);
        let page = page.expect("a page");
        after = page.position;
        let nothing = page.items.is_empty() && !page.has_more;
        seen.extend(page.items.iter().map(|item| (item.position, item.subject)));
        if stopping && nothing {
            return seen;
        }
        tokio::task::yield_now().await;
    }
}

/// Follows over the wire until it has `total` items.
async fn subscribe(url: &str, caller: &Caller, total: usize) -> Vec<(i64, Uuid)> {
    let mut client = FeedServiceClient::new(client::channel(url).expect("a channel"));
    let request = client::authorise_stream(caller, SubscribeRequest::default());
    let stream = client.subscribe(request).await.expect("a stream");
    let items = stream
        .into_inner()
        .filter_map(async |message| message.expect("a message").item)
        .map(|item| (item.position, item.subject.parse().expect("an id")));
    items.take(total).collect().await
}

/// Checks the ledger again and again while it grows.
async fn audit(test: &TestDatabase, stop: &Lifecycle) -> i64 {
    let mut owner = test.owner().await;
    loop {
        let last = stop.is_stopping();
        let report = ledger::verify(
            std::slice::from_mut(&mut owner),
            "spine",
            &ledger_key(),
            None,
            &[],
            |_, _| {},
        )
        .await;
        let report = report.expect("read");
        assert_eq!(report.fault, None);
        if last {
            return report.rows;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_position_is_skipped_or_out_of_order_when_transactions_interleave_and_roll_back() {
    let (test, database, officer) = fresh().await;
    let other = replica(&test).await;
    let issuer = issuer(9);
    let serving = Runtime::system();
    let url = serve(&database, &issuer, &serving).await;
    let token = issuer.token("somebody", Role::CountyOfficer, crate::COUNTY, None);
    let verified = authenticator(&issuer, "spine").await.verify(&token).await;
    let subscriber = verified.expect("verified");
    let total: u64 = (0..WRITERS)
        .flat_map(|writer| (0..ROUNDS).map(move |round| (writer, round)))
        .filter(|&(writer, round)| commits(writer, round))
        .map(|(writer, round)| size(writer, round))
        .sum();
    let total = usize::try_from(total).expect("few");

    let stop = Lifecycle::new();
    let writers = async {
        let databases = [&database, &other];
        let writing = (0..WRITERS).map(|n| write(databases[n as usize % 2], &officer, n));
        let committed = join_all(writing).await.concat();
        stop.stop();
        committed
    };
    let (mut committed, followed, subscribed, audited) = tokio::join!(
        writers,
        follow(&database, &officer, &stop),
        subscribe(&url, &subscriber, total),
        audit(&test, &stop),
    );

    assert_eq!(committed.len(), total);
    let positions: Vec<i64> = followed.iter().map(|(position, _)| *position).collect();
    let dense: Vec<i64> = (1..=i64::try_from(total).expect("few")).collect();
    assert_eq!(positions, dense, "dense, in order, each once");
    assert_eq!(subscribed, followed, "the subscriber sees the same");
    assert_eq!(audited, dense.len() as i64);
    let mut subjects: Vec<Uuid> = followed.into_iter().map(|(_, subject)| subject).collect();
    subjects.sort();
    committed.sort();
    assert_eq!(subjects, committed, "what was committed and nothing else");
    serving.lifecycle.wait(Duration::from_secs(5)).await;
    done(test, [database, other]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_cancelled_at_any_moment_leaves_all_or_nothing() {
    let (test, database, officer) = fresh().await;
    let request = async |patience: Duration| {
        let work = async {
            let mut tx = database.begin(&officer).await.expect("a transaction");
            for _ in 0..3 {
                make(&mut tx, VILLAGE).await.expect("made");
            }
            tx.commit().await.expect("committed");
        };
        tokio::time::timeout(patience, work).await.is_ok()
    };
    assert!(request(Duration::from_secs(10)).await, "a warm connection");
    let mut served = 1;
    for step in 0..120 {
        // From before the first statement to after the commit, on any machine that does it in 6 ms.
        let patience = Duration::from_micros(50 * step);
        served += usize::from(request(patience).await);
    }
    // No connection came back dirty: the next request is served, and sees no scope but its own.
    assert!(request(Duration::from_secs(10)).await);
    served += 1;

    let items = read_all(&database, &officer).await;
    let positions: Vec<i64> = items.iter().map(|item| item.position).collect();
    let dense: Vec<i64> = (1..=i64::try_from(items.len()).expect("few")).collect();
    assert_eq!(positions, dense);
    assert!(items.len() >= 3 * served, "what was answered is there");
    assert!(items.len().is_multiple_of(3), "no transaction by halves");
    let mut subjects: Vec<Uuid> = items.iter().map(|item| item.subject).collect();
    subjects.sort();
    let mut owner = test.owner().await;
    let rows = sqlx::query("select id from spine.things order by id");
    let rows = rows.fetch_all(&mut owner).await.expect("rows");
    let things: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(
        things, subjects,
        "no change without its item, no item without its change"
    );
    done(test, [database]).await;
}
