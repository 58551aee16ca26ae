//! Every process is replaced under load, as a rollout does it: the schema is migrated, the new process comes,
//! then the old one is asked to stop. No request fails, and nothing that was told in a feed is lost or takes
//! effect twice.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use chassis::{clock::Clock, lifecycle::Lifecycle};
use futures::{SinkExt as _, StreamExt as _};
use kernel::Role;
use proto::feed::v1::{SubscribeRequest, feed_service_client::FeedServiceClient};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Row};
use tests::{
    Client,
    county::{self, VILLAGE},
    family::id_number,
};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _};

use crate::programs::{Program, Programs, SERVICES, free_address, number};

/// Who write; as many read. Two cores, six debug programs and PostgreSQL carry them.
const WRITERS: usize = 3;
/// A file of the hospital's is sent whenever so many people have been registered.
const PATIENTS: usize = 10;
/// How often every program is replaced; more shows what is rare. And how many requests are answered
/// between two steps of it.
const ROLLOUTS: &str = "BACKSTOP_TEST_ROLLOUTS";
const REQUESTS: &str = "BACKSTOP_TEST_ROLLOUT_REQUESTS";
/// Folder of the programs of another release. It is there first and every second rollout leads back to it.
const OTHER_RELEASE: &str = "BACKSTOP_TEST_OTHER_RELEASE";

/// Where new connections to the gateway go, as a load balancer leads them. A connection that is there
/// stays where it is.
#[derive(Debug)]
struct Road {
    now: Mutex<IpAddr>,
    port: u16,
}

impl Road {
    const ENDS: [IpAddr; 2] = [
        IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)),
        IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3)),
    ];

    fn now(&self) -> IpAddr {
        *self.now.lock().expect("unpoisoned")
    }

    fn leads_to(&self, end: IpAddr) {
        *self.now.lock().expect("unpoisoned") = end;
    }
}

#[derive(Debug, Clone)]
struct Resolver(Arc<Road>);

impl Resolve for Resolver {
    fn resolve(&self, _: Name) -> Resolving {
        // The port is the URL's.
        let address = SocketAddr::new(self.0.now(), 0);
        Box::pin(async move { Ok(Box::new(std::iter::once(address)) as Addrs) })
    }
}

/// What the people at work share.
#[derive(Debug)]
struct Work {
    road: Arc<Road>,
    stop: AtomicBool,
    /// Everything that was told has arrived.
    arrived: AtomicBool,
    requests: AtomicUsize,
    failed: Mutex<Vec<String>>,
    /// ID numbers of people whose bill the hospital has not sent yet.
    patients: Mutex<Vec<String>>,
    declared: AtomicUsize,
    raised: AtomicUsize,
    /// Alerts as a front end saw them.
    seen: Mutex<Vec<String>>,
    /// Positions of workflow's feed as an agency got them.
    followed: Mutex<Vec<i64>>,
}

/// Somebody with a token and a connection that is kept.
struct Person {
    work: Arc<Work>,
    http: reqwest::Client,
    token: String,
}

impl Person {
    fn new(work: &Arc<Work>, token: &str, http: reqwest::ClientBuilder) -> Self {
        let http = http.dns_resolver(Resolver(work.road.clone())).no_proxy();
        Self {
            work: work.clone(),
            http: http.build().expect("a client"),
            token: token.to_owned(),
        }
    }

    fn goes_on(&self) -> bool {
        !self.work.stop.load(Ordering::Relaxed)
    }

    fn watches(&self) -> bool {
        !self.work.arrived.load(Ordering::Relaxed)
    }

    fn url(&self, path: &str) -> String {
        format!("http://gateway.test:{}{path}", self.work.road.port)
    }

    /// One request; what went wrong is written down.
    async fn send(&self, request: reqwest::RequestBuilder) -> Option<Value> {
        let request = request.bearer_auth(&self.token);
        let request = request.timeout(Duration::from_secs(10));
        let answer = async {
            let answer = request.send().await?;
            Ok::<_, reqwest::Error>((answer.status(), answer.json::<Value>().await?))
        };
        let answer = answer.await;
        self.work.requests.fetch_add(1, Ordering::Relaxed);
        let wrong = match answer {
            Ok((status, answer)) if status.is_success() && answer["errors"].is_null() => {
                return Some(answer);
            }
            Ok((status, answer)) => format!("{status}: {answer}"),
            Err(error) => format!("{error:?}"),
        };
        self.work.failed.lock().expect("unpoisoned").push(wrong);
        None
    }

