//! Scenario 10: a grandmother who can't come declares through a neighbour and signs by fingerprint
//! (S20, S18).

use serde_json::json;
use tests::{
    Sandbox, county,
    family::{EVIDENCE, Family},
    journey::Journey,
};

#[tokio::test(flavor = "multi_thread")]
async fn scenario_10_proxy_needs_the_will_of_the_farmer_and_a_fingerprint_signs() {
    let sandbox = Sandbox::start().await;
    let places = county::set_up(&sandbox).await;
    let family = Family {
        size: 1,
        wages: 4_800,
        labour: false,
        ..Family::default()
    };
    let family = family.register(&sandbox).await;
    let cadre = sandbox.client(kernel::Role::VillageCadre, county::VILLAGE);

    let mut declaration = Journey::declaration(&family);
    declaration["proxy"] =
        json!({ "relation": "NEIGHBOUR", "capacityReason": "行动不便", "willStatementSha256": "" });
    let payload = cadre
        .mutate("declareCase", declaration.clone(), "case { id }")
        .await;
    let told = payload.to_string();
    assert!(
        payload["case"].is_null() && told.contains("S20"),
        "{payload:#}"
    );

    declaration["proxy"]["willStatementSha256"] = json!(EVIDENCE);
    let payload = cadre
        .accepted("declareCase", declaration, "case { id }")
        .await;
    let case = payload["case"]["id"].as_str().expect("an id").to_owned();
    let journey = Journey::of(&sandbox, family, &places, case);
    journey.family.authorise(&sandbox, true).await;
    let input = json!({ "textVersion": "2026-1", "evidenceSha256": EVIDENCE });
    assert_eq!(
        journey.act(&journey.cadre, "authoriseCase", input).await,
        "AUTHORISED"
    );

    let query = "query($id: ID!) { household(id: $id) { authorisations { byFingerprint } } }";
    let data = journey
        .cadre
        .ask(query, json!({ "id": journey.family.id }))
        .await;
    assert_eq!(
        data["household"]["authorisations"],
        json!([{ "byFingerprint": true }])
    );
    sandbox.stop().await;
}
