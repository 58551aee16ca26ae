//! Nobody sees anything outside the own scope: no query, list, search, subscription or count.

use std::collections::BTreeSet;

use backstop::issuer::Account;
use kernel::{Code, DivisionCode, Role};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Value, json};
use tests::{
    Sandbox, county,
    family::{Family, Registered},
    journey::Journey,
};

/// Where rows are, and from where they are looked at: a county, two townships, three villages, and
/// divisions in which nothing is.
const DIVISIONS: [&str; 8] = [
    tests::COUNTY,
    county::TOWNSHIP,
    county::VILLAGE,
    county::OTHER_VILLAGE,
    county::OTHER_TOWNSHIP,
    county::FAR_VILLAGE,
    "999999003000",
    "999999001009",
];

struct Row {
    division: DivisionCode,
    family: Registered,
    case: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_outside_the_scope_is_seen_by_any_role() {
    let sandbox = Sandbox::start().await;
    let places = county::set_up(&sandbox).await;
    let mut rows = Vec::new();
    for village in [county::VILLAGE, county::OTHER_VILLAGE, county::FAR_VILLAGE] {
        for _ in 0..2 {
            let family = Family {
                village,
                size: 2,
                ..Family::default()
            }
            .register(&sandbox)
            .await;
            let journey = Journey::declare(&sandbox, family.clone(), &places).await;
            let division = village.parse().expect("a division");
            rows.push(Row {
                division,
                family,
                case: journey.case,
            });
        }
    }
    let roles: Vec<Role> = Role::ALL
        .iter()
        .copied()
        .filter(|role| *role != Role::Service)
        .collect();
    let viewpoints = (
        prop::sample::select(roles),
        prop::sample::select(DIVISIONS.to_vec()),
    );
    let mut runner = TestRunner::default();
    for _ in 0..48 {
        let (role, division) = viewpoints
            .new_tree(&mut runner)
            .expect("a viewpoint")
            .current();
        look_around(&sandbox, &rows, role, division).await;
    }
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_with_a_division_is_under_forced_row_level_security() {
    let sandbox = Sandbox::start().await;
    let mut owner = sandbox.database().owner().await;
    // Dictionaries say where villages are and what the line is: they tell of nobody.
    let open: Vec<String> = sqlx::query_scalar(
        "select format('%s.%s', n.nspname, c.relname) from pg_class c \
         join pg_namespace n on n.oid = c.relnamespace \
         join pg_attribute a on a.attrelid = c.oid and a.attname = 'division_code' \
         where n.nspname in ('households', 'comparison', 'measures', 'workflow') \
           and c.relkind in ('r', 'p') and not (c.relrowsecurity and c.relforcerowsecurity) \
           and c.relname not in ('divisions', 'monitoring_lines', 'notice_places', 'village_groups')",
    )
    .fetch_all(&mut owner)
    .await
    .expect("asked");
    assert!(open.is_empty(), "{open:?}");
    sandbox.stop().await;
}

async fn look_around(sandbox: &Sandbox, rows: &[Row], role: Role, division: &str) {
    let scope: DivisionCode = division.parse().expect("a division");
    let mut account = Account::new(role, scope);
    if role == Role::DepartmentLiaison {
        account = account.of_department("medical_insurance");
    }
    let viewer = sandbox.client_of(&account);
    let inside: BTreeSet<&str> = rows
        .iter()
        .filter(|row| scope.contains(&row.division))
        .map(|row| row.family.id.as_str())
        .collect();
    let place = format!("{} of {division}", role.as_str());

    // Lists, searches and counts.
    let lists = "query { \
        households(first: 100) { totalCount nodes { id divisionCode } } \
        found: households(first: 100, headNameContains: \"张大\") { totalCount nodes { id divisionCode } } \
        cases(first: 100) { totalCount nodes { id divisionCode household { id } } } \
        leads(first: 100) { nodes { id divisionCode } } \
        alerts(first: 100) { nodes { id divisionCode } } }";
    let answer = viewer.send(lists, json!({})).await;
    assert_divisions(&answer.body, &scope, &place);
    for list in ["households", "found"] {
        let nodes = &answer.body["data"][list]["nodes"];
        let seen: BTreeSet<&str> = nodes
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|n| n["id"].as_str())
            .collect();
        assert!(seen.is_subset(&inside), "{place}: {list}");
        if let Some(count) = answer.body["data"][list]["totalCount"].as_u64() {
            assert_eq!(
                count as usize,
                seen.len(),
                "{place}: the count of {list} tells of others"
            );
        }
    }
    // By id, and by the number of a person: what is outside is not there.
    for row in rows.iter().filter(|row| !scope.contains(&row.division)) {
        for (document, variables) in [
            (
                "query($id: ID!) { household(id: $id) { id } }",
                json!({ "id": row.family.id }),
            ),
            (
                "query($id: ID!) { case(id: $id) { id } }",
                json!({ "id": row.case }),
            ),
            (
                "query($id: ID!) { node(id: $id) { id } }",
                json!({ "id": row.family.id }),
            ),
            (
                "query($id: ID!) { node(id: $id) { id } }",
                json!({ "id": row.case }),
            ),
            (
                "query($id: [ID!]!) { nodes(ids: $id) { id } }",
                json!({ "id": [row.family.id, row.case] }),
            ),
            (
                "query($n: String!) { findHousehold(idNumber: $n) { id } }",
                json!({ "n": row.family.id_numbers[0] }),
            ),
        ] {
            let answer = viewer.send(document, variables).await;
            let text = answer.body["data"].to_string();
            for id in [&row.family.id, &row.case] {
                assert!(!text.contains(id.as_str()), "{place}: {document}");
            }
        }
    }
}

/// Every `divisionCode` in an answer lies inside the scope.
fn assert_divisions(value: &Value, scope: &DivisionCode, place: &str) {
    match value {
        Value::Object(fields) => {
            if let Some(code) = fields.get("divisionCode").and_then(Value::as_str) {
                let code: DivisionCode = code.parse().expect("a division");
                assert!(scope.contains(&code), "{place} sees something of {code}");
            }
            fields
                .values()
                .for_each(|field| assert_divisions(field, scope, place));
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| assert_divisions(item, scope, place)),
        _ => {}
    }
}
