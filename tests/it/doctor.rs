//! `doctor` of real programs, in a deployment that is well and in ones that are not; probes and signals.

use std::{
    collections::BTreeMap,
    io::Write as _,
    net::{TcpListener, TcpStream},
    path::Path,
    time::{Duration, Instant},
};

use kernel::Role;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor};

use crate::{
    process::{Up, backstop},
    programs::{Program, Programs, SERVICES, free_address},
};

const URL: &str = "BACKSTOP__PROCESS__DATABASE__URL";

/// What a doctor said as JSON, and what it ended with.
struct Said {
    code: Option<i32>,
    text: String,
    report: Value,
}

impl Said {
    fn of(output: &std::process::Output) -> Self {
        let text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
        let report = serde_json::from_str(&text).unwrap_or_else(|error| {
            let stderr = String::from_utf8_lossy(&output.stderr);
            panic!("{error}: {text}{stderr}")
        });
        Self {
            code: output.status.code(),
            text,
            report,
        }
    }

    /// Each check's state and what was found, by name.
    fn checks(&self) -> BTreeMap<&str, (&str, &str)> {
        let checks = self.report["checks"].as_array().expect("checks").iter();
        checks
            .map(|one| {
                let of = |key: &str| one[key].as_str().expect("a text");
                (of("name"), (of("state"), of("found")))
            })
            .collect()
    }

    /// Something of this name is wrong, and this was found.
    fn is_wrong(&self, name: &str, found: &str) {
        let checks = self.checks();
        let (state, said) = checks
            .get(name)
            .unwrap_or_else(|| panic!("{name}: {checks:#?}"));
        assert_eq!(*state, "wrong", "{name}: {checks:#?}");
        assert!(said.contains(found), "{name}: {said}");
        assert_eq!(self.code, Some(1), "{}", self.text);
    }
}

fn doctor(programs: &Programs, program: &str, more: &[(&str, &str)]) -> Said {
    Said::of(&programs.output(program, &["doctor", "--json"], more))
}

/// A database user who may become every service and nothing else, as a county makes one.
async fn login(programs: &Programs) -> (String, String) {
    let (_, database) = programs
        .database
        .config
        .url
        .expose_secret()
        .rsplit_once('/')
        .expect("a name");
    let user = format!("login_{database}");
    let roles = SERVICES
        .map(|service| format!("backstop_{service}"))
        .join(", ");
    let create = format!("create role {user} login in role {roles}");
    let mut owner = programs.database.owner().await;
    owner.execute(AssertSqlSafe(create)).await.expect("a role");
    let url = programs.database.config.url.expose_secret();
    (
        user.clone(),
        url.replace("postgres@", &format!("{user}:swordfish@")),
    )
}

