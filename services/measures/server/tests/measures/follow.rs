//! The whole service on sockets, following a feed of cases; and callers who are faster than it.

use std::time::Duration;

use chassis::{
    auth::Authenticator,
    client,
    clock::Clock,
    config::ProcessConfig,
    error::Error,
    feed::Item,
    feed_server::FeedServer,
    lifecycle::{Runtime, Stopped},
    process::Service as _,
    server,
    testing::{TestDatabase, caller, ledger_key, new_id},
};
use kernel::Role;
use measures::{Config, MIGRATOR, Measures, NAME};
use prost::Message;
use proto::{
    feed::v1::feed_service_server::FeedServiceServer,
    measures::v1::{
        AssignResponsibleRequest, measures_service_client::MeasuresServiceClient,
        measures_service_server::MeasuresService,
    },
    workflow::v1::CaseState,
};
use sqlx::migrate::Migrator;
use tokio::{net::TcpListener, time::Instant};
use tonic::service::Routes;

use crate::desk::{COUNTY, Desk, VILLAGE, assign, by, cadre, case_event, error, issuer, monitor};

#[tokio::test]
async fn whoever_is_faster_than_the_feed_waits_for_it() {
    let desk = Desk::open().await;
    let (case, cadre) = (new_id(), cadre());
    let later = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        desk.tell(&desk.event(case, VILLAGE, CaseState::Declared))
            .await;
    };
    let request = assign(&case.to_string(), "grid-7", desk.today(), "");
    let (answer, ()) = tokio::join!(desk.service.assign_responsible(by(&cadre, request)), later);
    answer.expect("named as soon as the plan was there");

    let later = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        desk.tell(&desk.event(case, VILLAGE, CaseState::Enrolled))
            .await;
    };
    let request = monitor(&case.to_string(), desk.today());
    let (answer, ()) = tokio::join!(desk.service.record_monitoring(by(&cadre, request)), later);
    answer.expect("recorded as soon as the case was enrolled");

    let began = Instant::now();
    let request = assign(&new_id().to_string(), "grid-7", desk.today(), "");
    let answer = error(desk.service.assign_responsible(by(&cadre, request)).await);
    assert!(
        matches!(answer, Error::NotFound { what: "case" }),
        "{answer:?}"
    );
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "waiting has a bound"
    );
    desk.close().await;
}

static EMPTY: Migrator = Migrator::DEFAULT;

#[tokio::test]
async fn the_service_follows_the_feed_of_cases_and_stops_in_order() {
    let test = TestDatabase::create().await;
    let clock = Clock::system();
    let (issuer, runtime) = (issuer(), Runtime::system());

    // The feed of cases: the other service's schema with nothing but its spine.
    let cases = test.service("workflow", &EMPTY, &clock).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let workflow = format!("http://{}", listener.local_addr().expect("an address"));
    let feed = FeedServer::new(cases.clone(), runtime.lifecycle.clone(), |_, _| true);
    let routes = Routes::new(FeedServiceServer::new(feed));
    let auth = issuer.config("workflow", COUNTY);
    let authenticator = Authenticator::new(&auth).await.expect("keys");
    let (own, database) = (runtime.clone(), cases.clone());
    runtime.lifecycle.spawn("workflow", async move {
        server::serve(listener, routes, authenticator, database, &own)
            .await
            .expect("served");
    });

    test.service(NAME, &MIGRATOR, &clock).await.close().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let peers = [
        ("workflow", workflow),
        ("households", "http://127.0.0.1:9".to_owned()),
    ];
    let config = Config {
        process: ProcessConfig {
            listen: address,
            metrics_listen: None,
            county: COUNTY.parse().expect("a division"),
            database: test.config.clone(),
            auth: issuer.config(NAME, COUNTY),
            ledger_key: ledger_key(),
            peers: peers.map(|(name, url)| (name.to_owned(), url)).into(),
            tls: None,
        },
    };
    let own = runtime.clone();
    runtime.lifecycle.spawn("measures", async move {
        Measures::run(config, listener, own).await.expect("served");
    });

    let officer = caller(Role::CountyOfficer, COUNTY);
    let declared: Vec<_> = (0..20).map(|_| new_id()).collect();
    for case in &declared {
        let mut tx = cases.begin(&officer).await.expect("begun");
        let event = case_event(*case, VILLAGE, CaseState::Declared, clock.today());
        // Items about leads are passed over.
        for (kind, payload) in [
            ("lead.received", vec![0xff]),
            ("case.declared", event.encode_to_vec()),
        ] {
            tx.publish(Item {
                kind: kind.to_owned(),
                subject: *case,
                division: VILLAGE.parse().expect("a division"),
                department: None,
                payload,
            });
        }
        tx.commit().await.expect("committed");
    }
    let token = issuer.token("cadre", Role::VillageCadre, VILLAGE, None);
    let channel = client::channel(&format!("http://{address}")).expect("a URL");
    for case in &declared {
        let mut request: tonic::Request<AssignResponsibleRequest> =
            tonic::Request::new(assign(&case.to_string(), "grid-7", clock.today(), ""));
        let bearer = format!("Bearer {token}").parse().expect("a header");
        request.metadata_mut().insert("authorization", bearer);
        let mut measures = MeasuresServiceClient::new(channel.clone());
        let plan = measures
            .assign_responsible(request)
            .await
            .expect("named")
            .into_inner()
            .plan;
        assert_eq!(plan.expect("a plan").responsible[0].account, "grid-7");
    }

    let stopped = runtime.lifecycle.wait(Duration::from_secs(10)).await;
    assert_eq!(stopped, Stopped::Drained);
    cases.close().await;
    test.drop_database().await;
}
