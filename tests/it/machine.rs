//! What a machine does to a process: a disk that is full, a clock that is off.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use backstop::issuer::Account;
use kernel::Role;
use tests::{COUNTY, Client, county::VILLAGE, family::PAPER};

use crate::programs::{Program, Programs, free_address};

const MIB: usize = 1024 * 1024;

fn reader(programs: &Programs, gateway: &Program, role: Role, division: &str) -> Client {
    Client::new(gateway.listen, programs.token(role, division), "reader")
}

/// Every file below a folder as the process sees it.
fn files(process: &Program, folder: &Path) -> Vec<PathBuf> {
    let inside = PathBuf::from(format!("/proc/{}/root", process.id()));
    let mut folders = vec![inside.join(folder.strip_prefix("/").expect("absolute"))];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("readable").flatten() {
            match entry.path().is_dir() {
                true => folders.push(entry.path()),
                false => files.push(entry.path()),
            }
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_of_papers_refuses_one_and_keeps_the_others() {
    let programs = Programs::migrated().await;
    let papers = programs.folder.path().join("evidence");
    let Some(mut workflow) = programs.start_on_disk("workflow", &papers, 4 * MIB, &[]) else {
        println!("skipped: no file system of one's own can be mounted here");
        return;
    };
    let mut gateway = programs.start("gateway", &[]);
    workflow.ready().await;
    gateway.ready().await;
    let cadre = reader(&programs, &gateway, Role::VillageCadre, VILLAGE);
    let into = format!("evidence?divisionCode={VILLAGE}");
    let paper = |bytes: usize, with: u8| [PAPER, &vec![with; bytes]].concat();
    let kept = cadre.upload(&into, paper(MIB, 1)).await;

    let (status, problem) = cadre.put(&into, paper(8 * MIB, 2)).await;
    assert_eq!(status, 503, "{problem:#}");
    assert_eq!(problem["code"], "UNAVAILABLE", "{problem:#}");
    assert_eq!(files(&workflow, &papers).len(), 1, "nothing is half there");

    // What fits goes in, and what was there comes out.
    cadre.upload(&into, paper(MIB, 3)).await;
    let from = format!(
        "/files/evidence/{}",
        kept["sha256"].as_str().expect("a hash")
    );
    assert_eq!(cadre.get(&from).await.0, 200);
    workflow.ready().await;
    workflow.stop().await;
    gateway.stop().await;
    programs.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_of_temporary_files_refuses_sheets_and_nothing_else() {
    let programs = Programs::migrated().await;
    let temporary = programs.folder.path().join("temporary");
    let more = [("TMPDIR", temporary.to_str().expect("UTF-8"))];
    let Some(mut households) = programs.start_on_disk("households", &temporary, MIB, &more) else {
        println!("skipped: no file system of one's own can be mounted here");
        return;
    };
    let mut gateway = programs.start("gateway", &[]);
    households.ready().await;
    gateway.ready().await;
    let officer = reader(&programs, &gateway, Role::CountyOfficer, COUNTY);
    for _ in 0..3 {
        let sheet = vec![b'x'; 3 * MIB];
        let (status, problem) = officer.put("households?fileName=a.csv", sheet).await;
        assert_eq!(status, 503, "{problem:#}");
        assert_eq!(problem["code"], "UNAVAILABLE", "{problem:#}");
    }
    // A smaller one is read, and found to be no sheet.
    let (status, problem) = officer
        .put("households?fileName=a.csv", b"x\n".to_vec())
        .await;
    assert_eq!(status, 400, "{problem:#}");
    tests::county::divisions(&officer).await;
    households.ready().await;
    households.stop().await;
    gateway.stop().await;
    programs.remove().await;
}

/// A PostgreSQL whose folder is a disk of its own, which goes with it; nothing where that is not allowed.
struct OnDisk {
    server: std::process::Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl OnDisk {
    fn start(bytes: usize) -> Option<Self> {
        // Only root may mount for a server that runs as somebody else.
        let user = std::env::var("BACKSTOP_TEST_POSTGRES_USER").ok()?;
        let allowed = Command::new("unshare").args(["--mount", "true"]).output();
        if !allowed.is_ok_and(|output| output.status.success()) {
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_address().port();
        let script = "mount -t tmpfs -o size=$1,mode=777 none \"$2\"; export PGDATA=\"$2/pg\"\n\
                      as=(setpriv --reuid \"$3\" --clear-groups --)\n\
                      \"${as[@]}\" \"$4/initdb\" -U postgres -A trust -E UTF8 --locale=C --no-sync\n\
                      exec \"${as[@]}\" \"$4/postgres\" -c listen_addresses=127.0.0.1 -c port=\"$5\" \
                          -c unix_socket_directories= -c max_wal_size=64MB -c autovacuum=off";
        let server = Command::new("unshare")
            .args(["--mount", "bash", "-euc", script, "bash"])
            .arg(bytes.to_string())
            .arg(folder.path())
            .arg(user)
            .arg(std::env::var("BACKSTOP_TEST_POSTGRES_BIN").expect("tests/run sets it"))
            .arg(port.to_string())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn();
        let server = server.expect("started");
        Some(Self {
            server,
            folder,
            port,
        })
    }

    fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// A file that takes all the room that is left.
    fn filler(&self) -> PathBuf {
        let disk = self.folder.path().strip_prefix("/").expect("absolute");
        let inside = PathBuf::from(format!("/proc/{}/root", self.server.id()));
        inside.join(disk).join("filler")
    }

    fn fill(&self) {
        let mut file = std::fs::File::create(self.filler()).expect("a file");
        while file.write_all(&[0; 4096]).is_ok() {}
    }
}

impl Drop for OnDisk {
    fn drop(&mut self) {
        // Its disk goes with its last process.
        let _ = Command::new("kill")
            .args(["-QUIT", &self.server.id().to_string()])
            .status();
        let _ = self.server.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_of_the_database_refuses_what_is_written_and_it_goes_on_by_itself() {
    let Some(server) = OnDisk::start(256 * MIB) else {
        println!("skipped: no file system of one's own can be mounted here");
        return;
    };
    let programs = Programs::new().await;
    let url = server.url();
    let database = [("BACKSTOP__PROCESS__DATABASE__URL", &*url)];
    tests::until("PostgreSQL answers", async || {
        use sqlx::Connection as _;
        sqlx::PgConnection::connect(&url).await.ok()
    })
    .await;
    let (status, said) = programs.run("households", &["migrate"], &database);
    assert!(status.success(), "{said}");
    let mut households = programs.start("households", &database);
    let mut gateway = programs.start("gateway", &[]);
    households.ready().await;
    gateway.ready().await;
    let officer = reader(&programs, &gateway, Role::CountyOfficer, COUNTY);
    tests::county::divisions(&officer).await;

    let mut acknowledged = Vec::new();
    let mut number = 100;
    let mut put = async || {
        number += 1;
        let code = format!("999999{number}000");
        let input = serde_json::json!({ "input": {
            "requestId": chassis::testing::new_id().to_string(), "code": code,
            "name": "乡".repeat(50), "level": "TOWNSHIP", "validFrom": "2020-01-01",
        } });
        let answer = officer.send(
            "mutation($input: PutDivisionInput!) { putDivision(input: $input) { division { code } } }",
            input,
        );
        (answer.await.body, code)
    };
    server.fill();
    loop {
        let (answer, code) = put().await;
        if answer["errors"].is_null() {
            acknowledged.push(code);
            assert!(acknowledged.len() < 800, "the disk is not full");
            continue;
        }
        let code = &answer["errors"][0]["extensions"]["code"];
        assert_eq!(code, "UNAVAILABLE", "{answer}");
        break;
    }
    assert!(households.is_alive(), "{}", households.log());

    std::fs::remove_file(server.filler()).expect("room");
    let began = Instant::now();
    loop {
        let (answer, code) = put().await;
        if answer["errors"].is_null() {
            acknowledged.push(code);
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{answer}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut owner = <sqlx::PgConnection as sqlx::Connection>::connect(&url)
        .await
        .expect("connected");
    let there: Vec<String> = sqlx::query_scalar("select code::text from households.divisions")
        .fetch_all(&mut owner)
        .await
        .expect("rows");
    let lost = acknowledged.iter().filter(|code| !there.contains(code));
    assert_eq!(lost.count(), 0, "nothing that was acknowledged is lost");
    households.ready().await;
    let (status, said) = programs.run("households", &["verify"], &database);
    assert!(status.success(), "{said}");
    households.stop().await;
    gateway.stop().await;
    programs.remove().await;
}

/// The library that puts another clock under a program.
fn other_clock() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.flatten();
    let mut libraries = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    libraries.find(|library| library.exists())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_an_hour_off_is_told_and_moves_no_position() {
    let Some(library) = other_clock() else {
        println!(
            "skipped: libfaketime is not here to put a clock off (apt-get install libfaketime)"
        );
        return;
    };
    let programs = Programs::migrated().await;
    let mut gateway = programs.start("gateway", &[]);
    gateway.ready().await;
    let officer = reader(&programs, &gateway, Role::CountyOfficer, COUNTY);
    let short = Account::new(Role::CountyOfficer, COUNTY.parse().expect("a division"));
    let short = programs.issuer.mint_for(&short, Duration::from_secs(1800));
    let short = officer.clone().with_token(&short.expect("a token"));

    let mut positions = Vec::new();
    for (name, off) in [("right", "+0"), ("ahead", "+3600"), ("behind", "-3600")] {
        let mut households = programs.start(
            "households",
            &[
                ("LD_PRELOAD", library.to_str().expect("UTF-8")),
                ("FAKETIME", off),
                ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ],
        );
        households.ready().await;
        let shown = clock_ahead(&households).await;
        let off: f64 = off.parse().expect("seconds");
        assert!((shown - off).abs() < 1.5, "{shown} for {off}");

        tests::county::divisions(&officer).await;
        let mut owner = programs.database.owner().await;
        let position: i64 = sqlx::query_scalar("select position from households.feed_head")
            .fetch_one(&mut owner)
            .await
            .expect("a row");
        positions.push(position);
        // A token of half an hour has ended for whoever lives an hour ahead.
        let answer = short.send(
            "{ households(first: 1) { totalCount } }",
            serde_json::json!({}),
        );
        let answer = answer.await;
        let code = &answer.body["errors"][0]["extensions"]["code"];
        match name {
            "ahead" => assert_eq!(code, "UNAUTHENTICATED", "{}", answer.body),
            _ => assert!(answer.body["errors"].is_null(), "{}", answer.body),
        }
        households.stop().await;
    }
    let items: Vec<i64> =
        sqlx::query_scalar("select position from households.feed order by position")
            .fetch_all(&mut programs.database.owner().await)
            .await
            .expect("rows");
    assert!(
        items.iter().zip(1..).all(|(found, dense)| *found == dense),
        "{items:?}"
    );
    assert!(positions.is_sorted(), "{positions:?}");
    gateway.stop().await;
    programs.remove().await;
}

async fn clock_ahead(process: &Program) -> f64 {
    let line = tests::until("the clocks have been compared", async || {
        let (_, text) = process.page("/metrics").await?;
        let mut lines = text.lines().map(str::to_owned);
        lines.find(|line| line.starts_with("backstop_clock_ahead_seconds{"))
    })
    .await;
    let (_, value) = line.rsplit_once(' ').expect("a value");
    value.parse().expect("seconds")
}
