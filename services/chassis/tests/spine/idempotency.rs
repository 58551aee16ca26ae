//! The contract of idempotency keys, line by line.

use std::time::{Duration, Instant};

use chassis::{
    auth::Caller,
    error::Error,
    pg::{Claim, Database},
    testing::{caller, caller_named, new_id},
};
use futures::future::join_all;
use kernel::Role;
use proto::r#type::v1::Risk;

use crate::{COUNTY, VILLAGE, done, fresh, make, read_all, replica};

fn request(remark: &str) -> Risk {
    Risk {
        remark: remark.to_owned(),
        ..Risk::default()
    }
}

fn response(text: &str) -> Risk {
    Risk {
        sub_code: text.to_owned(),
        ..Risk::default()
    }
}

/// A mutation as services write it: claims, changes, remembers, commits.
async fn put(
    database: &Database,
    caller: &Caller,
    key: &str,
    remark: &str,
    answer: &str,
) -> Result<String, Error> {
    let mut tx = database.begin(caller).await?;
    match tx.claim::<Risk>("put", key, &request(remark)).await? {
        Claim::Replayed(first) => Ok(first.sub_code),
        Claim::Fresh => {
            make(&mut tx, VILLAGE).await?;
            tx.remember(&response(answer)).await?;
            tx.commit().await?;
            Ok(answer.to_owned())
        }
    }
}

#[tokio::test]
async fn a_key_has_one_effect_and_one_answer() {
    let (test, database, officer) = fresh().await;
    let key = new_id().to_string();
    let run = async |caller, key, remark, answer| put(&database, caller, key, remark, answer).await;
    let missing = run(&officer, "", "a", "1").await;
    assert!(matches!(missing, Err(Error::IdempotencyKeyRequired)));
    let malformed = run(&officer, "not a key", "a", "1").await;
    assert!(matches!(malformed, Err(Error::Invalid(_))));

    // A refused request leaves the key free, for a corrected one too.
    let mut tx = database.begin(&officer).await.expect("a transaction");
    let claimed = tx.claim::<Risk>("put", &key, &request("b")).await;
    assert!(matches!(claimed, Ok(Claim::Fresh)));
    drop(tx);
    assert_eq!(
        run(&officer, &key, "a", "first").await.expect("fresh"),
        "first"
    );
    assert_eq!(
        run(&officer, &key, "a", "second").await.expect("replayed"),
        "first"
    );
    let reused = run(&officer, &key, "b", "x").await;
    assert!(matches!(reused, Err(Error::IdempotencyKeyReused)));

    // The key belongs to its principal and its operation.
    let other = caller(Role::Auditor, COUNTY);
    let mut tx = database.begin(&other).await.expect("a transaction");
    let claimed = tx.claim::<Risk>("put", &key, &request("b")).await;
    assert!(matches!(claimed, Ok(Claim::Fresh)), "another principal");
    drop(tx);
    let mut tx = database.begin(&officer).await.expect("a transaction");
    let claimed = tx.claim::<Risk>("remove", &key, &request("b")).await;
    assert!(matches!(claimed, Ok(Claim::Fresh)), "another operation");
    drop(tx);
    // The account counts, not what it acts as at the moment.
    let promoted = caller_named(&officer.principal.subject, Role::Auditor, COUNTY);
    assert_eq!(
        run(&promoted, &key, "a", "third").await.expect("replayed"),
        "first"
    );

    assert_eq!(
        read_all(&database, &officer).await.len(),
        1,
        "one effect in all"
    );
    done(test, [database]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_many_times_at_once_has_one_effect() {
    let (test, database, officer) = fresh().await;
    let other = replica(&test).await;
    for _ in 0..10 {
        let key = new_id().to_string();
        let before = read_all(&database, &officer).await.len();
        let names: Vec<String> = (0..8).map(|n| format!("answer {n}")).collect();
        let databases = [&database, &other];
        let runs = names
            .iter()
            .enumerate()
            .map(|(n, name)| put(databases[n % 2], &officer, &key, "c", name));
        let answers: Result<Vec<String>, Error> = join_all(runs).await.into_iter().collect();
        let answers = answers.expect("served, first or again");
        assert!(
            answers.iter().all(|answer| *answer == answers[0]),
            "{answers:?}"
        );
        assert_eq!(read_all(&database, &officer).await.len(), before + 1);
    }
    done(test, [database, other]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_waits_for_the_first_but_not_for_ever() {
    let (test, database, officer) = fresh().await;
    let other = replica(&test).await;
    let hold = async |key: &str, time: Duration| {
        let mut tx = database.begin(&officer).await.expect("a transaction");
        let claimed = tx.claim::<Risk>("put", key, &request("a")).await;
        assert!(matches!(claimed, Ok(Claim::Fresh)));
        tokio::time::sleep(time).await;
        tx
    };
    let second = async |key: &str| {
        // The first has its claim by then.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let began = Instant::now();
        let answer = put(&other, &officer, key, "a", "second").await;
        (answer, began.elapsed())
    };

    let key = new_id().to_string();
    let (tx, (answer, waited)) = tokio::join!(hold(&key, Duration::from_secs(4)), second(&key));
    assert!(
        matches!(answer, Err(Error::IdempotencyInProgress)),
        "{answer:?}"
    );
    assert!(waited < Duration::from_secs(3), "{waited:?}");
    drop(tx);
    // The first gave up: the key is free again.
    assert_eq!(second(&key).await.0.expect("fresh"), "second");

    let key = new_id().to_string();
    let first = async {
        let mut tx = hold(&key, Duration::from_millis(700)).await;
        tx.remember(&response("first")).await.expect("remembered");
        tx.commit().await.expect("committed");
    };
    let ((), (answer, _)) = tokio::join!(first, second(&key));
    assert_eq!(answer.expect("replayed"), "first");
    done(test, [database, other]).await;
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_week() {
    let (test, database, officer) = fresh().await;
    let key = new_id().to_string();
    put(&database, &officer, &key, "a", "1").await.expect("put");
    assert_eq!(database.forget_requests().await.expect("done"), 0);
    let mut owner = test.owner().await;
    sqlx::query(
        "update spine.idempotency set created_at = created_at - interval '7 days 1 minute'",
    )
    .execute(&mut owner)
    .await
    .expect("aged");
    assert_eq!(database.forget_requests().await.expect("done"), 1);
    let again = put(&database, &officer, &key, "b", "2").await;
    assert_eq!(again.expect("put"), "2");
    drop(owner);
    done(test, [database]).await;
}
