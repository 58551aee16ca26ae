//! Programs whose neighbours are not there, are wrong, or are of another age.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use axum::{Router, routing::get};
use chassis::lifecycle::Lifecycle;
use secrecy::ExposeSecret;
use sqlx::Executor;
use tokio::net::{TcpListener, TcpStream};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use kernel::Role;
use serde_json::json;
use tests::{COUNTY, Client};

use crate::programs::{Program, Programs, free_address};

/// What stands in a URL between `@` and `/`.
fn server_of(url: &str) -> &str {
    let (_, rest) = url.split_once('@').expect("a user");
    rest.split_once('/').expect("a database").0
}

/// Lets what connects to `from` reach `to`.
async fn relay(from: SocketAddr, to: SocketAddr, lifecycle: &Lifecycle) {
    let listener = TcpListener::bind(from).await.expect("the port is free");
    let own = lifecycle.clone();
    lifecycle.spawn("relay", async move {
        loop {
            let mut client = tokio::select! {
                accepted = listener.accept() => accepted.expect("accepted").0,
                () = own.stopping() => return,
            };
            own.spawn("relay.connection", async move {
                let mut server = TcpStream::connect(to).await.expect("the server answers");
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
}

async fn health(program: &Program) -> ServingStatus {
    let channel = chassis::client::channel(&format!("http://{}", program.listen));
    let mut client = HealthClient::new(channel.expect("a URL"));
    let answer = client.check(HealthCheckRequest::default()).await;
    answer.expect("answered").into_inner().status()
}

#[tokio::test]
async fn a_service_waits_for_its_database() {
    let programs = Programs::migrated().await;
    let url = programs.database.config.url.expose_secret().to_owned();
    let (server, door) = (server_of(&url), free_address());
    let through = url.replace(
        &format!("postgres@{server}"),
        &format!("postgres:swordfish@{door}"),
    );
    let mut measures = programs.start(
        "measures",
        &[("BACKSTOP__PROCESS__DATABASE__URL", &through)],
    );
    measures.says(503, "process.database.url: ").await;
    assert_eq!(measures.page("/livez").await.expect("alive").0, 200);
    assert_eq!(health(&measures).await, ServingStatus::NotServing);
    let (status, said) = programs.run(
        "measures",
        &["health"],
        &[("BACKSTOP__PROCESS__LISTEN", &measures.listen.to_string())],
    );
    assert!(!status.success(), "{said}");

    let lifecycle = Lifecycle::new();
    relay(door, server.parse().expect("an address"), &lifecycle).await;
    measures.ready().await;
    assert_eq!(health(&measures).await, ServingStatus::Serving);
    assert!(!measures.log().contains("swordfish"), "{}", measures.log());
    measures.stop().await;
    lifecycle.wait(Duration::from_secs(1)).await;
    programs.remove().await;
}

#[tokio::test]
async fn who_calls_a_service_that_starts_is_told_at_once() {
    let programs = Programs::migrated().await;
    // The kernel accepts, and no issuer answers: the start takes its time.
    let issuer = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let keys = format!("http://{}/jwks", issuer.local_addr().expect("an address"));
    let mut measures = programs.start("measures", &[("BACKSTOP__PROCESS__AUTH__JWKS", &keys)]);
    measures.logs("\"serving\"").await;
    let began = Instant::now();
    assert_eq!(health(&measures).await, ServingStatus::NotServing);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(measures.is_alive());
    measures.stop().await;
    programs.remove().await;
}

#[tokio::test]
async fn a_service_that_waits_can_be_stopped() {
    let programs = Programs::new().await;
    let mut measures = programs.start("measures", &[]);
    measures.says(503, "waits for the migration").await;
    measures.stop().await;
    programs.remove().await;
}

#[tokio::test]
async fn a_wrong_password_is_said_by_the_name_of_its_setting() {
    let programs = Programs::migrated().await;
    let mut owner = programs.database.owner().await;
    // The test server asks this role for its password, and nobody else.
    let role = "do $$ begin
                    create role checked_by_password login superuser password 'right';
                exception when duplicate_object then null; end $$";
    owner.execute(role).await.expect("a role");
    let url = programs.database.config.url.expose_secret().to_owned();
    let with =
        |password: &str| url.replace("postgres@", &format!("checked_by_password:{password}@"));
    let wrong = [("BACKSTOP__PROCESS__DATABASE__URL", &*with("swordfish"))];
    let mut measures = programs.start("measures", &wrong);
    measures
        .says(503, "process.database.url: password authentication failed")
        .await;
    measures.logs("process.database.url").await;
    assert!(!measures.log().contains("swordfish"), "{}", measures.log());
    measures.stop().await;
    let right = [("BACKSTOP__PROCESS__DATABASE__URL", &*with("right"))];
    let mut measures = programs.start("measures", &right);
    measures.ready().await;
    measures.stop().await;
    // A migration is not waited for by anybody: it says so at once.
    let (status, said) = programs.run("measures", &["migrate"], &wrong);
    assert!(!status.success());
    assert!(
        said.contains("process.database.url: ") && said.contains("password"),
        "{said}"
    );
    assert!(!said.contains("swordfish"), "{said}");
    programs.remove().await;
}

#[tokio::test]
async fn a_service_waits_for_its_migration_and_migrations_for_each_other() {
    let programs = Programs::new().await;
    let mut measures = programs.start("measures", &[]);
    measures.says(503, "waits for the migration").await;
    let (status, said) = programs.run("measures", &["migrate", "--dry-run"], &[]);
    assert!(status.success(), "{said}");
    assert!(said.contains("measures: 0001 plans"), "{said}");
    measures.says(503, "waits for the migration").await;

    let mut owner = programs.database.owner().await;
    let lock = "select pg_advisory_lock(729431)";
    owner.execute(lock).await.expect("locked");
    let migrate = || programs.start_at("measures", free_address(), &["migrate"], &[]);
    let mut both = [migrate(), migrate()];
    for one in &both {
        one.logs("another migration is running").await;
    }
    owner
        .execute("select pg_advisory_unlock(729431)")
        .await
        .expect("unlocked");
    for one in &mut both {
        assert!(one.ended().await.success(), "{}", one.log());
    }
    measures.ready().await;
    let (_, said) = programs.run("measures", &["migrate", "--dry-run"], &[]);
    assert!(said.contains("measures: no migration"), "{said}");
    measures.stop().await;
    programs.remove().await;
}

#[tokio::test]
async fn a_schema_that_is_too_new_is_refused_and_one_that_still_fits_is_not() {
    let programs = Programs::migrated().await;
    let mut owner = programs.database.owner().await;
    let newer = "update measures.schema_version set version = 9000";
    owner.execute(newer).await.expect("set");
    let mut measures = programs.start("measures", &[]);
    measures.ready().await;
    measures.stop().await;
    let (status, said) = programs.run("measures", &["migrate"], &[]);
    assert!(status.success(), "{said}");

    let taken = "update measures.schema_version set floor = 8000";
    owner.execute(taken).await.expect("set");
    let mut measures = programs.start("measures", &[]);
    let status = measures.ended().await;
    assert_eq!(status.code(), Some(1));
    let said = measures.log();
    assert!(said.contains("too new") && said.contains("8000"), "{said}");
    for arguments in [&["migrate"][..], &["migrate", "--dry-run"]] {
        let (status, said) = programs.run("measures", arguments, &[]);
        assert!(!status.success() && said.contains("too new"), "{said}");
    }
    programs.remove().await;
}

#[tokio::test]
async fn redis_is_not_waited_for() {
    let programs = Programs::migrated().await;
    let nowhere = format!("redis://:swordfish@{}/", free_address());
    let mut comparison = programs.start("comparison", &[("BACKSTOP__REDIS_URL", &nowhere)]);
    comparison.ready().await;
    assert!(!comparison.log().contains("swordfish"));
    comparison.stop().await;
    programs.remove().await;
}

#[tokio::test]
async fn a_redis_that_refuses_the_password_is_told_and_not_needed() {
    let programs = Programs::migrated().await;
    let redis = std::env::var("BACKSTOP_TEST_REDIS_URL").expect("tests/run sets it");
    let wrong = redis.replace("redis://", "redis://:swordfish@");
    assert_ne!(wrong, redis);
    let wrong = [("BACKSTOP__REDIS_URL", &*wrong)];
    let mut comparison = programs.start("comparison", &wrong);
    let mut gateway = programs.start("gateway", &[]);
    comparison.ready().await;
    gateway.ready().await;
    let officer = programs.token(Role::CountyOfficer, COUNTY);
    let officer = Client::new(gateway.listen, officer, "officer");
    let alerts = officer.send("{ alerts(first: 5) { nodes { id } } }", json!({}));
    let alerts = alerts.await;
    assert_eq!(
        alerts.body["data"]["alerts"]["nodes"],
        json!([]),
        "{}",
        alerts.body
    );
    let (_, said) = programs.run("comparison", &["doctor"], &wrong);
    assert!(
        said.contains("redis") && !said.contains("swordfish"),
        "{said}"
    );
    assert!(!comparison.log().contains("swordfish"));
    comparison.stop().await;
    gateway.stop().await;
    programs.remove().await;
}

#[tokio::test]
async fn the_gateway_waits_for_its_issuer() {
    let programs = Programs::new().await;
    let address = free_address();
    let url = format!("http://{address}/jwks");
    let mut gateway = programs.start("gateway", &[("BACKSTOP__AUTH__JWKS", &url)]);
    gateway.says(503, "auth.jwks: ").await;
    assert_eq!(gateway.page("/livez").await.expect("alive").0, 200);

    let keys = std::fs::read_to_string(programs.folder.path().join("jwks.json")).expect("keys");
    let router = Router::new().route("/jwks", get(move || async move { keys }));
    let listener = TcpListener::bind(address).await.expect("the port is free");
    let lifecycle = Lifecycle::new();
    lifecycle.spawn("issuer", async move {
        axum::serve(listener, router).await.expect("served");
    });
    gateway.ready().await;
    gateway.stop().await;
    lifecycle.wait(Duration::ZERO).await;
    programs.remove().await;
}
