//! The sealed ledger: replicas sign one series of checkpoints, tiles are what follows from the rows, and
//! whoever bends the past – even with every key of the database – is found against what was signed.

use std::collections::HashMap;

use chassis::{
    auth::Caller,
    clock::{Clock, ClockShift},
    error::Error,
    ledger::{self, Fault, Known, Leaf, PayloadMac, Report},
    merkle::{self, Frontier, Hash},
    pg::Database,
    secret::SecretKey,
    testing::{TestDatabase, caller, ledger_key, new_id},
    tlog::{
        Checkpoint, Claim, Cosigner, Flaw, Log, LogConfig, LogVerifier, TileId, check_consistency,
        check_inclusion,
    },
};
use chrono::{DateTime, Duration, Utc};
use kernel::Role;
use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};
use uuid::Uuid;

use crate::{COUNTY, MIGRATOR, VILLAGE, done, item, make_one, number};

fn config() -> LogConfig {
    LogConfig {
        origin: "backstop.example/spine".to_owned(),
        key: SecretKey::new([5; 32]),
        witnesses: vec![witness(6).verifier().to_string()],
        checkpoint_seconds: 60,
        evidence_limit_seconds: 4 * 3600,
    }
}

fn witness(seed: u8) -> Cosigner {
    Cosigner::new("discipline.example/w1", &SecretKey::new([seed; 32])).expect("a name")
}

fn log(database: &Database) -> Log {
    let county = COUNTY.parse().expect("a division");
    Log::new(database.clone(), county, &config()).expect("a log")
}

fn verifier() -> LogVerifier {
    let key = chassis::tlog::LogKey::new("backstop.example/spine", &SecretKey::new([5; 32]));
    key.expect("a key").verifier()
}

struct Ledger {
    test: TestDatabase,
    database: Database,
    officer: Caller,
    log: Log,
    shift: ClockShift,
    clock: Clock,
}

impl Ledger {
    async fn open() -> Self {
        let test = TestDatabase::create().await;
        let (clock, shift) = Clock::shiftable();
        let database = test.service("spine", &MIGRATOR, &clock).await;
        Self {
            log: log(&database),
            officer: caller(Role::CountyOfficer, COUNTY),
            test,
            database,
            shift,
            clock,
        }
    }

    async fn make(&self, rows: usize) {
        for _ in 0..rows {
            make_one(&self.database, &self.officer, VILLAGE).await;
        }
    }

    /// So many rows in one transaction.
    async fn make_at_once(&self, rows: usize) {
        let mut tx = self.database.begin(&self.officer).await.expect("begun");
        for _ in 0..rows {
            tx.publish(item(new_id(), VILLAGE));
        }
        tx.commit().await.expect("committed");
    }

    /// A minute goes by and everything is sealed.
    async fn seal(&self) -> Checkpoint {
        self.shift.advance(Duration::seconds(60));
        self.log.seal().await.expect("sealed");
        self.log
            .checkpoint(None)
            .await
            .expect("a checkpoint")
            .checkpoint
    }

    async fn close(self) {
        done(self.test, [self.database]).await;
    }
}

/// The leaves as the rows say, by the definition.
async fn leaves(owner: &mut PgConnection) -> Vec<Hash> {
    let select = "select position, kind, subject, division_code, department, traceparent, \
                  recorded_at, payload_mac from spine.feed order by position";
    let rows = sqlx::query(select).fetch_all(owner).await.expect("rows");
    let leaf = |row: &sqlx::postgres::PgRow| {
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
        leaf.hash()
    };
    rows.iter().map(leaf).collect()
}

/// Makes every payload hash, every root and the head follow from the rows as they are now: whoever has
/// the database and its keys can.
async fn make_consistent(owner: &mut PgConnection) {
    let macs = PayloadMac::new(&ledger_key());
    let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as("select position, payload from spine.feed")
        .fetch_all(&mut *owner)
        .await
        .expect("rows");
    for (position, payload) in rows {
        sqlx::query("update spine.feed set payload_mac = $2 where position = $1")
            .bind(position)
            .bind(macs.of(position, &payload).to_vec())
            .execute(&mut *owner)
            .await
            .expect("written");
    }
    make_roots(owner).await;
}

