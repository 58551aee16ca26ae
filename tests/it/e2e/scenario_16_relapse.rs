//! Scenario 16: four months after its risk was called gone a household is in need again (T18).

use serde_json::json;
use tests::{Sandbox, county, family::Family, journey::Journey, until};

#[tokio::test(flavor = "multi_thread")]
async fn scenario_16_relapse_opens_a_new_case_that_names_the_old_one() {
    let sandbox = Sandbox::start().await;
    let places = county::set_up(&sandbox).await;
    let family = Family::default().register(&sandbox).await;
    let first = Journey::declare(&sandbox, family.clone(), &places).await;
    first.to_assistance(&["HEALTH", "EMPLOYMENT"]).await;
    sandbox.advance_days(185);
    first.recover().await;
    first.eliminate().await;
    // The registry hears of it through the feed.
    until("the household is no subject any more", async || {
        let query = "query($id: ID!) { household(id: $id) { subjectClass } }";
        let data = first.cadre.ask(query, json!({ "id": family.id })).await;
        (data["household"]["subjectClass"] != "ENROLLED").then_some(())
    })
    .await;

    sandbox.advance_days(120);
    family.record_income(&sandbox, 80_400, 50_000).await;
    let second = Journey::declare(&sandbox, family, &places).await;
    assert_ne!(first.case, second.case);
    let case = second.case("relapseOf").await;
    assert_eq!(case["relapseOf"], json!(first.case));
    assert_eq!(
        first.state().await,
        "RISK_ELIMINATED",
        "what was decided stays"
    );
    sandbox.stop().await;
}
