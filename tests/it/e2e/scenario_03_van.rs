//! Scenario 3: a family with a van and a business licence is turned away, may answer every hit, and
//! may appeal (S35, S36, CMP-6, WF-9).

use kernel::{ItemKind, Role};
use serde_json::{Value, json};
use tests::{
    COUNTY, Sandbox, county,
    family::{EVIDENCE, Family},
    journey::Journey,
};

async fn hits(journey: &Journey<'_>) -> Vec<Value> {
    let selection = "comparison { hits { id ruleId kind explanation outcome } }";
    let case = journey.case(selection).await;
    let hits = case["comparison"]["hits"].as_array();
    hits.expect("hits").clone()
}

fn of<'a>(hits: &'a [Value], rule: &str) -> &'a Value {
    let found = hits.iter().find(|hit| hit["ruleId"] == rule);
    found.unwrap_or_else(|| panic!("no {rule} in {hits:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_03_van_and_licence_are_answered_decided_and_appealed() {
    let sandbox = Sandbox::start().await;
    let places = county::set_up(&sandbox).await;
    let family = Family::default().register(&sandbox).await;
    let journey = Journey::declare(&sandbox, family, &places).await;
    journey.to_notice_closed().await;
    journey.review().await;
    journey.comparison_open().await;
    let head = &journey.family.id_numbers[0];
    journey
        .deliver_items(|item| match item {
            ItemKind::Vehicle => vec![format!("{head},张大山,面包车,42000,")],
            ItemKind::BusinessRegistration => vec![format!("{head},张大山,个体工商户,是")],
            _ => Vec::new(),
        })
        .await;
    let found = hits(&journey).await;
    assert_eq!(of(&found, "C-VEH-01")["kind"], "REVIEW");
    assert_eq!(of(&found, "C-BUS-01")["kind"], "HARD_FLAW");
    let unmet = journey
        .refused(&journey.officer, "confirmComparison", json!({}))
        .await;
    assert_eq!(unmet, ["S36 HARD_FLAWS_OPEN", "CMP-6 REVIEWS_OPEN"]);

    // The household answers every hit, with proof; a named person decides.
    for rule in ["C-VEH-01", "C-BUS-01"] {
        let answer = json!({
            "hitId": of(&found, rule)["id"], "explanation": "车辆用于载货,执照为本人经营",
            "evidenceSha256": EVIDENCE,
        });
        journey
            .cadre
            .accepted("answerHit", answer, "hit { explanation }")
            .await;
    }
    for (rule, outcome) in [("C-VEH-01", "CLEARED"), ("C-BUS-01", "CONFIRMED")] {
        let decision = json!({
            "hitId": of(&found, rule)["id"], "outcome": outcome, "reason": "经核查属实",
        });
        journey
            .officer
            .accepted("decideHit", decision, "hit { outcome }")
            .await;
    }
    let away = json!({
        "ground": "HARD_FLAW", "reason": "名下有正在经营的工商登记",
        "householdInformedOn": journey.today(), "evidenceSha256": EVIDENCE,
    });
    let state = journey.act(&journey.officer, "disqualifyCase", away).await;
    assert_eq!(state, "DISQUALIFIED");
    let case = journey.case("closedReason appealUntil").await;
    let until = sandbox.today() + chrono::Days::new(30);
    assert_eq!(
        case,
        json!({ "closedReason": "HARD_FLAW", "appealUntil": until.to_string() })
    );

    let appeal = json!({ "reason": "执照已于上月注销", "statementSha256": EVIDENCE });
    let state = journey.act(&journey.cadre, "appealCase", appeal).await;
    assert_eq!(state, "APPEALED");
    let answer = json!({
        "outcome": "REJECTED", "reason": "核查时仍在经营",
        "householdInformedOn": journey.today(), "evidenceSha256": EVIDENCE,
    });
    let unmet = journey
        .refused(&journey.officer, "decideAppeal", answer.clone())
        .await;
    assert!(unmet.contains(&"ORG-2 ROLE".to_owned()), "{unmet:?}");
    let approver = sandbox.client(Role::CountyApprover, COUNTY);
    let state = journey.act(&approver, "decideAppeal", answer).await;
    assert_eq!(state, "DISQUALIFIED");

    // Who answered for the household and who decided is on the record (SEC-2).
    let auditor = sandbox.client(Role::Auditor, COUNTY);
    let log =
        "query($id: ID!) { accessLog(householdId: $id, first: 100) { nodes { account rpc } } }";
    let log = auditor.ask(log, json!({ "id": journey.family.id })).await;
    let log = log["accessLog"]["nodes"].as_array().expect("entries");
    for (who, rpc) in [
        (&journey.cadre, "AnswerHit"),
        (&journey.officer, "DecideHit"),
    ] {
        let entry = json!({ "account": who.account, "rpc": rpc });
        assert!(log.contains(&entry), "{rpc}: {log:#?}");
    }
    sandbox.stop().await;
}
