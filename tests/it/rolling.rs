//! Every process is replaced under load, as a rollout does it: the new one first, then the old one is asked
//! to stop. No request fails, and nothing that was told in a feed is lost or takes effect twice.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use chassis::{clock::Clock, lifecycle::Lifecycle};
use kernel::Role;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Row};
use tests::{
    Client,
    county::{self, VILLAGE},
    family::id_number,
};

use crate::{
    process::graphql,
    programs::{Program, Programs, SERVICES, free_address},
};

/// People at work: two cores, six debug programs and PostgreSQL carry them.
const WRITERS: usize = 3;
const READERS: usize = 2;

/// What the people at work share.
#[derive(Default)]
struct Work {
    /// Where new requests go, as a load balancer sends them.
    gateway: Mutex<Option<SocketAddr>>,
    stop: AtomicBool,
    requests: AtomicUsize,
    failed: Mutex<Vec<String>>,
    /// Households whose case was declared.
    declared: Mutex<Vec<String>>,
}

impl Work {
    /// One request; what went wrong is written down.
    async fn ask(&self, token: &str, document: &str, variables: Value) -> Option<Value> {
        let gateway = (*self.gateway.lock().expect("unpoisoned")).expect("a gateway");
        let answer = graphql(&format!("http://{gateway}"), token, document, variables).await;
        self.requests.fetch_add(1, Ordering::Relaxed);
        let wrong = match answer {
            Ok(answer) if answer["errors"].is_null() => return Some(answer["data"].clone()),
            Ok(answer) => answer["errors"].to_string(),
            Err(error) => format!("{error:?}"),
        };
        self.failed.lock().expect("unpoisoned").push(wrong);
        None
    }

    async fn write(&self, token: &str, paper: &str) {
        let request = || Clock::system().new_id().to_string();
        while !self.stop.load(Ordering::Relaxed) {
            let input = json!({
                "requestId": request(),
                "household": { "divisionCode": VILLAGE, "groupNumber": 1, "origin": "GENERAL",
                               "phone": "13800000000" },
                "members": [{
                    "name": "张大山", "idNumber": id_number(), "isHead": true, "relation": "户主",
                    "registered": true, "resident": true, "sharesIncome": true,
                    "labourCapacity": "ORDINARY", "health": "健康", "schooling": "非在校生",
                    "medicallyInsured": true,
                }],
            });
            let create =
                "mutation($input: CreateHouseholdInput!) { createHousehold(input: $input) {
                household { id } refusal { unmet { code } } violations { field code } } }";
            let Some(data) = self.ask(token, create, json!({ "input": input })).await else {
                continue;
            };
            let id = data["createHousehold"]["household"]["id"].as_str();
            let id = id
                .unwrap_or_else(|| panic!("not created: {data}"))
                .to_owned();
            let input = json!({
                "requestId": request(), "householdId": id, "channel": "SELF_DECLARATION",
                "risks": [{ "type": "ILLNESS" }], "evidenceSha256": [paper],
            });
            let declare = "mutation($input: DeclareCaseInput!) { declareCase(input: $input) {
                case { state } refusal { unmet { code } } violations { field code } } }";
            let Some(data) = self.ask(token, declare, json!({ "input": input })).await else {
                continue;
            };
            let state = &data["declareCase"]["case"]["state"];
            assert_eq!(state, "DECLARED", "{data}");
            self.declared.lock().expect("unpoisoned").push(id);
        }
    }

    async fn read(&self, token: &str) {
        let pages = "{ households(first: 20) { nodes { id headName currentCase { state } } }
                       cases(first: 20) { nodes { id } } alerts(first: 20) { nodes { id } } }";
        while !self.stop.load(Ordering::Relaxed) {
            self.ask(token, pages, json!({})).await;
        }
    }

    /// Lets people work until so many more requests were answered.
    async fn go_on(&self, requests: usize) {
        let until = self.requests.load(Ordering::Relaxed) + requests;
        let began = Instant::now();
        while self.requests.load(Ordering::Relaxed) < until {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "nothing is answered"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_process_is_replaced_and_nobody_notices() {
    let mut programs = Programs::migrated().await;
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
    let mut gateway = programs.start("gateway", &[]);
    for program in running.iter_mut().chain([&mut gateway]) {
        program.ready().await;
    }

    let work = Arc::new(Work::default());
    *work.gateway.lock().expect("unpoisoned") = Some(gateway.listen);
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

    let people = Lifecycle::new();
    for _ in 0..WRITERS {
        let (work, token, paper) = (work.clone(), cadre.clone(), paper.clone());
        people.spawn("writer", async move { work.write(&token, &paper).await });
    }
    for _ in 0..READERS {
        let (work, token) = (work.clone(), officer.clone());
        people.spawn("reader", async move { work.read(&token).await });
    }
    work.go_on(30).await;
    for (old, (service, [_, two])) in running.iter_mut().zip(places) {
        let mut new = programs.start_at(service, two, &[], &[]);
        new.ready().await;
        work.go_on(20).await;
        std::mem::replace(old, new).stop().await;
        work.go_on(20).await;
    }
    // Whoever stands before the gateways sends new requests to the new one first.
    let mut new = programs.start_at("gateway", free_address(), &[], &[]);
    new.ready().await;
    *work.gateway.lock().expect("unpoisoned") = Some(new.listen);
    work.go_on(20).await;
    std::mem::replace(&mut gateway, new).stop().await;
    work.go_on(30).await;
    work.stop.store(true, Ordering::Relaxed);
    people.wait(Duration::from_secs(30)).await;

    let failed = work.failed.lock().expect("unpoisoned").clone();
    let requests = work.requests.load(Ordering::Relaxed);
    assert!(
        failed.is_empty(),
        "{} of {requests}: {failed:#?}\n{}",
        failed.len(),
        programs.warnings()
    );
    let declared = work.declared.lock().expect("unpoisoned").clone();
    assert!(
        declared.len() > 20,
        "{} cases of {requests} requests",
        declared.len()
    );
    println!("{requests} requests, {} cases, none failed", declared.len());
    told_once(&programs, declared.len()).await;
    drop((running, gateway));
    programs.remove().await;
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
        let head = format!("select position from {service}.feed_head");
        let items = number(count(&format!("{service}.feed"))).await;
        assert_eq!(items, number(head).await, "{service}: positions are dense");
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
}
