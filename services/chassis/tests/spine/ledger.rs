//! A row that was changed, removed or moved is found and named, whoever did it.

use chassis::{
    ledger::{self, Fault, Report},
    secret::SecretKey,
    testing::ledger_key,
};
use sqlx::{AssertSqlSafe, Executor, PgConnection};

use crate::{VILLAGE, done, fresh, make_one};

async fn verify(owner: &mut PgConnection) -> Report {
    let report = ledger::verify(
        std::slice::from_mut(owner),
        "spine",
        &ledger_key(),
        None,
        &[],
        |_, _| {},
    )
    .await;
    report.expect("read")
}

#[tokio::test]
async fn a_bent_ledger_is_found_and_the_first_wrong_row_is_named() {
    let (test, database, officer) = fresh().await;
    for _ in 0..6 {
        make_one(&database, &officer, VILLAGE).await;
    }
    let changed = |position| Fault::Changed { position };
    let cases = [
        (
            "update spine.feed set payload = 'x' where position = 3",
            Fault::Payload { position: 3 },
        ),
        (
            "update spine.feed set payload = '' where position = 3",
            Fault::Payload { position: 3 },
        ),
        (
            "update spine.feed set payload_mac = 'x' where position = 3",
            changed(3),
        ),
        (
            "update spine.feed set payload = null, payload_mac = 'x' where position = 3",
            changed(3),
        ),
        (
            "update spine.feed set kind = 'x' where position = 3",
            changed(3),
        ),
        (
            "update spine.feed set kind = 'x' where position > 2",
            changed(3),
        ),
        (
            "update spine.feed set traceparent = '00-x' where position = 5",
            changed(5),
        ),
        (
            "insert into spine.feed select 8, kind, subject, division_code, department, payload, \
             payload_mac, traceparent, root, recorded_at from spine.feed where position = 6",
            Fault::Missing { position: 7 },
        ),
        (
            "update spine.feed set position = 1000000 where position = 6; \
             update spine.feed_head set position = 5",
            Fault::Missing { position: 6 },
        ),
        (
            "update spine.feed_head set position = 5, frontier = '{}'",
            Fault::Tail { head: 5, found: 6 },
        ),
        (
            "update spine.feed set subject = gen_random_uuid() where position = 6",
            changed(6),
        ),
        (
            "update spine.feed set division_code = '999999001002' where position = 4",
            changed(4),
        ),
        (
            "update spine.feed set recorded_at = recorded_at - interval '1 microsecond' \
             where position = 2",
            changed(2),
        ),
        (
            "update spine.feed set root = 'x' where position = 1",
            changed(1),
        ),
        (
            "delete from spine.feed where position = 1",
            Fault::Missing { position: 1 },
        ),
        (
            "delete from spine.feed where position = 3",
            Fault::Missing { position: 3 },
        ),
        (
            "delete from spine.feed where position > 4",
            Fault::Tail { head: 6, found: 4 },
        ),
        (
            "update spine.feed set department = 'x' where position = 3",
            Fault::Changed { position: 3 },
        ),
        ("delete from spine.feed", Fault::Tail { head: 6, found: 0 }),
        (
            "delete from spine.feed where position > 4; update spine.feed_head set position = 4",
            Fault::Head { head: 4 },
        ),
        (
            "update spine.feed_head set frontier[1] = frontier[2], frontier[2] = frontier[1]",
            Fault::Head { head: 6 },
        ),
        (
            "update spine.feed set position = 100 where position = 2; \
             update spine.feed set position = 2 where position = 3; \
             update spine.feed set position = 3 where position = 100",
            changed(2),
        ),
        (
            "update spine.feed set position = -position where position > 2; \
             delete from spine.feed where position = -3; \
             update spine.feed set position = -position - 1 where position < 0; \
             update spine.feed_head set position = 5",
            changed(3),
        ),
    ];
    let mut owner = test.owner().await;
    for (bend, expected) in cases {
        owner.execute("begin").await.expect("begun");
        owner.execute(AssertSqlSafe(bend)).await.expect("bent");
        let report = verify(&mut owner).await;
        assert_eq!(
            (report.fault, report.root),
            (Some(expected), None),
            "{bend}"
        );
        owner.execute("rollback").await.expect("undone");
        assert_eq!(verify(&mut owner).await.fault, None);
    }
    done(test, [database]).await;
}

#[tokio::test]
async fn a_payload_can_be_erased_and_the_log_still_checks() {
    let (test, database, officer) = fresh().await;
    let mut owner = test.owner().await;
    assert_eq!(verify(&mut owner).await.rows, 0, "an empty log");
    for _ in 0..6 {
        make_one(&database, &officer, VILLAGE).await;
    }
    let whole = verify(&mut owner).await;
    assert_eq!((whole.rows, &whole.fault), (6, &None));
    let erase = "update spine.feed set payload = null where position = 5";
    owner.execute(erase).await.expect("erased");
    assert_eq!(verify(&mut owner).await, whole, "the same log");
    make_one(&database, &officer, VILLAGE).await;
    assert_eq!(verify(&mut owner).await.rows, 7, "and it goes on");
    // Without the key nobody can make the hash of a payload.
    let stranger = SecretKey::new([1; 32]);
    let report = ledger::verify(
        std::slice::from_mut(&mut owner),
        "spine",
        &stranger,
        None,
        &[],
        |_, _| {},
    )
    .await;
    assert_eq!(
        report.expect("read").fault,
        Some(Fault::Payload { position: 1 })
    );
    done(test, [database]).await;
}