async fn forget(programs: &Programs, user: &str) {
    let drop = format!("drop role {user}");
    let mut owner = programs.database.owner().await;
    owner.execute(AssertSqlSafe(drop)).await.expect("dropped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_that_is_well_has_nothing_wrong_and_tells_no_secret() {
    let programs = Programs::migrated().await;
    let (user, url) = login(&programs).await;
    let more = [(URL, url.as_str())];
    let mut running: Vec<Program> = SERVICES.map(|one| programs.start(one, &more)).into();
    running.push(programs.start("gateway", &[]));
    for program in &mut running {
        program.ready().await;
    }
    let server: i32 =
        sqlx::query_scalar("select current_setting('server_version_num')::int / 10000")
            .fetch_one(&mut programs.database.owner().await)
            .await
            .expect("a version");
    let expected = [
        (
            "households",
            vec!["peer workflow", "feed workflow", "role", "connections"],
        ),
        (
            "workflow",
            vec![
                "peer measures",
                "feed comparison",
                "feed households",
                "evidence",
                "ledger",
            ],
        ),
        ("comparison", vec!["peer households", "redis", "quarantine"]),
        (
            "measures",
            vec!["schema", "clock", "issuer", "service token"],
        ),
        (
            "gateway",
            vec!["settings", "peer measures", "issuer", "service token"],
        ),
    ];
    for (program, names) in expected {
        let more = if program == "gateway" { &[][..] } else { &more };
        // A feed is followed from when its service has started.
        let said = tests::until("every feed is followed", async || {
            let said = doctor(&programs, program, more);
            let skipped = said.checks().values().any(|(state, _)| *state == "skipped");
            (!skipped).then_some(said)
        })
        .await;
        let mut checks = said.checks();
        if server != 17 {
            // Tests run with what the machine has; the verdict on it has tests of its own.
            checks.remove("database");
        }
        for (name, (state, found)) in &checks {
            assert_eq!(*state, "ok", "{program}: {name}: {found}");
        }
        for name in names {
            assert!(
                checks.contains_key(name),
                "{program}: no {name} in {checks:#?}"
            );
        }
        assert_eq!(said.code, Some(0), "{program}: {}", said.text);
        assert_eq!(said.report["program"], program);
        assert_eq!(said.report["version"], env!("CARGO_PKG_VERSION"));
        no_secret(&programs, program, &said.text);
        let settings = said.report["settings"].as_array().expect("settings");
        let hidden = settings
            .iter()
            .filter(|one| one["value"] == "(hidden)")
            .count();
        assert_eq!(hidden > 0, program != "gateway", "{program}");
        let (status, lines) = programs.run(program, &["doctor"], more);
        assert!(
            status.success() && lines.contains(", 0 wrong"),
            "{program}: {lines}"
        );
        no_secret(&programs, program, &lines);
    }
    for program in running {
        program.stop().await;
    }
    forget(&programs, &user).await;
    programs.remove().await;
}

fn no_secret(programs: &Programs, program: &str, said: &str) {
    let token = programs.folder.path().join(format!("tokens/{program}.jwt"));
    let token = std::fs::read_to_string(token).expect("a token");
    let (_, signature) = token.rsplit_once('.').expect("a signature");
    for secret in ["swordfish", "AAAAAAAA", "eyJ", signature, "PRIVATE KEY"] {
        assert!(!said.contains(secret), "{program} tells {secret}: {said}");
    }
}

#[tokio::test]
async fn whatever_is_wrong_is_named() {
    let programs = Programs::migrated().await;
    let url = programs.database.config.url.expose_secret().to_owned();
    let mut owner = programs.database.owner().await;
    // The test server asks this role for its password, and nobody else.
    let role = "do $$ begin
                    create role checked_by_password login superuser password 'right';
                exception when duplicate_object then null; end $$";
    owner.execute(role).await.expect("a role");
    let wrong = url.replace("postgres@", "checked_by_password:swordfish@");
    let said = doctor(&programs, "measures", &[(URL, &wrong)]);
    said.is_wrong(
        "database",
        "process.database.url: password authentication failed",
    );
    assert!(!said.text.contains("swordfish"), "{}", said.text);
    assert_eq!(said.checks()["schema"].0, "skipped");

    let (before, database) = url.rsplit_once('/').expect("a database");
    let (scheme, _) = before.rsplit_once('@').expect("a user");
    let nobody = format!("{scheme}@{}/{database}", free_address());
    let said = doctor(&programs, "measures", &[(URL, &nobody)]);
    said.is_wrong("database", "Connection refused");
    // Nothing else of the deployment runs.
    said.is_wrong("peer workflow", "process.peers.workflow: ");
    assert_eq!(said.checks()["issuer"].0, "ok");
    assert_eq!(said.checks()["service token"].0, "ok");

    let older = "update measures.schema_version set version = 0";
    owner.execute(older).await.expect("set");
    let said = doctor(&programs, "measures", &[]);
    said.is_wrong("schema", "at 0000, this program needs");
    assert_eq!(said.checks()["clock"].0, "ok");
    let newer = "update measures.schema_version set version = 9000, floor = 8000";
    owner.execute(newer).await.expect("set");
    doctor(&programs, "measures", &[]).is_wrong("schema", "needs programs that know 8000");

    let claims = json!({
        "iss": "https://issuer.backstop.invalid", "aud": "backstop", "sub": "service:measures",
        "role": "SERVICE", "division": tests::COUNTY, "iat": 1_700_000_000, "exp": 1_700_003_600,
    });
    let token = programs.issuer.sign_claims(&claims).expect("signed");
    let file = programs.folder.path().join("ended.jwt");
    std::fs::write(&file, &token).expect("written");
    let ended = [(
        "BACKSTOP__PROCESS__AUTH__SERVICE_TOKEN_FILE",
        file.to_str().expect("UTF-8"),
    )];
    let said = doctor(&programs, "measures", &ended);
    said.is_wrong("service token", "ended");
    assert!(!said.text.contains(&token), "{}", said.text);
    let someone = programs.token(Role::CountyOfficer, tests::COUNTY);
    std::fs::write(&file, someone).expect("written");
    doctor(&programs, "measures", &ended).is_wrong("service token", "not a service's");

    let nowhere = format!("http://{}/jwks", free_address());
    let said = doctor(&programs, "gateway", &[("BACKSTOP__AUTH__JWKS", &nowhere)]);
    said.is_wrong("issuer", "auth.jwks: ");
    assert_eq!(said.checks()["service token"].0, "skipped");

    let said = doctor(&programs, "measures", &[("BACKSTOP__PROCESS__PEER", "x")]);
    said.is_wrong("settings", "process.peer is no key");
    let said = doctor(
        &programs,
        "measures",
        &[("BACKSTOP__PROCESS__COUNTY", "here")],
    );
    said.is_wrong("settings", "process.county");
    assert!(
        said.report["settings"]
            .as_array()
            .is_some_and(|all| !all.is_empty())
    );
    programs.remove().await;
}

#[tokio::test]
async fn a_database_that_says_nothing_holds_up_nobody() {
    let programs = Programs::migrated().await;
    let url = programs.database.config.url.expose_secret().to_owned();
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (before, database) = url.rsplit_once('/').expect("a database");
    let (scheme, _) = before.rsplit_once('@').expect("a user");
    let address = silent.local_addr().expect("an address");
    let hangs = format!("{scheme}@{address}/{database}");
    let began = Instant::now();
    let said = doctor(&programs, "workflow", &[(URL, &hangs)]);
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "{:?}",
        began.elapsed()
    );
    said.is_wrong("database", "no answer within 2 s");
    assert_eq!(said.checks()["issuer"].0, "ok");
    assert_eq!(
        said.checks()["evidence"].0,
        "warning",
        "the folder is not there yet"
    );
    programs.remove().await;
}

