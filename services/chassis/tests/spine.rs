//! The spine on a real PostgreSQL: no position is skipped, doubled or seen out of order; no row is
//! shown outside its scope; no bent row goes unnoticed.

use std::time::Duration;

use chassis::{
    auth::{Authenticator, Caller},
    clock::Clock,
    error::Error,
    feed::{self, Filter, Item},
    feed_server::FeedServer,
    lifecycle::Runtime,
    pg::{Database, Tx},
    server,
    testing::{TestDatabase, TestIssuer, caller, ledger_key, new_id},
};
use ed25519_dalek::pkcs8::{EncodePrivateKey, KeypairBytes};
use kernel::Role;
use proto::feed::v1::feed_service_server::FeedServiceServer;
use sqlx::{AssertSqlSafe, PgConnection, Row, migrate::Migrator};
use tonic::service::Routes;
use uuid::Uuid;

#[path = "spine/access.rs"]
mod access;
#[path = "spine/connection.rs"]
mod connection;
#[path = "spine/consume.rs"]
mod consume;
#[path = "spine/flow.rs"]
mod flow;
#[path = "spine/idempotency.rs"]
mod idempotency;
#[path = "spine/ledger.rs"]
mod ledger;
#[path = "spine/order.rs"]
mod order;
#[path = "spine/scope.rs"]
mod scope;
#[path = "spine/seal.rs"]
mod seal;
#[path = "spine/tls.rs"]
mod tls;
#[path = "spine/tokens.rs"]
mod tokens;
#[path = "spine/whereabouts.rs"]
mod whereabouts;

static MIGRATOR: Migrator = sqlx::migrate!("tests/migrations");
const COUNTY: &str = "999999000000";
const VILLAGE: &str = "999999001001";

async fn fresh() -> (TestDatabase, Database, Caller) {
    let test = TestDatabase::create().await;
    let database = test.service("spine", &MIGRATOR, &Clock::system()).await;
    (test, database, caller(Role::CountyOfficer, COUNTY))
}

/// A second process of the same service: a pool of its own.
async fn replica(test: &TestDatabase) -> Database {
    let replica = Database::connect(&test.config, "spine", ledger_key(), Clock::system()).await;
    replica.expect("connected")
}

async fn done(test: TestDatabase, databases: impl IntoIterator<Item = Database>) {
    for database in databases {
        // A transaction that a test forgot to drop would be waited for.
        let closed = tokio::time::timeout(Duration::from_secs(10), database.close()).await;
        closed.expect("nobody holds a transaction");
    }
    test.drop_database().await;
}

fn item(subject: Uuid, division: &str) -> Item {
    Item {
        kind: "thing.made".to_owned(),
        subject,
        division: division.parse().expect("a division"),
        department: None,
        payload: subject.as_bytes().to_vec(),
    }
}

/// A change and the item that tells of it.
async fn make(tx: &mut Tx, division: &str) -> Result<Uuid, Error> {
    let id = new_id();
    sqlx::query("insert into spine.things (id, division_code) values ($1, $2)")
        .bind(id)
        .bind(division)
        .execute(&mut **tx)
        .await?;
    tx.publish(item(id, division));
    Ok(id)
}

/// The same, committed.
async fn make_one(database: &Database, caller: &Caller, division: &str) -> Uuid {
    let mut tx = database.begin(caller).await.expect("a transaction");
    let id = make(&mut tx, division).await.expect("made");
    tx.commit().await.expect("committed");
    id
}

async fn read_all(database: &Database, caller: &Caller) -> Vec<feed::Stored> {
    let mut tx = database.read(caller).await.expect("a transaction");
    let page = feed::page(&mut tx, 0, &Filter::default(), 100_000).await;
    let page = page.expect("a page");
    assert!(!page.has_more);
    page.items
}

async fn number(owner: &mut PgConnection, select: &'static str) -> i64 {
    let row = sqlx::query(AssertSqlSafe(select)).fetch_one(owner).await;
    row.expect("a row").get(0)
}

fn issuer(seed: u8) -> TestIssuer {
    let key = KeypairBytes {
        secret_key: [seed; 32],
        public_key: None,
    };
    let pem = key.to_pkcs8_pem(Default::default()).expect("a PEM");
    TestIssuer::new(pem.as_bytes())
}

async fn authenticator(issuer: &TestIssuer, service: &str) -> Authenticator {
    let config = issuer.config(service, COUNTY);
    Authenticator::new(&config).await.expect("keys are read")
}

/// Serves `database`'s feed on a free port of loopback.
async fn serve(database: &Database, issuer: &TestIssuer, runtime: &Runtime) -> String {
    serve_beside(Routes::default(), database, issuer, runtime).await
}

/// The same beside other routes.
async fn serve_beside(
    routes: Routes,
    database: &Database,
    issuer: &TestIssuer,
    runtime: &Runtime,
) -> String {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let authenticator = authenticator(issuer, "spine").await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let feed = FeedServer::new(database.clone(), runtime.lifecycle.clone(), |_, kind| {
        kind != "thing.hidden"
    });
    let routes = routes.add_service(FeedServiceServer::new(feed));
    let (database, own) = (database.clone(), runtime.clone());
    runtime.lifecycle.spawn("server", async move {
        let served = server::serve(listener, routes, authenticator, database, &own).await;
        served.expect("served");
    });
    url
}

async fn until<F: Future<Output = bool>>(what: &str, mut state: impl FnMut() -> F) {
    let reached = async {
        while !state().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    // Far beyond what any of it takes on a busy machine.
    let reached = tokio::time::timeout(Duration::from_secs(60), reached).await;
    assert!(reached.is_ok(), "never happened: {what}");
}
