//! What things cost a deployment: CPU time of the programs and of PostgreSQL, and what is stored. `tests/bench
//! cost` runs it with optimised programs; docs/scaling.md says what follows.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use demo::County;
use futures::future::join_all;
use kernel::Role;
use serde_json::{Value, json};
use sqlx::PgConnection;
use tests::{COUNTY, Client, family::id_number};

use crate::{
    measure,
    programs::{Program, Programs, SERVICES, number},
};

/// Who ask at once.
const CONNECTIONS: usize = 8;
/// How many pages are asked for; a quarter as many are written.
const REQUESTS: &str = "BACKSTOP_TEST_COST_REQUESTS";

struct Deployment {
    programs: Programs,
    running: Vec<(&'static str, Program)>,
    owner: PgConnection,
    postmaster: u32,
}

/// CPU time so far, in seconds.
#[derive(Debug, Clone, Copy)]
struct Spent {
    gateway: f64,
    services: f64,
    postgres: f64,
}

impl Deployment {
    async fn start() -> Self {
        let programs = Programs::migrated().await;
        let mut running = Vec::new();
        for name in SERVICES.into_iter().chain(["gateway"]) {
            running.push((name, programs.start(name, &[])));
        }
        for (_, program) in &mut running {
            program.ready().await;
        }
        let mut owner = programs.database.owner().await;
        let backend: i32 = sqlx::query_scalar("select pg_backend_pid()")
            .fetch_one(&mut owner)
            .await
            .expect("a process");
        let backend = u32::try_from(backend).expect("positive");
        Self {
            programs,
            running,
            owner,
            postmaster: measure::parent_of(backend).expect("a server"),
        }
    }

    fn client(&self, role: Role, division: &str) -> Client {
        let (_, gateway) = self.running.last().expect("a gateway");
        Client::new(
            gateway.listen,
            self.programs.token(role, division),
            "somebody",
        )
    }

    fn spent(&self) -> Spent {
        let mut spent = Spent {
            gateway: 0.0,
            services: 0.0,
            postgres: measure::of_postgres(self.postmaster)
                .expect("PostgreSQL's time")
                .as_secs_f64(),
        };
        for (name, program) in &self.running {
            let time = measure::of_process(program.id()).expect("a program's time");
            match *name {
                "gateway" => spent.gateway += time.as_secs_f64(),
                _ => spent.services += time.as_secs_f64(),
            }
        }
        spent
    }

    async fn bytes(&mut self) -> i64 {
        sqlx::query_scalar("select pg_database_size(current_database())")
            .fetch_one(&mut self.owner)
            .await
            .expect("a size")
    }
}

/// A line of the table: what each of `many` cost since `before`.
fn line(what: &str, many: usize, before: Spent, now: Spent, latencies: &mut [f64]) {
    let each = |before: f64, now: f64| (now - before) * 1e6 / many as f64;
    let (gateway, services) = (
        each(before.gateway, now.gateway),
        each(before.services, now.services),
    );
    let postgres = each(before.postgres, now.postgres);
    print!(
        "{what:<44} {many:>6} {gateway:>8.0} {services:>9.0} {postgres:>11.0} {:>8.0}",
        gateway + services + postgres
    );
    if latencies.is_empty() {
        println!();
        return;
    }
    let (half, most) = (
        measure::percentile(latencies, 0.5),
        measure::percentile(latencies, 0.99),
    );
    println!("   {half:.1} / {most:.1} ms");
}

/// Asks `many` times, from several connections, and times each answer.
async fn ask_often<'a, F, A>(many: usize, ask: F) -> Vec<f64>
where
    F: Fn(usize) -> A,
    A: Future<Output = ()> + 'a,
{
    let next = AtomicUsize::new(0);
    let one = || async {
        let mut latencies = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= many {
                return latencies;
            }
            let began = Instant::now();
            ask(at).await;
            latencies.push(began.elapsed().as_secs_f64() * 1e3);
        }
    };
    join_all((0..CONNECTIONS).map(|_| one())).await.concat()
}

