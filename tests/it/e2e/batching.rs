//! The village page: fifty households with members and current cases cost three statements, however
//! many connections there are.

use kernel::Role;
use serde_json::{Value, json};
use tests::{Sandbox, county, family::Family, journey::Journey};

const HOUSEHOLDS: usize = 50;
const PAGE: &str = "query { households(first: 50) { nodes { id headName \
                    members { personId name } currentCase { id state } } } }";

async fn statements_of_a_page(connections: u32) {
    let (sandbox, statements) = Sandbox::start_watched(connections).await;
    let places = county::set_up(&sandbox).await;
    for number in 0..HOUSEHOLDS {
        let family = Family {
            size: 1 + number % 3,
            ..Family::default()
        }
        .register_bare(&sandbox)
        .await;
        if number % 10 == 0 {
            Journey::declare(&sandbox, family, &places).await;
        }
    }
    let cadre = sandbox.client(Role::VillageCadre, county::VILLAGE);
    // Once before: connections are open and statements prepared.
    cadre.ask(PAGE, json!({})).await;

    let village = county::VILLAGE.parse().expect("a division");
    statements.clear();
    let page = cadre.ask(PAGE, json!({})).await;
    let heard = statements.of_data(&village);
    assert_eq!(heard.len(), 3, "{heard:#?}");

    let nodes = page["households"]["nodes"].as_array().expect("nodes");
    assert_eq!(nodes.len(), HOUSEHOLDS);
    let members: usize = nodes
        .iter()
        .map(|n| n["members"].as_array().map_or(0, Vec::len))
        .sum();
    assert_eq!(
        members,
        (0..HOUSEHOLDS).map(|number| 1 + number % 3).sum::<usize>()
    );
    assert_eq!(
        nodes
            .iter()
            .filter(|node| !node["currentCase"].is_null())
            .count(),
        5
    );
    let fields: Vec<&String> = nodes[0]
        .as_object()
        .map(|o: &serde_json::Map<String, Value>| o.keys().collect())
        .expect("an object");
    assert_eq!(fields.len(), 4);
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_fifty_costs_three_statements_on_one_connection() {
    statements_of_a_page(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_fifty_costs_three_statements_on_sixteen_connections() {
    statements_of_a_page(16).await;
}