async fn make_roots(owner: &mut PgConnection) {
    let mut frontier = Frontier::default();
    for (at, leaf) in leaves(owner).await.into_iter().enumerate() {
        let root = frontier.push(leaf);
        sqlx::query("update spine.feed set root = $2 where position = $1")
            .bind(at as i64 + 1)
            .bind(root.to_vec())
            .execute(&mut *owner)
            .await
            .expect("written");
    }
    let roots: Vec<Vec<u8>> = frontier.roots().iter().map(|hash| hash.to_vec()).collect();
    sqlx::query("update spine.feed_head set position = $1, frontier = $2")
        .bind(frontier.len() as i64)
        .bind(roots)
        .execute(owner)
        .await
        .expect("written");
}

async fn verify(owner: &mut PgConnection, copies: &[Known]) -> Report {
    let (key, log) = (ledger_key(), verifier());
    let report = ledger::verify(
        std::slice::from_mut(owner),
        "spine",
        &key,
        Some(&log),
        copies,
        |_, _| {},
    );
    report.await.expect("read")
}

#[tokio::test]
async fn tiles_are_what_follows_from_the_rows_at_every_size_that_was_signed() {
    let ledger = Ledger::open().await;
    let mut owner = ledger.test.owner().await;
    let mut signed = Vec::new();
    for rows in [1, 1, 253, 1, 1, 254, 0, 90, 7] {
        if rows > 0 {
            ledger.make_at_once(rows).await;
        }
        signed.push(ledger.seal().await);
    }
    signed.dedup();
    let sizes: Vec<u64> = signed.iter().map(|checkpoint| checkpoint.size).collect();
    assert_eq!(sizes, [1, 2, 255, 256, 257, 511, 601, 608]);
    let all = leaves(&mut owner).await;
    for checkpoint in &signed {
        let leaves = &all[..checkpoint.size as usize];
        assert_eq!(checkpoint.root, merkle::root(leaves), "{}", checkpoint.size);
        // Every tile of that size, full and partial, from the definition.
        for level in 0..2u8 {
            let span = 256usize.pow(level.into());
            let hashes: Vec<Hash> = leaves.chunks_exact(span).map(merkle::root).collect();
            for (index, tile) in hashes.chunks(256).enumerate() {
                let id = TileId {
                    level,
                    index: index as u64,
                    width: tile.len() as u64,
                };
                let served = ledger.log.tile(id).await.expect("served");
                assert_eq!(served, tile.concat(), "{id} of {}", checkpoint.size);
            }
        }
    }
    // Proofs between any two, checked by what does not know how they were made.
    for (at, newer) in signed.iter().enumerate() {
        for older in &signed[..=at] {
            let (from, size) = (older.size, newer.size);
            let proof = ledger.log.prove(Claim::Consistency { from, size }).await;
            let proof = proof.expect("proved");
            assert!(check_consistency(
                (from, older.root),
                (size, newer.root),
                &proof
            ));
        }
        for index in [0, newer.size / 2, newer.size - 1] {
            let size = newer.size;
            let proof = ledger.log.prove(Claim::Inclusion { index, size }).await;
            let (proof, leaf) = (proof.expect("proved"), all[index as usize]);
            assert!(check_inclusion(leaf, index, size, newer.root, &proof));
            assert!(merkle::verify_inclusion(
                leaf,
                index as usize,
                size as usize,
                &proof,
                &newer.root
            ));
        }
    }
    // What no checkpoint covers is not there.
    ledger.make(1).await;
    for path in [
        "0/002.p/97",
        "0/003",
        "1/000.p/3",
        "2/000.p/1",
        "0/x001/000",
    ] {
        let tile = ledger.log.tile(path.parse().expect("a tile")).await;
        assert!(matches!(tile, Err(Error::NotFound { .. })), "{path}");
    }
    let early = ledger
        .log
        .prove(Claim::Inclusion {
            index: 0,
            size: 609,
        })
        .await;
    assert!(matches!(early, Err(Error::NotFound { .. })));
    assert_eq!(verify(&mut owner, &[]).await.fault, None);
    assert_eq!(verify(&mut owner, &[]).await.checkpoints, 8);
    ledger.close().await;
}

