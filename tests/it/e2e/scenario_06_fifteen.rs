//! Scenario 6: fewer than fifteen villager representatives do not appraise (S27).

use kernel::Role;
use serde_json::json;
use tests::{Sandbox, county, family::Family, journey::Journey};

#[tokio::test(flavor = "multi_thread")]
async fn scenario_06_fourteen_representatives_are_refused_and_fifteen_pass() {
    let sandbox = Sandbox::start().await;
    let places = county::set_up(&sandbox).await;
    let family = Family::default().register(&sandbox).await;
    let journey = Journey::declare(&sandbox, family, &places).await;
    journey.authorise().await;
    journey.verify().await;
    journey.list().await;

    let mut meeting = journey.meeting(14);
    meeting["ballots"][0]["category"] = json!("SUDDEN_HARDSHIP");
    let payload = journey
        .secretary
        .mutate("holdMeeting", meeting.clone(), "")
        .await;
    let unmet = payload["refusal"]["unmet"].as_array().expect("a refusal");
    assert_eq!(unmet.len(), 1, "{unmet:?}");
    assert_eq!(
        (&unmet[0]["rule"], &unmet[0]["needed"], &unmet[0]["found"]),
        (&json!("S27"), &json!("15"), &json!("14"))
    );
    assert_eq!(unmet[0]["about"], "ballots[0]");
    let chinese = unmet[0]["message"].as_str().expect("a sentence");
    assert!(chinese.contains("15") && !chinese.is_ascii(), "{chinese}");

    let english = sandbox
        .client(Role::FirstSecretary, county::VILLAGE)
        .in_english();
    let payload = english.mutate("holdMeeting", meeting, "").await;
    let sentence = payload["refusal"]["unmet"][0]["message"]
        .as_str()
        .expect("a sentence")
        .to_owned();
    assert!(sentence.is_ascii() && sentence.contains("15"), "{sentence}");

    journey.appraise().await;
    sandbox.stop().await;
}