async fn divisions(officer: &Client, county: &County) {
    let line = county.monitoring_line();
    let valid_from = line.effective_from.to_string();
    for division in county.divisions() {
        let groups = division.groups.iter().zip(1..);
        let groups: Vec<Value> = groups
            .map(|(name, number)| json!({ "number": number, "name": name }))
            .collect();
        let level = match division.code.level() {
            kernel::DivisionLevel::County => "COUNTY",
            kernel::DivisionLevel::Township => "TOWNSHIP",
            kernel::DivisionLevel::Village => "VILLAGE",
        };
        let division = json!({ "code": division.code.to_string(), "name": division.name,
                               "level": level, "validFrom": valid_from, "groups": groups });
        officer
            .accepted("putDivision", division, "division { code }")
            .await;
    }
    let line = json!({ "divisionCode": COUNTY, "effectiveFrom": valid_from, "amount": "8700.00",
                       "legalBasis": line.legal_basis });
    officer
        .accepted("putMonitoringLine", line, "line { amount }")
        .await;
}

/// Nothing goes on any more: feeds are followed to their ends.
async fn quiet() {
    tokio::time::sleep(Duration::from_secs(3)).await;
}

/// It says something with optimised programs, on a quiet machine and of many; of a few it shows that it still can
/// be measured.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_things_cost() {
    let many = number(REQUESTS, 20);
    let mut deployment = Deployment::start().await;
    let mut county = County::demo(chassis::clock::Clock::system().today());
    if many < 1000 {
        // Still a page of each village.
        county.households = 50 * county.villages;
    }
    let officer = deployment.client(Role::CountyOfficer, COUNTY);
    divisions(&officer, &county).await;
    let folder = tempfile::tempdir().expect("a folder");
    let files = demo::write(&county, folder.path()).expect("written");
    println!(
        "{:<44} {:>6} {:>8} {:>9} {:>11} {:>8}   p50 / p99",
        "µs of CPU for each", "", "gateway", "services", "PostgreSQL", "in all"
    );
    quiet().await;

    let (before, bytes) = (deployment.spent(), deployment.bytes().await);
    for sheet in &files.sheets {
        let name = sheet
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name");
        let content = std::fs::read(sheet).expect("a sheet");
        officer
            .upload(&format!("households?fileName={name}"), content)
            .await;
    }
    quiet().await;
    let households = usize::try_from(county.households).expect("few");
    let now = deployment.spent();
    line("a household of a sheet", households, before, now, &mut []);
    let grown = deployment.bytes().await - bytes;
    println!(
        "  {} bytes stored for each",
        grown / i64::from(county.households)
    );

    let villages: Vec<String> = county.villages().iter().map(ToString::to_string).collect();
    let page =
        "query($division: DivisionCode) { households(divisionCode: $division, first: 50) { nodes {
        id headName phone origin members { name idNumber relation health labourCapacity }
        currentCase { id state dueOn } } } }";
    let (officer_of, mut bytes) = (&officer, 0);
    let village = async |at: usize| -> usize {
        let division = &villages[at % villages.len()];
        let answer = officer_of.send(page, json!({ "division": division })).await;
        assert!(answer.body["errors"].is_null(), "{:#}", answer.body);
        let nodes = answer.body["data"]["households"]["nodes"].as_array();
        assert_eq!(nodes.expect("nodes").len(), 50);
        answer.body.to_string().len()
    };
    bytes += village(0).await;
    ask_often(many / 10, async |at| {
        village(at).await;
    })
    .await;
    let before = deployment.spent();
    let mut latencies = ask_often(many, async |at| {
        village(at).await;
    })
    .await;
    let now = deployment.spent();
    line(
        "a page of 50 households of a village",
        many,
        before,
        now,
        &mut latencies,
    );
    println!("  {bytes} bytes of JSON");

    let medical = files
        .alerts
        .iter()
        .find(|file| file.row_kind == "medical_expense");
    let medical = medical.expect("a file");
    let mut rows = std::fs::read_to_string(&medical.path).expect("a file");
    let before = deployment.spent();
    let path = format!(
        "alerts?department={}&rowKind={}&dataDate={}&fileName=h.csv",
        medical.department, medical.row_kind, medical.data_date
    );
    let report = officer.upload(&path, rows.clone().into_bytes()).await;
    quiet().await;
    let (now, count) = (deployment.spent(), rows.lines().count() - 1);
    line("a row of a department's file", count, before, now, &mut []);
    println!("  {} alerts among them", report["alertsRaised"]);

    // Of everybody there, so that each row is an alert.
    rows = "id_number,stay_oop,ytd_oop\n".to_owned();
    let mut ill = 0;
    for household in county.households() {
        let head = household.head().id_number.expose().to_owned();
        rows += &format!("{head},50000,50000\n");
        ill += 1;
    }
    assert_eq!(ill, households);
    let (before, bytes) = (deployment.spent(), deployment.bytes().await);
    let report = officer.upload(&path, rows.into_bytes()).await;
    quiet().await;
    let raised = report["alertsRaised"].as_u64().expect("a number");
    let raised = usize::try_from(raised).expect("few");
    let now = deployment.spent();
    line("an alert that is raised", raised, before, now, &mut []);
    let grown = deployment.bytes().await - bytes;
    println!(
        "  {} bytes stored for each",
        grown / i64::try_from(raised).expect("few")
    );

    let feed =
        "{ alerts(first: 50) { nodes { id ruleId divisionCode household { id headName } } } }";
    let alerts = async |_| drop(officer.ask(feed, json!({})).await);
    ask_often(many / 10, alerts).await;
    let before = deployment.spent();
    let mut latencies = ask_often(many, alerts).await;
    let now = deployment.spent();
    line("a page of 50 alerts", many, before, now, &mut latencies);

    let cadre = deployment.client(Role::VillageCadre, &villages[0]);
    let paper = cadre
        .upload(
            &format!("evidence?divisionCode={}", villages[0]),
            tests::family::PAPER.to_vec(),
        )
        .await;
    let (bytes, ids) = (deployment.bytes().await, std::sync::Mutex::new(Vec::new()));
    let before = deployment.spent();
    let mut latencies = ask_often(many / 4, async |_| {
        // The county's people have numbers of the same kind: one that is taken is passed over.
        let created = loop {
            let input = json!({
                "household": { "divisionCode": villages[0], "groupNumber": 1, "origin": "GENERAL",
                               "phone": "13800000000" },
                "members": [{
                    "name": "张大山", "idNumber": id_number(), "isHead": true, "relation": "户主",
                    "registered": true, "resident": true, "sharesIncome": true,
                    "labourCapacity": "ORDINARY", "health": "健康", "schooling": "非在校生",
                    "medicallyInsured": true,
                }],
            });
            let created = cadre.mutate("createHousehold", input, "household { id }");
            let created = created.await;
            if created["household"].is_object() {
                break created;
            }
        };
        ids.lock()
            .expect("unpoisoned")
            .push(created["household"]["id"].clone());
    })
    .await;
    let now = deployment.spent();
    line(
        "a household that is entered",
        many / 4,
        before,
        now,
        &mut latencies,
    );
    quiet().await;
    let ids = ids.into_inner().expect("unpoisoned");
    let before = deployment.spent();
    let mut latencies = ask_often(many / 4, async |at: usize| {
        let input = json!({ "householdId": ids[at], "channel": "SELF_DECLARATION",
                            "risks": [{ "type": "ILLNESS" }], "evidenceSha256": [paper["sha256"]] });
        cadre.accepted("declareCase", input, "case { state }").await;
    })
    .await;
    quiet().await;
    let now = deployment.spent();
    line(
        "a declared case, with what follows from it",
        many / 4,
        before,
        now,
        &mut latencies,
    );
    let grown = deployment.bytes().await - bytes;
    println!(
        "  {} bytes stored for household and case",
        grown / i64::try_from(many / 4).expect("few")
    );

    let Deployment {
        programs,
        running,
        owner,
        ..
    } = deployment;
    drop((running, owner));
    programs.remove().await;
}