#[tokio::test]
async fn a_long_backlog_is_sealed_in_parts_and_signed_once() {
    let ledger = Ledger::open().await;
    ledger.make_at_once(9000).await;
    ledger.make_at_once(8001).await;
    let checkpoint = ledger.seal().await;
    assert_eq!(checkpoint.size, 17_001);
    let mut owner = ledger.test.owner().await;
    assert_eq!(checkpoint.root, merkle::root(&leaves(&mut owner).await));
    let signed = "select count(*) from spine.log_checkpoints";
    assert_eq!(number(&mut owner, signed).await, 1);
    // Pieces are written once: what is new costs what is new.
    ledger.make(1).await;
    let before = number(&mut owner, "select count(*) from spine.log_tiles").await;
    ledger.seal().await;
    let after = number(&mut owner, "select count(*) from spine.log_tiles").await;
    assert_eq!(after, before + 1, "one hash in one tile");
    let report = verify(&mut owner, &[]).await;
    assert_eq!(
        (report.rows, report.fault, report.checkpoints),
        (17_002, None, 2)
    );
    ledger.close().await;
}

#[tokio::test]
async fn replicas_sign_one_series_and_a_new_process_goes_on_with_it() {
    let ledger = Ledger::open().await;
    let second = Database::connect(
        &ledger.test.config,
        "spine",
        ledger_key(),
        ledger.clock.clone(),
    );
    let second = second.await.expect("connected");
    let logs = [log(&ledger.database), log(&second), log(&second)];
    let mut signed: Vec<Checkpoint> = Vec::new();
    for _ in 0..6 {
        ledger.make(2).await;
        ledger.shift.advance(Duration::seconds(60));
        let all = logs.iter().map(Log::seal);
        for sealed in futures::future::join_all(all).await {
            sealed.expect("sealed, or left to another");
        }
        signed.push(
            ledger
                .log
                .checkpoint(None)
                .await
                .expect("a checkpoint")
                .checkpoint,
        );
    }
    let sizes: Vec<u64> = signed.iter().map(|checkpoint| checkpoint.size).collect();
    assert_eq!(sizes, [2, 4, 6, 8, 10, 12]);
    // Before a minute is over there is no other, whoever asks.
    ledger.make(1).await;
    for log in &logs {
        log.seal().await.expect("looked");
    }
    let mut owner = ledger.test.owner().await;
    assert_eq!(
        number(&mut owner, "select max(size) from spine.log_checkpoints").await,
        12
    );
    assert_eq!(verify(&mut owner, &[]).await.checkpoints, 6);

    // Nothing new: nothing is signed, however much time goes by.
    ledger.seal().await;
    ledger.shift.advance(Duration::days(3));
    logs[1].seal().await.expect("looked");
    assert_eq!(
        number(&mut owner, "select count(*) from spine.log_checkpoints").await,
        7
    );
    done(ledger.test, [ledger.database, second]).await;
}

#[tokio::test]
async fn the_service_can_add_to_what_was_signed_and_change_nothing() {
    let ledger = Ledger::open().await;
    ledger.make(3).await;
    ledger.seal().await;
    let mut tx = ledger.database.begin(&ledger.officer).await.expect("begun");
    for table in ["log_tiles", "log_checkpoints", "log_cosignatures"] {
        for bend in ["delete from", "truncate"] {
            tx.execute("savepoint before").await.expect("begun");
            let refused = tx
                .execute(AssertSqlSafe(format!("{bend} spine.{table}")))
                .await;
            let refused = refused.expect_err("refused").to_string();
            assert!(refused.contains("permission denied"), "{refused}");
            tx.execute("rollback to before").await.expect("undone");
        }
    }
    let refused = tx
        .execute("update spine.log_checkpoints set root = root")
        .await;
    assert!(refused.is_err());
    drop(tx);
    ledger.close().await;
}

#[tokio::test]
async fn rows_that_nobody_in_the_county_sees_are_sealed_too() {
    let ledger = Ledger::open().await;
    let province = caller(Role::SystemAdmin, "990000000000");
    let mut tx = ledger.database.begin(&province).await.expect("begun");
    tx.publish(item(new_id(), "990000000000"));
    tx.commit().await.expect("committed");
    ledger.make(1).await;
    assert_eq!(ledger.seal().await.size, 2);
    // The way in is the ledger's alone.
    let seen = crate::read_all(&ledger.database, &ledger.officer).await;
    assert_eq!(seen.len(), 1);
    ledger.close().await;
}

