//! Alerts and dashboards are held to what the processes show, and what they show to its bounds.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use kernel::Role;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value as Json, json};
use serde_yaml::Value;

use crate::{
    process::graphql,
    programs::{Program, Programs, SERVICES},
};

/// Labels, and how many values each can have. Nothing of a person, of a thing or of a request is one.
const LABELS: [(&str, usize); 16] = [
    ("consumer", 4),
    ("http_route", 30),
    ("http_status", 30),
    ("kind", 4),
    ("le", 20),
    ("process", 5),
    ("rpc_code", 17),
    ("rpc_method", 150),
    ("schema", 4),
    ("source", 8),
    ("state", 2),
    ("urgency", 4),
    ("version", 1),
    // Of the library: which instrument it is, and of which program.
    ("otel_scope_name", 1),
    ("service_name", 5),
    ("telemetry_sdk", 3),
];
/// Of one process, after every method was called it would still be below.
const SERIES_MAX: usize = 2000;

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.expect("the root").to_owned()
}

fn monitoring(file: &str) -> String {
    let path = root().join("k8s/components/monitoring").join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn alerts() -> Vec<Value> {
    let rules: Value = serde_yaml::from_str(&monitoring("rules.yaml")).expect("YAML");
    let groups = rules["groups"].as_sequence().expect("groups");
    let rules = groups
        .iter()
        .flat_map(|group| group["rules"].as_sequence().expect("rules"));
    rules.cloned().collect()
}

/// Every expression of alerts and dashboards, with where it stands.
fn expressions() -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = alerts()
        .iter()
        .map(|alert| {
            let text = |key: &str| alert[key].as_str().expect("a text").to_owned();
            (text("alert"), text("expr"))
        })
        .collect();
    for file in fs::read_dir(root().join("k8s/components/monitoring/dashboards")).expect("there") {
        let file = file.expect("readable").path();
        let board: Json =
            serde_json::from_slice(&fs::read(&file).expect("readable")).expect("JSON");
        for panel in board["panels"].as_array().expect("panels") {
            for target in panel["targets"].as_array().expect("targets") {
                let place = format!("{}: {}", file.display(), panel["title"]);
                found.push((place, target["expr"].as_str().expect("a text").to_owned()));
            }
        }
    }
    found
}

