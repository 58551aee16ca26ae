//! A register and a department's batch that are cut in the middle, softly and hard: nothing is half written, and
//! the same file sent again is taken whole and once.

use std::time::{Duration, Instant};

use chassis::clock::Clock;
use kernel::Role;
use serde_json::{Value, json};
use sqlx::{PgConnection, Row};
use tests::{COUNTY, Client, county};

use crate::programs::{Program, Programs};

const HOUSEHOLDS: u32 = 600;

struct Register {
    programs: Programs,
    households: Program,
    gateway: Program,
    county: demo::County,
    name: String,
    content: Vec<u8>,
}

impl Register {
    /// The registry and a gateway, and a sheet for them.
    async fn open() -> Self {
        let programs = Programs::migrated().await;
        let mut households = programs.start("households", &[]);
        let mut gateway = programs.start("gateway", &[]);
        households.ready().await;
        gateway.ready().await;
        let token = programs.token(Role::CountyOfficer, COUNTY);
        let officer = Client::new(gateway.listen, token, "officer");
        county::divisions(&officer).await;
        let demo = demo::County {
            seed: 5,
            townships: 1,
            villages: 1,
            households: HOUSEHOLDS,
            as_of: Clock::system().today(),
        };
        for village in demo.divisions().iter().filter(|one| !one.groups.is_empty()) {
            let groups = village.groups.iter().zip(1..);
            let groups = groups.map(|(name, number)| json!({ "number": number, "name": name }));
            let division = json!({
                "code": village.code.as_str(), "name": village.name, "level": "VILLAGE",
                "validFrom": "2020-01-01", "groups": groups.collect::<Vec<_>>(),
            });
            let put = officer.accepted("putDivision", division, "division { code }");
            put.await;
        }
        let folder = programs.folder.path().join("demo");
        let files = demo::write(&demo, &folder).expect("written");
        let [sheet] = &files.sheets[..] else {
            panic!("{} sheets", files.sheets.len());
        };
        let name = sheet.file_name().and_then(|name| name.to_str());
        Self {
            name: name.expect("a name").to_owned(),
            content: std::fs::read(sheet).expect("a sheet"),
            county: demo,
            programs,
            households,
            gateway,
        }
    }

    /// Sends the sheet; what came of it.
    async fn send(&self) -> (u16, Value) {
        let path = format!("households?fileName={}", self.name);
        self.put(&path, self.content.clone()).await
    }

    async fn put(&self, path: &str, content: Vec<u8>) -> (u16, Value) {
        let token = self.programs.token(Role::CountyOfficer, COUNTY);
        let officer = Client::new(self.gateway.listen, token, "officer");
        officer.put(path, content).await
    }

    /// Sends everybody's bills; what came of it.
    async fn send_bills(&self) -> (u16, Value) {
        let today = Clock::system().today();
        let path = format!(
            "alerts?department=medical_insurance&rowKind=medical_expense&dataDate={today}&fileName=h.csv"
        );
        let mut rows = "id_number,stay_oop,ytd_oop\n".to_owned();
        for household in self.county.households() {
            for person in household.members {
                rows += &format!("{},50000,50000\n", person.id_number.expose());
            }
        }
        self.put(&path, rows.into_bytes()).await
    }

    fn persons(&self) -> i64 {
        let households = self.county.households();
        let persons = households
            .map(|household| household.members.len())
            .sum::<usize>();
        i64::try_from(persons).expect("few")
    }

