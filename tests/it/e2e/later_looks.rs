//! Half a year after enrolment a household is compared again, and what is found goes to people; then the
//! department says that its file was wrong (S45, S57, CMP-9, CMP-11). Another was checked by civil affairs
//! lately (CMP-7).

use kernel::{ItemKind, Role};
use serde_json::{Value, json};
use tests::{
    COUNTY, Sandbox, county,
    family::{EVIDENCE, Family},
    journey::Journey,
    until,
};

/// A comparison of the case that is for something, once it is in a state.
async fn wait(journey: &Journey<'_>, purpose: &str, complete: bool) -> Value {
    until("the comparison is there", async || {
        let case = journey
            .case("state comparisons { id purpose complete hits { id kind } }")
            .await;
        let comparisons = case["comparisons"].as_array()?.clone();
        let wanted = |c: &Value| c["purpose"] == purpose && c["complete"] == complete;
        comparisons.into_iter().find(wanted)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn cmp9_cmp11_what_a_later_look_finds_goes_to_people_and_a_wrong_file_is_taken_back() {
    let sandbox = Sandbox::start().await;
    let places = county::set_up(&sandbox).await;
    let family = Family::default().register(&sandbox).await;
    let journey = Journey::declare(&sandbox, family, &places).await;
    journey.to_assistance(&["HEALTH", "EMPLOYMENT"]).await;
    // Whoever knows of a case that was authorised later knows of the enrolment.
    let later = Family::default().register(&sandbox).await;
    let later = Journey::declare(&sandbox, later, &places).await;
    later.authorise().await;
    later.comparison_open().await;
    // Civil affairs has checked that household's assets: no department has to do it again (CMP-7).
    let check = |nothing_found: bool| {
        json!({
            "caseId": later.case, "items": ["VEHICLE", "INSURANCE"], "checkedOn": later.today(),
            "reference": "民救核〔2026〕17号", "evidenceSha256": EVIDENCE,
            "nothingFound": nothing_found,
        })
    };
    let unmet = later.officer.refused("reuseCheck", check(false)).await;
    assert_eq!(unmet, ["CMP-7 CHECK_CLEAN"]);
    let selection = "comparison { items { item received batchId reusedCheck { reference } } }";
    let reused = later.officer.accepted("reuseCheck", check(true), selection);
    let reused = reused.await["comparison"]["items"].clone();
    let covered = json!({
        "item": "VEHICLE", "received": true, "batchId": null,
        "reusedCheck": { "reference": "民救核〔2026〕17号" },
    });
    let items = reused.as_array().expect("items");
    assert!(items.contains(&covered), "{reused:#}");

    sandbox.advance_days(190);
    wait(&journey, "RE_CHECK", false).await;
    let head = &journey.family.id_numbers[0];
    journey
        .deliver_items(|item| match item {
            ItemKind::BusinessRegistration => vec![format!("{head},张大山,个体工商户,是")],
            _ => Vec::new(),
        })
        .await;
    wait(&journey, "RE_CHECK", true).await;
    let open = "{ openHits(first: 10, purpose: RE_CHECK) { nodes { purpose caseId case { state }
                household { headName } hit { id ruleId ruleVersion kind batchId row dataDate threshold
                unit evidence } } pageInfo { hasNextPage } } }";
    let open = journey.officer.ask(open, json!({})).await["openHits"].clone();
    let found = &open["nodes"][0];
    assert_eq!(open["nodes"].as_array().map(Vec::len), Some(1), "{open}");
    assert_eq!(found["caseId"], journey.case.as_str());
    assert_eq!(found["case"]["state"], "UNDER_ASSISTANCE");
    let hit = &found["hit"];
    assert_eq!(
        (&hit["ruleId"], &hit["kind"]),
        (&json!("C-BUS-01"), &json!("REVIEW"))
    );
    assert_eq!(
        (&hit["row"], &hit["dataDate"]),
        (&json!(2), &json!(journey.today()))
    );
    let own = journey.case("comparison { purpose complete }").await;
    assert_eq!(
        own["comparison"],
        json!({ "purpose": "PROCEDURE", "complete": true })
    );

    let decision = json!({ "hitId": hit["id"], "outcome": "CONFIRMED", "reason": "经核查属实" });
    journey
        .officer
        .accepted("decideHit", decision, "hit { outcome }")
        .await;
    let wrong = json!({ "batchId": hit["batchId"], "reason": "登记状态导出有误" });
    journey
        .officer
        .accepted(
            "correctBatch",
            wrong,
            "reconsiderations report { correction { reason } }",
        )
        .await;
    let queue =
        "{ reconsiderations(first: 10) { nodes { id caseId item correction { reason correctedBy }
                 hit { id outcome row ruleVersion } household { headName } } } }";
    let queue = journey.officer.ask(queue, json!({})).await["reconsiderations"]["nodes"].clone();
    let queue = queue.as_array().expect("entries").clone();
    let own = queue
        .iter()
        .filter(|entry| entry["caseId"] == journey.case.as_str());
    let (of_hit, as_whole): (Vec<&Value>, Vec<&Value>) =
        own.partition(|entry| !entry["hit"].is_null());
    assert_eq!((of_hit.len(), as_whole.len()), (1, 1), "{queue:#?}");
    assert_eq!(of_hit[0]["hit"]["id"], hit["id"]);
    assert_eq!(of_hit[0]["correction"]["reason"], "登记状态导出有误");
    let close = |entry: &Value, outcome: &str| {
        json!({
            "reconsiderationId": entry["id"], "outcome": outcome, "reason": "已调取原始档案核对",
        })
    };
    journey
        .officer
        .accepted(
            "closeReconsideration",
            close(of_hit[0], "STANDS"),
            "comparison { id }",
        )
        .await;
    let selection = "reconsideration { outcome closedBy } comparison { purpose complete }";
    let again = close(as_whole[0], "COMPARE_AGAIN");
    let again = journey
        .officer
        .accepted("closeReconsideration", again, selection)
        .await;
    assert_eq!(
        again["comparison"],
        json!({ "purpose": "RE_CHECK", "complete": false })
    );
    assert_eq!(
        again["reconsideration"]["closedBy"],
        journey.officer.account
    );
    assert_eq!(
        journey.state().await,
        "UNDER_ASSISTANCE",
        "nothing followed by itself"
    );

    // Rules of the comparison are data, read and put through the gateway.
    let rule = json!({
        "ruleId": "C-BUS-01", "validFrom": journey.today(), "item": "BUSINESS_REGISTRATION",
        "kind": "HARD_FLAW", "expression": "operating", "exemption": "kind == '合作社'",
        "threshold": 0, "legalBasis": "县级文件",
    });
    let put = journey
        .officer
        .accepted("putComparisonRule", rule, "rule { version }");
    assert_eq!(put.await["rule"]["version"], 2);
    let auditor = sandbox.client(Role::Auditor, COUNTY);
    let rules = "{ comparisonRules { ruleId version exemption legalBasis } }";
    let rules = auditor.ask(rules, json!({})).await["comparisonRules"].clone();
    assert!(
        rules.as_array().is_some_and(|rules| rules.len() > 10),
        "{rules}"
    );
    sandbox.stop().await;
}
