//! Scenario 8: as long as one place with twenty households has no notice, no day counts (S30).

use serde_json::json;
use tests::{Sandbox, county, family::Family, journey::Journey};

#[tokio::test(flavor = "multi_thread")]
async fn scenario_08_clock_stands_until_the_last_required_place_has_its_notice() {
    let sandbox = Sandbox::start().await;
    let places = county::set_up(&sandbox).await;
    let family = Family::default().register(&sandbox).await;
    let journey = Journey::declare(&sandbox, family, &places).await;
    journey.to_appraised().await;

    assert_eq!(journey.post(&places.committee).await, "APPRAISED");
    let notice = journey.case("notice { clockStartedOn }").await;
    assert_eq!(notice["notice"]["clockStartedOn"], json!(null));
    sandbox.advance_days(20);
    let unmet = journey
        .refused(&journey.cadre, "closeNotice", journey.closing())
        .await;
    assert!(!unmet.is_empty());

    // The concentration of twelve households is not required; that of twenty-five is.
    assert_eq!(journey.post(&places.concentration).await, "ON_NOTICE");
    let notice = journey.case("notice { clockStartedOn }").await;
    assert_eq!(notice["notice"]["clockStartedOn"], json!(journey.today()));
    journey
        .refused(&journey.cadre, "closeNotice", journey.closing())
        .await;
    sandbox.advance_days(7);
    journey
        .act(&journey.cadre, "closeNotice", journey.closing())
        .await;
    sandbox.stop().await;
}
