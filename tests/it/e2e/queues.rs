//! A working day on the queue, through the front door: see, claim, be told, stand in, hand over
//! (WF-12, ORG-3, ORG-4).

use kernel::Role;
use serde_json::{Value, json};
use tests::{Client, Sandbox, county, family::Family, journey::Journey};

const WORK: &str = "query($role: String, $as: String, $claim: ClaimFilter) { \
                    work(role: $role, actingAs: $as, claim: $claim, first: 10) { totalCount nodes { \
                    caseId role steps alarm dueOn claim { account sinceOn untilOn } \
                    case { state } lead { id } household { headName } } } }";

async fn work(who: &Client, variables: Value) -> Vec<Value> {
    let data = who.ask(WORK, variables).await;
    let nodes = data["work"]["nodes"].as_array().expect("nodes").clone();
    assert_eq!(data["work"]["totalCount"], json!(nodes.len()));
    nodes
}

#[tokio::test(flavor = "multi_thread")]
async fn wf12_a_day_on_the_villages_queue() {
    let sandbox = Sandbox::start().await;
    let places = county::set_up(&sandbox).await;
    let family = Family::default().register(&sandbox).await;
    let journey = Journey::declare(&sandbox, family, &places).await;
    let [item] = &work(&journey.cadre, json!({})).await[..] else {
        panic!("one case")
    };
    assert_eq!(item["caseId"], json!(journey.case));
    assert_eq!(item["steps"], json!(["AUTHORISE"]));
    assert_eq!(item["case"]["state"], "DECLARED");
    assert_eq!(item["household"]["headName"], "张大山");
    assert!(item["lead"].is_null() && item["claim"].is_null());

    let claim = json!({ "caseId": journey.case });
    let claimed = journey
        .cadre
        .accepted("claimWork", claim.clone(), "case { claim { account } }")
        .await;
    assert_eq!(claimed["case"]["claim"]["account"], journey.cadre.account);
    let told = journey
        .secretary
        .mutate("claimWork", claim, "case { id }")
        .await;
    let unmet = &told["refusal"]["unmet"][0];
    assert_eq!(unmet["code"], "CLAIMED_BY_ANOTHER");
    let since = format!("{} {}", journey.cadre.account, journey.today());
    let message = unmet["message"].as_str().expect("a sentence");
    assert!(message.contains(&since), "{message}");
    assert!(
        work(&journey.secretary, json!({ "claim": "UNCLAIMED" }))
            .await
            .is_empty()
    );

    let over = json!({ "caseId": journey.case, "takeOver": true, "reason": "同事病假在家" });
    journey
        .secretary
        .accepted("claimWork", over, "case { claim { account } }")
        .await;
    assert_eq!(
        work(&journey.secretary, json!({ "claim": "MINE" }))
            .await
            .len(),
        1
    );
    let events = "query($id: ID!) { case(id: $id) { events { name actor claimedFrom reason } } }";
    let events = journey
        .cadre
        .ask(events, json!({ "id": journey.case }))
        .await;
    let last = &events["case"]["events"][2];
    assert_eq!(last["name"], "TAKEN_OVER");
    assert_eq!(last["claimedFrom"], journey.cadre.account);
    assert_eq!(last["reason"], "同事病假在家");

    // The secretary moves: the township's leader sees what is left and hands it over.
    let holdings = "query($account: String) { holdings(account: $account) { \
                    work { caseId } deputies { id } } }";
    let account = json!({ "account": journey.secretary.account });
    let left = journey.leader.ask(holdings, account.clone()).await;
    assert_eq!(left["holdings"]["work"][0]["caseId"], json!(journey.case));
    let input = json!({
        "fromAccount": journey.secretary.account, "toAccount": "first-secretary-2",
        "toDivisionCode": county::VILLAGE, "reason": "驻村期满轮换",
    });
    let handed = journey
        .leader
        .accepted("handOverWork", input, "caseIds")
        .await;
    assert_eq!(handed["caseIds"], json!([journey.case]));
    let left = journey.leader.ask(holdings, account).await;
    assert_eq!(left["holdings"]["work"], json!([]));
    // Nothing of it is seen from elsewhere.
    let far = sandbox.client(Role::VillageCadre, county::FAR_VILLAGE);
    assert!(work(&far, json!({})).await.is_empty());
    let document = "mutation($input: ClaimWorkInput!) { claimWork(input: $input) { case { id } } }";
    let input = json!({ "caseId": journey.case, "requestId": sandbox.request_id() });
    let answer = far.send(document, json!({ "input": input })).await;
    assert_eq!(answer.body["errors"][0]["extensions"]["code"], "NOT_FOUND");
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn org4_a_deputy_reviews_and_neither_of_the_two_decides_for_the_county() {
    let sandbox = Sandbox::start().await;
    let places = county::set_up(&sandbox).await;
    let family = Family::default().register(&sandbox).await;
    let journey = Journey::declare(&sandbox, family, &places).await;
    journey.to_notice_closed().await;
    let report = json!({ "evidenceSha256": tests::family::EVIDENCE });
    journey
        .act(&journey.cadre, "submitVillageReport", report)
        .await;

    let clerk = sandbox.client_named("clerk-2", Role::TownshipLeader, county::TOWNSHIP);
    let appointment = json!({
        "account": "clerk-2", "onBehalfOf": journey.office.account, "role": "TOWNSHIP_OFFICE",
        "divisionCode": county::TOWNSHIP, "fromOn": journey.today(),
        "untilOn": journey.today(), "reason": "外出培训一天",
    });
    let appointed = journey
        .leader
        .accepted(
            "appointDeputy",
            appointment,
            "deputy { id role onBehalfOf }",
        )
        .await;
    let deputy = appointed["deputy"]["id"].clone();
    assert!(work(&clerk, json!({})).await.is_empty());
    let lent = work(&clerk, json!({ "as": deputy })).await;
    assert_eq!(lent[0]["steps"], json!(["REVIEW_BY_TOWNSHIP"]));
    let review = |acting_as: &Value| {
        json!({
            "actingAs": acting_as, "papersRegular": true, "papersComplete": true,
            "opinion": "材料齐全规范", "evidenceSha256": tests::family::EVIDENCE,
        })
    };
    // What the deputy is shown as open is what the deputy may do.
    for (acting_as, is_yours) in [(&Value::Null, false), (&deputy, true)] {
        let moves =
            "query($case: ID!, $as: ID) { moves(caseId: $case, actingAs: $as) { name yours } }";
        let variables = json!({ "case": journey.case, "as": acting_as });
        let moves = clerk.ask(moves, variables).await;
        let review = json!({ "name": "REVIEW_BY_TOWNSHIP", "yours": is_yours });
        let listed = moves["moves"].as_array().expect("moves");
        assert!(listed.contains(&review), "{listed:?}");
    }
    let own = journey
        .refused(&clerk, "reviewCase", review(&Value::Null))
        .await;
    assert_eq!(own, ["ORG-2 ROLE"]);
    let state = journey.act(&clerk, "reviewCase", review(&deputy)).await;
    assert_eq!(state, "TOWNSHIP_REVIEWED");
    let events = "query($id: ID!) { case(id: $id) { events { name actor actorRole onBehalfOf } } }";
    let events = journey
        .cadre
        .ask(events, json!({ "id": journey.case }))
        .await;
    let last = events["case"]["events"]
        .as_array()
        .and_then(|all| all.last());
    assert_eq!(
        last,
        Some(&json!({
            "name": "TOWNSHIP_REVIEWED", "actor": "clerk-2", "actorRole": "TOWNSHIP_OFFICE",
            "onBehalfOf": journey.office.account,
        }))
    );
    for person in ["clerk-2", journey.office.account.as_str()] {
        let county = sandbox.client_named(person, Role::CountyOfficer, tests::COUNTY);
        assert!(work(&county, json!({})).await.is_empty());
        let refused = journey
            .refused(&county, "confirmComparison", json!({}))
            .await;
        let is_barred = refused.contains(&"ORG-3 COUNTY_IS_A_THIRD_PERSON".to_owned());
        assert!(is_barred, "{refused:?}");
    }
    // A day later the appointment is over.
    sandbox.advance_days(1);
    let over = clerk.send(WORK, json!({ "as": deputy })).await;
    assert_eq!(over.body["errors"][0]["extensions"]["code"], "REFUSED");
    sandbox.stop().await;
}
