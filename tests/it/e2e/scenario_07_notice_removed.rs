//! Scenario 7: a notice that comes down early has to hang again, and its days begin anew (S31).

use serde_json::json;
use tests::{Sandbox, county, family::Family, journey::Journey};

#[tokio::test(flavor = "multi_thread")]
async fn scenario_07_notice_removed_on_day_six_begins_again() {
    let sandbox = Sandbox::start().await;
    let places = county::set_up(&sandbox).await;
    let family = Family::default().register(&sandbox).await;
    let journey = Journey::declare(&sandbox, family, &places).await;
    journey.to_notice().await;

    sandbox.advance_days(6);
    let early = journey
        .refused(&journey.cadre, "closeNotice", journey.closing())
        .await;
    assert!(
        early
            .iter()
            .any(|requirement| requirement.starts_with("S31")),
        "{early:?}"
    );
    let removal = json!({ "placeId": places.concentration, "removedAt": journey.now() });
    let state = journey.act(&journey.cadre, "removeNotice", removal).await;
    assert_eq!(state, "APPRAISED", "it hangs no longer at every place");

    sandbox.advance_days(1);
    journey
        .refused(&journey.cadre, "closeNotice", journey.closing())
        .await;
    assert_eq!(journey.post(&places.concentration).await, "ON_NOTICE");
    let notice = journey.case("notice { clockStartedOn closableOn }").await;
    assert_eq!(notice["notice"]["clockStartedOn"], json!(journey.today()));

    sandbox.advance_days(6);
    journey
        .refused(&journey.cadre, "closeNotice", journey.closing())
        .await;
    sandbox.advance_days(1);
    let state = journey
        .act(&journey.cadre, "closeNotice", journey.closing())
        .await;
    assert_eq!(state, "NOTICE_CLOSED");
    sandbox.stop().await;
}
