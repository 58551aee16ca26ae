//! Scenario 9: a flood hits 800 households in one day; help comes first, papers later, and nothing
//! caps their number (S09, S28, T12e, WF-11).

use chrono::Days;
use futures::{StreamExt, stream};
use kernel::Role;
use serde_json::{Value, json};
use tests::{COUNTY, Client, Sandbox, county, family::EVIDENCE, until};

const HOUSEHOLDS: u32 = 800;
/// People of a township who work at once.
const AT_ONCE: usize = 8;

/// Brings the households of two villages in, as sheets of the national format.
async fn import(sandbox: &Sandbox, officer: &Client) {
    let county = demo::County {
        seed: 9,
        townships: 1,
        villages: 2,
        households: HOUSEHOLDS,
        as_of: sandbox.today(),
    };
    for village in county.divisions().iter().filter(|d| !d.groups.is_empty()) {
        let groups = village.groups.iter().zip(1..);
        let groups = groups.map(|(name, number)| json!({ "number": number, "name": name }));
        let division = json!({
            "code": village.code.as_str(), "name": village.name, "level": "VILLAGE",
            "validFrom": "2020-01-01", "groups": groups.collect::<Vec<_>>(),
        });
        officer
            .accepted("putDivision", division, "division { code }")
            .await;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let files = demo::write(&county, folder.path()).expect("written");
    for sheet in files.sheets {
        let content = std::fs::read(&sheet).expect("a sheet");
        let name = sheet.file_name().and_then(|name| name.to_str());
        let path = format!("households?fileName={}", name.expect("a name"));
        officer.upload(&path, content).await;
    }
}

/// Ids and villages of every household.
async fn households(officer: &Client) -> Vec<(String, String)> {
    let query = "query($after: String) { households(first: 100, after: $after) {
        nodes { id divisionCode } pageInfo { endCursor hasNextPage } } }";
    let (mut found, mut after) = (Vec::new(), Value::Null);
    loop {
        let data = officer.ask(query, json!({ "after": after })).await;
        let page = &data["households"];
        for node in page["nodes"].as_array().expect("nodes") {
            let text = |field: &str| node[field].as_str().expect("a text").to_owned();
            let village = text("divisionCode");
            found.push((text("id"), village));
        }
        if page["pageInfo"]["hasNextPage"] != true {
            return found;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

/// Does something for all of them, some at once.
async fn for_each<T, F: Future>(all: &[T], act: impl Fn(usize) -> F) -> Vec<F::Output> {
    let acts = (0..all.len()).map(act);
    stream::iter(acts).buffered(AT_ONCE).collect().await
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_09_eight_hundred_households_are_helped_before_their_papers() {
    let sandbox = Sandbox::start().await;
    county::set_up(&sandbox).await;
    let officer = sandbox.client(Role::CountyOfficer, COUNTY);
    let office = sandbox.client(Role::TownshipOffice, county::TOWNSHIP);
    let responsible = sandbox.client(Role::ResponsiblePerson, county::TOWNSHIP);
    import(&sandbox, &officer).await;
    let households = households(&officer).await;
    assert_eq!(households.len(), HOUSEHOLDS as usize);
    let flooded = sandbox.today();

    let cases = for_each(&households, async |at| {
        let (household, village) = &households[at];
        let cadre = sandbox.client(Role::VillageCadre, village);
        let declaration = json!({
            "householdId": household, "channel": "CADRE_CHECK", "evidenceSha256": [EVIDENCE],
            "risks": [{ "type": "NATURAL_DISASTER", "subCode": "0201" }],
        });
        let declared = cadre
            .accepted("declareCase", declaration, "case { id }")
            .await;
        let case = declared["case"]["id"].as_str().expect("an id").to_owned();
        let flag = json!({ "caseId": case, "eventReference": "2026年洪涝001号" });
        let flagged = office
            .accepted("flagEmergency", flag, "case { emergencyAid dueOn }")
            .await;
        let papers_until = flooded + Days::new(30);
        assert_eq!(
            flagged["case"],
            json!({ "emergencyAid": true, "dueOn": papers_until.to_string() })
        );
        case
    })
    .await;
    // Plans open with their cases, through the feed.
    let last = cases.last().expect("cases");
    until("the last plan is open", async || {
        let query = "query($id: ID!) { case(id: $id) { plan { version } } }";
        let data = officer.ask(query, json!({ "id": last })).await;
        (!data["case"]["plan"].is_null()).then_some(())
    })
    .await;
    for_each(&cases, async |at| {
        let case = &cases[at];
        let assigned = json!({
            "caseId": case, "account": responsible.account, "unit": "镇政府",
            "from": flooded.to_string(),
        });
        officer
            .accepted("assignResponsible", assigned, "plan { version }")
            .await;
        let measure = json!({
            "caseId": case, "kind": "HOUSING", "risk": "NATURAL_DISASTER",
            "description": "安置", "dueOn": flooded.to_string(),
        });
        let planned = office
            .accepted("planMeasure", measure, "plan { measures { id } }")
            .await;
        let delivery = json!({
            "caseId": case, "measureId": planned["plan"]["measures"][0]["id"],
            "deliveredOn": flooded.to_string(), "amount": "500.00", "confirmed": true,
            "evidenceSha256": EVIDENCE,
        });
        responsible
            .accepted("recordDelivery", delivery, "plan { version }")
            .await;
    })
    .await;

    // Everybody is helped on the day of the flood, and nobody's papers are through.
    let query = "{ cases(first: 1, states: [DECLARED]) { totalCount } }";
    let data = officer.ask(query, json!({})).await;
    assert_eq!(data["cases"]["totalCount"], HOUSEHOLDS);
    let sample = officer
        .ask(
            "query($id: ID!) { case(id: $id) { state plan { measures { deliveries { amount } } } } }",
            json!({ "id": cases[HOUSEHOLDS as usize / 2] }),
        )
        .await;
    assert_eq!(
        sample["case"],
        json!({ "state": "DECLARED", "plan": { "measures": [
            { "deliveries": [{ "amount": "500.00" }] }
        ] } })
    );
    // Papers that do not come are told of like every other limit.
    sandbox.advance_days(31);
    until("what is late is told", async || {
        let query = "{ cases(first: 1, alarm: ORANGE) { totalCount } }";
        let data = office.ask(query, json!({})).await;
        (data["cases"]["totalCount"] == HOUSEHOLDS).then_some(())
    })
    .await;
    sandbox.stop().await;
}
