//! Scenario 15: two people visit one household while offline; one record wins, the other person is
//! told what changed, and sending again changes nothing (WF-14).

use kernel::Role;
use serde_json::{Value, json};
use tests::{Client, Sandbox, county, family::Family, journey::Journey};

const VERIFY: &str = "mutation($input: VerifyCaseInput!) { verifyCase(input: $input) {
    case { state version } refusal { unmet { code } } } }";

/// What a device sends once it is online again.
async fn send(who: &Client, input: &Value) -> Value {
    who.send(VERIFY, json!({ "input": input })).await.body
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_15_of_two_offline_visits_one_wins_and_the_other_is_told() {
    let sandbox = Sandbox::start().await;
    let places = county::set_up(&sandbox).await;
    let family = Family::default().register(&sandbox).await;
    let journey = Journey::declare(&sandbox, family, &places).await;
    journey.authorise().await;
    // Both devices have seen the case as it is now.
    let version = journey.case("version").await["version"].clone();
    let visit = |visitor: &str| {
        let mut input = journey.visit();
        input["visitors"] = json!([visitor, "grid-worker-1"]);
        input["caseId"] = json!(journey.case);
        input["version"] = version.clone();
        input["requestId"] = json!(sandbox.request_id());
        input
    };
    let (one, other) = (visit("cadre-one"), visit("cadre-two"));
    let first = sandbox.client_named("cadre-one", Role::VillageCadre, county::VILLAGE);
    let second = sandbox.client_named("cadre-two", Role::VillageCadre, county::VILLAGE);
    let (a, b) = tokio::join!(send(&first, &one), send(&second, &other));
    let won = |body: &Value| body["data"]["verifyCase"]["case"]["state"] == "VERIFIED";
    assert!(won(&a) != won(&b), "one of them wins: {a:#} {b:#}");
    let (winner, lost) = if won(&a) {
        ((&first, &one, &a), &b)
    } else {
        ((&second, &other, &b), &a)
    };
    let extensions = &lost["errors"][0]["extensions"];
    assert_eq!(extensions["code"], "VERSION_CONFLICT");
    assert_eq!(extensions["since"], json!(["VERIFIED"]), "what changed");
    assert!(extensions["currentVersion"].as_i64() > version.as_i64());

    // The device did not hear the answer and sends again: the same answer, one event.
    let (client, input, answer) = winner;
    assert_eq!(send(client, input).await["data"], answer["data"]);
    let events = journey.case("events { name }").await;
    let names: Vec<&str> = events["events"]
        .as_array()
        .expect("events")
        .iter()
        .filter_map(|event| event["name"].as_str())
        .collect();
    assert_eq!(names, ["DECLARED", "AUTHORISED", "VERIFIED"]);
    sandbox.stop().await;
}
