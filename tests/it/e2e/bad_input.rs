//! Bad input: every fault is named by its field, in the caller's language; nothing is stored; the
//! platform goes on.

use std::time::Duration;

use kernel::Role;
use serde_json::{Value, json};
use tests::{Client, Sandbox, county, family, family::Family};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn household() -> Value {
    json!({ "divisionCode": county::VILLAGE, "groupNumber": 1, "origin": "GENERAL" })
}

fn member(id_number: &str) -> Value {
    json!({
        "name": "张大山", "idNumber": id_number, "isHead": true, "relation": "户主",
        "registered": true, "resident": true, "sharesIncome": true,
        "labourCapacity": "ORDINARY", "health": "健康", "schooling": "非在校生",
    })
}

fn with(mut value: Value, field: &str, changed: Value) -> Value {
    value[field] = changed;
    value
}

/// The faults of a mutation, `field CODE`, each with a sentence.
async fn faults(client: &Client, mutation: &str, input: Value) -> Vec<String> {
    let payload = client.mutate(mutation, input, "").await;
    let violations = payload["violations"].as_array().expect("violations");
    let told = violations.iter().map(|violation| {
        let text = |field: &str| violation[field].as_str().unwrap_or_default().to_owned();
        assert!(
            !text("message").is_ascii(),
            "a Chinese sentence: {violation}"
        );
        format!("{} {}", text("field"), text("code"))
    });
    told.collect()
}