#[tokio::test]
async fn what_is_bent_before_it_is_sealed_is_not_signed() {
    let ledger = Ledger::open().await;
    ledger.make(4).await;
    ledger.seal().await;
    ledger.make(4).await;
    ledger.shift.advance(Duration::seconds(60));
    let mut owner = ledger.test.owner().await;
    let whole = "create table spine.kept as select * from spine.feed; \
                 create table spine.kept_head as select * from spine.feed_head";
    owner.execute(whole).await.expect("kept");
    for (bend, named) in [
        (
            "update spine.feed set kind = 'x' where position = 6",
            "row 6 was changed",
        ),
        (
            "update spine.feed set payload = 'x' where position = 7",
            "payload of row 7",
        ),
        (
            "delete from spine.feed where position = 6",
            "row 6 is missing",
        ),
        (
            "delete from spine.feed where position = 8",
            "row 8 is missing",
        ),
        (
            "delete from spine.feed where position > 2; update spine.feed_head set position = 2",
            "4 rows were sealed and 2 are there",
        ),
    ] {
        owner.execute(AssertSqlSafe(bend)).await.expect("bent");
        let refused = ledger.log.seal().await.expect_err("nothing is signed");
        assert!(format!("{refused:?}").contains(named), "{refused:?}");
        let size = ledger
            .log
            .checkpoint(None)
            .await
            .expect("the old one")
            .checkpoint
            .size;
        assert_eq!(size, 4);
        let back = "delete from spine.feed; insert into spine.feed select * from spine.kept; \
                    update spine.feed_head set position = (select position from spine.kept_head)";
        owner.execute(back).await.expect("undone");
    }
    assert_eq!(ledger.seal().await.size, 8);
    ledger.close().await;
}

/// Everything that somebody can do who owns the database and has every key but the log's.
#[tokio::test]
async fn a_rewritten_past_is_found_against_what_was_signed() {
    let ledger = Ledger::open().await;
    for _ in 0..3 {
        ledger.make(4).await;
        ledger.seal().await;
    }
    let mut owner = ledger.test.owner().await;
    let served = ledger.log.checkpoint(None).await.expect("a checkpoint");
    let copy = |checkpoint: &Checkpoint| Known {
        size: checkpoint.size,
        root: checkpoint.root,
        holder: "witness.checkpoint".to_owned(),
    };
    let witnessed = [copy(&served.checkpoint)];
    assert_eq!(verify(&mut owner, &witnessed).await.fault, None);

    const EDIT: &str = "update spine.feed set kind = 'x' where position = 6";
    const FORGET: &str = "delete from spine.log_tiles; delete from spine.log_checkpoints";
    const SWAP: &str = "update spine.feed set position = 100 where position = 6; \
                        update spine.feed set position = 6 where position = 7; \
                        update spine.feed set position = 7 where position = 100";
    const DELETE: &str = "delete from spine.feed where position = 6; \
                          update spine.feed set position = -position where position > 6; \
                          update spine.feed set position = -position - 1 where position < 0";
    const TRUNCATE: &str = "delete from spine.feed where position > 9";
    let rolled_back = |holder: &str| Fault::RolledBack {
        sealed: 12,
        found: 9,
        holder: holder.to_owned(),
    };
    let rewritten = Fault::Rewritten { after: 4, size: 8 };
    let split = Fault::SplitView {
        size: 12,
        holder: "witness.checkpoint".to_owned(),
    };
    let no_tiles = "delete from spine.log_tiles";
    for (bend, also, expected) in [
        // The tiles name the row.
        (EDIT, "", Fault::Sealed { position: 6 }),
        (SWAP, "", Fault::Sealed { position: 6 }),
        (DELETE, "", Fault::Sealed { position: 6 }),
        // Without tiles the checkpoints say between which two it was bent.
        (EDIT, no_tiles, rewritten.clone()),
        (SWAP, no_tiles, rewritten.clone()),
        (TRUNCATE, "", rolled_back("the log")),
        (TRUNCATE, no_tiles, rolled_back("the log")),
        (
            TRUNCATE,
            "delete from spine.log_checkpoints",
            rolled_back("witness.checkpoint"),
        ),
        // With everything forgotten the witness remembers.
        (EDIT, FORGET, split.clone()),
        (SWAP, FORGET, split.clone()),
        (DELETE, FORGET, rolled_back_to(11)),
        (TRUNCATE, FORGET, rolled_back("witness.checkpoint")),
        // What was signed cannot be replaced by what was not.
        (
            EDIT,
            "update spine.log_checkpoints set root = decode(repeat('00', 32), 'hex') \
                where size = 8",
            Fault::Checkpoint { size: 8 },
        ),
        (
            "",
            "update spine.log_checkpoints set note = replace(note, '8', '9') where size = 8",
            Fault::Checkpoint { size: 8 },
        ),
        (
            "",
            "delete from spine.log_tiles where first = 4",
            Fault::Sealed { position: 5 },
        ),
        (
            "",
            "update spine.log_tiles set hashes = set_byte(hashes, 32, get_byte(hashes, 32) # 1) \
              where first = 4",
            Fault::Sealed { position: 6 },
        ),
    ] {
        owner.execute("begin").await.expect("begun");
        for statement in [bend, also] {
            owner.execute(AssertSqlSafe(statement)).await.expect("bent");
            if statement == bend && !bend.is_empty() {
                make_consistent(&mut owner).await;
            }
        }
        let report = verify(&mut owner, &witnessed).await;
        assert_eq!(report.fault, Some(expected), "{bend} {also}");
        owner.execute("rollback").await.expect("undone");
    }
    // A stranger's checkpoint is no copy; two that the log signed for one size are a split view.
    let other = copy(&Checkpoint {
        size: 8,
        root: [1; 32],
    });
    let report = verify(&mut owner, &[other]).await;
    let split = Fault::SplitView {
        size: 8,
        holder: "witness.checkpoint".to_owned(),
    };
    assert_eq!(report.fault, Some(split));
    ledger.close().await;
}

