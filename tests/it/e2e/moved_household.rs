//! A household with an open case is moved by an import to a village of another township, while a notice
//! hangs in the old one: the case, what came of an alert, comparison and plan go with it, and the people of
//! the new village lead it on (REG-12). The old one sees nothing of it any more.

use kernel::Role;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tests::{
    Client, Sandbox,
    county::{self, FAR_VILLAGE, OTHER_TOWNSHIP, TOWNSHIP, VILLAGE},
    family::{EVIDENCE, Family, Registered},
    journey::Journey,
    until,
};

use crate::process::backstop;

const NUMBER: &str = "H-999999-1";

/// A declared case on notice, an alert that became a lead, a paper, and somebody who is busy with it.
async fn on_notice<'a>(sandbox: &'a Sandbox, paper: &[u8]) -> (Journey<'a>, String) {
    let places = county::set_up(sandbox).await;
    let family = Family::default().register(sandbox).await;
    numbered(sandbox, &family).await;
    let cadre = sandbox.client(Role::VillageCadre, VILLAGE);
    let path = format!("evidence?divisionCode={VILLAGE}");
    let stored = cadre.upload(&path, paper.to_vec()).await;
    let hash = stored["sha256"].as_str().expect("a hash").to_owned();
    let mut declaration = Journey::declaration(&family);
    declaration["evidenceSha256"] = json!([EVIDENCE, hash]);
    let declared = cadre
        .accepted("declareCase", declaration, "case { id }")
        .await;
    let case = declared["case"]["id"].as_str().expect("an id").to_owned();
    let journey = Journey::of(sandbox, family, &places, case);
    journey.high_bill().await;
    journey.to_notice().await;
    journey.comparison_open().await;
    let claim = json!({ "caseId": journey.case });
    journey
        .cadre
        .accepted("claimWork", claim, "case { claim { account } }")
        .await;
    until("the alert is a lead", async || {
        let leads = divisions_of(&journey.cadre, VILLAGE, LEADS).await;
        (!leads.is_empty()).then_some(())
    })
    .await;
    (journey, hash)
}

/// Gives a household a number of the national system, by which sheets name it.
async fn numbered(sandbox: &Sandbox, family: &Registered) {
    let cadre = sandbox.client(Role::VillageCadre, VILLAGE);
    let query = "query($id: ID!) { household(id: $id) { version } }";
    let known = cadre.ask(query, json!({ "id": family.id })).await;
    let household = json!({
        "id": family.id, "version": known["household"]["version"], "nationalNumber": NUMBER,
        "groupNumber": 1, "origin": "GENERAL", "phone": "13800000000", "address": "一组 1 号",
    });
    cadre
        .accepted("updateHousehold", household, "household { version }")
        .await;
}

/// The household as a sheet has it, in a village.
fn sheet(family: &Registered, village: &str) -> Vec<u8> {
    let mut lines = vec![
        "户编号,行政区划代码,是否脱贫户,姓名,证件号码,与户主关系,健康状况,劳动技能,居民医保,致贫/返贫风险1"
            .to_owned(),
    ];
    for (at, number) in family.id_numbers.iter().enumerate() {
        let (name, relation) = match at {
            0 => ("张大山".to_owned(), "户主"),
            _ => (format!("家人{at}"), "其他"),
        };
        lines.push(format!(
            "{NUMBER},{village},否,{name},{number},{relation},患有大病,普通劳动力,是,因病"
        ));
    }
    lines.join("\n").into_bytes()
}

/// The county takes a sheet in that says where the household lives.
async fn import(officer: &Client, family: &Registered, village: &str) {
    let path = format!("households?fileName={village}.csv");
    let report = officer.upload(&path, sheet(family, village)).await;
    assert_eq!(report["householdsUpdated"], 1, "{report:#}");
}

/// The same case, in the hands of another village.
fn handed_over<'a>(sandbox: &'a Sandbox, journey: &Journey<'_>) -> Journey<'a> {
    let family = Registered {
        village: FAR_VILLAGE,
        ..journey.family.clone()
    };
    Journey::of(sandbox, family, &journey.places, journey.case.clone())
}

