//! Every item takes effect exactly once, whatever happens to its consumer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chassis::{
    auth::ServiceIdentity,
    client,
    error::Error,
    lifecycle::Runtime,
    pg::{Database, Tx},
    subscription::{self, Consumer},
    testing::{TestDatabase, TestIssuer},
};
use proto::feed::v1::Item;
use sqlx::{Executor, PgConnection};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::{
    COUNTY, VILLAGE, authenticator, done, fresh, issuer, make_one, number, replica, serve,
};

const CURSOR: &str = "select coalesce(max(position), 0) from spine.cursors";
const THINGS: &str = "select count(*) from spine.things";
const SEEN_ONCE: &str = "select count(*) from spine.things where seen = 1";
const QUARANTINED: &str = "select count(*) from spine.quarantine";

fn fault() -> Error {
    Error::Internal(anyhow::anyhow!("a fault on purpose"))
}

/// The effect: not idempotent on purpose, so that a second time shows.
async fn count(tx: &mut Tx, item: &Item) -> Result<(), Error> {
    let id: Uuid = item.subject.parse().expect("an id");
    sqlx::query(
        "insert into spine.things (id, division_code, seen) values ($1, $2, 1) \
         on conflict (id) do update set seen = things.seen + 1",
    )
    .bind(id)
    .bind(&item.division_code)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn follow<C: Consumer>(sink: &Database, url: &str, own: &ServiceIdentity, consumer: C) -> Runtime {
    let runtime = Runtime::system();
    subscription::spawn(
        &runtime,
        sink.clone(),
        COUNTY.parse().expect("a county"),
        client::channel(url).expect("a channel"),
        own.clone(),
        consumer,
    );
    runtime
}

async fn identity(issuer: &TestIssuer) -> ServiceIdentity {
    let authenticator = authenticator(issuer, "sink").await;
    ServiceIdentity::new(&issuer.folder().join("sink.jwt"), authenticator)
}

async fn caught_up(sink: &TestDatabase, head: i64) {
    let owner = Arc::new(Mutex::new(sink.owner().await));
    crate::until("the sink catches up", || {
        let owner = owner.clone();
        async move { number(&mut *owner.lock().await, CURSOR).await == head }
    })
    .await;
}

/// Fails now and then, when the effect is there and the cursor is not: both must be undone.
struct Unreliable {
    tries: Arc<AtomicU64>,
}

impl Consumer for Unreliable {
    const SOURCE: &'static str = "spine";
    const KINDS: &'static [&'static str] = &["thing.made"];
    type Prepared = ();

    async fn prepare(&self, _: &Item) -> Result<(), Error> {
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn apply(&self, tx: &mut Tx, item: &Item, (): ()) -> Result<(), Error> {
        count(tx, item).await?;
        match self.tries.fetch_add(1, Ordering::Relaxed) % 5 {
            3 => Err(fault()),
            _ => Ok(()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_killed_at_any_moment_applies_every_item_once() {
    let (source_test, source, officer) = fresh().await;
    let (sink_test, sink, _) = fresh().await;
    let other = replica(&sink_test).await;
    let issuer = issuer(9);
    let serving = Runtime::system();
    let url = serve(&source, &issuer, &serving).await;
    let own = identity(&issuer).await;
    let tries = Arc::new(AtomicU64::new(0));
    let start = |sink: &Database| {
        let tries = tries.clone();
        follow(sink, &url, &own, Unreliable { tries })
    };
    let head: i64 = 120;
    let writing = async {
        for _ in 0..head {
            make_one(&source, &officer, VILLAGE).await;
        }
    };
    // Two replicas at once, cancelled without grace again and again while items arrive.
    let killing = async {
        for round in 0..8 {
            let replicas = [start(&sink), start(&other)];
            tokio::time::sleep(Duration::from_millis(30 + 17 * round)).await;
            for replica in replicas {
                replica.lifecycle.wait(Duration::ZERO).await;
            }
        }
        [start(&sink), start(&other)]
    };
    let ((), last) = tokio::join!(writing, killing);
    caught_up(&sink_test, head).await;
    for replica in last {
        replica.lifecycle.wait(Duration::from_secs(5)).await;
    }
    let mut owner = sink_test.owner().await;
    assert_eq!(number(&mut owner, THINGS).await, head);
    assert_eq!(
        number(&mut owner, SEEN_ONCE).await,
        head,
        "each exactly once"
    );
    assert_eq!(number(&mut owner, QUARANTINED).await, 0);
    serving.lifecycle.wait(Duration::from_secs(5)).await;
    done(source_test, [source]).await;
    done(sink_test, [sink, other]).await;
}

/// One item fails for ever; before another a neighbour is away more often than an item has tries.
struct Poisoned {
    poison: i64,
    blocked: i64,
    away: Arc<AtomicU64>,
}

impl Consumer for Poisoned {
    const SOURCE: &'static str = "spine";
    const KINDS: &'static [&'static str] = &[];
    type Prepared = ();

    async fn prepare(&self, item: &Item) -> Result<(), Error> {
        let away = item.position == self.blocked && self.away.fetch_add(1, Ordering::Relaxed) < 7;
        if away {
            return Err(Error::Unavailable { what: "neighbour" });
        }
        Ok(())
    }

    async fn apply(&self, tx: &mut Tx, item: &Item, (): ()) -> Result<(), Error> {
        count(tx, item).await?;
        if item.position == self.poison {
            return Err(fault());
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_item_is_put_aside_and_an_absent_neighbour_is_waited_for() {
    let (source_test, source, officer) = fresh().await;
    let (sink_test, sink, _) = fresh().await;
    let other = replica(&sink_test).await;
    let issuer = issuer(9);
    let serving = Runtime::system();
    let url = serve(&source, &issuer, &serving).await;
    let own = identity(&issuer).await;
    for _ in 0..10 {
        make_one(&source, &officer, VILLAGE).await;
    }
    let away = Arc::new(AtomicU64::new(0));
    let start = |sink| {
        let (poison, blocked, away) = (3, 6, away.clone());
        follow(
            sink,
            &url,
            &own,
            Poisoned {
                poison,
                blocked,
                away,
            },
        )
    };
    let replicas = [start(&sink), start(&other)];
    caught_up(&sink_test, 10).await;
    for replica in replicas {
        replica.lifecycle.wait(Duration::from_secs(5)).await;
    }
    let mut owner = sink_test.owner().await;
    assert_eq!(number(&mut owner, THINGS).await, 9, "all but the bad one");
    assert_eq!(number(&mut owner, SEEN_ONCE).await, 9, "each exactly once");
    assert_eq!(number(&mut owner, QUARANTINED).await, 1);
    let bad =
        "select position from spine.quarantine where source = 'spine' and reason = 'INTERNAL'";
    assert_eq!(number(&mut owner, bad).await, 3);
    serving.lifecycle.wait(Duration::from_secs(5)).await;
    done(source_test, [source]).await;
    done(sink_test, [sink, other]).await;
}

/// Fails the first item for ever. In the last try another replica gets the first three done.
struct Overtaken {
    tries: Arc<AtomicU64>,
    owner: Mutex<PgConnection>,
    subjects: Vec<Uuid>,
    cursor: String,
}

impl Overtaken {
    async fn overtake(&self) -> Result<(), sqlx::Error> {
        let mut owner = self.owner.lock().await;
        owner.execute("begin").await?;
        sqlx::query("update spine.cursors set position = 3, cursor = $1")
            .bind(&self.cursor)
            .execute(&mut *owner)
            .await?;
        sqlx::query(
            "insert into spine.things (id, division_code, seen) \
             select id, $2, 1 from unnest($1::uuid[]) as id",
        )
        .bind(&self.subjects)
        .bind(VILLAGE)
        .execute(&mut *owner)
        .await?;
        owner.execute("commit").await?;
        Ok(())
    }
}

impl Consumer for Overtaken {
    const SOURCE: &'static str = "spine";
    const KINDS: &'static [&'static str] = &["thing.made"];
    type Prepared = ();

    async fn prepare(&self, item: &Item) -> Result<(), Error> {
        if item.position != 1 {
            return Ok(());
        }
        if self.tries.fetch_add(1, Ordering::Relaxed) == 4 {
            self.overtake().await.expect("overtaken");
        }
        Err(fault())
    }

    async fn apply(&self, tx: &mut Tx, item: &Item, (): ()) -> Result<(), Error> {
        count(tx, item).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_gives_up_an_item_does_not_undo_the_progress_of_another() {
    let (source_test, source, officer) = fresh().await;
    let (sink_test, sink, _) = fresh().await;
    let issuer = issuer(9);
    let serving = Runtime::system();
    let url = serve(&source, &issuer, &serving).await;
    let own = identity(&issuer).await;
    let mut subjects = Vec::new();
    for _ in 0..3 {
        subjects.push(make_one(&source, &officer, VILLAGE).await);
    }
    let tries = Arc::new(AtomicU64::new(0));
    let consumer = Overtaken {
        tries: tries.clone(),
        owner: Mutex::new(sink_test.owner().await),
        subjects,
        cursor: source.cursors().feed(source.epoch(), 3),
    };
    let following = follow(&sink, &url, &own, consumer);
    crate::until("the last try", || async {
        tries.load(Ordering::Relaxed) >= 5
    })
    .await;
    make_one(&source, &officer, VILLAGE).await;
    caught_up(&sink_test, 4).await;
    following.lifecycle.wait(Duration::from_secs(5)).await;
    let mut owner = sink_test.owner().await;
    assert_eq!(number(&mut owner, THINGS).await, 4);
    assert_eq!(number(&mut owner, SEEN_ONCE).await, 4, "each exactly once");
    assert_eq!(number(&mut owner, QUARANTINED).await, 0, "nothing was lost");
    serving.lifecycle.wait(Duration::from_secs(5)).await;
    done(source_test, [source]).await;
    done(sink_test, [sink]).await;
}
