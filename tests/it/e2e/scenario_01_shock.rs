//! Scenario 1: an illness that costs 50 000 on an income of 80 400 for five.

use kernel::Role;
use serde_json::json;
use tests::{Sandbox, county, family::Family};

#[tokio::test(flavor = "multi_thread")]
async fn scenario_01_reference_income_below_the_line_is_sudden_hardship() {
    let sandbox = Sandbox::start().await;
    county::set_up(&sandbox).await;
    let family = Family::default().register(&sandbox).await;

    let cadre = sandbox.client(Role::VillageCadre, county::VILLAGE);
    let query = "query($id: ID!) { household(id: $id) { assessment { \
                 line netPc referencePc netBelowLine referenceBelowLine category } } }";
    let data = cadre.ask(query, json!({ "id": family.id })).await;
    assert_eq!(
        data["household"]["assessment"],
        json!({
            "line": "8700.00", "netPc": "16080.00", "referencePc": "6080.00",
            "netBelowLine": false, "referenceBelowLine": true, "category": "SUDDEN_HARDSHIP",
        })
    );
    sandbox.stop().await;
}