fn rolled_back_to(found: u64) -> Fault {
    Fault::RolledBack {
        sealed: 12,
        found,
        holder: "witness.checkpoint".to_owned(),
    }
}

/// The same, and he goes on: the log signs nothing that does not go on from what it signed.
#[tokio::test]
async fn the_log_signs_no_second_history() {
    let ledger = Ledger::open().await;
    ledger.make(4).await;
    ledger.seal().await;
    let mut owner = ledger.test.owner().await;
    owner
        .execute("update spine.feed set kind = 'x' where position = 2")
        .await
        .expect("bent");
    make_consistent(&mut owner).await;
    ledger.make(1).await;
    ledger.shift.advance(Duration::seconds(60));
    assert!(
        ledger.log.seal().await.is_err(),
        "tiles do not go on in these rows"
    );
    // With tiles that fit the new past it is the checkpoint that does not.
    owner
        .execute("delete from spine.log_tiles")
        .await
        .expect("bent");
    let refused = ledger.log.seal().await.expect_err("nothing is signed");
    assert!(
        format!("{refused:?}").contains("does not go on"),
        "{refused:?}"
    );
    assert_eq!(
        number(&mut owner, "select count(*) from spine.log_checkpoints").await,
        1
    );
    ledger.close().await;
}

#[tokio::test]
async fn known_witnesses_cosign_what_the_log_signed_and_nothing_else() {
    let ledger = Ledger::open().await;
    ledger.make(3).await;
    let first = ledger.seal().await;
    let note = ledger
        .log
        .checkpoint(None)
        .await
        .expect("a checkpoint")
        .note;
    let at = ledger.clock.now();
    let line = |seed: u8, note: &str| witness(seed).cosign(note, at).expect("cosigned");

    let stranger = format!("{note}{}", line(9, &note));
    assert!(matches!(
        ledger.log.cosign(&stranger).await,
        Err(Error::Invalid(_))
    ));
    assert!(
        matches!(ledger.log.cosign(&note).await, Err(Error::Invalid(_))),
        "nobody's"
    );
    assert!(matches!(
        ledger.log.cosign("hello").await,
        Err(Error::Invalid(_))
    ));
    let good = format!("{stranger}{}", line(6, &note));
    let taken = ledger.log.cosign(&good).await.expect("taken in");
    assert_eq!(taken, ["discipline.example/w1"]);
    ledger.log.cosign(&good).await.expect("again is the same");

    let served = ledger.log.checkpoint(None).await.expect("a checkpoint");
    assert_eq!(served.witnesses, ["discipline.example/w1"]);
    assert!(served.note.ends_with(&line(6, &note)), "{}", served.note);
    assert_eq!(verifier().open(&served.note), Ok(first));
    // A line moved under another checkpoint.
    ledger.make(1).await;
    ledger.seal().await;
    let next = ledger.log.checkpoint(None).await.expect("a checkpoint");
    assert!(next.witnesses.is_empty());
    let moved = format!("{}{}", next.note, line(6, &note));
    assert!(matches!(
        ledger.log.cosign(&moved).await,
        Err(Error::Invalid(_))
    ));
    // The log's key in other hands: a checkpoint that this log never signed.
    let key = chassis::tlog::LogKey::new("backstop.example/spine", &SecretKey::new([5; 32]));
    let forged = Checkpoint {
        size: 4,
        root: [7; 32],
    };
    let forged = key.expect("a key").sign(&forged).expect("signed");
    let forged = format!("{forged}{}", line(6, &forged));
    assert!(matches!(
        ledger.log.cosign(&forged).await,
        Err(Error::Invalid(_))
    ));
    ledger.close().await;
}

