//! The alert feed: the same alerts from the cache, from PostgreSQL, by page and live, whatever
//! happens to Redis.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use chassis::{auth::Caller, testing::new_id};
use proto::comparison::v1::{
    BatchHeader, ListAlertsRequest, SubscribeAlertsRequest,
    comparison_service_server::ComparisonService,
};
use tokio_stream::StreamExt as _;

use crate::desk::{Desk, People, Person, by, header, officer, service};

/// A Redis of the test's own, that it can freeze and kill.
struct Redis {
    process: Child,
    url: String,
    folder: tempfile::TempDir,
}

impl Redis {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .expect("a port")
            .local_addr();
        let port = port.expect("an address").port().to_string();
        let folder = tempfile::tempdir().expect("a folder");
        let process = Command::new("redis-server")
            .args(["--port", &port, "--bind", "127.0.0.1", "--save", ""])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        Self {
            process,
            url: format!("redis://127.0.0.1:{port}"),
            folder,
        }
    }

    fn signal(&self, signal: &str) {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status();
        assert!(sent.expect("sent").success());
    }

    fn run(&self, arguments: &[&str]) -> String {
        let run = Command::new("redis-cli")
            .args(["-u", &self.url])
            .args(arguments)
            .output();
        String::from_utf8_lossy(&run.expect("redis-cli is installed").stdout)
            .trim()
            .to_owned()
    }

    async fn ready(&self) {
        for _ in 0..200 {
            if self.run(&["ping"]) == "PONG" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("Redis does not start in {:?}", self.folder.path());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Raises one alert for each of `count` persons of a batch of its own.
async fn raise(desk: &Desk, first: u32, count: u32) {
    let people: Vec<Person> = (first..first + count)
        .map(|serial| Person::new("赵甲", serial, new_id()))
        .collect();
    let rows: String = people
        .iter()
        .map(|p| format!("{},2026-01-01,\n", p.number))
        .collect();
    let header = BatchHeader {
        row_kind: "job_loss".to_owned(),
        ..header(desk, "human_resources")
    };
    let file = format!("id_number,lost_on,unpaid_months\n{rows}");
    let report = desk
        .alerts(&officer(), &People(people), header, &file)
        .await;
    assert_eq!(report.expect("taken in").alerts_raised, i64::from(count));
}

/// Positions of all pages of `size`, newest first.
async fn walk(service: &impl ComparisonService, caller: &Caller, size: i32) -> Vec<i64> {
    let (mut positions, mut before) = (Vec::new(), String::new());
    loop {
        let request = ListAlertsRequest {
            page_size: size,
            before_cursor: before,
            ..ListAlertsRequest::default()
        };
        let page = service
            .list_alerts(by(caller, request))
            .await
            .expect("listed")
            .into_inner();
        positions.extend(page.alerts.iter().map(|alert| alert.position));
        before = page
            .alerts
            .last()
            .map(|alert| alert.cursor.clone())
            .unwrap_or_default();
        if !page.has_more {
            return positions;
        }
    }
}

fn descending(most: i64) -> Vec<i64> {
    (1..=most).rev().collect()
}

#[tokio::test]
async fn pages_show_every_alert_once_also_beyond_the_window() {
    let desk = Desk::open(None).await;
    raise(&desk, 0, 620).await;
    assert_eq!(walk(&desk.service, &officer(), 100).await, descending(620));
    let oldest_first = async |after: &str| {
        let request = ListAlertsRequest {
            after_cursor: after.to_owned(),
            page_size: 100,
            ..ListAlertsRequest::default()
        };
        let page = desk.service.list_alerts(by(&officer(), request)).await;
        page.expect("listed").into_inner()
    };
    let first = walk_cursor(&desk, 620).await;
    let mut seen = vec![1];
    let mut cursor = first;
    loop {
        let page = oldest_first(&cursor).await;
        seen.extend(page.alerts.iter().map(|alert| alert.position));
        let Some(last) = page.alerts.last() else {
            break;
        };
        cursor = last.cursor.clone();
    }
    assert_eq!(seen, (1..=620).collect::<Vec<i64>>());
    desk.close().await;
}

/// Cursor of the oldest of `count` alerts.
async fn walk_cursor(desk: &Desk, count: usize) -> String {
    let mut cursor = String::new();
    for _ in 0..count.div_ceil(100) {
        let request = ListAlertsRequest {
            before_cursor: cursor,
            page_size: 100,
            ..ListAlertsRequest::default()
        };
        let page = desk.service.list_alerts(by(&officer(), request)).await;
        let page = page.expect("listed").into_inner();
        cursor = page.alerts.last().expect("an alert").cursor.clone();
    }
    cursor
}

#[tokio::test]
async fn a_subscriber_gets_what_was_and_what_comes() {
    let desk = Desk::open(None).await;
    raise(&desk, 0, 3).await;
    let from = walk_cursor(&desk, 1).await;
    let request = SubscribeAlertsRequest {
        after_cursor: from,
        ..SubscribeAlertsRequest::default()
    };
    let stream = desk.service.subscribe_alerts(by(&officer(), request)).await;
    let mut stream = stream.expect("subscribed").into_inner();
    let live = desk
        .service
        .subscribe_alerts(by(&officer(), SubscribeAlertsRequest::default()));
    let mut live = live.await.expect("subscribed").into_inner();
    let next = async |stream: &mut comparison::Alerts| loop {
        let sent = tokio::time::timeout(Duration::from_secs(10), stream.next()).await;
        let sent = sent.expect("in time").expect("open").expect("an alert");
        if let Some(alert) = sent.alert {
            return alert.position;
        }
    };
    assert_eq!((next(&mut stream).await, next(&mut stream).await), (2, 3));
    raise(&desk, 10, 1).await;
    assert_eq!(next(&mut stream).await, 4);
    assert_eq!(next(&mut live).await, 4, "nothing of before");
    drop((stream, live));
    // Whose alerts somebody has seen is on the record, and no more than that (SEC-2).
    let mut owner = desk.test.owner().await;
    let seen: i64 = sqlx::query_scalar(
        "select count(distinct o.household_id) from comparison.access_of o
         join comparison.access a on a.id = o.access_id where a.rpc = 'SubscribeAlerts'",
    )
    .fetch_one(&mut owner)
    .await
    .expect("counted");
    assert_eq!(seen, 3);
    desk.close().await;
}

#[tokio::test]
async fn redis_can_be_flushed_frozen_killed_and_stale_and_no_answer_changes() {
    let redis = Redis::start();
    redis.ready().await;
    let desk = Desk::open(Some(&redis.url)).await;
    raise(&desk, 0, 5).await;
    assert_eq!(walk(&desk.service, &officer(), 2).await, descending(5));
    assert_eq!(redis.run(&["dbsize"]), "1", "the window is shared");

    // Another replica finds the window and asks PostgreSQL for nothing but the head.
    let replica = service(&desk.database, Some(&redis.url)).await;
    assert_eq!(walk(&replica, &officer(), 2).await, descending(5));

    // What was in Redis before stays the older one.
    let key = redis.run(&["keys", "backstop:*"]);
    redis.run(&["copy", &key, "old"]);
    raise(&desk, 10, 1).await;
    assert_eq!(walk(&desk.service, &officer(), 4).await, descending(6));
    redis.run(&["copy", "old", &key, "replace"]);
    let fresh = service(&desk.database, Some(&redis.url)).await;
    assert_eq!(
        walk(&fresh, &officer(), 4).await,
        descending(6),
        "a failover to an old copy"
    );

    redis.run(&["flushall"]);
    let fresh = service(&desk.database, Some(&redis.url)).await;
    assert_eq!(walk(&fresh, &officer(), 4).await, descending(6));
    redis.run(&["set", &key, "nonsense"]);
    let fresh = service(&desk.database, Some(&redis.url)).await;
    assert_eq!(walk(&fresh, &officer(), 4).await, descending(6));

    redis.signal("-STOP");
    raise(&desk, 20, 1).await;
    let begun = std::time::Instant::now();
    assert_eq!(walk(&fresh, &officer(), 4).await, descending(7));
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "a frozen Redis holds nobody up"
    );
    redis.signal("-CONT");
    drop(redis);
    raise(&desk, 30, 1).await;
    assert_eq!(walk(&fresh, &officer(), 4).await, descending(8));
    desk.close().await;
}
