//! Over the wire: who may read which part of a feed, and what is said to everybody else.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chassis::{
    auth::{Authenticator, Caller},
    client,
    clock::Clock,
    error::Error,
    lifecycle::Runtime,
    testing::{TestIssuer, new_id},
};
use futures::StreamExt;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use kernel::Role;
use proto::feed::v1::{
    Filter, ListItemsRequest, SubscribeRequest, feed_service_client::FeedServiceClient,
};
use serde_json::{Value, json};
use sqlx::Executor;
use tonic::{Request, Status};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{COUNTY, VILLAGE, authenticator, done, fresh, issuer, item, make_one, replica, serve};

async fn enter(issuer: &TestIssuer, own: &Authenticator, role: Role, division: &str) -> Caller {
    let department = (role == Role::DepartmentLiaison).then_some("medical_insurance");
    let token = issuer.token("somebody", role, division, department);
    own.verify(&token).await.expect("verified")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_sees_its_scope_and_what_it_asked_for() {
    let (test, database, officer) = fresh().await;
    for division in ["999999001001", "999999001002", "999999002001"] {
        make_one(&database, &officer, division).await;
    }
    // The policy of the service hides this kind, whoever asks.
    let mut tx = database.begin(&officer).await.expect("a transaction");
    let mut hidden = item(new_id(), VILLAGE);
    hidden.kind = "thing.hidden".to_owned();
    tx.publish(hidden);
    tx.commit().await.expect("committed");
    let issuer = issuer(9);
    let serving = Runtime::system();
    let url = serve(&database, &issuer, &serving).await;
    let own = authenticator(&issuer, "spine").await;
    let mut client = FeedServiceClient::new(client::channel(&url).expect("a channel"));
    let asked = |division: &str| Filter {
        division_code: division.to_owned(),
        ..Filter::default()
    };
    for (role, division, filter, expected) in [
        (Role::CountyOfficer, "999999000000", asked(""), 3),
        (
            Role::CountyOfficer,
            "999999000000",
            asked("999999001000"),
            2,
        ),
        (Role::TownshipOffice, "999999001000", asked(""), 2),
        (
            Role::TownshipOffice,
            "999999001000",
            asked("999999002001"),
            0,
        ),
        (
            Role::TownshipOffice,
            "999999001000",
            asked("999999000000"),
            2,
        ),
        (Role::VillageCadre, "999999001002", asked(""), 1),
        (Role::TownshipOffice, "999999003000", asked(""), 0),
        (Role::CountyOfficer, "999998000000", asked(""), 0),
        (Role::DepartmentLiaison, "999999000000", asked(""), 0),
    ] {
        let caller = enter(&issuer, &own, role, division).await;
        let request = ListItemsRequest {
            filter: Some(filter.clone()),
            ..ListItemsRequest::default()
        };
        let page = client.list_items(client::authorise(&caller, request)).await;
        let page = page.expect("a page").into_inner();
        assert_eq!(page.items.len(), expected, "{division} {filter:?}");
        let request = SubscribeRequest {
            filter: Some(filter),
            ..SubscribeRequest::default()
        };
        let stream = client
            .subscribe(client::authorise_stream(&caller, request))
            .await;
        let mut stream = stream.expect("a stream").into_inner();
        for listed in page.items {
            let message = stream.next().await.expect("a message").expect("an item");
            assert_eq!(message.item, Some(listed));
        }
        let more = tokio::time::timeout(Duration::from_millis(50), stream.next()).await;
        assert!(more.is_err(), "nothing else");
    }
    serving.lifecycle.wait(Duration::from_secs(5)).await;
    done(test, [database]).await;
}

#[tokio::test]
async fn a_key_that_its_issuer_withdrew_vouches_for_nobody() {
    let (old, new) = (issuer(9), issuer(8));
    let own = authenticator(&old, "spine").await;
    let token = |issuer: &TestIssuer| issuer.token("somebody", Role::CountyOfficer, COUNTY, None);
    own.verify(&token(&old)).await.expect("a good token");
    let keys = old.folder().join("jwks.json");
    std::fs::copy(new.folder().join("jwks.json"), &keys).expect("copied");
    own.reload().await;
    let withdrawn = own.verify(&token(&old)).await;
    assert!(matches!(withdrawn, Err(Error::Unauthenticated)));
    own.verify(&token(&new)).await.expect("a good token");
    std::fs::write(&keys, "no keys").expect("written");
    own.reload().await;
    own.verify(&token(&new))
        .await
        .expect("keys that were there stay");
}

/// Tokens that are not good, each for another reason.
fn bad_tokens(issuer: &TestIssuer, good: &Value) -> Vec<(&'static str, String)> {
    let now = Clock::system().now().timestamp();
    let signed = issuer.sign(good);
    let (head, rest) = signed.split_once('.').expect("a token");
    let (claims, signature) = rest.split_once('.').expect("a token");
    let with = |key: &str, value: Value| {
        let mut claims = good.clone();
        claims[key] = value;
        issuer.sign(&claims)
    };
    let jwks = std::fs::read(issuer.folder().join("jwks.json")).expect("a key set");
    let jwks: Value = serde_json::from_slice(&jwks).expect("a key set");
    let public = jwks["keys"][0]["x"].as_str().expect("a public key");
    let public = BASE64_URL_SAFE_NO_PAD.decode(public).expect("a public key");
    let confused = EncodingKey::from_secret(&public);
    let confused = jsonwebtoken::encode(&Header::new(Algorithm::HS256), good, &confused);
    vec![
        // {"alg":"none"}
        ("not signed", format!("eyJhbGciOiJub25lIn0.{claims}.")),
        ("public key as a secret", confused.expect("signed")),
        ("another key", crate::issuer(8).sign(good)),
        (
            "signature of others",
            format!(
                "{head}.{claims}.{}",
                signature.chars().rev().collect::<String>()
            ),
        ),
        ("expired", with("exp", json!(now - 120))),
        ("no end", with("exp", Value::Null)),
        ("not yet", with("nbf", json!(now + 600))),
        ("issuer", with("iss", json!("https://elsewhere.test"))),
        ("audience", with("aud", json!("elsewhere"))),
        ("nobody", with("sub", json!(""))),
        ("role", with("role", json!("KING"))),
        (
            "liaison without department",
            with("role", json!("DEPARTMENT_LIAISON")),
        ),
        (
            "department without liaison",
            with("department", json!("medical_insurance")),
        ),
        ("division", with("division", json!("99"))),
        ("too long", with("padding", json!("x".repeat(9000)))),
        ("nothing", String::new()),
        ("no token", "x.y.z".to_owned()),
    ]
}

async fn list(
    client: &mut FeedServiceClient<client::Channel>,
    header: Option<&str>,
) -> Result<(), Status> {
    let mut request = Request::new(ListItemsRequest::default());
    if let Some(header) = header {
        let value = header.parse().expect("a header");
        request.metadata_mut().insert("authorization", value);
    }
    client.list_items(request).await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_token_gets_the_same_answer() {
    let (test, database, _) = fresh().await;
    let issuer = issuer(9);
    let serving = Runtime::system();
    let url = serve(&database, &issuer, &serving).await;
    let mut client = FeedServiceClient::new(client::channel(&url).expect("a channel"));
    let now = Clock::system().now().timestamp();
    let good = json!({
        "iss": "https://issuer.test", "aud": "backstop", "sub": "somebody",
        "role": "COUNTY_OFFICER", "division": COUNTY, "exp": now + 3600,
    });
    let token = issuer.sign(&good);
    list(&mut client, Some(&format!("Bearer {token}")))
        .await
        .expect("a good token");
    let mut slow = good.clone();
    slow["exp"] = json!(now - 30);
    let slow = format!("Bearer {}", issuer.sign(&slow));
    list(&mut client, Some(&slow))
        .await
        .expect("clocks may differ by a minute");

    let answer = list(&mut client, None).await.expect_err("no header");
    assert!(matches!(
        Error::from_status(&answer),
        Error::Unauthenticated
    ));
    let basic = format!("Basic {token}");
    let headers = bad_tokens(&issuer, &good)
        .into_iter()
        .map(|(what, token)| (what, format!("Bearer {token}")))
        .chain([("basic", basic), ("bare", token)]);
    for (what, header) in headers {
        let status = list(&mut client, Some(&header)).await.expect_err(what);
        assert_eq!(status.code(), answer.code(), "{what}");
        assert_eq!(status.message(), answer.message(), "{what}");
        assert_eq!(status.details(), answer.details(), "{what}");
    }
    let mut health = HealthClient::new(client::channel(&url).expect("a channel"));
    let state = health.check(HealthCheckRequest::default()).await;
    let state = state.expect("open to everybody").into_inner().status();
    assert_eq!(state, ServingStatus::Serving);
    serving.lifecycle.wait(Duration::from_secs(5)).await;
    done(test, [database]).await;
}

#[tokio::test]
async fn a_token_that_was_good_ends_all_the_same() {
    let issuer = issuer(9);
    let own = authenticator(&issuer, "spine").await;
    let now = Clock::system().now().timestamp();
    // The minute that clocks may differ by is over in two seconds.
    let token = issuer.sign(&json!({
        "iss": "https://issuer.test", "aud": "backstop", "sub": "somebody",
        "role": "COUNTY_OFFICER", "division": COUNTY, "exp": now - 58,
    }));
    for _ in 0..2 {
        own.verify(&token).await.expect("still good");
    }
    tokio::time::sleep(Duration::from_millis(3_100)).await;
    assert!(matches!(
        own.verify(&token).await,
        Err(Error::Unauthenticated)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_resumes_exactly_and_no_other_is_taken() {
    let (test, database, officer) = fresh().await;
    for _ in 0..5 {
        make_one(&database, &officer, VILLAGE).await;
    }
    let issuer = issuer(9);
    let own = authenticator(&issuer, "spine").await;
    let caller = enter(&issuer, &own, Role::CountyOfficer, COUNTY).await;
    let ask = async |url: &str, after: &str, size: i32| {
        let mut client = FeedServiceClient::new(client::channel(url).expect("a channel"));
        let request = ListItemsRequest {
            after_cursor: after.to_owned(),
            page_size: size,
            ..ListItemsRequest::default()
        };
        let page = client.list_items(client::authorise(&caller, request)).await;
        let page = page
            .map_err(|status| Error::from_status(&status))?
            .into_inner();
        let positions: Vec<i64> = page.items.iter().map(|item| item.position).collect();
        Ok::<_, Error>((positions, page.next_cursor, page.has_more))
    };
    let serving = Runtime::system();
    let url = serve(&database, &issuer, &serving).await;
    let (first, cursor, more) = ask(&url, "", 2).await.expect("a page");
    assert_eq!((first, more), (vec![1, 2], true));
    let (rest, end, more) = ask(&url, &cursor, 200).await.expect("a page");
    assert_eq!((rest, more), (vec![3, 4, 5], false));
    let (nothing, again, more) = ask(&url, &end, 0).await.expect("a page");
    assert_eq!((nothing, again, more), (vec![], end, false));
    assert!(matches!(ask(&url, "", 201).await, Err(Error::Invalid(_))));
    assert!(matches!(ask(&url, "", -1).await, Err(Error::Invalid(_))));

    let mut bent = cursor.clone().into_bytes();
    let at = 24;
    bent[at] = if bent[at] == b'A' { b'B' } else { b'A' };
    let bent = String::from_utf8(bent).expect("text");
    let page = database.cursors().page("things", "2");
    for invalid in [
        &bent,
        &cursor[1..],
        &format!("{cursor}AAAA"),
        "2",
        "a b",
        &page,
    ] {
        assert!(
            matches!(ask(&url, invalid, 2).await, Err(Error::CursorInvalid)),
            "{invalid}"
        );
        let mut client = FeedServiceClient::new(client::channel(&url).expect("a channel"));
        let request = SubscribeRequest {
            after_cursor: (*invalid).to_owned(),
            ..SubscribeRequest::default()
        };
        let stream = client
            .subscribe(client::authorise_stream(&caller, request))
            .await;
        let status = stream.expect_err("refused");
        assert!(matches!(Error::from_status(&status), Error::CursorInvalid));
    }
    serving.lifecycle.wait(Duration::from_secs(5)).await;

    // After a restore the cursors of before are noticed, not skipped over in silence.
    let mut owner = test.owner().await;
    let restore = "update spine.feed_head set epoch = gen_random_uuid()";
    owner.execute(restore).await.expect("restored");
    let restored = replica(&test).await;
    let serving = Runtime::system();
    let url = serve(&restored, &issuer, &serving).await;
    assert!(matches!(
        ask(&url, &cursor, 2).await,
        Err(Error::CursorEpochChanged)
    ));
    let (first, _, _) = ask(&url, "", 2).await.expect("a page");
    assert_eq!(first, [1, 2]);
    serving.lifecycle.wait(Duration::from_secs(5)).await;
    done(test, [database, restored]).await;
}
