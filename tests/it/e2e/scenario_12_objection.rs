//! Scenario 12: somebody objects while the notice hangs; it is looked into and answered in writing, and
//! the notice closes only afterwards (T7o, WF-8).

use kernel::Role;
use serde_json::{Value, json};
use tests::{
    COUNTY, Sandbox, county,
    family::{EVIDENCE, Family},
    journey::Journey,
};

const NOTICE: &str = "query($village: DivisionCode!) { \
    publicNotice(divisionCode: $village, kind: IDENTIFICATION) { title villageName placeNames paragraphs \
    entries { number noticeCode maskedName groupName categoryName reason closableOn noticeDays } } }";

async fn on_notice(sandbox: &Sandbox) -> Journey<'_> {
    let places = county::set_up(sandbox).await;
    let family = Family::default().register(sandbox).await;
    let journey = Journey::declare(sandbox, family, &places).await;
    journey.to_appraised().await;
    journey
}

fn objection(journey: &Journey<'_>) -> Value {
    json!({
        "channel": "IN_PERSON", "anonymous": false, "receivedOn": journey.today(),
        "text": "该户在县城有房", "contact": "李老师,下河村",
    })
}

fn recheck(journey: &Journey<'_>, visitors: [&str; 2]) -> Value {
    json!({ "visitors": visitors, "visitedOn": journey.today(), "evidenceSha256": [EVIDENCE] })
}

fn answer(journey: &Journey<'_>, numbers: &[u32], outcome: &str) -> Value {
    json!({
        "numbers": numbers, "outcome": outcome, "reason": "经查,房屋属其兄所有",
        "objectorInformedOn": journey.today(), "householdInformedOn": journey.today(),
        "evidenceSha256": EVIDENCE,
    })
}

/// Sends a document to the public door, without any account.
async fn knock(sandbox: &Sandbox, body: impl Into<reqwest::Body>) -> (u16, Value, Option<String>) {
    let answer = reqwest::Client::new()
        .post(format!("http://{}/objections", sandbox.http()))
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .expect("the gateway answers");
    let status = answer.status().as_u16();
    let wait = answer.headers().get("retry-after");
    let wait = wait.and_then(|wait| wait.to_str().ok()).map(str::to_owned);
    (status, answer.json().await.expect("JSON"), wait)
}

