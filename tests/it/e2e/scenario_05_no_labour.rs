//! Scenario 5: a household in which nobody can work is followed on and never labelled (S43).

use serde_json::json;
use tests::{Sandbox, county, family::Family, journey::Journey};

#[tokio::test(flavor = "multi_thread")]
async fn scenario_05_household_without_labour_is_tracked_and_not_eliminated() {
    let sandbox = Sandbox::start().await;
    let places = county::set_up(&sandbox).await;
    let family = Family {
        labour: false,
        risk: "LABOUR_SHORTAGE",
        ..Family::default()
    };
    let family = family.register(&sandbox).await;
    let journey = Journey::declare(&sandbox, family, &places).await;
    journey.to_assistance(&["SOCIAL_SECURITY"]).await;

    sandbox.advance_days(200);
    journey.recover().await;
    let proposal = json!({ "kind": "BY_ASSISTANCE" });
    let unmet = journey
        .refused(&journey.responsible, "proposeElimination", proposal.clone())
        .await;
    assert!(
        unmet
            .iter()
            .any(|requirement| requirement.starts_with("S43")),
        "{unmet:?}"
    );

    let state = journey.act(&journey.cadre, "trackCase", json!({})).await;
    assert_eq!(state, "SUSTAINED_TRACKING");
    journey
        .refused(&journey.responsible, "proposeElimination", proposal)
        .await;
    assert_eq!(journey.state().await, "SUSTAINED_TRACKING");
    sandbox.stop().await;
}