#[tokio::test]
async fn what_somebody_should_look_at_is_no_fault() {
    let programs = Programs::migrated().await;
    let mut owner = programs.database.owner().await;
    let aside = "insert into comparison.quarantine values ('workflow', 7, 'INTERNAL', now())";
    owner.execute(aside).await.expect("a row");
    let redis = format!("redis://:swordfish@{}/", free_address());
    let said = doctor(&programs, "comparison", &[("BACKSTOP__REDIS_URL", &redis)]);
    let checks = said.checks();
    assert_eq!(checks["redis"].0, "warning", "{checks:#?}");
    assert_eq!(checks["quarantine"].0, "warning", "{checks:#?}");
    assert!(
        checks["quarantine"].1.starts_with("1 of workflow"),
        "{checks:#?}"
    );
    // Its own role hides what others may see, but whoever logged in could take it off.
    assert_eq!(checks["role"].0, "warning", "{checks:#?}");
    assert!(!said.text.contains("swordfish"), "{}", said.text);
    programs.remove().await;
}

#[tokio::test]
async fn an_ended_certificate_is_named_with_what_is_left() {
    let programs = Programs::migrated().await;
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec!["measures".to_owned()]).expect("a name");
    let write = |name: &str, text: &str| {
        let path = programs.folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    };
    let key_file = write("tls.key", &key.serialize_pem());
    let mut with = |until: i32| {
        params.not_after = date_time_ymd(until, 1, 1);
        let pem = params.self_signed(&key).expect("signed").pem();
        let file = write("tls.crt", &pem);
        [
            ("BACKSTOP__PROCESS__TLS__CA_FILE", file.clone()),
            ("BACKSTOP__PROCESS__TLS__CERTIFICATE_FILE", file),
            ("BACKSTOP__PROCESS__TLS__KEY_FILE", key_file.clone()),
        ]
    };
    fn lent<'a>(settings: &'a [(&'static str, String); 3]) -> [(&'static str, &'a str); 3] {
        settings.each_ref().map(|(name, value)| (*name, &**value))
    }
    let ended = with(2001);
    doctor(&programs, "measures", &lent(&ended)).is_wrong("certificate", "has ended");
    let mut measures = programs.start("measures", &lent(&ended));
    measures.says(503, "tls.crt ended at 2001-01-01").await;
    let good = with(2090);
    let said = doctor(&programs, "measures", &lent(&good));
    assert_eq!(said.checks()["certificate"].0, "ok");
    // It is taken without a restart.
    measures.ready().await;
    measures.stop().await;
    programs.remove().await;
}