async fn code_on_the_notice(journey: &Journey<'_>) -> String {
    let village = json!({ "village": county::VILLAGE });
    let notice = journey.cadre.ask(NOTICE, village).await;
    let code = &notice["publicNotice"]["entries"][0]["noticeCode"];
    code.as_str().expect("a code").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_12_an_objection_is_answered_before_the_notice_closes() {
    let sandbox = Sandbox::start().await;
    let journey = on_notice(&sandbox).await;
    let unmet = journey
        .refused(&journey.cadre, "recordObjection", objection(&journey))
        .await;
    assert_eq!(unmet, ["T7o NOTICE_HANGS"]);
    journey.post_everywhere().await;
    sandbox.advance_days(3);
    journey
        .act(&journey.cadre, "recordObjection", objection(&journey))
        .await;

    sandbox.advance_days(4);
    let unmet = journey
        .refused(&journey.cadre, "closeNotice", journey.closing())
        .await;
    assert_eq!(unmet, ["T7o OBJECTIONS_OPEN"]);
    let moves = journey
        .case(
            "objectionsOpen objections { dueOn } moves { name yours roles unmet { code message } }",
        )
        .await;
    assert_eq!(moves["objectionsOpen"], 1);
    let due = sandbox.today() + chrono::Days::new(1);
    assert_eq!(
        moves["objections"][0]["dueOn"],
        json!(due.to_string()),
        "five days for the answer"
    );
    let all = moves["moves"].as_array().expect("moves");
    let on = |name: &str| all.iter().find(|m| m["name"] == name).expect("a move");
    assert_eq!(on("CLOSE_NOTICE")["unmet"][0]["code"], "OBJECTIONS_OPEN");
    assert_eq!(on("RECHECK")["roles"][0], "TOWNSHIP_OFFICE");
    let unmet = journey
        .refused(
            &journey.office,
            "answerObjection",
            answer(&journey, &[1], "DISMISSED"),
        )
        .await;
    assert_eq!(unmet, ["T7o OBJECTION_RECHECKED", "T7o OBJECTIONS_NAMED"]);
    // Whoever had been there does not look into it.
    let same = recheck(&journey, ["township-clerk-1", "grid-worker-1"]);
    let unmet = journey
        .refused(&journey.office, "recheckObjection", same)
        .await;
    assert_eq!(unmet, ["ORG-3 RECHECK_VISITORS"]);
    let others = recheck(&journey, ["township-clerk-1", "township-clerk-2"]);
    journey
        .act(&journey.office, "recheckObjection", others)
        .await;
    let dismissed = answer(&journey, &[1], "DISMISSED");
    let state = journey
        .act(&journey.office, "answerObjection", dismissed)
        .await;
    assert_eq!(state, "ON_NOTICE");
    let state = journey
        .act(&journey.cadre, "closeNotice", journey.closing())
        .await;
    assert_eq!(state, "NOTICE_CLOSED", "its days had gone on");

    let query = "query($id: ID!) { case(id: $id) { objectionsOpen objections { number channel text contact \
                 rechecked: recheckedOn outcome answer } } }";
    let id = json!({ "id": journey.case });
    let expected = |contact: Value| {
        json!({ "case": { "objectionsOpen": 0, "objections": [{
            "number": 1, "channel": "IN_PERSON", "text": "该户在县城有房", "contact": contact,
            "rechecked": journey.today(), "outcome": "DISMISSED", "answer": "经查,房屋属其兄所有",
        }] } })
    };
    let seen = journey.office.ask(query, id.clone()).await;
    assert_eq!(seen, expected(json!("李老师,下河村")));
    let seen = journey.cadre.ask(query, id.clone()).await;
    assert_eq!(
        seen,
        expected(Value::Null),
        "the village does not learn who objected"
    );
    let auditor = sandbox.client(Role::Auditor, COUNTY);
    let denied = auditor.send(query, id.clone()).await;
    assert_eq!(denied.body["data"]["case"]["objections"], Value::Null);
    let code = &denied.body["errors"][0]["extensions"]["code"];
    assert_eq!(code, "PERMISSION_DENIED", "{:#}", denied.body);
    let far = sandbox.client(Role::VillageCadre, county::FAR_VILLAGE);
    assert_eq!(far.ask(query, id).await["case"], Value::Null);
    journey.review().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_12_an_upheld_objection_ends_the_case() {
    let sandbox = Sandbox::start().await;
    let journey = on_notice(&sandbox).await;
    journey.post_everywhere().await;
    journey
        .act(&journey.cadre, "recordObjection", objection(&journey))
        .await;
    let others = recheck(&journey, ["township-clerk-1", "township-clerk-2"]);
    journey
        .act(&journey.office, "recheckObjection", others)
        .await;
    let mut untold = answer(&journey, &[1], "UPHELD");
    untold["householdInformedOn"] = Value::Null;
    let unmet = journey
        .refused(&journey.office, "answerObjection", untold)
        .await;
    assert_eq!(unmet, ["T3x FARMER_INFORMED"]);
    let upheld = answer(&journey, &[1], "UPHELD");
    let state = journey
        .act(&journey.office, "answerObjection", upheld)
        .await;
    assert_eq!(state, "NOT_QUALIFIED");
    let case = journey.case("closedReason objections { outcome }").await;
    let ended =
        json!({ "closedReason": "OBJECTION_UPHELD", "objections": [{ "outcome": "UPHELD" }] });
    assert_eq!(case, ended);
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_12_anybody_objects_through_the_public_door_and_nobody_too_often() {
    let sandbox = Sandbox::start().await;
    let journey = on_notice(&sandbox).await;
    journey.post_everywhere().await;
    let code = code_on_the_notice(&journey).await;
    let request_id = sandbox.request_id();
    let document = |code: &str, text: &str| {
        json!({ "noticeCode": code, "text": text, "requestId": request_id }).to_string()
    };

    let (status, problem, _) = knock(&sandbox, document("00000-00001", "该户在县城有房")).await;
    assert_eq!((status, &problem["code"]), (404, &json!("NOT_FOUND")));
    let (status, problem, _) = knock(&sandbox, document(&code, "假")).await;
    assert_eq!(status, 400, "{problem:#}");
    let violation = &problem["violations"][0];
    assert_eq!(
        (&violation["field"], &violation["code"]),
        (&json!("text"), &json!("TOO_SHORT"))
    );
    let taken = knock(&sandbox, document(&code, "该户在县城有房")).await;
    let due = sandbox.today() + chrono::Days::new(5);
    let expected = json!({ "received": true, "answerDueOn": due.to_string() });
    assert_eq!((taken.0, &taken.1), (202, &expected));
    let again = knock(&sandbox, document(&code, "该户在县城有房")).await;
    assert_eq!(
        (again.0, &again.1),
        (202, &expected),
        "the same answer, one objection"
    );
    let (status, problem, _) = knock(&sandbox, "x".repeat(9000)).await;
    assert_eq!((status, &problem["code"]), (413, &json!("TOO_LARGE")));
    let (status, problem, wait) = knock(&sandbox, document(&code, "该户在县城有房")).await;
    assert_eq!(
        (status, &problem["code"]),
        (429, &json!("TOO_MANY_REQUESTS"))
    );
    let wait: u64 = wait
        .and_then(|wait| wait.parse().ok())
        .expect("when to come back");
    assert!((1..=601).contains(&wait), "{wait}");

    let case = journey
        .case("objectionsOpen objections { channel anonymous text contact }")
        .await;
    let seen = json!({ "objectionsOpen": 1, "objections": [{
        "channel": "PUBLIC_DOOR", "anonymous": true, "text": "该户在县城有房", "contact": null,
    }] });
    assert_eq!(case, seen);
    sandbox.advance_days(7);
    let unmet = journey
        .refused(&journey.cadre, "closeNotice", journey.closing())
        .await;
    assert_eq!(unmet, ["T7o OBJECTIONS_OPEN"]);
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_12_a_notice_that_does_not_hang_is_none_for_the_public() {
    let sandbox = Sandbox::start().await;
    let journey = on_notice(&sandbox).await;
    // Printed, and not put up yet.
    let code = code_on_the_notice(&journey).await;
    let document = json!({ "noticeCode": code, "text": "该户在县城有房" }).to_string();
    let (status, before, _) = knock(&sandbox, document.clone()).await;
    assert_eq!(status, 404, "{before:#}");
    journey.notice().await;
    let (status, after, _) = knock(&sandbox, document).await;
    assert_eq!(status, 404, "{after:#}");
    let (_, unknown, _) = knock(
        &sandbox,
        r#"{"noticeCode":"00000-00001","text":"该户在县城有房"}"#,
    )
    .await;
    let same = |problem: &Value| (problem["title"].clone(), problem["code"].clone());
    assert_eq!(
        same(&before),
        same(&unknown),
        "nothing tells one from the other"
    );
    assert_eq!(same(&after), same(&unknown));
    for malformed in ["", "[]", "{", r#"{"noticeCode":"00000-00001"}"#] {
        let (status, problem, _) = knock(&sandbox, malformed).await;
        assert!([400, 429].contains(&status), "{malformed}: {problem:#}");
    }
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pub1_the_notice_is_masked_in_every_form() {
    let sandbox = Sandbox::start().await;
    let journey = on_notice(&sandbox).await;
    let village = json!({ "village": county::VILLAGE });
    let notice = journey.cadre.ask(NOTICE, village.clone()).await["publicNotice"].clone();
    assert_eq!(
        notice["placeNames"],
        json!(["村委会公示栏", "上河小区"]),
        "{notice:#}"
    );
    let mut entry = notice["entries"][0].clone();
    entry["noticeCode"].take();
    assert_eq!(
        entry,
        json!({
            "number": 1, "noticeCode": null, "maskedName": "张*山", "groupName": "1组",
            "categoryName": "生活严重困难户", "reason": "刚性支出较大", "closableOn": null,
            "noticeDays": 7,
        })
    );
    journey.post_everywhere().await;
    let hanging = journey.cadre.ask(NOTICE, village.clone()).await["publicNotice"].clone();
    let closable = sandbox.today() + chrono::Days::new(7);
    assert_eq!(
        hanging["entries"][0]["closableOn"],
        json!(closable.to_string())
    );
    let code = |notice: &Value| notice["entries"][0]["noticeCode"].clone();
    assert_eq!(
        code(&hanging),
        code(&notice),
        "printed again it has the same code"
    );

    let path = format!(
        "/files/notices/{}?kind=identification&format=",
        county::VILLAGE
    );
    let secrets = [
        "张大山",
        "13800000000",
        "大病",
        &journey.family.id_numbers[0],
    ];
    for format in ["text", "html"] {
        let (status, content) = journey.cadre.get(&format!("{path}{format}")).await;
        assert_eq!(status, 200, "{content}");
        assert!(
            content.contains("张*山") && content.contains("青石乡人民政府"),
            "{content}"
        );
        for secret in secrets {
            assert!(!content.contains(secret), "{format} holds {secret}");
        }
    }
    let (status, content) = journey.cadre.get(&format!("{path}docx")).await;
    assert!(status == 200 && content.starts_with("PK"), "{status}");
    let (status, problem) = journey.cadre.get(&format!("{path}pdf")).await;
    assert!(
        status == 400 && problem.contains("UNKNOWN_CODE"),
        "{problem}"
    );
    let far = sandbox.client(Role::VillageCadre, county::FAR_VILLAGE);
    assert_eq!(far.get(&format!("{path}html")).await.0, 404);
    assert_eq!(far.ask(NOTICE, village).await["publicNotice"], Value::Null);
    let nobody = far.with_token("");
    assert_eq!(nobody.get(&format!("{path}html")).await.0, 401);
    sandbox.stop().await;
}
