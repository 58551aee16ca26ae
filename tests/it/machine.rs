//! What a machine does to a process: a disk that is full, a clock that is off.

use std::path::{Path, PathBuf};

use backstop::issuer::Account;
use kernel::Role;
use tests::{COUNTY, Client, county::VILLAGE, family::PAPER};

use crate::programs::{Program, Programs};

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
    let short = programs
        .issuer
        .mint_for(&short, std::time::Duration::from_secs(1800));
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
