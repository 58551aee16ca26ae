//! The ledger from outside: files that anybody may read, a witness of its own mind, case files that
//! prove themselves, and no asset query while nothing can be sealed (SEC-3).

use std::{fs, path::Path, process::Output};

use base64::{Engine, prelude::BASE64_STANDARD};
use chassis::{
    ledger::Leaf,
    merkle::{Frontier, Hash, root},
    tlog::{Checkpoint, LogVerifier, WitnessVerifier, check_consistency, check_inclusion},
};
use kernel::Role;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::{Executor, PgConnection, Row};
use tests::{
    COUNTY, Sandbox,
    county::{self, Places},
    family::Family,
    journey::Journey,
    until, witness,
};

use crate::process::{BINARY, backstop};

/// Reads a file of the log as anybody may.
async fn get(sandbox: &Sandbox, path: &str) -> (StatusCode, Vec<u8>, String) {
    let answer = reqwest::get(format!("http://{}/log/{path}", sandbox.http())).await;
    let answer = answer.expect("an answer");
    let header = |name: &str| {
        let value = answer.headers().get(name);
        value
            .map_or("", |value| value.to_str().expect("text"))
            .to_owned()
    };
    let about = format!("{}; {}", header("content-type"), header("cache-control"));
    (
        answer.status(),
        answer.bytes().await.expect("a body").to_vec(),
        about,
    )
}

async fn text(sandbox: &Sandbox, path: &str) -> String {
    let (status, body, _) = get(sandbox, path).await;
    let text = String::from_utf8(body).expect("text");
    assert_eq!(status, 200, "{path}: {text}");
    text
}

async fn rows(owner: &mut PgConnection) -> u64 {
    let head = "select position from workflow.feed_head";
    let rows: i64 = sqlx::query_scalar(head)
        .fetch_one(owner)
        .await
        .expect("a head");
    rows.unsigned_abs()
}

/// Lets a minute go by and waits until every row is under a checkpoint.
async fn sealed(sandbox: &Sandbox, key: &LogVerifier) -> Checkpoint {
    let mut owner = sandbox.database().owner().await;
    sandbox.advance_minutes(2);
    let rows = rows(&mut owner).await;
    until("everything is sealed", async || {
        let (status, note, _) = get(sandbox, "checkpoint").await;
        let note = (status == 200).then(|| String::from_utf8(note).expect("text"))?;
        let checkpoint = key.open(&note).expect("signed by the log");
        (checkpoint.size >= rows).then_some(checkpoint)
    })
    .await
}

fn key(sandbox: &Sandbox) -> LogVerifier {
    let output = backstop(sandbox.folder(), &["log-key"])
        .output()
        .expect("runs");
    let key = String::from_utf8(output.stdout).expect("text");
    key.trim().parse().expect("a key")
}

async fn declared<'a>(sandbox: &'a Sandbox, places: &Places) -> Journey<'a> {
    let family = Family::default().register(sandbox).await;
    Journey::declare(sandbox, family, places).await
}

/// What the witness command says.
async fn look(sandbox: &Sandbox, key: &LogVerifier, folder: &Path) -> (bool, String) {
    let log = format!("http://{}/log", sandbox.http());
    let state = folder.join("witness.checkpoint");
    let signing_key = folder.join("witness.key");
    let mut command = backstop(&folder.join("nothing"), &["witness"]);
    command.args(["--log", &log, "--key", &key.to_string()]);
    command.args(["--name", "discipline.example/w1"]);
    command
        .arg("--state")
        .arg(state)
        .arg("--signing-key")
        .arg(signing_key);
    let output = tokio::task::block_in_place(|| command.output()).expect("runs");
    assert!(!folder.join("nothing").exists(), "it needs no data folder");
    (output.status.success(), said(&output))
}

fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr]
        .map(String::from_utf8_lossy)
        .concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn sec3_anybody_can_follow_the_log_by_its_files() {
    let sandbox = Sandbox::start().await;
    let places = county::set_up(&sandbox).await;
    let key = key(&sandbox);
    declared(&sandbox, &places).await;
    let first = sealed(&sandbox, &key).await;
    declared(&sandbox, &places).await;
    let second = sealed(&sandbox, &key).await;
    assert!(second.size > first.size);

    let (_, _, about) = get(&sandbox, "checkpoint").await;
    assert_eq!(about, "text/plain; charset=utf-8; no-cache");
    let tile = format!("tile/0/000.p/{}", second.size);
    let (status, hashes, about) = get(&sandbox, &tile).await;
    assert_eq!(status, 200);
    assert_eq!(
        about,
        "application/octet-stream; public, max-age=31536000, immutable"
    );
    let hashes: Vec<Hash> = hashes
        .chunks(32)
        .map(|hash| hash.try_into().expect("a hash"))
        .collect();
    assert_eq!(root(&hashes), second.root, "the tile is the log");
    let part = get(&sandbox, &format!("tile/0/000.p/{}", first.size))
        .await
        .1;
    assert_eq!(
        part,
        hashes[..first.size as usize].concat(),
        "and begins with what it was"
    );

    let proof = async |path: String| {
        let lines = text(&sandbox, &path).await;
        let hash = |line: &str| BASE64_STANDARD.decode(line).expect("base64");
        let hashes = lines
            .lines()
            .map(|line| hash(line).try_into().expect("a hash"));
        hashes.collect::<Vec<Hash>>()
    };
    let grows = proof(format!("consistency/{}/{}", first.size, second.size)).await;
    let (older, newer) = ((first.size, first.root), (second.size, second.root));
    assert!(check_consistency(older, newer, &grows));
    let holds = proof(format!("inclusion/2/{}", second.size)).await;
    assert!(check_inclusion(
        hashes[2],
        2,
        second.size,
        second.root,
        &holds
    ));

    for (path, expected) in [
        ("tile/0/000", 404),
        ("tile/0/001", 404),
        ("tile/0/000.p/0", 400),
        ("tile/9/000", 400),
        ("tile/..%2f..%2fsecrets", 400),
        ("tile/data/000", 400),
        ("inclusion/0/99999", 404),
        ("inclusion/x/3", 400),
        ("inclusion/-1/3", 400),
        ("consistency/3/99999999999999999999", 400),
        ("seal/yesterday", 400),
        ("seal/2999-01-01", 400),
        ("seal/2020-01-01", 404),
        ("nothing", 404),
    ] {
        let (status, _, about) = get(&sandbox, path).await;
        assert_eq!(status, expected, "{path}");
        assert!(!about.contains("immutable"), "{path}: {about}");
    }
    let seal = text(&sandbox, &format!("seal/{}", sandbox.today())).await;
    assert!(
        seal.contains(&second.size.to_string()) && seal.contains(&key.name()),
        "{seal}"
    );

    // Accounts see the same through GraphQL.
    let farmer = sandbox.client(Role::Farmer, county::VILLAGE);
    let query = "query($day: Date!) { checkpoint { size root origin key } \
                 dailySeal(day: $day) { final text checkpoint { size } } }";
    let data = farmer
        .ask(query, json!({ "day": sandbox.today().to_string() }))
        .await;
    let shown = &data["checkpoint"];
    assert_eq!(shown["root"], chassis::tlog::hex(&second.root));
    assert_eq!(
        (&shown["size"], &shown["key"]),
        (&json!(second.size), &json!(key.to_string()))
    );
    assert_eq!(data["dailySeal"]["text"], seal);
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sec3_a_witness_cosigns_what_grows_and_refuses_what_was_bent() {
    let sandbox = Sandbox::start().await;
    let places = county::set_up(&sandbox).await;
    let key = key(&sandbox);
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(
        folder.path().join("witness.key"),
        BASE64_STANDARD.encode([3; 32]),
    )
    .expect("written");
    let own: WitnessVerifier = witness().verifier();

    declared(&sandbox, &places).await;
    let first = sealed(&sandbox, &key).await;
    let (good, told) = look(&sandbox, &key, folder.path()).await;
    assert!(
        good && told.contains("first look") && told.contains(&own.to_string()),
        "{told}"
    );
    let note = text(&sandbox, "checkpoint").await;
    assert!(own.open(&note).expect("genuine").is_some(), "{note}");
    let (good, told) = look(&sandbox, &key, folder.path()).await;
    assert!(good && told.contains("nothing new"), "{told}");
    let auditor = sandbox.client(Role::Auditor, COUNTY);
    let query = "{ checkpoint { witnesses } }";
    let data = auditor.ask(query, json!({})).await;
    assert_eq!(
        data["checkpoint"]["witnesses"],
        json!(["discipline.example/w1"])
    );

    declared(&sandbox, &places).await;
    let second = sealed(&sandbox, &key).await;
    let (good, told) = look(&sandbox, &key, folder.path()).await;
    let goes_on = format!("{} rows go on from {}", second.size, first.size);
    assert!(good && told.contains(&goes_on), "{told}");

    // Another key's log, a stranger's signature and noise.
    let (good, told) = look(&sandbox, &other_key(), folder.path()).await;
    assert!(!good && told.contains("not signed by the key"), "{told}");
    let client = reqwest::Client::new();
    let url = format!("http://{}/log/cosignatures", sandbox.http());
    for (body, expected) in [
        (note.clone() + "x", 400),
        ("x".repeat(100_000), 413),
        (String::new(), 400),
    ] {
        let refused = client
            .post(&url)
            .body(body)
            .send()
            .await
            .expect("an answer");
        assert_eq!(refused.status(), expected);
        let problem: Value = refused.json().await.expect("a problem");
        assert!(problem["title"].is_string(), "{problem}");
    }

    // The past is rewritten by whoever owns the database, and everything sealed of it forgotten: the
    // log signs another history, and only the witness can know.
    let mut owner = sandbox.database().owner().await;
    rewrite(&mut owner).await;
    declared(&sandbox, &places).await;
    let third = sealed(&sandbox, &key).await;
    assert!(third.size > second.size);
    let verified = verify(&sandbox, &[]);
    assert!(
        verified.status.success(),
        "it is consistent: {}",
        said(&verified)
    );
    let (good, told) = look(&sandbox, &key, folder.path()).await;
    assert!(!good && told.contains("split view"), "{told}");
    let kept = fs::read_to_string(folder.path().join("witness.rejected")).expect("kept");
    assert_eq!(
        key.open(&kept),
        Ok(third),
        "both histories are in the witness's hands"
    );
    let state = folder.path().join("witness.checkpoint");
    let verified = verify(&sandbox, &[&state]);
    assert!(!verified.status.success());
    assert!(
        said(&verified).contains("split view"),
        "{}",
        said(&verified)
    );

    // Rolled back: the log shows less than it did.
    let older = "delete from workflow.log_cosignatures; delete from workflow.log_checkpoints; \
                 delete from workflow.log_tiles";
    owner.execute(older).await.expect("bent");
    fs::write(&state, &kept).expect("remembered");
    let back = "delete from workflow.feed where position > 3";
    owner.execute(back).await.expect("bent");
    make_consistent(&mut owner).await;
    let verified = verify(&sandbox, &[&state]);
    assert!(!verified.status.success());
    assert!(
        said(&verified).contains("rolled back"),
        "{}",
        said(&verified)
    );
    sandbox.stop().await;
}

fn other_key() -> LogVerifier {
    let key = chassis::secret::SecretKey::new([77; 32]);
    let key = chassis::tlog::LogKey::new("backstop/999999000000/ledger", &key);
    key.expect("a key").verifier()
}

fn verify(sandbox: &Sandbox, copies: &[&Path]) -> Output {
    let mut command = sandbox.verification(BINARY);
    for copy in copies {
        command.arg("--witness").arg(copy);
    }
    tokio::task::block_in_place(|| command.output()).expect("runs")
}

/// Another past, consistent in itself, with nothing left that speaks of the old one.
async fn rewrite(owner: &mut PgConnection) {
    let bend = "update workflow.feed set traceparent = '' where position = 1; \
                update workflow.feed set recorded_at = recorded_at - interval '1 day' where position = 2; \
                delete from workflow.log_cosignatures; delete from workflow.log_checkpoints; \
                delete from workflow.log_tiles";
    owner.execute(bend).await.expect("bent");
    make_consistent(owner).await;
}

async fn make_consistent(owner: &mut PgConnection) {
    let select = "select position, kind, subject, division_code, department, traceparent, \
                  recorded_at, payload_mac from workflow.feed order by position";
    let rows = sqlx::query(select)
        .fetch_all(&mut *owner)
        .await
        .expect("rows");
    let mut frontier = Frontier::default();
    for row in &rows {
        let leaf = Leaf {
            position: row.get(0),
            kind: row.get(1),
            subject: row.get(2),
            division: row.get(3),
            department: row.get(4),
            traceparent: row.get(5),
            recorded_at: row.get(6),
            payload_mac: row.get(7),
        };
        let root = frontier.push(leaf.hash());
        let update = "update workflow.feed set root = $2 where position = $1";
        let update = sqlx::query(update).bind(leaf.position).bind(root.to_vec());
        update.execute(&mut *owner).await.expect("written");
    }
    let roots: Vec<Vec<u8>> = frontier.roots().iter().map(|hash| hash.to_vec()).collect();
    let head = "update workflow.feed_head set position = $1, frontier = $2";
    let head = sqlx::query(head).bind(frontier.len() as i64).bind(roots);
    head.execute(owner).await.expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn sec3_a_case_file_is_checked_offline() {
    let sandbox = Sandbox::start().await;
    let places = county::set_up(&sandbox).await;
    let key = key(&sandbox);
    let journey = declared(&sandbox, &places).await;
    journey.authorise().await;
    sealed(&sandbox, &key).await;
    let query =
        "query($id: ID!) { caseFile(caseId: $id) { caseId size eventCount verifyCode json } }";
    let data = journey
        .cadre
        .ask(query, json!({ "id": journey.case }))
        .await;
    let file = &data["caseFile"];
    let (json, code) = (&file["json"], &file["verifyCode"]);
    let (json, code) = (
        json.as_str().expect("a file"),
        code.as_str().expect("a code"),
    );
    assert!(
        file["eventCount"]
            .as_i64()
            .is_some_and(|events| events >= 2),
        "{file:#}"
    );

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("case.json");
    let check = |content: &str, more: &[&str]| {
        fs::write(&path, content).expect("written");
        let mut command = backstop(&folder.path().join("nothing"), &["check"]);
        command
            .arg(&path)
            .args(["--key", &key.to_string()])
            .args(more);
        let output = tokio::task::block_in_place(|| command.output()).expect("runs");
        (output.status.success(), said(&output))
    };
    let (good, told) = check(json, &["--code", code]);
    assert!(
        good && told.contains("unaltered") && told.contains(code),
        "{told}"
    );
    assert!(
        told.contains("case.declared") && told.contains("case.authorised"),
        "{told}"
    );
    assert!(check(json, &["--code", &code.replace('-', " ").to_lowercase()]).0);

    let file: Value = serde_json::from_str(json).expect("JSON");
    let position = file["items"][1]["position"].as_i64().expect("a position");
    let named = format!("item {position}");
    let bent = |pointer: &str, value: Value| {
        let mut file = file.clone();
        *file.pointer_mut(pointer).expect("there") = value;
        file.to_string()
    };
    for (content, expected) in [
        (bent("/items/1/kind", json!("case.enrolled")), &*named),
        (
            bent("/items/1/payload", file["items"][0]["payload"].clone()),
            &*named,
        ),
        (
            bent("/items/1/recorded_at", json!("2026-03-02T02:00:00.000000Z")),
            &*named,
        ),
        (
            bent("/items/1/division", json!(county::OTHER_VILLAGE)),
            &*named,
        ),
        (
            bent("/items/1/position", json!(position + 1)),
            "not in the log",
        ),
        (
            bent("/items/1/proof/0", file["items"][0]["payload_hash"].clone()),
            &*named,
        ),
        (bent("/checkpoint", json!("x")), "no checkpoint"),
        ("{}".to_owned(), "no case file"),
    ] {
        let (good, told) = check(&content, &[]);
        assert!(!good && told.contains(expected), "{expected}: {told}");
    }
    let shorter = |at: usize| {
        let mut file = file.clone();
        file["items"].as_array_mut().expect("items").remove(at);
        file.to_string()
    };
    let (good, told) = check(&shorter(0), &[]);
    assert!(!good && told.contains("left out"), "{told}");
    let last = file["items"].as_array().expect("items").len() - 1;
    let (good, told) = check(&shorter(last), &["--code", code]);
    assert!(!good && told.contains("another file's"), "{told}");
    let stranger = sandbox.client(Role::VillageCadre, county::FAR_VILLAGE);
    let data = stranger.ask(query, json!({ "id": journey.case })).await;
    assert!(data["caseFile"].is_null());
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sec3_no_evidence_no_service() {
    let sandbox = Sandbox::start().await;
    let places = county::set_up(&sandbox).await;
    let key = key(&sandbox);
    let journey = declared(&sandbox, &places).await;
    sealed(&sandbox, &key).await;
    // More rows in tiles than there are: nothing can be signed over that.
    let mut owner = sandbox.database().owner().await;
    let bend = "insert into workflow.log_tiles (level, n, first, hashes) \
                values (0, 9, 0, decode(repeat('00', 32), 'hex'))";
    owner.execute(bend).await.expect("bent");
    let other = declared(&sandbox, &places).await;
    sandbox.advance_minutes(4 * 60 + 30);
    let input = json!({ "caseId": journey.case, "householdId": journey.family.id });
    let refused = other
        .officer
        .mutate("startComparison", input.clone(), "")
        .await;
    let unmet = &refused["refusal"]["unmet"][0];
    assert_eq!(
        (&unmet["rule"], &unmet["code"]),
        (&json!("SEC-3"), &json!("EVIDENCE_OVERDUE"))
    );
    let message = unmet["message"].as_str().expect("a sentence");
    assert!(
        message.contains("240") && message.contains("封存"),
        "{message}"
    );
    let content = "id_number,name,kind,exemption\n".as_bytes().to_vec();
    let path = format!(
        "items/vehicle?department=traffic_police&dataDate={}&fileName=a.csv",
        sandbox.today()
    );
    let (status, problem) = other.officer.put(&path, content).await;
    assert_eq!(
        (status, &problem["code"]),
        (422, &json!("REFUSED")),
        "{problem:#}"
    );
    assert_eq!(problem["unmet"][0]["code"], "EVIDENCE_OVERDUE");
    assert!(
        problem["unmet"][0]["message"]
            .as_str()
            .is_some_and(|text| text.contains("封存"))
    );
    // What needs no asset query goes on.
    declared(&sandbox, &places).await;
    sandbox.stop().await;
}