    async fn ask(&self, document: &str, variables: Value) -> Option<Value> {
        let body = json!({ "query": document, "variables": variables });
        let request = self.http.post(self.url("/graphql")).json(&body);
        Some(self.send(request).await?["data"].take())
    }

    async fn write(&self, paper: &str) {
        let request = || Clock::system().new_id().to_string();
        while self.goes_on() {
            let head = id_number();
            let input = json!({
                "requestId": request(),
                "household": { "divisionCode": VILLAGE, "groupNumber": 1, "origin": "GENERAL",
                               "phone": "13800000000" },
                "members": [{
                    "name": "张大山", "idNumber": head, "isHead": true, "relation": "户主",
                    "registered": true, "resident": true, "sharesIncome": true,
                    "labourCapacity": "ORDINARY", "health": "健康", "schooling": "非在校生",
                    "medicallyInsured": true,
                }],
            });
            let create =
                "mutation($input: CreateHouseholdInput!) { createHousehold(input: $input) {
                household { id } refusal { unmet { code } } violations { field code } } }";
            let Some(data) = self.ask(create, json!({ "input": input })).await else {
                continue;
            };
            let id = data["createHousehold"]["household"]["id"].as_str();
            let id = id
                .unwrap_or_else(|| panic!("not created: {data}"))
                .to_owned();
            self.work.patients.lock().expect("unpoisoned").push(head);
            let input = json!({
                "requestId": request(), "householdId": id, "channel": "SELF_DECLARATION",
                "risks": [{ "type": "ILLNESS" }], "evidenceSha256": [paper],
            });
            let declare = "mutation($input: DeclareCaseInput!) { declareCase(input: $input) {
                case { state } refusal { unmet { code } } violations { field code } } }";
            let Some(data) = self.ask(declare, json!({ "input": input })).await else {
                continue;
            };
            let state = &data["declareCase"]["case"]["state"];
            assert_eq!(state, "DECLARED", "{data}");
            self.work.declared.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn read(&self) {
        let pages = "{ households(first: 20) { nodes { id headName currentCase { state } } }
                       cases(first: 20) { nodes { id } } alerts(first: 20) { nodes { id } } }";
        while self.goes_on() {
            self.ask(pages, json!({})).await;
        }
    }

    /// The hospital's bills, a file at a time.
    async fn bill(&self, today: &str) {
        while self.goes_on() {
            let patients = self.work.patients(PATIENTS);
            if patients.is_empty() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            } else {
                self.send_bills(&patients, today).await;
            }
        }
    }

    async fn send_bills(&self, patients: &[String], today: &str) {
        let mut rows = "id_number,stay_oop,ytd_oop\n".to_owned();
        for patient in patients {
            rows += &format!("{patient},50000,50000\n");
        }
        let path = format!(
            "/files/alerts?department=medical_insurance&rowKind=medical_expense&dataDate={today}&fileName=h.csv"
        );
        let key = Clock::system().new_id().to_string();
        let request = self.http.put(self.url(&path)).body(rows);
        let request = request.header("idempotency-key", key);
        if let Some(report) = self.send(request).await {
            let raised = report["alertsRaised"].as_u64();
            let raised = raised.unwrap_or_else(|| panic!("{report:#}"));
            let raised = usize::try_from(raised).expect("few");
            self.work.raised.fetch_add(raised, Ordering::Relaxed);
        }
    }

    /// Alerts as they are raised, after those that are there: a socket that ends is opened anew and goes on
    /// after the last alert.
    async fn watch(&self, mut cursor: String) {
        while self.watches() {
            // One that is asked to stop takes no new socket; another is there already.
            let watched = self.watch_one_socket(&mut cursor).await;
            if watched.is_none() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    async fn watch_one_socket(&self, cursor: &mut String) -> Option<()> {
        let address = SocketAddr::new(self.work.road.now(), self.work.road.port);
        let mut request = format!("ws://{address}/graphql/ws")
            .into_client_request()
            .expect("a request");
        let protocol = "graphql-transport-ws".parse().expect("a header");
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", protocol);
        let (mut socket, _) = tokio_tungstenite::connect_async(request).await.ok()?;
        let token = format!("Bearer {}", self.token);
        let init = json!({ "type": "connection_init", "payload": { "authorization": token } });
        let query = "subscription($after: String) { alerts(afterCursor: $after) { id cursor } }";
        let payload = json!({ "query": query, "variables": { "after": cursor } });
        let subscribe = json!({ "type": "subscribe", "id": "1", "payload": payload });
        for message in [init, subscribe] {
            socket.send(Message::text(message.to_string())).await.ok()?;
        }
        loop {
            let message = tokio::time::timeout(Duration::from_millis(200), socket.next());
            let Ok(message) = message.await else {
                if self.watches() {
                    continue;
                }
                return Some(());
            };
            let Message::Text(text) = message?.ok()? else {
                continue;
            };
            let message: Value = serde_json::from_str(&text).expect("JSON");
            // The service behind it ends a stream as well: the front end subscribes anew.
            if ["complete", "error"]
                .iter()
                .any(|ends| message["type"] == *ends)
            {
                return Some(());
            }
            let alert = &message["payload"]["data"]["alerts"];
            if let (Some(id), Some(after)) = (alert["id"].as_str(), alert["cursor"].as_str()) {
                self.work
                    .seen
                    .lock()
                    .expect("unpoisoned")
                    .push(id.to_owned());
                after.clone_into(cursor);
            }
        }
    }

    /// A partner agency on workflow's feed.
    async fn follow(&self, workflow: &str) {
        let channel = chassis::client::channel(workflow).expect("URLs");
        let mut feed = FeedServiceClient::new(channel);
        let mut cursor = String::new();
        while self.watches() {
            let mut request = tonic::Request::new(SubscribeRequest {
                after_cursor: cursor.clone(),
                filter: None,
            });
            let token = format!("Bearer {}", self.token).parse().expect("a header");
            request.metadata_mut().insert("authorization", token);
            let Ok(items) = feed.subscribe(request).await else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let mut items = items.into_inner();
            while self.watches() {
                let next = tokio::time::timeout(Duration::from_millis(200), items.message());
                match next.await {
                    Ok(Ok(Some(next))) => {
                        if let Some(item) = next.item {
                            let mut followed = self.work.followed.lock().expect("unpoisoned");
                            followed.push(item.position);
                        }
                        cursor = next.cursor;
                    }
                    // It ended or broke: on from the cursor.
                    Ok(_) => break,
                    Err(_) => {}
                }
            }
        }
    }
}

impl Work {
    /// Patients of whom the hospital may send bills; none before there are so many.
    fn patients(&self, least: usize) -> Vec<String> {
        let mut waiting = self.patients.lock().expect("unpoisoned");
        match waiting.len() < least {
            true => Vec::new(),
            false => std::mem::take(&mut *waiting),
        }
    }

    /// Lets people work until so many more requests were answered.
    async fn go_on(&self, requests: usize) {
        let until = self.requests.load(Ordering::Relaxed) + requests;
        let began = Instant::now();
        while self.requests.load(Ordering::Relaxed) < until {
            assert!(
                began.elapsed() < Duration::from_secs(120),
                "too little is answered"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_process_is_replaced_and_nobody_notices() {
    let (rollouts, requests) = (number(ROLLOUTS, 1), number(REQUESTS, 20));
    let mut programs = Programs::migrated().await;
    let own = programs.release.clone();
    let other = std::env::var_os(OTHER_RELEASE).map(PathBuf::from);
    // Those of every second rollout; the first is there before them.
    let releases = [other.or_else(|| own.clone()), own];
    programs.release.clone_from(&releases[0]);
    let places = SERVICES.map(|service| (service, [free_address(), free_address()]));
    for (service, [one, two]) in places {
        programs
            .peers
            .insert(service, format!("http://{one},http://{two}"));
    }
    let mut running: Vec<Program> = Vec::new();
    for (service, [one, _]) in places {
        running.push(programs.start_at(service, one, &[], &[]));
    }
    let port = free_address().port();
    let [first, _] = Road::ENDS;
    let road = Arc::new(Road {
        now: Mutex::new(first),
        port,
    });
    // As it is deployed: the rest of these tests stop gateways that nobody uses.
    let drain = [("BACKSTOP__DRAIN_SECONDS", "2")];
    let gateway_at = |end| SocketAddr::new(end, port);
    let mut gateway = programs.start_at("gateway", gateway_at(first), &[], &drain);
    for program in running.iter_mut().chain([&mut gateway]) {
        program.ready().await;
    }

    let officer = programs.token(Role::CountyOfficer, tests::COUNTY);
    county::divisions(&Client::new(gateway.listen, officer.clone(), "officer")).await;
    let cadre = programs.token(Role::VillageCadre, VILLAGE);
    let uploader = Client::new(gateway.listen, cadre.clone(), "cadre");
    let paper = uploader
        .upload(
            &format!("evidence?divisionCode={VILLAGE}"),
            b"%PDF-1.4 a declaration".to_vec(),
        )
        .await;
    let paper = paper["sha256"].as_str().expect("a hash").to_owned();

    let work = Arc::new(Work {
        road: road.clone(),
        stop: AtomicBool::default(),
        arrived: AtomicBool::default(),
        requests: AtomicUsize::default(),
        failed: Mutex::default(),
        patients: Mutex::default(),
        declared: AtomicUsize::default(),
        raised: AtomicUsize::default(),
        seen: Mutex::default(),
        followed: Mutex::default(),
    });
    let http_1 = || reqwest::Client::builder().http1_only();
    let http_2 = || reqwest::Client::builder().http2_prior_knowledge();
    let people = Lifecycle::new();
    for _ in 0..WRITERS {
        let (person, paper) = (Person::new(&work, &cadre, http_1()), paper.clone());
        people.spawn("writer", async move { person.write(&paper).await });
    }
    for kept in [http_1(), http_2(), http_2()] {
        let person = Person::new(&work, &officer, kept);
        people.spawn("reader", async move { person.read().await });
    }
    let today = Clock::system().today().to_string();
    let hospital = Person::new(&work, &officer, http_1());
    // One alert is there before anybody watches: after it begins what is watched.
    let patients = loop {
        let patients = work.patients(1);
        if !patients.is_empty() {
            break patients;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    hospital.send_bills(&patients, &today).await;
    assert!(work.raised.swap(0, Ordering::Relaxed) > 0);
    let last = "{ alerts(first: 1) { pageInfo { endCursor } } }";
    let last = hospital.ask(last, json!({})).await.expect("asked");
    let cursor = last["alerts"]["pageInfo"]["endCursor"].as_str();
    let cursor = cursor.expect("a cursor").to_owned();
    people.spawn("hospital", async move { hospital.bill(&today).await });
    let watcher = Person::new(&work, &officer, http_1());
    let watchers = Lifecycle::new();
    watchers.spawn("watcher", async move { watcher.watch(cursor).await });
    let agency = Person::new(&work, &officer, http_1());
    let workflow = programs.peers["workflow"].clone();
    watchers.spawn("agency", async move { agency.follow(&workflow).await });

    work.go_on(30).await;
    next_migration(&programs).await;
    for rollout in 0..rollouts {
        let other = (rollout + 1) % 2;
        programs.release.clone_from(&releases[other]);
        for (old, (service, ends)) in running.iter_mut().zip(places) {
            let mut new = programs.start_at(service, ends[other], &[], &[]);
            new.ready().await;
            work.go_on(requests).await;
            std::mem::replace(old, new).stop().await;
            work.go_on(requests).await;
        }
        let end = Road::ENDS[other];
        let mut new = programs.start_at("gateway", gateway_at(end), &[], &drain);
        new.ready().await;
        road.leads_to(end);
        work.go_on(requests).await;
        std::mem::replace(&mut gateway, new).stop().await;
        work.go_on(requests).await;
    }
    work.stop.store(true, Ordering::Relaxed);
    people.wait(Duration::from_secs(30)).await;
    everything_arrives(&programs, &work).await;
    work.arrived.store(true, Ordering::Relaxed);
    watchers.wait(Duration::from_secs(30)).await;

    let failed = work.failed.lock().expect("unpoisoned").clone();
    let requests = work.requests.load(Ordering::Relaxed);
    assert!(
        failed.is_empty(),
        "{} of {requests}: {failed:#?}\n{}",
        failed.len(),
        programs.warnings()
    );
    let declared = work.declared.load(Ordering::Relaxed);
    assert!(declared > 20, "{declared} cases of {requests} requests");
    let alerts = work.seen.lock().expect("unpoisoned").len();
    println!(
        "{rollouts} rollouts, {requests} requests, {declared} cases, {alerts} alerts seen: none failed, none \
         lost, none doubled"
    );
    told_once(&programs, declared).await;
    drop((running, gateway));
    programs.remove().await;
}

/// What the migration of a release to come may do while these programs work: every table has one more column,
/// and the schema is newer than what they know.
async fn next_migration(programs: &Programs) {
    let mut owner = programs.database.owner().await;
    for service in SERVICES {
        let tables = "select tablename::text from pg_tables where schemaname = $1 \
                      and tablename not in ('_sqlx_migrations', 'schema_version')";
        let tables = sqlx::query_scalar(tables).bind(service);
        let tables: Vec<String> = tables.fetch_all(&mut owner).await.expect("tables");
        assert!(tables.len() > 5, "{tables:?}");
        for table in tables {
            let add = format!(
                "set lock_timeout = '1s'; \
                 alter table {service}.{table} add column of_a_release_to_come text not null default 'new'"
            );
            // As a migration is: somebody may be using the table for longer.
            let mut tries = 0;
            while let Err(error) = sqlx::raw_sql(AssertSqlSafe(&*add))
                .execute(&mut owner)
                .await
            {
                tries += 1;
                assert!(tries < 10, "{table}: {error}");
            }
        }
        let newer = format!("update {service}.schema_version set version = version + 1");
        let newer = sqlx::query(AssertSqlSafe(newer)).execute(&mut owner).await;
        assert_eq!(newer.expect("newer").rows_affected(), 1);
    }
}

/// Whoever watches gets everything, once and in order.
async fn everything_arrives(programs: &Programs, work: &Work) {
    let mut owner = programs.database.owner().await;
    let told: i64 = sqlx::query_scalar("select position from workflow.feed_head")
        .fetch_one(&mut owner)
        .await
        .expect("a head");
    let raised = work.raised.load(Ordering::Relaxed);
    let began = Instant::now();
    loop {
        let seen = work.seen.lock().expect("unpoisoned").clone();
        let followed = work.followed.lock().expect("unpoisoned").clone();
        let once: BTreeSet<&String> = seen.iter().collect();
        assert_eq!(once.len(), seen.len(), "an alert was shown twice");
        let dense = (1..).take(followed.len());
        assert!(dense.eq(followed.iter().copied()), "{followed:?}");
        if seen.len() == raised && followed.last() >= Some(&told) {
            assert!(raised > 0, "nobody was ill");
            return;
        }
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "{} of {raised} alerts and {} of {told} items arrived",
            seen.len(),
            followed.len()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Every case is in its feed once, and every item of it was taken by the registry, in order.
async fn told_once(programs: &Programs, declared: usize) {
    let mut owner = programs.database.owner().await;
    let mut number = async |select: String| -> i64 {
        let row = sqlx::query(AssertSqlSafe(select))
            .fetch_one(&mut owner)
            .await;
        row.expect("a row").get(0)
    };
    let declared = i64::try_from(declared).expect("few");
    let count = |from: &str| format!("select count(*) from {from}");
    assert_eq!(number(count("workflow.cases")).await, declared);
    let told = "workflow.feed where kind = 'case.declared'";
    assert_eq!(number(count(told)).await, declared);
    for service in SERVICES {
        // At one moment: the programs still put their own work on the record.
        let holes = format!(
            "select (select position from {service}.feed_head) - (select count(*) from {service}.feed)"
        );
        assert_eq!(number(holes).await, 0, "{service}: positions are dense");
        let aside = number(count(&format!("{service}.quarantine"))).await;
        assert_eq!(aside, 0, "{service}");
    }
    // The last ones may still be on their way, and each half minute records are sealed.
    let behind = "select (select position from workflow.feed_head) - position \
                  from households.cursors where source = 'workflow'";
    let began = Instant::now();
    while number(behind.to_owned()).await > 0 {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "an item was lost"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for service in SERVICES {
        let (status, said) = programs.run(service, &["verify"], &[]);
        assert!(status.success(), "{said}");
    }
}
