//! A case whose nine departments all look up for themselves: questions out, answers back, and nothing told
//! beyond them (CMP-4, CMP-5, CMP-8).

use backstop::issuer::Account;
use comparison_query::{department, request, token::Keys};
use kernel::{Code as _, ItemKind, Role};
use serde_json::json;
use tests::{Sandbox, client::Client, county, family::Family, journey::Journey};

const COUNTY: &str = "999999000000";

/// The liaison of the department that has an item.
fn liaison(sandbox: &Sandbox, item: ItemKind) -> Client {
    let division = COUNTY.parse().expect("a division");
    sandbox.client_of(&Account {
        department: Some(demo::department_of(item).to_owned()),
        ..Account::new(Role::DepartmentLiaison, division)
    })
}

/// What the department answers from its register, and whom it was asked about.
async fn answer(sandbox: &Sandbox, liaison: &Client, item: ItemKind, register: &str) -> String {
    let (status, keys) = liaison.get("/.well-known/backstop-query-keys.json").await;
    assert_eq!(status, 200, "{keys}");
    let keys = Keys::parse(&keys).expect("the county's keys");
    let (status, file) = liaison.request_file(&item.as_str().to_lowercase()).await;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&file));
    let department = demo::department_of(item).parse().expect("a department");
    let asked = request::read(&*file, &keys, &department, item, sandbox.now()).expect("a request");
    assert_eq!(
        (asked.refused.len(), asked.questions.is_empty()),
        (0, false)
    );
    let mut result = Vec::new();
    department::answer(item, &asked.questions, register.as_bytes(), &mut result).expect("answered");
    String::from_utf8(result).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn nine_departments_answer_for_themselves_and_the_case_is_compared() {
    let sandbox = Sandbox::start().await;
    let places = county::set_up(&sandbox).await;
    let family = Family::default().register(&sandbox).await;
    let journey = Journey::declare(&sandbox, family, &places).await;
    journey.to_notice_closed().await;
    journey.review().await;
    journey.comparison_open().await;

    let head = &journey.family.id_numbers[0];
    let mut results = Vec::new();
    for &item in ItemKind::ALL {
        let liaison = liaison(&sandbox, item);
        let mut register = demo::item_columns(item).join(",") + "\n";
        if item == ItemKind::BankDeposit {
            register.push_str(&format!("{head},张大山,612345.67\n"));
        }
        let result = answer(&sandbox, &liaison, item, &register).await;
        assert!(!result.contains("612345.67"), "{result}");
        let path = format!(
            "results/{}?department={}&dataDate={}&fileName=result.csv",
            item.as_str().to_lowercase(),
            demo::department_of(item),
            journey.today(),
        );
        let report = liaison.upload(&path, result.clone().into_bytes()).await;
        assert_eq!(report["rowsRefused"], 0, "{report}");
        results.push((path, result));
    }
    let case = journey
        .case(
            "comparison { complete hits { id ruleId evidence }
               items { received personsUnanswered personsCompared } }",
        )
        .await;
    let comparison = &case["comparison"];
    assert_eq!(comparison["complete"], true, "{case}");
    assert_eq!(comparison["hits"][0]["ruleId"], "C-DEP-01", "{case}");
    assert_eq!(
        comparison["hits"][0]["evidence"],
        json!(["balance_band=500000-"])
    );

    // Another department's answers are nobody's to give.
    let (path, result) = &results[0];
    let stranger = liaison(&sandbox, ItemKind::Vehicle);
    let (status, refused) = stranger.put(path, result.clone().into_bytes()).await;
    assert_eq!(status, 400, "{refused}");
    let (status, _) = stranger.request_file("bank_deposit").await;
    assert_eq!(status, 400);
    let (status, _) = stranger.request_file("nothing").await;
    assert_eq!(status, 400);
    let cadre = sandbox.client(Role::VillageCadre, county::VILLAGE);
    let (status, _) = cadre.request_file("vehicle").await;
    assert_eq!(status, 403);

    let hit = comparison["hits"][0]["id"].as_str().expect("an id");
    let decision = json!({ "hitId": hit, "outcome": "CLEARED", "reason": "征地补偿款,已核实" });
    journey
        .officer
        .accepted("decideHit", decision, "hit { outcome }")
        .await;
    journey.confirm().await;
    sandbox.stop().await;
}
