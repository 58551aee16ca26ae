//! Another county's procedure: its order comes from its template, and no template skips a step (WF-1).

use kernel::Role;
use serde_json::{Value, json};
use tests::{COUNTY, Sandbox, county, family::Family, journey::Journey};

const TEMPLATES: &str = "{ templates { templateId version isDefault json } }";

async fn moves(journey: &Journey<'_>) -> Vec<Value> {
    let query = "query($id: ID!) { case(id: $id) { templateId moves { name to yours dueOn } } }";
    let data = journey
        .cadre
        .ask(query, json!({ "id": journey.case }))
        .await;
    assert_eq!(data["case"]["templateId"], "COMPARE_FIRST");
    data["case"]["moves"].as_array().expect("moves").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn wf1_a_county_that_compares_first_gets_its_own_order() {
    let sandbox = Sandbox::start().await;
    let places = county::set_up(&sandbox).await;
    let family = Family::default().register(&sandbox).await;
    let cadre = sandbox.client(Role::VillageCadre, county::VILLAGE);
    let mut declaration = Journey::declaration(&family);
    declaration["templateId"] = json!("COMPARE_FIRST");
    let payload = cadre
        .accepted("declareCase", declaration, "case { id }")
        .await;
    let case = payload["case"]["id"].as_str().expect("an id").to_owned();
    let journey = Journey::of(&sandbox, family, &places, case);
    journey.authorise().await;
    journey.verify().await;

    let moves = moves(&journey).await;
    let on = |name: &str| moves.iter().find(|m| m["name"] == name);
    let compare = on("CONFIRM_COMPARISON").expect("the next step");
    assert_eq!(
        (&compare["to"], &compare["yours"]),
        (&json!("COMPARED"), &json!(false))
    );
    let due = sandbox.today() + chrono::Days::new(5);
    assert_eq!(
        compare["dueOn"],
        json!(due.to_string()),
        "five days for the comparison"
    );
    assert!(on("LIST_FOR_WARNING").is_none() && on("APPRAISE").is_none());
    assert_eq!(on("WITHDRAW").expect("always")["dueOn"], Value::Null);
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wf1_a_template_that_skips_the_comparison_is_refused_in_words() {
    let sandbox = Sandbox::start().await;
    county::set_up(&sandbox).await;
    let admin = sandbox.client(Role::SystemAdmin, COUNTY);
    let data = admin.ask(TEMPLATES, json!({})).await;
    let templates = data["templates"].as_array().expect("templates");
    assert_eq!(templates.len(), 4);
    let default = templates
        .iter()
        .find(|t| t["isDefault"] == true)
        .expect("a default");
    let json = default["json"].as_str().expect("a file");
    let mut template: Value = serde_json::from_str(json).expect("JSON");
    template["version"] = json!(2);
    let skipping = {
        let mut template = template.clone();
        let steps = template["steps"].as_array_mut().expect("steps");
        let enrol = steps
            .iter_mut()
            .find(|s| s["move"] == "ENROL")
            .expect("a step");
        enrol["from"] = json!(["TOWNSHIP_REVIEWED", "COMPARED"]);
        template.to_string()
    };
    let payload = admin
        .mutate(
            "loadTemplate",
            json!({ "json": skipping, "makeDefault": true }),
            "template { version }",
        )
        .await;
    assert_eq!(payload["template"], Value::Null);
    let violation = &payload["violations"][0];
    assert_eq!(
        (&violation["field"], &violation["code"]),
        (&json!("json.steps"), &json!("SKIPS_COMPARISON"))
    );
    assert_eq!(violation["message"], "存在未经数据比对的路径");
    let way = violation["expected"].as_str().expect("a way");
    assert!(
        way.ends_with("NOTICE_CLOSED > TOWNSHIP_REVIEWED > ENROLLED"),
        "{way}"
    );

    let sound = json!({ "json": template.to_string(), "makeDefault": true });
    admin
        .accepted("loadTemplate", sound, "template { version }")
        .await;
    let family = Family::default().register(&sandbox).await;
    let cadre = sandbox.client(Role::VillageCadre, county::VILLAGE);
    let payload = cadre
        .accepted(
            "declareCase",
            Journey::declaration(&family),
            "case { templateVersion }",
        )
        .await;
    assert_eq!(payload["case"]["templateVersion"], 2);
    sandbox.stop().await;
}
