//! The binary itself on its embedded default: killed, started twice, stopped.

use std::{net::TcpListener, time::Duration};

use serde_json::{Value, json};
use tests::{Client, county};

use crate::process::{Up, backstop, graphql, token};

const PUT_DIVISION: &str = "mutation($input: PutDivisionInput!) { putDivision(input: $input) { \
                            division { code } violations { field code } } }";

/// A township; three digits make a thousand.
fn township(number: usize) -> Value {
    json!({ "input": {
        "requestId": format!("00000000-0000-7000-8000-{number:012}"),
        "code": format!("999999{number:03}000"), "name": format!("乡镇{number}"),
        "level": "TOWNSHIP", "validFrom": "2020-01-01",
    } })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_mutation_survives_sigkill() {
    let folder = tempfile::tempdir().expect("a folder");
    let up = Up::start(folder.path()).await;
    let (http, token) = (up.http(), token(folder.path()));
    let county = json!({ "input": {
        "requestId": "00000000-0000-7000-8000-000000000000", "code": "999999000000",
        "name": "测试县", "level": "COUNTY", "validFrom": "2020-01-01",
    } });
    let answer = graphql(&http, &token, PUT_DIVISION, county).await;
    answer.expect("the county is there");
    // Four clients write until the process dies under them.
    let (sender, mut acknowledged) = tokio::sync::mpsc::unbounded_channel();
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..4 {
        let (http, token, sender) = (http.clone(), token.clone(), sender.clone());
        clients.spawn(async move {
            for number in (1 + client..999).step_by(4) {
                let Ok(answer) = graphql(&http, &token, PUT_DIVISION, township(number)).await
                else {
                    return;
                };
                // What the dying process could not do is an error, and not acknowledged.
                let code = answer["data"]["putDivision"]["division"]["code"].as_str();
                if let Some(code) = code {
                    sender.send(code.to_owned()).expect("somebody counts");
                } else {
                    assert!(answer["errors"].is_array(), "{answer:#}");
                }
            }
        });
    }
    drop(sender);
    let mut codes = Vec::new();
    while codes.len() < 40 {
        codes.push(acknowledged.recv().await.expect("mutations go on"));
    }
    up.kill();
    while let Some(code) = acknowledged.recv().await {
        codes.push(code);
    }
    clients.join_all().await;

    let mut up = Up::start(folder.path()).await;
    let mut there = Vec::new();
    let mut after = Value::Null;
    loop {
        let query = "query($after: String) { divisions(first: 100, after: $after) { \
                     nodes { code } pageInfo { hasNextPage endCursor } } }";
        let answer = graphql(&up.http(), &token, query, json!({ "after": after })).await;
        let page = answer.expect("an answer")["data"]["divisions"].clone();
        for node in page["nodes"].as_array().expect("nodes") {
            there.push(node["code"].as_str().expect("a code").to_owned());
        }
        if page["pageInfo"]["hasNextPage"] != true {
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
    let lost: Vec<&String> = codes.iter().filter(|code| !there.contains(code)).collect();
    assert!(
        lost.is_empty(),
        "{} of {} acknowledged mutations are lost: {lost:?}",
        lost.len(),
        codes.len()
    );

    let verified = backstop(folder.path(), &["verify"]).output().expect("runs");
    assert!(
        verified.status.success(),
        "{}",
        String::from_utf8_lossy(&verified.stdout)
    );
    let (took, code) = up.interrupt().await;
    assert!(took < Duration::from_secs(10), "Ctrl-C took {took:?}");
    assert_eq!(code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_up_and_a_busy_port_are_refused_in_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut up = Up::start(folder.path()).await;
    let second = backstop(folder.path(), &["up"]).output().expect("runs");
    refused(&second, "another backstop");

    let other = tempfile::tempdir().expect("a folder");
    let port = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = port.local_addr().expect("an address").to_string();
    let busy = backstop(other.path(), &["up"])
        .env("BACKSTOP_LISTEN", &address)
        .output()
        .expect("runs");
    refused(&busy, &format!("cannot listen on {address}"));

    let file = tempfile::NamedTempFile::new().expect("a file");
    refused(
        &backstop(file.path(), &["up"]).output().expect("runs"),
        "cannot use the data folder",
    );

    let clock = backstop(folder.path(), &["clock", "advance", "8d"])
        .output()
        .expect("runs");
    refused(
        &clock,
        "only the clock of `backstop up --demo` can be moved",
    );
    let (took, _) = up.interrupt().await;
    assert!(took < Duration::from_secs(10), "Ctrl-C took {took:?}");

    refused(
        &backstop(folder.path(), &["clock", "show"])
            .output()
            .expect("runs"),
        "nothing runs",
    );
    let alone = backstop(folder.path(), &["verify"]).output().expect("runs");
    assert!(
        alone.status.success(),
        "{}",
        String::from_utf8_lossy(&alone.stdout)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn import_brings_a_sheet_in_once_and_names_bad_rows() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut up = Up::start(folder.path()).await;
    let officer = Client::new(up.address(), token(folder.path()), "officer");
    county::divisions(&officer).await;
    let story = demo::Story::new(1, chassis::clock::Clock::system().today()).expect("a story");
    let number = story.household.head().id_number.expose().to_owned();
    let import = |name: &str, content: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, content).expect("written");
        let file = file.to_str().expect("a path").to_owned();
        let output = backstop(folder.path(), &["import", &file]).output();
        let output = output.expect("runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success(), text)
    };
    let (done, told) = import("story.csv", &story.sheet.content);
    assert!(done && told.contains("1 households new"), "{told}");
    let (done, told) = import("again.csv", &format!("{}\n", story.sheet.content));
    assert!(done && told.contains("1 unchanged"), "{told}");
    let bad = story.sheet.content.replace(&number, "999999198001010000");
    let (done, told) = import("bad.csv", &bad);
    assert!(!done && told.contains("证件号码"), "{told}");
    assert!(!told.contains("999999198001010000"), "{told}");
    up.interrupt().await;
}

fn refused(output: &std::process::Output, reason: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "it was not refused");
    assert!(text.contains(reason), "{text}");
    assert_eq!(text.trim().lines().count(), 1, "{text}");
}
