//! Scenario 11: a village becomes part of another while a notice hangs in it. The case goes on where it
//! was, by the people of the other village, who see all of its past (ORG-1).

use kernel::Role;
use serde_json::{Value, json};
use tests::{
    COUNTY, Client, Sandbox,
    county::{self, OTHER_VILLAGE, VILLAGE},
    family::{Family, Registered},
    journey::Journey,
    until,
};

use crate::process::BINARY;

const MERGED: &str = "division { code groups { number name } }";

fn merge(from: &str, into: &str) -> Value {
    json!({ "fromCode": from, "intoCode": into, "legalBasis": "县政函〔2026〕3号" })
}

/// A declared case on notice, a plan, an alert that became a lead, minutes and a paper.
async fn on_notice<'a>(sandbox: &'a Sandbox, paper: &[u8]) -> (Journey<'a>, String) {
    let places = county::set_up(sandbox).await;
    let family = Family::default().register(sandbox).await;
    let journey = Journey::declare(sandbox, family, &places).await;
    let path = format!("evidence?divisionCode={VILLAGE}");
    let stored = journey.cadre.upload(&path, paper.to_vec()).await;
    let hash = stored["sha256"].as_str().expect("a hash").to_owned();
    journey.high_bill().await;
    journey.to_notice().await;
    journey.comparison_open().await;
    (journey, hash)
}

/// The same case, in the hands of another village.
fn handed_over<'a>(sandbox: &'a Sandbox, journey: &Journey<'_>) -> Journey<'a> {
    let family = Registered {
        village: OTHER_VILLAGE,
        ..journey.family.clone()
    };
    Journey::of(sandbox, family, &journey.places, journey.case.clone())
}

const CASE: &str = "query($id: ID!) { case(id: $id) { caseNumber divisionCode version state \
                    household { divisionCode groupNumber } plan { version } comparison { id } \
                    events { name divisionCode } } }";

async fn seen(client: &Client, case: &str) -> Value {
    client.ask(CASE, json!({ "id": case })).await["case"].clone()
}