const CASE: &str = "query($id: ID!) { case(id: $id) { caseNumber divisionCode version state \
                    claim { account } notice { clockStartedOn } \
                    household { divisionCode } plan { version } comparison { id } \
                    events { name divisionCode } } }";

async fn seen(client: &Client, case: &str) -> Value {
    client.ask(CASE, json!({ "id": case })).await["case"].clone()
}

const ALERTS: &str = "alerts(divisionCode: $village) { nodes { divisionCode } }";
const LEADS: &str = "leads(divisionCode: $village) { nodes { divisionCode } }";
const WORK: &str = "work(divisionCode: $village) { nodes { divisionCode } }";

/// Codes of a list of nodes.
async fn divisions_of(client: &Client, village: &str, list: &str) -> Vec<String> {
    let query = format!("query($village: DivisionCode!) {{ {list} }}");
    let data = client.ask(&query, json!({ "village": village })).await;
    let lists = data.as_object().expect("a list").values();
    let nodes = lists.flat_map(|list| list["nodes"].as_array().expect("nodes").clone());
    nodes
        .map(|node| node["divisionCode"].as_str().expect("a code").to_owned())
        .collect()
}

/// What was asked about a household, ever.
async fn looked_at(auditor: &Client, household: &str) -> Vec<Value> {
    let query = "query($id: ID!, $after: String) { \
                 accessLog(householdId: $id, first: 50, after: $after) { \
                 nodes { rpc } pageInfo { hasNextPage endCursor } } }";
    let (mut rpcs, mut after) = (Vec::new(), Value::Null);
    loop {
        let page = auditor.ask(query, json!({ "id": household, "after": after }));
        let page = page.await["accessLog"].clone();
        let nodes = page["nodes"].as_array().expect("entries");
        rpcs.extend(nodes.iter().map(|entry| entry["rpc"].clone()));
        if page["pageInfo"]["hasNextPage"] == false {
            return rpcs;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reg12_a_case_goes_with_its_household_to_another_township() {
    let sandbox = Sandbox::start().await;
    let (journey, paper) = on_notice(&sandbox, b"%PDF-1.4\n% a paper of the household\n").await;
    sandbox.advance_days(3);
    let before = seen(&journey.cadre, &journey.case).await;
    assert!(!before["claim"].is_null(), "{before:#}");
    import(&journey.officer, &journey.family, FAR_VILLAGE).await;

    let heirs = handed_over(&sandbox, &journey);
    let after = until("all of it lies in the other village", async || {
        let case = seen(&heirs.cadre, &journey.case).await;
        let whole = case["divisionCode"] == FAR_VILLAGE
            && !case["plan"].is_null()
            && !case["comparison"].is_null()
            && !divisions_of(&heirs.cadre, FAR_VILLAGE, ALERTS)
                .await
                .is_empty();
        whole.then_some(case)
    })
    .await;
    assert_eq!(after["caseNumber"], before["caseNumber"]);
    assert_eq!(after["state"], "ON_NOTICE");
    assert_eq!(after["household"], json!({ "divisionCode": FAR_VILLAGE }));
    assert_eq!(after["comparison"], before["comparison"]);
    assert_eq!(after["claim"], Value::Null, "whoever had it is not there");
    // The whole past, as it was recorded, and one event more.
    let (old, new) = (&before["events"], &after["events"]);
    let (old, new) = (
        old.as_array().expect("events"),
        new.as_array().expect("events"),
    );
    let (last, past) = new.split_last().expect("events");
    assert_eq!(past, old);
    let moved = json!({ "name": "HOUSEHOLD_MOVED", "divisionCode": FAR_VILLAGE });
    assert_eq!(*last, moved);
    let from = "query($id: ID!) { case(id: $id) { events { movedFromCode } } }";
    let from = heirs.cadre.ask(from, json!({ "id": journey.case })).await;
    let last = from["case"]["events"].as_array().and_then(|all| all.last());
    assert_eq!(last.expect("events")["movedFromCode"], VILLAGE);

    // To those who answered for it in the old village and township there is no such case any more.
    for client in [&journey.cadre, &journey.secretary, &journey.office] {
        assert_eq!(seen(client, &journey.case).await, Value::Null);
        let query = "query($id: ID!) { household(id: $id) { headName } }";
        let household = client.ask(query, json!({ "id": journey.family.id })).await;
        assert_eq!(household["household"], Value::Null);
    }
    for list in [ALERTS, LEADS, WORK] {
        let mut found = divisions_of(&heirs.cadre, FAR_VILLAGE, list).await;
        found.dedup();
        assert_eq!(found, [FAR_VILLAGE], "{list}");
        let left = divisions_of(&journey.cadre, VILLAGE, list).await;
        assert_eq!(left, Vec::<String>::new(), "{list}");
        let left = divisions_of(&journey.office, TOWNSHIP, list).await;
        assert_eq!(left, Vec::<String>::new(), "{list}");
    }
    let office = divisions_of(&heirs.office, OTHER_TOWNSHIP, LEADS).await;
    assert!(office.iter().all(|village| village == FAR_VILLAGE) && !office.is_empty());
    // Papers that the case rests on are there; minutes stay with the village whose meeting it was.
    let (status, content) = heirs.cadre.get(&format!("/files/evidence/{paper}")).await;
    assert_eq!(status, 200, "{content}");
    let meetings = "meetings(divisionCode: $village) { nodes { divisionCode } }";
    assert_eq!(
        divisions_of(&journey.cadre, VILLAGE, meetings).await,
        [VILLAGE]
    );
    assert_eq!(
        divisions_of(&heirs.cadre, FAR_VILLAGE, meetings).await,
        Vec::<String>::new()
    );
    // Who looked before the move is told where the household lives now.
    for (township, is_told) in [(OTHER_TOWNSHIP, true), (TOWNSHIP, false)] {
        let auditor = sandbox.client(Role::Auditor, township);
        let rpcs = looked_at(&auditor, &journey.family.id).await;
        assert_eq!(rpcs.contains(&json!("DeclareCase")), is_told, "{township}");
    }

    // The new neighbours have seen no notice: it hangs there from now on, for its full days (S30, S31).
    assert_eq!(after["notice"]["clockStartedOn"], Value::Null);
    sandbox.advance_days(4);
    let unmet = heirs
        .refused(&heirs.cadre, "closeNotice", heirs.closing())
        .await;
    assert_eq!(unmet, ["S30 NOTICE_AT_EVERY_PLACE", "S31 NOTICE_DAYS"]);
    let places =
        "query($village: DivisionCode!) { noticePlaces(divisionCode: $village) { id kind } }";
    let places = heirs
        .cadre
        .ask(places, json!({ "village": FAR_VILLAGE }))
        .await;
    let board = places["noticePlaces"][0]["id"].as_str().expect("an id");
    assert_eq!(heirs.post(board).await, "ON_NOTICE");
    sandbox.advance_days(7);
    // It comes down at the boards of before as well.
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

    // And back: whoever led it first leads it on.
    import(&journey.officer, &journey.family, VILLAGE).await;
    let back = until("it is back", async || {
        let case = seen(&journey.cadre, &journey.case).await;
        (!case["plan"].is_null() && !case["comparison"].is_null()).then_some(case)
    })
    .await;
    let names = back["events"].as_array().expect("events").iter();
    let moves = names.filter(|event| event["name"] == "HOUSEHOLD_MOVED");
    assert_eq!(moves.count(), 2, "each move once");
    assert_eq!(seen(&heirs.cadre, &journey.case).await, Value::Null);

    let mut verify = backstop(sandbox.folder(), &["verify"]);
    verify.env(
        "DATABASE_URL",
        sandbox.database().config.url.expose_secret(),
    );
    let verified = tokio::task::block_in_place(|| verify.output()).expect("runs");
    let said = String::from_utf8_lossy(&verified.stdout);
    assert!(verified.status.success(), "{said}");
    sandbox.stop().await;
}
