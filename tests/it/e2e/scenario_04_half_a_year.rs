//! Scenario 4: two quarters have to pass before a risk is called gone (S44).

use serde_json::json;
use tests::{Sandbox, county, family::Family, journey::Journey};

#[tokio::test(flavor = "multi_thread")]
async fn scenario_04_elimination_on_day_170_is_refused_and_on_day_185_accepted() {
    let sandbox = Sandbox::start().await;
    let places = county::set_up(&sandbox).await;
    let family = Family::default().register(&sandbox).await;
    let journey = Journey::declare(&sandbox, family, &places).await;
    journey.to_assistance(&["HEALTH", "EMPLOYMENT"]).await;

    sandbox.advance_days(170);
    journey.recover().await;
    let proposal = json!({ "kind": "BY_ASSISTANCE" });
    let unmet = journey
        .refused(&journey.responsible, "proposeElimination", proposal)
        .await;
    assert_eq!(unmet.len(), 1, "only time is missing: {unmet:?}");
    assert!(unmet[0].starts_with("S44"), "{unmet:?}");

    sandbox.advance_days(15);
    journey.family.record_income(&sandbox, 96_000, 0).await;
    journey.eliminate().await;
    let case = journey.case("state eliminatedOn").await;
    assert_eq!(case["eliminatedOn"], json!(journey.today()));
    sandbox.stop().await;
}
