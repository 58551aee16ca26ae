//! Names, ID numbers, phones and addresses leave no trace in what operators see: logs, traces,
//! metrics and errors of the real binary while it works on marked people.

use std::{
    fs::{self, File},
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, extract::State, response::IntoResponse};
use serde_json::{Value, json};

use crate::process::{Up, backstop, graphql, token};

const NAMES: [&str; 2] = ["欧阳密标", "司马暗记"];
const PHONE: &str = "13900007777";
const ADDRESS: &str = "秘密巷七十七号";

/// Takes whatever is exported and keeps the bytes.
async fn collector() -> (SocketAddr, Arc<Mutex<Vec<u8>>>) {
    async fn keep(State(kept): State<Arc<Mutex<Vec<u8>>>>, body: Bytes) -> impl IntoResponse {
        kept.lock().expect("not poisoned").extend_from_slice(&body);
        // An empty message, and a status of gRPC that says that all is well.
        (
            [("content-type", "application/grpc"), ("grpc-status", "0")],
            vec![0_u8; 5],
        )
    }
    let kept = Arc::new(Mutex::new(Vec::new()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    let router = Router::new().fallback(keep).with_state(kept.clone());
    let lifecycle = chassis::lifecycle::Lifecycle::new();
    lifecycle.spawn("collector", async move {
        let _ = axum::serve(listener, router).await;
    });
    (address, kept)
}

#[tokio::test(flavor = "multi_thread")]
async fn marked_people_are_in_no_log_trace_metric_or_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let (collector, exported) = collector().await;
    let log = folder.path().join("log");
    let data = folder.path().join("data");
    let mut command = backstop(&data, &["up"]);
    command
        .env("BACKSTOP_LOG", "debug")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{collector}"))
        .env("OTEL_BSP_SCHEDULE_DELAY", "200");
    let kept = File::create(&log).expect("a log");
    let mut up = Up::started(&data, &mut command, kept.into()).await;
    let http = up.http();
    let numbers = [tests::family::id_number(), tests::family::id_number()];
    let mut secrets: Vec<String> = NAMES.iter().map(|&name| name.to_owned()).collect();
    secrets.extend(numbers.iter().cloned());
    secrets.extend([PHONE.to_owned(), ADDRESS.to_owned()]);

    let mut errors = String::new();
    for (document, input) in scenario(&numbers) {
        let answer = graphql(
            &http,
            &token(&data),
            document,
            json!({ "input": input.clone() }),
        )
        .await;
        let answer = answer.unwrap_or_else(|error| panic!("{error}: {document} {input}"));
        errors.push_str(&answer["errors"].to_string());
        errors.push_str(&violations(&answer["data"]));
    }
    let metrics = reqwest::get(format!("{http}/metrics"))
        .await
        .expect("metrics")
        .text()
        .await
        .expect("text");
    assert!(metrics.contains("rpc_server_duration"), "metrics are there");
    // In order, so that the last spans are sent.
    up.interrupt().await;

    let log = fs::read_to_string(&log).expect("a log");
    assert!(log.contains("\"level\""), "logs are there");
    let exported = exported.lock().expect("not poisoned").clone();
    assert!(!exported.is_empty(), "traces are there");
    let exported = String::from_utf8_lossy(&exported).into_owned();
    for secret in &secrets {
        for (place, text) in [
            ("log", &log),
            ("trace", &exported),
            ("metric", &metrics),
            ("error", &errors),
        ] {
            assert!(!text.contains(secret.as_str()), "a {place} holds {secret}");
        }
    }
}

/// Good and bad requests that hold marked values.
fn scenario(numbers: &[String; 2]) -> Vec<(&'static str, Value)> {
    const DIVISION: &str = "mutation($input: PutDivisionInput!) { putDivision(input: $input) { \
                            division { code } violations { field code expected message } } }";
    const CREATE: &str = "mutation($input: CreateHouseholdInput!) { createHousehold(input: $input) { \
                          household { id } violations { field code expected message } } }";
    let member = |name: &str, number: &str, head: bool| {
        json!({
            "name": name, "idNumber": number, "isHead": head, "relation": if head { "户主" } else { "配偶" },
            "registered": true, "resident": true, "sharesIncome": true, "labourCapacity": "ORDINARY",
            "health": "健康", "schooling": "非在校生", "medicallyInsured": true,
        })
    };
    let household = |request: u32, members: Vec<Value>| {
        json!({
            "requestId": format!("00000000-0000-7000-8000-{request:012}"),
            "household": {
                "divisionCode": "999999001001", "groupNumber": 1, "origin": "GENERAL", "liftedYear": 0,
                "phone": PHONE, "address": ADDRESS,
            },
            "members": members,
        })
    };
    let division = |code: &str, level: &str| json!({ "code": code, "name": "标", "level": level, "validFrom": "2020-01-01" });
    let both = vec![
        member(NAMES[0], &numbers[0], true),
        member(NAMES[1], &numbers[1], false),
    ];
    let mut wrong_check = numbers[0].clone();
    let last = if wrong_check.pop() == Some('0') {
        '1'
    } else {
        '0'
    };
    wrong_check.push(last);
    vec![
        (DIVISION, division("999999000000", "COUNTY")),
        (DIVISION, division("999999001000", "TOWNSHIP")),
        (DIVISION, division("999999001001", "VILLAGE")),
        (CREATE, household(1, both.clone())),
        // The same people again, two heads, a wrong check digit, a name that is far too long.
        (CREATE, household(2, both)),
        (
            CREATE,
            household(
                3,
                vec![
                    member(NAMES[0], &numbers[0], true),
                    member(NAMES[1], &numbers[1], true),
                ],
            ),
        ),
        (
            CREATE,
            household(4, vec![member(NAMES[0], &wrong_check, true)]),
        ),
        (
            CREATE,
            household(5, vec![member(&NAMES[0].repeat(500), &numbers[0], true)]),
        ),
    ]
}

fn violations(data: &Value) -> String {
    let payload = data.as_object().and_then(|data| data.values().next());
    payload
        .map(|payload| payload["violations"].to_string())
        .unwrap_or_default()
}
