//! A county's data outlives its database: moved to another one, backed up under load and restored. The
//! commands of the backup are those of docs/operations.md, word for word.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chassis::testing::TestDatabase;
use kernel::Role;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use tests::{COUNTY, Client, county};

use crate::{
    process::{Up, backstop, graphql, token, token_of},
    programs::{Programs, SERVICES, free_address},
};

const HOUSEHOLDS: &str = "{ households(first: 10) { totalCount nodes { id headName phone \
                          members { name idNumber } currentCase { state caseNumber } } } \
                          divisions(first: 10) { nodes { code } } }";

/// What `verify` says in the end when nothing is wrong.
const SOUND: &str = "every ledger is what was recorded, and every paper is there";

fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().expect("runs");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    (output.status.success(), text)
}

fn well(command: &mut Command) -> String {
    let (ended_well, text) = run(command);
    assert!(ended_well, "{command:?}: {text}");
    text
}

fn household() -> Value {
    json!({
        "household": {
            "divisionCode": county::VILLAGE, "groupNumber": 1, "origin": "GENERAL",
            "phone": "13800000000", "address": "一组 \\1 号\"东\"",
        },
        "members": [{
            "name": "张大山", "idNumber": tests::family::id_number(), "isHead": true, "relation": "户主",
            "registered": true, "resident": true, "sharesIncome": true, "labourCapacity": "ORDINARY",
            "health": "健康", "schooling": "非在校生", "medicallyInsured": true,
        }],
    })
}

/// A household with a paper and a case, through the gateway.
async fn a_case(up: &Up, folder: &Path) {
    let client = |role, division| {
        let token = token_of(folder, role, division);
        Client::new(up.address(), token, "somebody")
    };
    county::divisions(&client(Role::CountyOfficer, COUNTY)).await;
    let cadre = client(Role::VillageCadre, county::VILLAGE);
    let path = format!("evidence?divisionCode={}", county::VILLAGE);
    cadre.upload(&path, tests::family::PAPER.to_vec()).await;
    let created = cadre
        .accepted("createHousehold", household(), "household { id }")
        .await;
    let declaration = json!({
        "householdId": created["household"]["id"], "channel": "SELF_DECLARATION",
        "risks": [{ "type": "ILLNESS" }], "evidenceSha256": [tests::family::EVIDENCE],
    });
    cadre
        .accepted("declareCase", declaration, "case { state }")
        .await;
}

