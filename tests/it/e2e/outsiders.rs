//! Whoever is in a department's register and has not been asked about leaves no trace (CMP-4, CMP-8): in no
//! table, no key of Redis, no file, no line of the log, no report.

use std::{
    fs::{self, File},
    io::Write as _,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use flate2::{Compression, write::GzEncoder};
use serde_json::json;
use sqlx::AssertSqlSafe;
use tests::{
    Sandbox, county,
    family::{Family, id_number},
    journey::Journey,
    until,
};
use tracing_subscriber::{
    fmt::MakeWriter, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

const NAME: &str = "局外暗记人";
/// In a column of the contract, and in one that is none of it.
const KIND: &str = "暗印轿车";
const NOTE: &str = "局外备注暗文";
/// What is ours says everything; libraries would fill the memory with frames.
const LEVELS: &str = "info,chassis=trace,comparison=trace,comparison_core=trace,comparison_engine=trace,\
                      gateway=trace,households=trace,workflow=trace";

/// Everything that the process logs until it is taken away: other stories go on in this process.
#[derive(Clone)]
struct Log(Arc<Mutex<Option<Vec<u8>>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Some(log) = &mut *self.0.lock().expect("not poisoned") {
            log.extend(bytes);
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// A Redis of the test's own, and everything that anybody tells it.
struct Redis {
    server: Child,
    monitor: Child,
    port: u16,
}

impl Redis {
    async fn start(folder: &Path) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let server = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--dir", folder.to_str().expect("UTF-8")])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        until("Redis answers", async || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        })
        .await;
        let monitored = File::create(folder.join("monitored")).expect("a file");
        let monitor = Command::new("redis-cli")
            .args(["-p", &port.to_string(), "monitor"])
            .stdout(monitored)
            .spawn()
            .expect("redis-cli is installed");
        Self {
            server,
            monitor,
            port,
        }
    }

    /// Writes everything that it holds into its folder.
    fn save(&self) {
        let saved = Command::new("redis-cli")
            .args(["-p", &self.port.to_string(), "save"])
            .stdout(Stdio::null())
            .status();
        assert!(saved.expect("redis-cli runs").success());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        for child in [&mut self.monitor, &mut self.server] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Contents of all files in a folder and below.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            let content = fs::read(&path).expect("a file");
            found.push((path.display().to_string(), content));
        }
    }
    found
}

/// All rows of all tables of all schemas, as text.
async fn tables(sandbox: &Sandbox) -> Vec<(String, Vec<u8>)> {
    let mut owner = sandbox.database().owner().await;
    let names: Vec<String> = sqlx::query_scalar(
        "select quote_ident(nspname) || '.' || quote_ident(relname)
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where relkind in ('r', 'p', 'm') and nspname <> 'information_schema'
           and nspname !~ '^pg_'",
    )
    .fetch_all(&mut owner)
    .await
    .expect("tables");
    let mut found = Vec::new();
    for name in names {
        let dump = format!("select coalesce(string_agg(t::text, E'\\n'), '') from {name} t");
        let dump: String = sqlx::query_scalar(AssertSqlSafe(dump))
            .fetch_one(&mut owner)
            .await
            .expect("dumped");
        found.push((name, dump.into_bytes()));
    }
    found
}

fn holds(content: &str, marker: &str) -> bool {
    let hex: String = marker.bytes().map(|byte| format!("{byte:02x}")).collect();
    content.contains(marker) || content.contains(&hex)
}

#[tokio::test(flavor = "multi_thread")]
async fn outsiders_of_a_register_leave_no_trace_anywhere() {
    let log = Log(Arc::new(Mutex::new(Some(Vec::new()))));
    let layer = tracing_subscriber::fmt::layer().with_ansi(false);
    tracing_subscriber::registry()
        .with(tracing_subscriber::EnvFilter::new(LEVELS))
        .with(layer.with_writer(log.clone()))
        .init();
    let kept = tempfile::tempdir().expect("a folder");
    let redis = Redis::start(kept.path()).await;
    let url = format!("redis://127.0.0.1:{}", redis.port);
    let sandbox = Sandbox::start_with_redis(url).await;
    let places = county::set_up(&sandbox).await;
    let family = Family::default().register(&sandbox).await;
    let journey = Journey::declare(&sandbox, family, &places).await;
    journey.authorise().await;
    journey.comparison_open().await;

    let outsiders: Vec<String> = (0..50).map(|_| id_number()).collect();
    let mut wrong = outsiders[0].clone();
    let last = wrong.pop();
    wrong.push(if last == Some('0') { '1' } else { '0' });
    let head = &journey.family.id_numbers[0];
    let mut markers = vec![NAME.to_owned(), KIND.to_owned(), NOTE.to_owned()];
    markers.extend(outsiders.iter().cloned());
    markers.push(wrong.clone());
    let register = |header: &str, own: &str, values: &str| {
        let mut text = format!("id_number,name,{header},note\n");
        for number in outsiders.iter().chain([&wrong]) {
            text.push_str(&format!("{number},{NAME},{values},{NOTE}\n"));
        }
        // A row that cannot be told apart, and the one that is asked about between two outsiders.
        text.push_str(&format!("\"{wrong},{NAME},{values},{NOTE}\n"));
        text.push_str(&format!("{head},张大山,{own},\n"));
        text.push_str(&format!("{},{NAME},{values},{NOTE}\n", outsiders[1]));
        text
    };
    let today = journey.today();
    let mut reports = String::new();
    for (item, department, packed, text) in [
        (
            "VEHICLE",
            "traffic_police",
            false,
            register(
                "kind,price,exemption",
                "面包车,42000,",
                &format!("{KIND},1,"),
            ),
        ),
        (
            "BUSINESS_REGISTRATION",
            "market_regulation",
            true,
            register("kind,operating", "个体工商户,是", &format!("{KIND},是")),
        ),
    ] {
        let content = if packed {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
            gzip.write_all(text.as_bytes()).expect("packed");
            gzip.finish().expect("packed")
        } else {
            text.into_bytes()
        };
        let path =
            format!("items/{item}?department={department}&dataDate={today}&fileName=register.csv");
        let report = journey.officer.upload(&path, content.clone()).await;
        reports.push_str(&report.to_string());
        // Half of it is refused, and is not kept either.
        let (status, refused) = journey
            .officer
            .put(&path, content[..content.len() / 2].to_vec())
            .await;
        assert_eq!(status == 200, !packed, "{refused}");
        reports.push_str(&refused.to_string());
    }
    let case = journey
        .case("comparison { hits { ruleId row evidence } items { item personsCompared } }")
        .await;
    let hits = case["comparison"]["hits"].as_array().expect("hits");
    let rules: Vec<&str> = hits
        .iter()
        .filter_map(|hit| hit["ruleId"].as_str())
        .collect();
    assert_eq!(rules, ["C-VEH-01", "C-BUS-01"], "{case}");
    assert_eq!(
        hits[1]["evidence"],
        json!(["kind=个体工商户", "operating=yes"])
    );
    reports.push_str(&case.to_string());

    redis.save();
    let mut places = tables(&sandbox).await;
    assert!(places.len() > 40, "all schemas: {}", places.len());
    let data = files(sandbox.folder());
    assert!(!data.is_empty(), "a data folder");
    places.extend(data);
    let told = files(kept.path());
    assert!(told.len() > 1, "of Redis");
    places.extend(told);
    let logged = log.0.lock().expect("not poisoned").take();
    let logged = logged.filter(|log| !log.is_empty()).expect("a log");
    places.push(("log".to_owned(), logged));
    places.push(("report".to_owned(), reports.into_bytes()));
    let mut evidence = false;
    for (place, content) in &places {
        let content = String::from_utf8_lossy(content);
        for marker in &markers {
            assert!(!holds(&content, marker), "{marker} in {place}");
        }
        evidence |= holds(&content, "个体工商户");
    }
    assert!(evidence, "the search finds what is there");
    drop(redis);
    sandbox.stop().await;
}