async fn count(client: &Client) -> Value {
    let data = client.ask("{ households { totalCount } }", json!({})).await;
    data["households"]["totalCount"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_field_is_named_and_nothing_is_stored() {
    let sandbox = Sandbox::start().await;
    county::set_up(&sandbox).await;
    let there = Family::default().register(&sandbox).await;
    let cadre = sandbox.client(Role::VillageCadre, county::VILLAGE);
    let before = count(&cadre).await;
    let good = family::id_number();
    let mut wrong_check = good.clone();
    let last = wrong_check.pop();
    wrong_check.push(if last == Some('0') { '1' } else { '0' });

    let create =
        |household: Value, member: Value| json!({ "household": household, "members": [member] });
    let line = |month: &str, amount: &str| {
        json!({
            "householdId": there.id, "fromMonth": month, "toMonth": month, "complete": false,
            "entries": [{ "month": month, "group": "WAGE", "kind": "务工", "amount": amount,
                          "source": "VISITED" }],
        })
    };
    let finding = json!([{ "guarantee": "FOOD", "status": "SAFE", "checkedOn": "2027-01-01" }]);
    let cases = [
        // An unknown division.
        (
            "createHousehold",
            create(
                with(household(), "divisionCode", json!("999999001077")),
                member(&good),
            ),
            "household.divisionCode UNKNOWN_DIVISION",
        ),
        (
            "createHousehold",
            create(
                with(household(), "divisionCode", json!("12")),
                member(&good),
            ),
            "household.divisionCode MALFORMED",
        ),
        // A wrong check digit, a number of before 1999, one that is known.
        (
            "createHousehold",
            create(household(), member(&wrong_check)),
            "members[0].idNumber ID_CHECK_DIGIT",
        ),
        (
            "createHousehold",
            create(household(), member("999999800601001")),
            "members[0].idNumber ID_FIFTEEN_DIGITS",
        ),
        (
            "createHousehold",
            create(household(), member(&there.id_numbers[0])),
            "members[0].idNumber DUPLICATE_ID_NUMBER",
        ),
        // A text that is far too long for a name, though not for a request.
        (
            "createHousehold",
            create(
                household(),
                with(member(&good), "name", json!("长".repeat(20_000))),
            ),
            "members[0].name TOO_LONG",
        ),
        (
            "recordIncome",
            line("2026-02", "-5.00"),
            "entries[0].amount AMOUNT",
        ),
        (
            "recordIncome",
            line("2026-02", "1.234"),
            "entries[0].amount AMOUNT",
        ),
        (
            "recordIncome",
            line("2026-12", "5.00"),
            "toMonth MONTH_IN_FUTURE",
        ),
        (
            "recordGuarantees",
            json!({ "householdId": there.id, "findings": finding }),
            "findings[0].checkedOn DATE_IN_FUTURE",
        ),
    ];
    for (mutation, input, expected) in cases {
        let told = faults(&cadre, mutation, input).await;
        assert!(told.contains(&expected.to_owned()), "{expected}: {told:?}");
    }
    // Several faults are told at once.
    let both = create(household(), with(member(&wrong_check), "name", json!("")));
    let told = faults(&cadre, "createHousehold", both).await;
    assert!(told.len() >= 2, "{told:?}");
    assert_eq!(count(&cadre).await, before);
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_schema_does_not_know_is_refused_before_anything_is_asked() {
    let sandbox = Sandbox::start().await;
    county::set_up(&sandbox).await;
    let cadre = sandbox
        .client(Role::VillageCadre, county::VILLAGE)
        .in_english();
    let document = "mutation($input: CreateHouseholdInput!) { \
                    createHousehold(input: $input) { household { id } } }";
    let request = sandbox.request_id();
    let input = |origin: &str, name: String| {
        json!({ "input": {
            "requestId": request, "household": with(household(), "origin", json!(origin)),
            "members": [with(member(&family::id_number()), "name", json!(name))],
        } })
    };
    let unknown = cadre
        .send(document, input("NOWHERE", "张大山".to_owned()))
        .await;
    let text = unknown.body["errors"][0].to_string();
    assert!(
        text.contains("origin") && text.contains("DOCUMENT_INVALID"),
        "{text}"
    );
    // Two megabytes of a name.
    let large = cadre
        .send(document, input("GENERAL", "x".repeat(2_000_000)))
        .await;
    assert_eq!(large.status, 413);
    assert_eq!(large.body["errors"][0]["extensions"]["code"], "TOO_LARGE");
    let foreign = cadre.clone().with_token("e30.e30.e30");
    let answer = foreign
        .send(document, input("GENERAL", "张大山".to_owned()))
        .await;
    assert_eq!(answer.status, 401);
    assert_eq!(count(&cadre).await, json!(0));
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_version_is_told_and_changes_nothing() {
    let sandbox = Sandbox::start().await;
    county::set_up(&sandbox).await;
    let there = Family::default().register(&sandbox).await;
    let cadre = sandbox.client(Role::VillageCadre, county::VILLAGE);
    let query = "query($id: ID!) { household(id: $id) { version phone } }";
    let read = cadre.ask(query, json!({ "id": there.id })).await;
    let version = read["household"]["version"].clone();
    let update = |phone: &str| {
        let mut input = household();
        input["id"] = json!(there.id);
        input["version"] = version.clone();
        input["phone"] = json!(phone);
        input
    };
    cadre
        .accepted(
            "updateHousehold",
            update("13800000001"),
            "household { version }",
        )
        .await;
    let document = "mutation($input: UpdateHouseholdInput!) { \
                    updateHousehold(input: $input) { household { version } } }";
    let late = with(
        update("13800000002"),
        "requestId",
        json!(sandbox.request_id()),
    );
    let answer = cadre.send(document, json!({ "input": late })).await;
    let error = &answer.body["errors"][0];
    assert_eq!(
        error["extensions"]["code"], "VERSION_CONFLICT",
        "{:#}",
        answer.body
    );
    let read = cadre.ask(query, json!({ "id": there.id })).await;
    assert_eq!(read["household"]["phone"], "13800000001");
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_breaks_off_stores_nothing() {
    let sandbox = Sandbox::start().await;
    county::set_up(&sandbox).await;
    let officer = sandbox.client(Role::CountyOfficer, tests::COUNTY);
    let story = demo::Story::new(1, sandbox.today()).expect("a story");
    let sheet = story.sheet.content.as_bytes();
    let key = sandbox.request_id();
    let mut socket = tokio::net::TcpStream::connect(sandbox.http())
        .await
        .expect("connected");
    let head = format!(
        "PUT /files/households?fileName=a.csv HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
         idempotency-key: {key}\r\ncontent-length: {}\r\n\r\n",
        officer.token(),
        sheet.len() + 1000,
    );
    socket.write_all(head.as_bytes()).await.expect("sent");
    socket.write_all(sheet).await.expect("sent");
    // The client is gone before the last thousand bytes.
    socket.shutdown().await.expect("closed");
    let mut answer = String::new();
    let reading = socket.read_to_string(&mut answer);
    let _ = tokio::time::timeout(Duration::from_secs(10), reading).await;
    assert!(!answer.contains("householdsCreated"), "{answer}");
    assert_eq!(count(&officer).await, json!(0));
    // The whole file goes in under the same key.
    let report = officer
        .upload("households?fileName=a.csv", sheet.to_vec())
        .await;
    assert_eq!(report["householdsCreated"], 1, "{report:#}");
    assert_eq!(count(&officer).await, json!(1));
    sandbox.stop().await;
}

/// The service refuses before it has read anything; a client that is still sending then would see a broken
/// connection if the gateway did not let it end.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_while_sending_reads_why() {
    let sandbox = Sandbox::start().await;
    county::set_up(&sandbox).await;
    let cadre = sandbox.client(Role::VillageCadre, county::VILLAGE);
    let officer = sandbox.client(Role::CountyOfficer, tests::COUNTY);
    let file = vec![b'x'; 8 * 1024 * 1024];
    for (who, key, expected) in [
        (&cadre, sandbox.request_id(), 403),
        (&officer, "no id".to_owned(), 400),
    ] {
        let mut socket = tokio::net::TcpStream::connect(sandbox.http())
            .await
            .expect("connected");
        let head = format!(
            "PUT /files/alerts?department=medical_insurance HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             authorization: Bearer {}\r\nidempotency-key: {key}\r\ncontent-length: {}\r\n\r\n",
            who.token(),
            file.len(),
        );
        socket.write_all(head.as_bytes()).await.expect("sent");
        let (first, rest) = file.split_at(64 * 1024);
        socket.write_all(first).await.expect("sent");
        tokio::time::sleep(Duration::from_millis(500)).await;
        socket.write_all(rest).await.expect("sent");
        let mut answer = String::new();
        let read = socket.read_to_string(&mut answer).await;
        read.expect("an answer");
        let status = format!("HTTP/1.1 {expected} ");
        assert!(answer.starts_with(&status), "{answer}");
    }
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_rows_of_a_sheet_are_named_in_chinese_and_good_ones_go_in() {
    let sandbox = Sandbox::start().await;
    county::set_up(&sandbox).await;
    let officer = sandbox.client(Role::CountyOfficer, tests::COUNTY);
    let good = demo::Story::new(2, sandbox.today())
        .expect("a story")
        .sheet
        .content;
    let bad = demo::Story::new(3, sandbox.today()).expect("a story");
    let number = bad.household.head().id_number.expose().to_owned();
    let bad_rows = bad.sheet.content.replace(&number, "999999198001010000");
    let bad_rows: String = bad_rows
        .lines()
        .skip(1)
        .map(|row| format!("{row}\n"))
        .collect();
    let report = officer
        .upload(
            "households?fileName=a.csv",
            format!("{good}{bad_rows}").into_bytes(),
        )
        .await;
    assert_eq!(report["householdsCreated"], 1, "{report:#}");
    let error = &report["errors"][0];
    assert_eq!(error["column"], "证件号码", "{report:#}");
    assert!(error["row"].as_i64().expect("a row") > 1);
    assert!(!error["reason"].as_str().expect("a reason").is_ascii());
    assert!(
        !report.to_string().contains("999999198001010000"),
        "a report names no number"
    );
    // A file that is no sheet brings nothing, and says why.
    let (status, told) = officer
        .put(
            "households?fileName=a.csv",
            b"\xff\xfe\x00nonsense".to_vec(),
        )
        .await;
    assert_eq!((status, &told["code"]), (400, &json!("INVALID_INPUT")));
    assert_eq!(told["violations"][0]["field"], "file", "{told:#}");
    assert_eq!(count(&officer).await, json!(1));
    sandbox.stop().await;
}