async fn households(up: &Up, folder: &Path) -> Value {
    let answer = graphql(&up.http(), &token(folder), HOUSEHOLDS, json!({})).await;
    let answer = answer.expect("an answer");
    assert_eq!(answer["data"]["households"]["totalCount"], 1, "{answer:#}");
    answer["data"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_county_moves_from_the_embedded_default_to_postgresql_and_is_equal() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut up = Up::start(folder.path()).await;
    a_case(&up, folder.path()).await;
    let before = households(&up, folder.path()).await;
    let files = folder.path().join("export");
    let files = files.to_str().expect("a path");

    let (ended_well, text) = run(&mut backstop(folder.path(), &["export-data", files]));
    assert!(!ended_well && text.contains("another backstop"), "{text}");
    up.interrupt().await;
    fs::remove_dir(files).expect("nothing was exported");
    well(&mut backstop(folder.path(), &["export-data", files]));
    let (ended_well, text) = run(&mut backstop(folder.path(), &["export-data", files]));
    assert!(!ended_well && text.contains("is not empty"), "{text}");

    let test = TestDatabase::create().await;
    let url = test.config.url.expose_secret().to_owned();
    let external = |arguments: &[&str], data: &Path| {
        let mut command = backstop(data, arguments);
        command.env("DATABASE_URL", &url);
        command
    };
    // The keys go along by hand: they are not among what is exported.
    let other = tempfile::tempdir().expect("a folder");
    for entry in fs::read_dir(folder.path()).expect("a folder") {
        let entry = entry.expect("an entry");
        if !["pg", "evidence", "export"].contains(&entry.file_name().to_str().expect("a name")) {
            well(
                Command::new("cp")
                    .arg("-a")
                    .args([&entry.path(), other.path()]),
            );
        }
    }

    // A row that was bent on the way is noticed, and nothing stays of the import.
    let members = Path::new(files).join("households/members.copy");
    let genuine = fs::read_to_string(&members).expect("rows");
    fs::write(&members, genuine.replace("张大山", "张小山")).expect("written");
    let (ended_well, text) = run(&mut external(&["import-data", files], other.path()));
    assert!(!ended_well && text.contains("households.members"), "{text}");
    fs::write(&members, genuine).expect("written");

    well(&mut external(&["import-data", files], other.path()));
    let (ended_well, text) = run(&mut external(&["import-data", files], other.path()));
    assert!(!ended_well && text.contains("a new database"), "{text}");
    let again = folder.path().join("again");
    let again = again.to_str().expect("a path");
    well(&mut external(&["export-data", again], other.path()));
    let manifest = |files: &str| fs::read_to_string(Path::new(files).join("manifest.json"));
    assert_eq!(manifest(again).ok(), manifest(files).ok());
    let sound = well(&mut external(&["verify"], other.path()));
    assert!(sound.contains(SOUND), "{sound}");

    // It goes on there: what was, is, and what comes is stored behind it.
    let redis = std::env::var("BACKSTOP_TEST_REDIS_URL").expect("tests/run sets it");
    let mut command = external(&["up"], other.path());
    command.env("REDIS_URL", redis);
    let mut up = Up::started(other.path(), &mut command, Stdio::piped()).await;
    assert_eq!(households(&up, other.path()).await, before);
    let officer = Client::new(up.address(), token(other.path()), "somebody");
    let risks = json!({
        "householdId": before["households"]["nodes"][0]["id"], "risks": [{ "type": "ACCIDENT" }],
    });
    officer
        .accepted("putRisks", risks, "household { id }")
        .await;
    up.interrupt().await;
    let sound = well(&mut external(&["verify"], other.path()));
    assert!(sound.contains(SOUND), "{sound}");
    test.drop_database().await;
}

/// The deployment's PostgreSQL has its roles by compose/postgres/roles.sql and its schemas by `migrate`, of a
/// role that is no superuser. An import leaves all of that as it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_county_moves_into_a_deployment_and_its_services_go_on_with_rights_of_their_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut up = Up::start(folder.path()).await;
    a_case(&up, folder.path()).await;
    let before = households(&up, folder.path()).await;
    up.interrupt().await;
    let files = folder.path().join("export");
    let files = files.to_str().expect("a path");
    well(&mut backstop(folder.path(), &["export-data", files]));

    let server = Server::create("backstop", "");
    server.start();
    let roles = concat!(env!("CARGO_MANIFEST_DIR"), "/../compose/postgres/roles.sql");
    let roles = fs::read_to_string(roles).expect("SQL");
    // What the image mounts; here nobody is asked for a password.
    let roles = roles.replace("`cat /run/secrets/", "`echo ");
    server.sh(&format!(
        "createdb -h 127.0.0.1 -p {port} -U postgres backstop\n\
         psql -h 127.0.0.1 -p {port} -U postgres -d backstop -v ON_ERROR_STOP=1 <<'E'\n{roles}E",
        port = server.port
    ));
    let programs = Programs::new().await;
    let url = "BACKSTOP__PROCESS__DATABASE__URL";
    let migrate = || {
        for service in SERVICES {
            let owner = server.url_of("backstop_migration");
            let (status, said) = programs.run(service, &["migrate"], &[(url, &owner)]);
            assert!(status.success(), "{said}");
        }
    };
    migrate();
    let mut import = backstop(folder.path(), &["import-data", files]);
    well(import.env("DATABASE_URL", server.url()));
    // The next release's migration runs by its own role as well.
    migrate();

    let key = |name: &str| {
        let key = folder.path().join("secrets").join(name);
        fs::read_to_string(key).expect("a key").trim().to_owned()
    };
    let settings = |service: &str| {
        let (role, evidence) = (
            format!("backstop_{service}"),
            folder.path().join("evidence"),
        );
        let mut settings = vec![
            (url, server.url_of(&role)),
            ("BACKSTOP__PROCESS__LEDGER_KEY", key("ledger.key")),
        ];
        match service {
            "households" => settings.extend([
                (
                    "BACKSTOP__ID_NUMBER_KEYS__KEYS__K1",
                    key("id-number-seal.key"),
                ),
                ("BACKSTOP__LOOKUP_KEY", key("id-number-lookup.key")),
            ]),
            "workflow" => settings.extend([
                ("BACKSTOP__LOG__KEY", key("log-signing.key")),
                ("BACKSTOP__EVIDENCE_FOLDER", evidence.display().to_string()),
            ]),
            "comparison" => settings.extend([("BACKSTOP__QUERIES__KEY", key("query-signing.key"))]),
            _ => {}
        }
        settings
    };
    let mut running = Vec::new();
    for service in SERVICES {
        let settings = settings(service);
        let settings: Vec<_> = settings
            .iter()
            .map(|(name, value)| (*name, &**value))
            .collect();
        let (status, said) = programs.run(service, &["verify"], &settings);
        assert!(status.success(), "{said}");
        running.push(programs.start(service, &settings));
    }
    running.push(programs.start("gateway", &[]));
    for program in &mut running {
        program.ready().await;
    }
    let [.., gateway] = &running[..] else {
        panic!("started");
    };
    let officer = programs.token(Role::CountyOfficer, COUNTY);
    let http = format!("http://{}", gateway.listen);
    let answer = graphql(&http, &officer, HOUSEHOLDS, json!({})).await;
    assert_eq!(answer.expect("an answer")["data"], before);
    let officer = Client::new(gateway.listen, officer, "officer");
    let risks = json!({
        "householdId": before["households"]["nodes"][0]["id"], "risks": [{ "type": "ACCIDENT" }],
    });
    officer
        .accepted("putRisks", risks, "household { id }")
        .await;
    drop(running);
    programs.remove().await;
}