#[tokio::test]
async fn evidence_is_overdue_only_when_no_checkpoint_could_be_made() {
    let ledger = Ledger::open().await;
    let status = ledger.log.status().await.expect("known");
    assert_eq!(
        (status.size, status.sealed, status.is_overdue()),
        (0, 0, false)
    );
    ledger.make(2).await;
    ledger.seal().await;
    // Nothing happens for a month: nothing waits.
    ledger.shift.advance(Duration::days(30));
    assert!(!ledger.log.status().await.expect("known").is_overdue());
    // A standstill is made good at once.
    ledger.make(1).await;
    ledger.shift.advance(Duration::hours(5));
    let status = ledger.log.status().await.expect("known");
    assert_eq!((status.sealed, status.is_overdue()), (3, false));
    // A row that is bent keeps the log from being signed.
    ledger.make(1).await;
    let mut owner = ledger.test.owner().await;
    owner
        .execute("update spine.feed set kind = 'x' where position = 4")
        .await
        .expect("bent");
    ledger
        .shift
        .advance(Duration::hours(4) - Duration::minutes(1));
    let status = ledger.log.status().await.expect("known");
    assert_eq!((status.sealed, status.is_overdue()), (3, false));
    ledger.shift.advance(Duration::minutes(2));
    let status = ledger.log.status().await.expect("known");
    assert_eq!((status.sealed, status.is_overdue()), (3, true));
    assert_eq!(status.waited.num_minutes(), 241);
    owner
        .execute("delete from spine.feed where position = 4")
        .await
        .expect("bent");
    assert!(
        ledger.log.status().await.expect("known").is_overdue(),
        "gone is overdue"
    );
    owner
        .execute("update spine.feed_head set position = 2")
        .await
        .expect("bent");
    assert!(
        ledger.log.status().await.expect("known").is_overdue(),
        "rolled back is overdue"
    );
    ledger.close().await;
}

async fn about(ledger: &Ledger, subject: Uuid, rows: usize) {
    for _ in 0..rows {
        let mut tx = ledger.database.begin(&ledger.officer).await.expect("begun");
        tx.publish(item(subject, VILLAGE));
        tx.publish(item(new_id(), VILLAGE));
        tx.commit().await.expect("committed");
    }
}