/// Names of our metrics in an expression.
fn metrics(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    let ours = ["backstop_", "http_server_", "rpc_server_"];
    words
        .filter(|word| ours.iter().any(|prefix| word.starts_with(prefix)))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_alert_has_a_severity_and_a_runbook() {
    let mut names = BTreeSet::new();
    for alert in alerts() {
        let name = alert["alert"].as_str().expect("a name");
        let severity = alert["labels"]["severity"].as_str().unwrap_or_default();
        assert!(
            ["page", "ticket"].contains(&severity),
            "{name}: {severity:?}"
        );
        assert!(alert["annotations"]["summary"].is_string(), "{name}");
        let page = alert["annotations"]["runbook"].as_str().expect("a runbook");
        let text = fs::read_to_string(root().join(page)).unwrap_or_default();
        for part in ["**Why.**", "**Look.**", "**Do.**", "**Back.**"] {
            assert!(text.contains(part), "{name}: {page} has no {part}");
        }
        names.insert(page.to_owned());
    }
    assert!(names.len() >= 15, "{} runbooks", names.len());
    for file in fs::read_dir(root().join("docs/runbooks")).expect("runbooks") {
        let file = file
            .expect("readable")
            .file_name()
            .into_string()
            .expect("UTF-8");
        let page = format!("docs/runbooks/{file}");
        assert!(names.contains(&page), "{page} belongs to no alert");
    }
}

#[test]
fn every_alert_fires_when_it_should_and_then_alone() {
    let tests: Value = serde_yaml::from_str(&monitoring("rules_test.yaml")).expect("YAML");
    let tests = tests["tests"].as_sequence().expect("tests");
    let tested: BTreeSet<&str> = tests
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    for alert in alerts() {
        let name = alert["alert"].as_str().expect("a name");
        assert!(tested.contains(name), "{name} has no test");
    }
    let promtool = Command::new("promtool")
        .args(["test", "rules", "rules_test.yaml"])
        .current_dir(root().join("k8s/components/monitoring"))
        .output();
    let Ok(promtool) = promtool else {
        println!("skipped: promtool is not here to let alerts fire");
        return;
    };
    let said = [promtool.stdout, promtool.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(promtool.status.success(), "{said}");
}

/// Of a process without a target there is no `up`.
#[test]
fn every_process_is_missed_by_name() {
    let alerts = alerts();
    let down = alerts.iter().find(|alert| alert["alert"] == "ProcessDown");
    let down = down.and_then(|alert| alert["expr"].as_str());
    let down = down.expect("an expression");
    for process in SERVICES.into_iter().chain(["gateway"]) {
        let missed = format!("absent(backstop_ready{{process=\"{process}\"}})");
        assert!(down.contains(&missed), "{process}");
    }
}

#[test]
fn compose_and_cluster_use_the_same_rules() {
    let compose = fs::read_to_string(root().join("docker-compose.yml")).expect("readable");
    for mounted in [
        "./k8s/components/monitoring/rules.yaml:/etc/prometheus/rules.yaml:ro",
        "./k8s/components/monitoring/dashboards:/var/lib/backstop/dashboards:ro",
    ] {
        assert!(compose.contains(mounted), "{mounted}");
    }
    let component: Value = serde_yaml::from_str(&monitoring("kustomization.yaml")).expect("YAML");
    let maps = component["configMapGenerator"].as_sequence().expect("maps");
    let listed = maps
        .iter()
        .flat_map(|map| map["files"].as_sequence().expect("files"));
    let listed: BTreeSet<&str> = listed.filter_map(Value::as_str).collect();
    let folder = root().join("k8s/components/monitoring");
    for board in fs::read_dir(folder.join("dashboards")).expect("dashboards") {
        let name = board
            .expect("readable")
            .file_name()
            .into_string()
            .expect("UTF-8");
        assert!(
            listed.contains(format!("dashboards/{name}").as_str()),
            "{name}"
        );
    }
    assert!(listed.contains("rules.yaml"));
}

/// A line of `/metrics` as name and labels.
fn series(line: &str) -> Option<(String, BTreeMap<String, String>)> {
    let (key, _) = line.rsplit_once(' ')?;
    let Some((name, labels)) = key.split_once('{') else {
        return Some((key.to_owned(), BTreeMap::new()));
    };
    let labels = labels.trim_end_matches('}').split("\",").filter_map(|one| {
        let (label, value) = one.split_once("=\"")?;
        Some((label.to_owned(), value.trim_end_matches('"').to_owned()))
    });
    Some((name.to_owned(), labels.collect()))
}

/// The settings of a process that has a certificate.
fn certificate(folder: &Path) -> Vec<(String, String)> {
    let params = CertificateParams::new(vec!["measures".to_owned()]).expect("a name");
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("signed").pem();
    let file = |setting: &str, text: &str| {
        let path = folder.join(setting.to_lowercase());
        fs::write(&path, text).expect("written");
        let path = path.to_str().expect("UTF-8").to_owned();
        (format!("BACKSTOP__PROCESS__TLS__{setting}"), path)
    };
    vec![
        file("CA_FILE", &certificate),
        file("CERTIFICATE_FILE", &certificate),
        file("KEY_FILE", &key.serialize_pem()),
    ]
}

#[tokio::test]
async fn what_alerts_and_dashboards_ask_for_is_there_and_bounded() {
    let programs = Programs::migrated().await;
    let mut running: BTreeMap<&str, Program> = BTreeMap::new();
    for service in SERVICES {
        // One with a certificate; nobody here needs to reach it.
        let tls = match service {
            "measures" => certificate(programs.folder.path()),
            _ => Vec::new(),
        };
        let tls: Vec<(&str, &str)> = tls.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        running.insert(service, programs.start(service, &tls));
    }
    running.insert("gateway", programs.start("gateway", &[]));
    for program in running.values_mut() {
        program.ready().await;
    }
    let http = format!("http://{}", running["gateway"].listen);
    let token = programs.token(Role::CountyOfficer, tests::COUNTY);
    let pages = "{ households(first: 5) { nodes { id } } cases(first: 5) { nodes { id } } \
                   alerts(first: 5) { nodes { id } } }";
    for _ in 0..3 {
        let answer = graphql(&http, &token, pages, json!({}))
            .await
            .expect("answered");
        assert!(answer["errors"].is_null(), "{answer}");
    }
    // Whoever makes up paths makes no labels.
    for path in ["/nowhere/1", "/nowhere/2", "/files/evidence/abc"] {
        reqwest::get(format!("{http}{path}"))
            .await
            .expect("answered");
    }

    let wanted: Vec<(String, BTreeSet<String>)> = expressions()
        .iter()
        .map(|(place, expression)| (place.clone(), metrics(expression)))
        .collect();
    assert!(wanted.len() >= 35, "{} expressions", wanted.len());
    let began = Instant::now();
    loop {
        let mut shown: BTreeSet<String> = BTreeSet::new();
        let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (name, program) in &running {
            let (status, text) = program.page("/metrics").await.expect("metrics");
            assert_eq!(status, 200);
            let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
            assert!(
                lines.len() < SERIES_MAX,
                "{name} shows {} series",
                lines.len()
            );
            for (metric, labels) in lines.iter().filter_map(|line| series(line)) {
                for (label, value) in labels {
                    values.entry(label).or_default().insert(value);
                }
                shown.insert(metric);
            }
        }
        for (label, values) in &values {
            let known = LABELS.iter().find(|(name, _)| label.starts_with(name));
            let (_, most) = known.unwrap_or_else(|| panic!("a label {label}: {values:?}"));
            assert!(values.len() <= *most, "{label} has {} values", values.len());
            for value in values {
                let digits = value.chars().filter(char::is_ascii_digit).count();
                assert!(digits < 10, "{label} has an id: {value}");
            }
        }
        let missing: Vec<String> = wanted
            .iter()
            .flat_map(|(place, metrics)| {
                let missing = metrics.iter().filter(|metric| !shown.contains(*metric));
                missing.map(move |metric| format!("{place}: {metric}"))
            })
            .collect();
        if missing.is_empty() {
            break;
        }
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "nobody shows:\n  {}",
            missing.join("\n  ")
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    drop(running);
    programs.remove().await;
}
