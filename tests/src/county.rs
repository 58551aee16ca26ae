//! A small county: two townships, three villages, the places where notices hang, the line.

use kernel::Role;
use serde_json::json;

use crate::{
    COUNTY, Client, Sandbox,
    family::{EVIDENCE, PAPER},
};

/// First township.
pub const TOWNSHIP: &str = "999999001000";
/// Its first village: notices hang at two places.
pub const VILLAGE: &str = "999999001001";
/// Its second village: only the committee.
pub const OTHER_VILLAGE: &str = "999999001002";
/// Another township.
pub const OTHER_TOWNSHIP: &str = "999999002000";
/// A village of the other township.
pub const FAR_VILLAGE: &str = "999999002001";
/// The monitoring line in yuan.
pub const LINE: &str = "8700.00";

/// Ids of the notice places of [`VILLAGE`].
#[derive(Debug, Clone)]
pub struct Places {
    /// The committee's board.
    pub committee: String,
    /// A concentration of 25 households: required (S30).
    pub concentration: String,
}

/// Sets the county up.
///
/// # Panics
/// Something is refused.
pub async fn set_up(sandbox: &Sandbox) -> Places {
    let officer = sandbox.client(Role::CountyOfficer, COUNTY);
    divisions(&officer).await;
    let line = json!({
        "divisionCode": COUNTY, "effectiveFrom": "2020-01-01", "amount": LINE,
        "legalBasis": "县防返贫监测线",
    });
    officer
        .accepted("putMonitoringLine", line, "line { amount }")
        .await;
    let committee = place(sandbox, VILLAGE, "COMMITTEE", "村委会公示栏", 0).await;
    let concentration = place(sandbox, VILLAGE, "CONCENTRATION", "上河小区", 25).await;
    place(sandbox, VILLAGE, "CONCENTRATION", "河湾", 12).await;
    place(sandbox, OTHER_VILLAGE, "COMMITTEE", "村委会公示栏", 0).await;
    place(sandbox, FAR_VILLAGE, "COMMITTEE", "村委会公示栏", 0).await;
    for village in [VILLAGE, OTHER_VILLAGE, FAR_VILLAGE] {
        let cadre = sandbox.client(Role::VillageCadre, village);
        let path = format!("evidence?divisionCode={village}");
        let stored = cadre.upload(&path, PAPER.to_vec()).await;
        assert_eq!(stored["sha256"], EVIDENCE);
    }
    Places {
        committee,
        concentration,
    }
}

async fn place(
    sandbox: &Sandbox,
    village: &str,
    kind: &str,
    name: &str,
    households: i32,
) -> String {
    let officer = sandbox.client(Role::TownshipOffice, &format!("{}000", &village[..9]));
    let place = json!({
        "divisionCode": village, "kind": kind, "name": name, "householdCount": households,
        "validFrom": "2020-01-01",
    });
    let payload = officer
        .accepted("putNoticePlace", place, "place { id }")
        .await;
    payload["place"]["id"].as_str().expect("an id").to_owned()
}

/// Puts the county's divisions.
///
/// # Panics
/// One is refused.
pub async fn divisions(officer: &Client) {
    for (code, name, level) in [
        (COUNTY, "测试县", "COUNTY"),
        (TOWNSHIP, "青石乡", "TOWNSHIP"),
        (VILLAGE, "上河村", "VILLAGE"),
        (OTHER_VILLAGE, "下河村", "VILLAGE"),
        (OTHER_TOWNSHIP, "白云镇", "TOWNSHIP"),
        (FAR_VILLAGE, "云顶村", "VILLAGE"),
    ] {
        let division = json!({
            "code": code, "name": name, "level": level, "validFrom": "2020-01-01",
            "groups": if level == "VILLAGE" { json!([{ "number": 1, "name": "1组" }, { "number": 2, "name": "2组" }]) } else { json!([]) },
        });
        officer
            .accepted("putDivision", division, "division { code }")
            .await;
    }
}