#[tokio::test]
async fn an_extract_proves_itself_and_every_alteration_is_named() {
    let ledger = Ledger::open().await;
    let subject = new_id();
    about(&ledger, subject, 3).await;
    ledger.seal().await;
    about(&ledger, subject, 1).await;
    let extract = ledger
        .log
        .extract(&ledger.officer, subject)
        .await
        .expect("an extract");
    assert_eq!(extract.items.len(), 3, "the last is not sealed yet");
    let checked = extract.check(&verifier()).expect("unaltered");
    assert_eq!((checked.checkpoint.size, checked.unopened.len()), (6, 0));
    // Written and read again it is the same.
    let text = serde_json::to_string(&extract).expect("written");
    let again: chassis::tlog::Extract = serde_json::from_str(&text).expect("read");
    assert_eq!(again, extract);

    // Any byte of any value: the check fails, or says another code.
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let mut altered = 0;
    for (path, original) in texts(&value, String::new()) {
        for at in (0..original.len()).step_by(2) {
            let mut bytes = original.clone().into_bytes();
            bytes[at] = match bytes[at] {
                b'A' => b'B',
                b'0' => b'1',
                _ if at % 2 == 0 => b'A',
                _ => b'0',
            };
            let Ok(bent) = String::from_utf8(bytes) else {
                continue;
            };
            if bent == original {
                continue;
            }
            let mut value = value.clone();
            *value.pointer_mut(&path).expect("there") = bent.into();
            let Ok(bent) = serde_json::from_value::<chassis::tlog::Extract>(value) else {
                continue;
            };
            // A hex digit in another case says the same.
            if bent == extract {
                continue;
            }
            altered += 1;
            assert!(bent.check(&verifier()).is_err(), "{path} byte {at}");
        }
    }
    assert!(altered > 500, "{altered}");
    let flaw = |bend: &dyn Fn(&mut chassis::tlog::Extract)| {
        let mut bent = extract.clone();
        bend(&mut bent);
        bent.check(&verifier()).expect_err("altered")
    };
    let second = extract.items[1].position;
    let not_included = vec![Flaw::NotIncluded { position: second }];
    assert_eq!(
        flaw(&|e| e.items[1].kind = "thing.unmade".to_owned()),
        not_included
    );
    assert_eq!(
        flaw(&|e| e.items[1].department = Some(String::new())),
        not_included
    );
    assert_eq!(
        flaw(&|e| {
            e.items[1].proof.pop();
        }),
        not_included
    );
    let content = vec![Flaw::Payload { position: second }];
    assert_eq!(
        flaw(&|e| e.items[1].payload = Some("AAAA".to_owned())),
        content
    );
    assert_eq!(flaw(&|e| e.items[1].opening = None), content);
    assert_eq!(flaw(&|e| e.items[1].payload = None), content);
    let precise = |e: &mut chassis::tlog::Extract| {
        e.items[1].recorded_at = e.items[1].recorded_at.replace('Z', "001Z");
    };
    let recorded = vec![Flaw::Field {
        position: second,
        field: "recorded_at",
    }];
    assert_eq!(flaw(&precise), recorded);
    assert_eq!(
        flaw(&|e| e.items.swap(0, 1)),
        [Flaw::Order {
            position: extract.items[0].position
        }]
    );
    assert_eq!(
        flaw(&|e| {
            let twice = e.items[1].clone();
            e.items.push(twice);
        })[0],
        Flaw::Order { position: second }
    );
    assert_eq!(
        flaw(&|e| e.format = "backstop-extract/2".to_owned()),
        [Flaw::Format]
    );
    // What is left out changes the code, and content that was erased is told.
    let mut shorter = extract.clone();
    shorter.items.pop();
    let short = shorter.check(&verifier()).expect("each is proved");
    assert_ne!(short.code, checked.code);
    let mut erased = extract.clone();
    (erased.items[1].payload, erased.items[1].opening) = (None, None);
    assert_eq!(
        erased.check(&verifier()).expect("the rest").unopened,
        [second]
    );
    // Out of scope, or about nothing.
    let stranger = caller(Role::VillageCadre, "999999002001");
    for (who, what) in [(&stranger, subject), (&ledger.officer, new_id())] {
        let hidden = ledger.log.extract(who, what).await;
        assert!(matches!(hidden, Err(Error::NotFound { .. })));
    }
    ledger.close().await;
}

/// Every text in a JSON value, by its pointer.
fn texts(value: &serde_json::Value, path: String) -> Vec<(String, String)> {
    use serde_json::Value;
    match value {
        Value::String(text) => vec![(path, text.clone())],
        Value::Array(items) => items
            .iter()
            .enumerate()
            .flat_map(|(at, item)| texts(item, format!("{path}/{at}")))
            .collect(),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, item)| texts(item, format!("{path}/{name}")))
            .collect(),
        _ => Vec::new(),
    }
}

/// Rows of before payloads had keys of their own.
#[tokio::test]
async fn rows_of_before_still_check_and_an_extract_says_what_it_cannot_show() {
    let ledger = Ledger::open().await;
    let subject = new_id();
    about(&ledger, subject, 1).await;
    let mut owner = ledger.test.owner().await;
    let before = before(subject.as_bytes());
    sqlx::query("update spine.feed set payload_mac = $1 where position = 1")
        .bind(before.to_vec())
        .execute(&mut owner)
        .await
        .expect("as it was");
    make_roots(&mut owner).await;
    ledger.seal().await;
    assert_eq!(verify(&mut owner, &[]).await.fault, None);
    let extract = ledger
        .log
        .extract(&ledger.officer, subject)
        .await
        .expect("an extract");
    assert_eq!(extract.check(&verifier()).expect("unaltered").unopened, [1]);
    owner
        .execute("update spine.feed set payload = 'x' where position = 1")
        .await
        .expect("bent");
    let fault = verify(&mut owner, &[]).await.fault;
    assert_eq!(fault, Some(Fault::Payload { position: 1 }));
    ledger.close().await;
}