/// The commands below `<!-- tested: NAME -->` in docs/operations.md.
pub fn documented(name: &str) -> String {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md");
    let docs = fs::read_to_string(docs).expect("docs");
    let marker = format!("<!-- tested: {name} -->");
    let behind = docs.split_once(&marker).expect("documented").1;
    let (_, block) = behind.split_once("```\n").expect("a block");
    block.split_once("```").expect("an end").0.to_owned()
}

/// A PostgreSQL of its own.
struct Server {
    folder: tempfile::TempDir,
    port: u16,
    database: &'static str,
}

impl Server {
    fn create(database: &'static str, settings: &str) -> Self {
        let port = free_address().port();
        let folder = tempfile::tempdir().expect("a folder");
        let own = Self {
            folder,
            port,
            database,
        };
        if let Ok(user) = std::env::var("BACKSTOP_TEST_POSTGRES_USER") {
            well(Command::new("chown").arg(user).arg(own.folder.path()));
        }
        own.sh("initdb -D \"$PGDATA\" -U postgres -A trust -E UTF8 --locale=C --no-sync");
        let settings = format!("{settings}\nport = {port}\nlisten_addresses = '127.0.0.1'\n");
        let settings = format!("{settings}unix_socket_directories = ''\nfsync = off\n");
        own.sh(&format!(
            "cat >>\"$PGDATA/postgresql.conf\" <<'E'\n{settings}E"
        ));
        own
    }

    /// One that keeps its log, as the documentation has it.
    fn archived() -> Self {
        let archive = documented("archive settings");
        let own = Self::create("postgres", &archive.replace("/backups/", "../backups/"));
        own.sh("mkdir -p \"$BACKUPS/wal\"");
        own
    }

