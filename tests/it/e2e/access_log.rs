//! The auditor's question: who saw and did what to a household (SEC-2).

use kernel::Role;
use serde_json::{Value, json};
use tests::{Client, Sandbox, county, family::Family, journey::Journey};

const LOG: &str = "query($id: ID!, $first: Int, $after: String) { \
                   accessLog(householdId: $id, first: $first, after: $after) { \
                   nodes { service rpc changes account role divisionCode households traceId at } \
                   pageInfo { hasNextPage endCursor } } }";

async fn log(who: &Client, household: &str) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), Value::Null);
    loop {
        let variables = json!({ "id": household, "first": 7, "after": after });
        let page = who.ask(LOG, variables).await["accessLog"].clone();
        let nodes = page["nodes"].as_array().expect("nodes");
        assert!(nodes.len() <= 7);
        all.extend(nodes.iter().cloned());
        if page["pageInfo"]["hasNextPage"] == false {
            return all;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

/// Whether somebody's call is on the record.
fn has(log: &[Value], account: &str, service: &str, rpc: &str) -> bool {
    log.iter().any(|entry| {
        (&entry["account"], &entry["service"], &entry["rpc"])
            == (&json!(account), &json!(service), &json!(rpc))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn sec2_who_saw_and_did_what_to_a_household_is_one_list() {
    let sandbox = Sandbox::start().await;
    let places = county::set_up(&sandbox).await;
    let family = Family::default().register(&sandbox).await;
    let other = Family::default().register_bare(&sandbox).await;
    let journey = Journey::declare(&sandbox, family.clone(), &places).await;
    journey.authorise().await;

    // Somebody of the county looks at a page, somebody at the income, somebody by an ID number.
    let nosy = sandbox.client_named("officer-9", Role::CountyOfficer, tests::COUNTY);
    let page = "query { households(first: 50) { nodes { id headName members { name } \
                currentCase { state events { name } } } } }";
    nosy.ask(page, json!({})).await;
    let income = "query($id: ID!) { income(householdId: $id, fromMonth: \"2026-01\", \
                  toMonth: \"2026-03\") { kind } }";
    let leader = sandbox.client(Role::TownshipLeader, county::TOWNSHIP);
    leader.ask(income, json!({ "id": family.id })).await;
    let find = "query($number: String!) { findHousehold(idNumber: $number) { id } }";
    let found = leader
        .ask(find, json!({ "number": family.id_numbers[0] }))
        .await;
    assert_eq!(found["findHousehold"]["id"], json!(family.id));
    // From elsewhere nothing is seen, so nothing is on the record.
    let far = sandbox.client(Role::VillageCadre, county::FAR_VILLAGE);
    far.ask(find, json!({ "number": family.id_numbers[0] }))
        .await;

    let auditor = sandbox.client(Role::Auditor, tests::COUNTY);
    let seen = log(&auditor, &family.id).await;
    for (account, service, rpc) in [
        ("officer-9", "households", "ListHouseholds"),
        ("officer-9", "households", "BatchListMembers"),
        ("officer-9", "workflow", "BatchGetCurrentCases"),
        ("officer-9", "workflow", "ListCaseEvents"),
        (leader.account.as_str(), "households", "ListIncome"),
        (leader.account.as_str(), "households", "FindHousehold"),
        (
            journey.cadre.account.as_str(),
            "households",
            "CreateHousehold",
        ),
        (journey.cadre.account.as_str(), "households", "RecordIncome"),
        (journey.cadre.account.as_str(), "workflow", "DeclareCase"),
        (journey.cadre.account.as_str(), "workflow", "ActOnCase"),
    ] {
        assert!(
            has(&seen, account, service, rpc),
            "{account} {rpc}: {seen:#?}"
        );
    }
    assert!(
        seen.iter()
            .all(|entry| entry["account"] != json!(far.account))
    );
    let is_read = |entry: &&Value| entry["rpc"] == "ListHouseholds";
    let read = seen.iter().find(is_read).expect("an entry");
    assert_eq!(read["changes"], false);
    assert!(read["households"].as_i64() >= Some(2), "the page had two");
    assert_eq!(read["role"], "COUNTY_OFFICER");
    // One trace leads through the services: the page's parts belong together.
    let of_page = |rpc: &str| {
        let mut entries = seen.iter();
        let entry = entries.find(|e| e["account"] == "officer-9" && e["rpc"] == rpc);
        entry.expect("an entry")["traceId"].clone()
    };
    assert_eq!(of_page("ListHouseholds"), of_page("BatchGetCurrentCases"));
    // Newest first, each once.
    let times: Vec<&str> = seen.iter().filter_map(|e| e["at"].as_str()).collect();
    assert_eq!(times.len(), seen.len());
    let whole = auditor
        .ask(LOG, json!({ "id": family.id, "first": 100 }))
        .await;
    assert_eq!(
        whole["accessLog"]["nodes"],
        json!(seen),
        "pages make the whole"
    );

    // The other household was on the page and nothing else of it was looked at.
    let theirs = log(&auditor, &other.id).await;
    assert!(has(&theirs, "officer-9", "households", "ListHouseholds"));
    assert!(!has(&theirs, &leader.account, "households", "ListIncome"));

    // Inspection of the village sees it, inspection of another township and everybody else does not.
    let inspector = sandbox.client(Role::DisciplineInspection, county::VILLAGE);
    assert_eq!(log(&inspector, &family.id).await.len(), seen.len());
    let far = sandbox.client(Role::DisciplineInspection, county::OTHER_TOWNSHIP);
    assert!(log(&far, &family.id).await.is_empty());
    for role in [Role::CountyApprover, Role::VillageCadre, Role::SystemAdmin] {
        let curious = sandbox.client(role, county::VILLAGE);
        let answer = curious.send(LOG, json!({ "id": family.id })).await;
        let code = &answer.body["errors"][0]["extensions"]["code"];
        assert_eq!(code, "PERMISSION_DENIED");
    }
    for (variables, code) in [
        (
            json!({ "id": family.id, "after": "Zm9v" }),
            "CURSOR_INVALID",
        ),
        (json!({ "id": family.id, "first": 101 }), "INVALID_INPUT"),
    ] {
        let answer = auditor.send(LOG, variables).await;
        assert_eq!(answer.body["errors"][0]["extensions"]["code"], code);
    }
    let nothing = auditor.ask(LOG, json!({ "id": journey.case })).await;
    assert!(nothing["accessLog"].is_null());
    sandbox.stop().await;
}