fn before(payload: &[u8]) -> Hash {
    use hmac::{Hmac, KeyInit, Mac};
    let mac = Hmac::<sha2::Sha256>::new_from_slice(ledger_key().expose()).expect("a key");
    let mac = mac.chain_update(b"ledger").chain_update(payload);
    let mac: Hash = mac.finalize().into_bytes().into();
    assert!(PayloadMac::new(&ledger_key()).fits(1, payload, &mac));
    mac
}

#[tokio::test]
async fn a_day_has_its_last_checkpoint() {
    let ledger = Ledger::open().await;
    let morning: DateTime<Utc> = "2031-03-02T02:00:00Z".parse().expect("an instant");
    ledger.shift.advance(morning - ledger.clock.now());
    let day = ledger.clock.today();
    let yesterday = day.pred_opt().expect("a day");
    assert!(matches!(
        ledger.log.daily(day).await,
        Err(Error::NotFound { .. })
    ));
    ledger.make(1).await;
    ledger.seal().await;
    ledger.make(1).await;
    ledger.shift.advance(Duration::hours(13));
    let last = ledger.seal().await;
    let daily = ledger.log.daily(day).await.expect("a seal");
    assert_eq!((daily.served.checkpoint, daily.is_final), (last, false));
    // 24:00 in the county is 16:00 UTC.
    ledger.shift.advance(Duration::hours(1));
    ledger.make(1).await;
    let next = ledger.seal().await;
    let daily = ledger.log.daily(day).await.expect("a seal");
    assert_eq!((daily.served.checkpoint, daily.is_final), (last, true));
    assert_eq!(daily.key, verifier().name());
    let quiet = ledger.clock.today();
    assert_eq!(
        ledger
            .log
            .daily(quiet)
            .await
            .expect("a seal")
            .served
            .checkpoint,
        next
    );
    assert!(ledger.log.daily(yesterday).await.is_err());
    ledger.close().await;
}

#[tokio::test]
async fn the_log_seals_by_itself_and_not_more_often_than_it_may() {
    let ledger = Ledger::open().await;
    let runtime = chassis::lifecycle::Runtime {
        clock: ledger.clock.clone(),
        lifecycle: chassis::lifecycle::Lifecycle::new(),
    };
    ledger.log.spawn(&runtime);
    ledger.make(1).await;
    let log = &ledger.log;
    let size = |expected: u64| {
        crate::until("sealed", move || async move {
            let last = log.checkpoint(None).await.ok();
            last.is_some_and(|last| last.checkpoint.size == expected)
        })
    };
    size(1).await;
    ledger.make(2).await;
    ledger.shift.advance(Duration::seconds(30));
    // Two looks of the loop and more.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    size(1).await;
    ledger.shift.advance(Duration::seconds(31));
    size(3).await;
    runtime
        .lifecycle
        .wait(std::time::Duration::from_secs(5))
        .await;
    ledger.close().await;
}

/// Every hash by its tile, for a reader that asks for files only.
#[tokio::test]
async fn somebody_who_reads_files_only_finds_the_root() {
    let ledger = Ledger::open().await;
    ledger.make_at_once(300).await;
    let checkpoint = ledger.seal().await;
    let claim = Claim::Inclusion {
        index: 299,
        size: 300,
    };
    let mut files: HashMap<String, Vec<u8>> = HashMap::new();
    for tile in claim.tiles().expect("tiles") {
        files.insert(
            tile.to_string(),
            ledger.log.tile(tile).await.expect("served"),
        );
    }
    assert!(files.len() >= 2, "{:?}", files.keys());
    // 300 = 256 + 32 + 8 + 4: the path of the last leaf by hand.
    let part = &ledger
        .log
        .tile("0/001.p/44".parse().expect("a tile"))
        .await
        .expect("served");
    let hashes: Vec<Hash> = part
        .chunks(32)
        .map(|hash| hash.try_into().expect("a hash"))
        .collect();
    let left = ledger
        .log
        .tile("1/000.p/1".parse().expect("a tile"))
        .await
        .expect("served");
    let left: Hash = left.try_into().expect("a hash");
    assert_eq!(
        checkpoint.root,
        merkle::node_hash(&left, &merkle::root(&hashes))
    );
    ledger.close().await;
}