    fn path(&self, below: &str) -> String {
        self.folder.path().join(below).display().to_string()
    }

    fn url(&self) -> String {
        self.url_of("postgres")
    }

    fn url_of(&self, user: &str) -> String {
        format!(
            "postgres://{user}@127.0.0.1:{}/{}",
            self.port, self.database
        )
    }

    /// Runs commands as the database's user.
    fn sh(&self, commands: &str) -> String {
        let programs = std::env::var("BACKSTOP_TEST_POSTGRES_BIN").expect("tests/run sets it");
        let path = format!("{programs}:{}", std::env::var("PATH").unwrap_or_default());
        let mut command = match std::env::var("BACKSTOP_TEST_POSTGRES_USER") {
            Ok(user) => {
                let mut command = Command::new("runuser");
                command.args(["-u", &user, "--", "bash", "-euo", "pipefail", "-c"]);
                command
            }
            Err(_) => {
                let mut command = Command::new("bash");
                command.args(["-euo", "pipefail", "-c"]);
                command
            }
        };
        command
            .arg(commands)
            .env("PATH", path)
            .env("PGDATA", self.path("pg"))
            .env("BACKUPS", self.path("backups"))
            .env("DATABASE_URL", self.url())
            .current_dir(self.folder.path());
        // What the server inherits stays open as long as it runs: it gets files.
        let log = fs::File::create(self.folder.path().join("sh.log")).expect("a log");
        command.stdout(log.try_clone().expect("a log")).stderr(log);
        let ended = command.status().expect("runs");
        let text = fs::read_to_string(self.folder.path().join("sh.log")).unwrap_or_default();
        assert!(ended.success(), "{commands}\n{text}");
        text
    }

    /// Now, by its own clock.
    async fn moment(&self) -> String {
        let mut owner = PgConnection::connect(&self.url()).await.expect("connected");
        let now = sqlx::query_scalar("select clock_timestamp()::text");
        now.fetch_one(&mut owner).await.expect("a moment")
    }

    fn start(&self) {
        self.sh("pg_ctl -D \"$PGDATA\" -w -s -t 60 -l \"$PGDATA/log\" start");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = fs::read_to_string(PathBuf::from(self.path("pg/postmaster.pid")));
        if let Some(pid) = pid
            .ok()
            .and_then(|text| text.lines().next().map(str::to_owned))
        {
            let _ = Command::new("kill").args(["-QUIT", &pid]).status();
        }
    }
}