#[tokio::test]
async fn probes_tell_the_start_from_readiness_and_list_what_is_needed() {
    let programs = Programs::new().await;
    let mut measures = programs.start("measures", &[]);
    measures.says(503, "waits for the migration").await;
    let page = async |measures: &Program, path: &str| measures.page(path).await.expect("alive");
    let (status, said) = page(&measures, "/startupz").await;
    assert!(
        status == 503 && said.contains("process.database.url: "),
        "{said}"
    );
    let (status, said) = page(&measures, "/readyz?verbose").await;
    assert!(
        status == 503 && said.contains("[-]process.database.url: waits"),
        "{said}"
    );
    assert!(said.ends_with("failed\n"), "{said}");
    let (status, said) = page(&measures, "/livez?verbose").await;
    assert!(status == 200 && said.ends_with("passed\n"), "{said}");

    let (status, said) = programs.run("measures", &["migrate"], &[]);
    assert!(status.success(), "{said}");
    measures.ready().await;
    assert_eq!(page(&measures, "/startupz").await.0, 200);
    let (status, said) = page(&measures, "/readyz?verbose").await;
    let expected = "[+]process.auth.jwks ok\n[+]process.database.url ok\n[+]start ok\npassed\n";
    assert_eq!((status, said.as_str()), (200, expected));
    let mut gateway = programs.start("gateway", &[]);
    gateway.ready().await;
    for path in ["/startupz?verbose", "/readyz?verbose", "/livez?verbose"] {
        assert_eq!(
            page(&gateway, path).await,
            (200, "[+]auth.jwks ok\npassed\n".to_owned())
        );
    }
    measures.stop().await;
    gateway.stop().await;
    programs.remove().await;
}

/// Sends a part of a request, so that whoever takes it waits for the rest.
fn half_a_request(gateway: &Program, token: &str, line: &str) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.listen).expect("connected");
    let head = format!(
        "{line} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: 100000\r\n\r\nhalf"
    );
    stream.write_all(head.as_bytes()).expect("sent");
    stream
}

/// Whether a process reads a file of this folder.
fn holds_a_file_of(program: &Program, folder: &Path) -> bool {
    let open = std::fs::read_dir(format!("/proc/{}/fd", program.id())).expect("alive");
    let mut open = open
        .flatten()
        .filter_map(|one| std::fs::read_link(one.path()).ok());
    open.any(|file| file.starts_with(folder))
}

/// Told once, it waits for its request; told twice, it ends at once.
async fn ends_when_told_twice(mut program: Program) {
    program.terminate();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(program.is_alive(), "{}", program.log());
    let began = Instant::now();
    program.terminate();
    let status = program.ended().await;
    assert_eq!(status.code(), Some(130), "{}", program.log());
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    assert!(program.log().contains("a second time"), "{}", program.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_told_to_stop_a_second_time_ends_at_once() {
    let programs = Programs::migrated().await;
    let temporary = programs.folder.path().join("temporary");
    std::fs::create_dir(&temporary).expect("a folder");
    let more = [("TMPDIR", temporary.to_str().expect("UTF-8"))];
    let mut households = programs.start("households", &more);
    let mut gateway = programs.start("gateway", &[]);
    households.ready().await;
    gateway.ready().await;
    let token = programs.token(Role::CountyOfficer, tests::COUNTY);
    let _file = half_a_request(&gateway, &token, "PUT /files/households?fileName=a.csv");
    tests::until("the service has begun to take the file", async || {
        holds_a_file_of(&households, &temporary).then_some(())
    })
    .await;
    ends_when_told_twice(households).await;
    let _asked = half_a_request(&gateway, &token, "POST /graphql");
    // It has taken the request when it answers another one.
    assert_eq!(gateway.page("/livez").await.expect("alive").0, 200);
    ends_when_told_twice(gateway).await;
    programs.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_launcher_looks_at_its_folder_and_its_databases() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let look = || {
        let output = backstop(&data, &["doctor", "--json"]).output();
        Said::of(&output.expect("runs"))
    };
    look().is_wrong("data folder", "is not there");
    assert!(!data.exists(), "a look makes nothing");

    std::fs::create_dir(&data).expect("a folder");
    let said = look();
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert_eq!(said.checks()["keys"].0, "skipped");

    let mut up = Up::start(&data).await;
    for is_running in [true, false] {
        if !is_running {
            up.interrupt().await;
        }
        let said = look();
        let checks = said.checks();
        let state = if is_running { "ok" } else { "skipped" };
        assert_eq!(checks["platform"].0, state, "{checks:#?}");
        for name in [
            "keys",
            "papers",
            "workflow: ledger",
            "measures: schema",
            "households: clock",
        ] {
            assert_eq!(checks[name].0, "ok", "{name}: {checks:#?}");
        }
        assert_eq!(said.code, Some(0), "{}", said.text);
        let key = std::fs::read_to_string(data.join("secrets/ledger.key")).expect("a key");
        assert!(!said.text.contains(key.trim()), "{}", said.text);
    }
    std::fs::remove_file(data.join("secrets/ledger.key")).expect("removed");
    look().is_wrong("keys", "secrets/ledger.key: entity not found");
    assert!(
        !data.join("secrets/ledger.key").exists(),
        "a look makes no key"
    );
}
