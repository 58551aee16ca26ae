//! Scenario 2: income itself below the line; the category follows from where the household comes
//! from (S03, S04).

use tests::{Sandbox, county, family::Family, journey::Journey};

#[tokio::test(flavor = "multi_thread")]
async fn scenario_02_category_follows_from_origin() {
    let sandbox = Sandbox::start().await;
    let places = county::set_up(&sandbox).await;
    for (origin, category) in [
        ("FORMERLY_REGISTERED", "UNSTABLE_ESCAPED"),
        ("GENERAL", "MARGINAL_VULNERABLE"),
    ] {
        let family = Family {
            origin,
            wages: 36_000,
            out_of_pocket: 0,
            risk: "UNSTABLE_JOB",
            ..Family::default()
        };
        let family = family.register(&sandbox).await;
        let journey = Journey::declare(&sandbox, family, &places).await;
        assert_eq!(journey.category().await, category);
    }
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_02_another_category_is_not_enrolled() {
    let sandbox = Sandbox::start().await;
    let places = county::set_up(&sandbox).await;
    let family = Family {
        wages: 36_000,
        out_of_pocket: 0,
        risk: "UNSTABLE_JOB",
        ..Family::default()
    };
    let family = family.register(&sandbox).await;
    let journey = Journey::declare(&sandbox, family, &places).await;
    journey.authorise().await;
    journey.verify().await;
    journey.list().await;
    let mut meeting = journey.meeting(15);
    meeting["ballots"][0]["category"] = "UNSTABLE_ESCAPED".into();
    // The meeting may propose it; the facts decide before enrolment (S03).
    journey.hold(meeting).await;
    journey.notice().await;
    journey.review().await;
    journey.compare().await;
    journey.assign().await;
    journey.plan("EMPLOYMENT").await;
    let unmet = journey
        .refused(&journey.cadre, "enrolCase", serde_json::json!({}))
        .await;
    assert!(
        unmet
            .iter()
            .any(|requirement| requirement.starts_with("S03")),
        "{unmet:?}"
    );
    sandbox.stop().await;
}