async fn codes(up: &Up, folder: &Path) -> BTreeSet<String> {
    let (mut codes, mut after) = (BTreeSet::new(), Value::Null);
    loop {
        let query = "query($after: String) { divisions(first: 100, after: $after) { \
                     nodes { code } pageInfo { hasNextPage endCursor } } }";
        let variables = json!({ "after": after });
        let answer = graphql(&up.http(), &token(folder), query, variables).await;
        let page = answer.expect("an answer")["data"]["divisions"].clone();
        let nodes = page["nodes"].as_array().expect("nodes").clone();
        codes.extend(
            nodes
                .iter()
                .filter_map(|n| n["code"].as_str().map(str::to_owned)),
        );
        if page["pageInfo"]["hasNextPage"] != true {
            return codes;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_backed_up_under_load_is_lost_and_restored() {
    lost_and_restored(To::TheEnd).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_restored_to_a_named_moment() {
    lost_and_restored(To::AMoment).await;
}

/// Where to a database is restored.
#[derive(Clone, Copy, PartialEq, Eq)]
enum To {
    /// What is in the archive.
    TheEnd,
    /// What was there before somebody did something wrong.
    AMoment,
}

async fn lost_and_restored(to: To) {
    const PUT_DIVISION: &str = "mutation($input: PutDivisionInput!) { putDivision(input: $input) { \
                                division { code } } }";
    let archived = Server::archived();
    archived.start();
    let folder = tempfile::tempdir().expect("a folder");
    let redis = std::env::var("BACKSTOP_TEST_REDIS_URL").expect("tests/run sets it");
    let start = async || {
        let mut command = backstop(folder.path(), &["up"]);
        command
            .env("DATABASE_URL", archived.url())
            .env("REDIS_URL", &redis);
        Up::started(folder.path(), &mut command, Stdio::piped()).await
    };
    let up = start().await;
    a_case(&up, folder.path()).await;

    // Somebody writes all the time.
    let (http, officer) = (up.http(), token(folder.path()));
    let (sender, mut acknowledged) = tokio::sync::mpsc::unbounded_channel();
    let mut writing = tokio::task::JoinSet::new();
    writing.spawn(async move {
        for number in 100..999 {
            let code = format!("999999{number}000");
            let input = json!({ "input": {
                "requestId": format!("00000000-0000-7000-8000-{number:012}"), "code": code,
                "name": format!("乡镇{number}"), "level": "TOWNSHIP", "validFrom": "2020-01-01",
            } });
            let Ok(answer) = graphql(&http, &officer, PUT_DIVISION, input).await else {
                return;
            };
            if answer["data"]["putDivision"]["division"]["code"] == code {
                let _ = sender.send(code);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut written = BTreeSet::new();
    // From now on: what was acknowledged while nobody read comes on top.
    let mut write_more = async |count: usize, written: &mut BTreeSet<String>| {
        while let Ok(code) = acknowledged.try_recv() {
            written.insert(code);
        }
        for _ in 0..count {
            written.insert(acknowledged.recv().await.expect("writing goes on"));
        }
    };
    write_more(10, &mut written).await;
    archived.sh(&documented("back up"));
    let papers = folder.path().join("evidence");
    let kept_papers = folder.path().join("kept");
    let in_papers = |commands: &str| {
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", commands]);
        well(
            command
                .env("EVIDENCE", &papers)
                .env("BACKUPS", &kept_papers),
        );
    };
    in_papers(&documented("back up papers"));
    write_more(20, &mut written).await;
    let (before, moment) = (written.clone(), archived.moment().await);
    // Whatever was on its way is there.
    write_more(2, &mut written).await;
    let around = written.clone();
    write_more(10, &mut written).await;
    // What is archived by now is kept; what comes later may be lost with the machine.
    archived.sh(&documented("archive now"));
    let kept = written.clone();
    write_more(5, &mut written).await;

    archived.sh("kill -KILL $(head -1 \"$PGDATA/postmaster.pid\"); sleep 1; rm -rf \"$PGDATA\"");
    up.kill();
    writing.join_all().await;
    fs::remove_dir_all(&papers).expect("lost");

    in_papers(&documented("restore papers"));
    archived.sh(&documented("restore"));
    if to == To::AMoment {
        archived.sh(&format!(
            "MOMENT='{moment}'\n{}",
            documented("restore to a moment")
        ));
    }
    archived.start();
    archived.sh(&documented("new epoch"));
    let mut up = start().await;
    let there = codes(&up, folder.path()).await;
    let wanted = match to {
        To::TheEnd => &kept,
        To::AMoment => &before,
    };
    let lost: Vec<_> = wanted.difference(&there).collect();
    assert!(lost.is_empty(), "{lost:?}");
    if to == To::AMoment {
        let undone = kept.difference(&around).collect::<Vec<_>>();
        assert!(undone.len() >= 10, "{undone:?}");
        assert!(
            undone.iter().all(|code| !there.contains(*code)),
            "{undone:?}"
        );
    }
    households(&up, folder.path()).await;

    // Services follow each other's feeds from where they were.
    let officer = Client::new(up.address(), token(folder.path()), "somebody");
    let merge = json!({
        "fromCode": county::OTHER_VILLAGE, "intoCode": county::VILLAGE, "legalBasis": "并村决定",
    });
    officer
        .accepted("mergeDivision", merge, "division { code }")
        .await;
    let mut owner = PgConnection::connect(&archived.url())
        .await
        .expect("connected");
    for service in ["workflow", "comparison", "measures"] {
        let told = format!("select count(*) from {service}.division_merges");
        let told = async |owner: &mut PgConnection| -> i64 {
            let told = sqlx::query_scalar(sqlx::AssertSqlSafe(told.clone()));
            told.fetch_one(owner).await.expect("counted")
        };
        let mut tries = 0;
        while told(&mut owner).await == 0 {
            tries += 1;
            assert!(tries < 200, "{service} does not hear of the merge");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    owner.close().await.expect("closed");
    up.interrupt().await;
    let mut verify = backstop(folder.path(), &["verify"]);
    let sound = well(verify.env("DATABASE_URL", archived.url()));
    assert!(sound.contains(SOUND), "{sound}");
}

/// The steps of docs/operations.md: both keys, the new one current, everything sealed anew, the old one gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_of_id_numbers_changes_while_everybody_works() {
    const OTHER_KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    const OLD: (&str, &str) = ("BACKSTOP__ID_NUMBER_KEYS__KEYS__K1", "");
    const NEW: (&str, &str) = ("BACKSTOP__ID_NUMBER_KEYS__KEYS__K2", OTHER_KEY);
    const CURRENT: (&str, &str) = ("BACKSTOP__ID_NUMBER_KEYS__CURRENT", "k2");
    let mut programs = Programs::migrated().await;
    let ends = [free_address(), free_address()];
    let urls = format!("http://{},http://{}", ends[0], ends[1]);
    programs.peers.insert("households", urls);
    let mut running = programs.start_at("households", ends[0], &[], &[]);
    let mut gateway = programs.start("gateway", &[]);
    running.ready().await;
    gateway.ready().await;
    let client =
        |role, division| Client::new(gateway.listen, programs.token(role, division), "somebody");
    county::divisions(&client(Role::CountyOfficer, COUNTY)).await;
    let cadre = client(Role::VillageCadre, county::VILLAGE);
    let enter = async || {
        let created = cadre.accepted("createHousehold", household(), "household { id }");
        created.await["household"]["id"].clone()
    };
    let mut entered = vec![enter().await, enter().await];

    let stop = Arc::new(AtomicBool::default());
    let (work, stopped) = (cadre.clone(), stop.clone());
    let mut working = tokio::task::JoinSet::new();
    working.spawn(async move {
        let mut many = 0;
        while !stopped.load(Ordering::Relaxed) {
            let created = work.accepted("createHousehold", household(), "household { id }");
            created.await;
            let page = work.send(
                "{ households(first: 10) { nodes { members { idNumber } } } }",
                json!({}),
            );
            let page = page.await;
            assert!(page.body["errors"].is_null(), "{}", page.body);
            many += 1;
        }
        many
    });
    let steps: [&[(&str, &str)]; 2] = [&[NEW], &[NEW, CURRENT]];
    for (settings, end) in steps.into_iter().zip([ends[1], ends[0]]) {
        let mut next = programs.start_at("households", end, &[], settings);
        next.ready().await;
        entered.push(enter().await);
        std::mem::replace(&mut running, next).stop().await;
        entered.push(enter().await);
    }
    let command = documented("seal again");
    let (_, body) = command.split_once("-d \\").expect("a body");
    let body = body.trim().trim_matches('\'');
    let admin = programs.token(Role::SystemAdmin, COUNTY);
    let sealed = async || {
        let body = body.replace("'$(uuidgen)'", &chassis::testing::new_id().to_string());
        let body: Value = serde_json::from_str(&body).expect("JSON");
        let document = body["query"].as_str().expect("a document");
        let http = format!("http://{}", gateway.listen);
        let answer = graphql(&http, &admin, document, body["variables"].clone()).await;
        let mut answer = answer.expect("an answer");
        answer["data"]["resealPersonalData"].take()
    };
    let mut tries = 0;
    loop {
        let answer = sealed().await;
        let under = answer["sealedUnder"].as_array().expect("keys").clone();
        let old = |key: &Value| key["keyName"] == "k1" && key["values"] != 0;
        if !under.is_empty() && !under.iter().any(old) {
            break;
        }
        tries += 1;
        assert!(tries < 20, "{answer}");
    }
    let mut next = programs.start_at("households", ends[1], &[], &[OLD, NEW, CURRENT]);
    next.ready().await;
    std::mem::replace(&mut running, next).stop().await;
    stop.store(true, Ordering::Relaxed);
    let worked = working.join_next().await.expect("somebody worked");
    assert!(worked.expect("nothing failed") > 0);

    // Whoever was entered under whichever key is read by the new one, and known again.
    for id in &entered {
        let one = "query($id: ID!) { household(id: $id) { members { idNumber name } } }";
        let answer = cadre.send(one, json!({ "id": id })).await;
        let member = &answer.body["data"]["household"]["members"][0];
        assert_eq!(member["name"], "张大山", "{}", answer.body);
        assert!(
            member["idNumber"]
                .as_str()
                .is_some_and(|n| n.starts_with("999999")),
            "{member}"
        );
    }
    running.stop().await;
    gateway.stop().await;
    programs.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_verifies_what_it_holds_with_no_more_rights_than_its_own() {
    let programs = Programs::migrated().await;
    let mut households = programs.start("households", &[]);
    let mut gateway = programs.start("gateway", &[]);
    households.ready().await;
    gateway.ready().await;
    let officer = programs.token(Role::CountyOfficer, COUNTY);
    let officer = Client::new(gateway.listen, officer, "officer");
    county::divisions(&officer).await;
    let cadre = programs.token(Role::VillageCadre, county::VILLAGE);
    let cadre = Client::new(gateway.listen, cadre, "cadre");
    for _ in 0..3 {
        cadre
            .accepted("createHousehold", household(), "household { id }")
            .await;
    }

    let mut owner = programs.database.owner().await;
    let (status, said) = programs.run("households", &["verify"], &[]);
    assert!(status.success(), "{said}");
    assert!(said.contains(" rows, 0 checkpoints, root "), "{said}");

    // A row of another county's division, which the service's own people would not be shown.
    let bend = "update households.feed set division_code = '110000000000' where position = 3";
    sqlx::query(bend).execute(&mut owner).await.expect("bent");
    let (status, said) = programs.run("households", &["verify"], &[]);
    assert!(!status.success());
    assert!(said.contains("row 3 was changed or moved"), "{said}");

    // And the process finds it by itself.
    let mut again = programs.start_at("households", free_address(), &[], &[]);
    again.ready().await;
    again.logs("row 3 was changed or moved").await;
    let (_, metrics) = again.page("/metrics").await.expect("metrics");
    let unsound = "backstop_ledger_sound{";
    let unsound = metrics.lines().find(|line| line.starts_with(unsound));
    assert!(
        unsound.is_some_and(|line| line.ends_with(" 0")),
        "{metrics}"
    );

    let nobodys = programs.folder.path().join("nobodys");
    fs::write(&nobodys, "a note").expect("written");
    let witness = nobodys.to_str().expect("UTF-8");
    let (status, said) = programs.run("workflow", &["verify", "--witness", witness], &[]);
    assert!(!status.success() && said.contains(witness), "{said}");
    // Where there is no way to put a file, it comes by standard input.
    let note = || Stdio::from(fs::File::open(&nobodys).expect("a note"));
    let piped = programs.run_with("workflow", &["verify", "--witness", "-"], note());
    assert_eq!(piped.1, said.replace(witness, "-"));
    let (status, said) = programs.run("households", &["verify", "--witness", witness], &[]);
    assert!(!status.success() && said.contains("not sealed"), "{said}");
    programs.remove().await;
}