    /// Waits until there are alerts, and not all.
    async fn half_way_with_bills(&self) {
        let mut owner = self.programs.database.owner().await;
        let began = Instant::now();
        while count(&mut owner, "select count(*) from comparison.raised").await == 0 {
            assert!(began.elapsed() < Duration::from_secs(60), "nothing comes");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let ended = count(&mut owner, "select count(*) from comparison.batches").await;
        assert_eq!(ended, 0, "too late: all are there");
    }

    /// Alerts that there are, each told once, of persons of the register.
    async fn alerts(&self) -> (i64, i64) {
        let mut owner = self.programs.database.owner().await;
        let raised = count(&mut owner, "select count(*) from comparison.raised").await;
        let told = "select count(*) from comparison.feed where kind = 'alert.raised'";
        assert_eq!(count(&mut owner, told).await, raised, "alerts told");
        let persons = "select count(distinct person_id) from comparison.raised";
        (raised, count(&mut owner, persons).await)
    }

    /// Waits until some households are there, and not all.
    async fn half_way(&self) {
        let mut owner = self.programs.database.owner().await;
        let began = Instant::now();
        loop {
            let there = count(&mut owner, "select count(*) from households.households").await;
            assert!(there < i64::from(HOUSEHOLDS), "too late: all are there");
            if there > 0 {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "nothing comes");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Every household that is there has all of its members, and tells of itself once.
    async fn nothing_is_half_written(&self) -> i64 {
        let mut owner = self.programs.database.owner().await;
        let torn =
            "select count(*) from households.households h where member_count = 0 or member_count <>
                    (select count(*) from households.members m where m.household_id = h.id)";
        assert_eq!(count(&mut owner, torn).await, 0, "half-written households");
        let dense = "select count(*) - (select position from households.feed_head)
                     from households.feed";
        assert_eq!(count(&mut owner, dense).await, 0, "positions");
        count(&mut owner, "select count(*) from households.households").await
    }

    async fn close(self) {
        drop((self.households, self.gateway));
        self.programs.remove().await;
    }
}

async fn count(owner: &mut PgConnection, select: &'static str) -> i64 {
    let row = sqlx::query(select).fetch_one(owner).await;
    row.expect("a row").get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_register_ends_before_its_process_does() {
    let register = Register::open().await;
    let (answer, ()) = tokio::join!(register.send(), async {
        register.half_way().await;
        register.households.terminate();
    });
    let (status, report) = answer;
    assert_eq!(status, 200, "{report}");
    assert_eq!(report["householdsCreated"], HOUSEHOLDS, "{report}");
    let there = register.nothing_is_half_written().await;
    assert_eq!(there, i64::from(HOUSEHOLDS));
    register.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_register_that_is_cut_is_sent_again_and_taken_once() {
    let mut register = Register::open().await;
    let (answer, ()) = tokio::join!(register.send(), async {
        register.half_way().await;
        register.households.kill();
    });
    let (status, report) = answer;
    assert_eq!(status, 503, "{report}");
    let before = register.nothing_is_half_written().await;
    assert!((1..i64::from(HOUSEHOLDS)).contains(&before), "{before}");

    register.households = register.programs.start("households", &[]);
    register.households.ready().await;
    let (status, report) = register.send().await;
    assert_eq!(status, 200, "{report}");
    let there = register.nothing_is_half_written().await;
    assert_eq!(there, i64::from(HOUSEHOLDS), "{report}");
    let new = report["householdsCreated"].as_i64();
    assert_eq!(new, Some(there - before), "{report}");
    register.close().await;
}

/// The register is there, and a service that takes bills.
async fn with_bills() -> (Register, Program) {
    let register = Register::open().await;
    let (status, report) = register.send().await;
    assert_eq!(status, 200, "{report}");
    let mut comparison = register.programs.start("comparison", &[]);
    comparison.ready().await;
    (register, comparison)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_departments_batch_ends_before_its_process_does() {
    let (register, mut comparison) = with_bills().await;
    let (answer, ()) = tokio::join!(register.send_bills(), async {
        register.half_way_with_bills().await;
        comparison.terminate();
    });
    let (status, report) = answer;
    assert_eq!(status, 200, "{report}");
    let (raised, persons) = register.alerts().await;
    assert_eq!(report["alertsRaised"].as_i64(), Some(raised), "{report}");
    assert_eq!(persons, register.persons(), "{report}");
    assert!(comparison.ended().await.success());
    register.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_departments_batch_that_is_cut_is_sent_again_and_alerts_once() {
    let (register, comparison) = with_bills().await;
    let (answer, ()) = tokio::join!(register.send_bills(), async {
        register.half_way_with_bills().await;
        comparison.kill();
    });
    let (status, report) = answer;
    assert_eq!(status, 503, "{report}");
    let (before, some) = register.alerts().await;
    assert!((1..register.persons()).contains(&some), "{some}");

    drop(comparison);
    let mut comparison = register.programs.start("comparison", &[]);
    comparison.ready().await;
    let (status, report) = register.send_bills().await;
    assert_eq!(status, 200, "{report}");
    let (raised, persons) = register.alerts().await;
    assert_eq!(persons, register.persons(), "{report}");
    assert_eq!(
        report["alertsRaised"].as_i64(),
        Some(raised - before),
        "{report}"
    );
    comparison.stop().await;
    register.close().await;
}