/// Codes of a list of nodes.
async fn divisions_of(client: &Client, list: &str) -> Vec<String> {
    let query = format!("query($village: DivisionCode!) {{ {list} }}");
    let data = client
        .ask(&query, json!({ "village": OTHER_VILLAGE }))
        .await;
    let lists = data.as_object().expect("a list").values();
    let nodes = lists.flat_map(|list| list["nodes"].as_array().expect("nodes").clone());
    nodes
        .map(|node| node["divisionCode"].as_str().expect("a code").to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_11_a_case_follows_its_village_through_a_merge() {
    let sandbox = Sandbox::start().await;
    let (journey, paper) = on_notice(&sandbox, b"%PDF-1.4\n% minutes of the old village\n").await;
    sandbox.advance_days(3);
    let before = seen(&journey.cadre, &journey.case).await;
    let admin = sandbox.client(Role::SystemAdmin, COUNTY);
    let merged = admin
        .accepted("mergeDivision", merge(VILLAGE, OTHER_VILLAGE), MERGED)
        .await;
    // Neither first group becomes the other.
    let groups = json!([
        { "number": 1, "name": "1组" }, { "number": 2, "name": "2组" },
        { "number": 3, "name": "上河村1组" }, { "number": 4, "name": "上河村2组" },
    ]);
    let other = json!({ "code": OTHER_VILLAGE, "groups": groups });
    assert_eq!(merged["division"], other);

    let heirs = handed_over(&sandbox, &journey);
    let after = until("the case lies in the other village", async || {
        let case = seen(&heirs.cadre, &journey.case).await;
        let whole = case["divisionCode"] == OTHER_VILLAGE
            && !case["plan"].is_null()
            && !case["comparison"].is_null();
        whole.then_some(case)
    })
    .await;
    assert_eq!(
        after["caseNumber"], before["caseNumber"],
        "it keeps its number"
    );
    assert_eq!(after["state"], "ON_NOTICE");
    assert_eq!(
        after["household"],
        json!({ "divisionCode": OTHER_VILLAGE, "groupNumber": 3 })
    );
    assert_eq!(after["comparison"], before["comparison"]);
    // The whole past, as it was recorded, and one event more.
    let (old, new) = (&before["events"], &after["events"]);
    let (old, new) = (
        old.as_array().expect("events"),
        new.as_array().expect("events"),
    );
    let (last, past) = new.split_last().expect("events");
    assert_eq!(past, old);
    assert_eq!(
        *last,
        json!({ "name": "VILLAGE_MERGED", "divisionCode": OTHER_VILLAGE })
    );
    // Nothing is left to those who answered for the old one, whatever their tokens say.
    assert_eq!(seen(&journey.cadre, &journey.case).await, Value::Null);

    // What else the village had: alert, lead, work, minutes, papers, warning list.
    let here = vec![OTHER_VILLAGE.to_owned()];
    for list in [
        "alerts(divisionCode: $village) { nodes { divisionCode } }",
        "leads(divisionCode: $village) { nodes { divisionCode } }",
        "work(divisionCode: $village) { nodes { divisionCode } }",
    ] {
        let mut found = divisions_of(&heirs.cadre, list).await;
        found.dedup();
        assert_eq!(found, here, "{list}");
    }
    let meetings = divisions_of(
        &heirs.cadre,
        "meetings(divisionCode: $village) { nodes { divisionCode } }",
    );
    assert_eq!(
        meetings.await,
        [VILLAGE],
        "minutes stay as they were written"
    );
    let (status, content) = heirs.cadre.get(&format!("/files/evidence/{paper}")).await;
    assert_eq!(status, 200, "{content}");
    let month = kernel::Month::of(sandbox.today()).to_string();
    let listed = "query($village: DivisionCode!, $month: String!) { \
                  warningList(divisionCode: $village, month: $month) { caseIds } }";
    let listed = heirs
        .cadre
        .ask(listed, json!({ "village": VILLAGE, "month": month }))
        .await;
    assert_eq!(listed["warningList"]["caseIds"], json!([journey.case]));
    let history =
        "query($id: ID!) { household(id: $id) { history { entity field oldValue newValue } } }";
    let history = heirs
        .officer
        .ask(history, json!({ "id": journey.family.id }))
        .await;
    let moved = json!({ "entity": "household", "field": "division_code",
                        "oldValue": VILLAGE, "newValue": OTHER_VILLAGE });
    let history = history["household"]["history"]
        .as_array()
        .expect("a history")
        .clone();
    assert!(history.contains(&moved), "{history:#?}");

    // The villagers of the village of today have to see the notice as well (S30); the old committee's
    // board is none any more.
    let places = "query($village: DivisionCode!) { noticePlaces(divisionCode: $village) { \
                  id kind validTo required } }";
    let village = json!({ "village": OTHER_VILLAGE });
    let places = heirs.cadre.ask(places, village).await["noticePlaces"].clone();
    let places = places.as_array().expect("places");
    let ended = |id: &str| {
        let place = places.iter().find(|place| place["id"] == id);
        !place.expect("the place")["validTo"].is_null()
    };
    assert!(ended(&journey.places.committee));
    assert!(!ended(&journey.places.concentration));
    let board = places
        .iter()
        .find(|place| place["kind"] == "COMMITTEE" && place["validTo"].is_null());
    let board = board.expect("a committee")["id"].as_str().expect("an id");
    sandbox.advance_days(4);
    let unmet = heirs
        .refused(&heirs.cadre, "closeNotice", heirs.closing())
        .await;
    assert_eq!(unmet, ["S30 NOTICE_AT_EVERY_PLACE"]);
    assert_eq!(heirs.post(board).await, "ON_NOTICE");
    let unmet = heirs
        .refused(&heirs.cadre, "closeNotice", heirs.closing())
        .await;
    assert_eq!(unmet, ["S31 NOTICE_DAYS"]);
    sandbox.advance_days(7);
    // It hangs at the boards of before as well.
    let (committee, concentration) = (&journey.places.committee, &journey.places.concentration);
    let everywhere = heirs.closing_at(&[board, committee, concentration]);
    let state = heirs.act(&heirs.cadre, "closeNotice", everywhere).await;
    assert_eq!(state, "NOTICE_CLOSED");
    heirs.review().await;
    heirs.compare().await;
    heirs.assign().await;
    heirs.plan("HEALTH").await;
    heirs.plan("EMPLOYMENT").await;
    heirs.enrol().await;

    let mut verify = sandbox.verification(BINARY);
    let verified = tokio::task::block_in_place(|| verify.output()).expect("runs");
    let said = String::from_utf8_lossy(&verified.stdout);
    assert!(verified.status.success(), "{said}");
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_that_makes_no_sense_is_refused_and_the_same_twice_is_one() {
    let sandbox = Sandbox::start().await;
    county::set_up(&sandbox).await;
    let admin = sandbox.client(Role::SystemAdmin, COUNTY);
    let violation = async |from: &str, into: &str| {
        let payload = admin
            .mutate("mergeDivision", merge(from, into), MERGED)
            .await;
        let violations = payload["violations"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let all = violations
            .iter()
            .map(|v| format!("{} {}", text(&v["field"]), text(&v["code"])));
        all.collect::<Vec<_>>().join(", ")
    };
    assert_eq!(violation(VILLAGE, VILLAGE).await, "intoCode OTHER_VILLAGE");
    assert_eq!(
        violation(county::TOWNSHIP, VILLAGE).await,
        "fromCode VILLAGE"
    );
    let cadre = sandbox.client(Role::VillageCadre, VILLAGE);
    let mut input = json!({ "input": merge(VILLAGE, OTHER_VILLAGE) });
    input["input"]["requestId"] = json!(sandbox.request_id());
    let document = "mutation($input: MergeDivisionInput!) { mergeDivision(input: $input) { division { code } } }";
    let denied = cadre.send(document, input).await;
    assert_eq!(
        denied.body["errors"][0]["extensions"]["code"],
        "PERMISSION_DENIED"
    );

    let first = admin
        .accepted("mergeDivision", merge(VILLAGE, OTHER_VILLAGE), MERGED)
        .await;
    let again = admin
        .accepted("mergeDivision", merge(VILLAGE, OTHER_VILLAGE), MERGED)
        .await;
    assert_eq!(first["division"], again["division"]);
    assert_eq!(
        violation(VILLAGE, county::FAR_VILLAGE).await,
        "fromCode VALID_TODAY"
    );
    assert_eq!(
        violation(OTHER_VILLAGE, VILLAGE).await,
        "intoCode VALID_TODAY"
    );
    // A village that is no more takes nobody in and is not changed.
    let known = "query { divisions { nodes { code mergedIntoCode } } }";
    let known = admin.ask(known, json!({})).await;
    let codes = known["divisions"]["nodes"]
        .as_array()
        .expect("divisions")
        .iter();
    let codes: Vec<&str> = codes.filter_map(|d| d["code"].as_str()).collect();
    assert!(!codes.contains(&VILLAGE), "{codes:?}");
    let renamed = json!({ "code": VILLAGE, "name": "上河村", "level": "VILLAGE",
                          "validFrom": "2020-01-01", "groups": [] });
    let payload = admin
        .mutate("putDivision", renamed, "division { code }")
        .await;
    assert_eq!(payload["violations"][0]["code"], "VALID_TODAY");

    // And on: households go with a village that had taken others in.
    let family = Family {
        village: OTHER_VILLAGE,
        ..Family::default()
    };
    let family = family.register_bare(&sandbox).await;
    admin
        .accepted(
            "mergeDivision",
            merge(OTHER_VILLAGE, county::FAR_VILLAGE),
            MERGED,
        )
        .await;
    let far = sandbox.client(Role::VillageCadre, county::FAR_VILLAGE);
    let query = "query($id: ID!) { household(id: $id) { divisionCode groupNumber } }";
    let found = far.ask(query, json!({ "id": family.id })).await;
    let expected = json!({ "divisionCode": county::FAR_VILLAGE, "groupNumber": 3 });
    assert_eq!(found["household"], expected);
    sandbox.stop().await;
}
