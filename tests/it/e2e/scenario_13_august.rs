//! Scenario 13: the responsible person misses August; it is shown, and nobody fills it in silently
//! (S47, MEA-2).

use chrono::NaiveDate;
use serde_json::{Value, json};
use tests::{Sandbox, county, family::Family, journey::Journey};

async fn plan(journey: &Journey<'_>) -> Value {
    let selection = "plan { missedMonths monitoring { month visitedOn recordedAt } }";
    journey.case(selection).await["plan"].clone()
}

fn record(month: &str, visited: &str) -> Value {
    json!({ "month": month, "visitedOn": visited, "manner": "VISIT", "finding": "情况平稳" })
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_13_a_missed_august_stays_missed() {
    let sandbox = Sandbox::start().await;
    let july: NaiveDate = "2026-07-06".parse().expect("a day");
    sandbox.advance_days((july - sandbox.today()).num_days());
    let places = county::set_up(&sandbox).await;
    let family = Family::default().register(&sandbox).await;
    let journey = Journey::declare(&sandbox, family, &places).await;
    journey.to_assistance(&["HEALTH", "EMPLOYMENT"]).await;
    let monitor = async |input: Value| {
        let mut input = input;
        input["caseId"] = json!(journey.case);
        journey
            .responsible
            .mutate("recordMonitoring", input, "plan { version }")
            .await
    };

    let september: NaiveDate = "2026-09-03".parse().expect("a day");
    sandbox.advance_days((september - sandbox.today()).num_days());
    assert_eq!(plan(&journey).await["missedMonths"], json!(["2026-08"]));
    let due = "query($m: String!) { monitoringDue(first: 10, month: $m) {
        nodes { caseId done missed } } }";
    let data = journey.officer.ask(due, json!({ "m": "2026-08" })).await;
    assert_eq!(
        data["monitoringDue"]["nodes"],
        json!([{ "caseId": journey.case, "done": false, "missed": true }])
    );

    // A visit of September is no visit of August, and a record that comes late says so.
    let refused = monitor(record("2026-08", "2026-09-02")).await;
    assert_eq!(refused["refusal"]["unmet"][0]["code"], "VISIT_IN_MONTH");
    let late = monitor(record("2026-08", "2026-08-28")).await;
    assert!(late["refusal"].is_null(), "{late:#}");
    let after = plan(&journey).await;
    assert_eq!(after["missedMonths"], json!(["2026-08"]), "still missed");
    let recorded = after["monitoring"][0]["recordedAt"]
        .as_str()
        .expect("an instant");
    assert!(recorded.starts_with("2026-09-0"), "{recorded}");
    let twice = monitor(record("2026-08", "2026-08-29")).await;
    assert_eq!(twice["refusal"]["unmet"][0]["code"], "ONE_RECORD_A_MONTH");
    sandbox.stop().await;
}
