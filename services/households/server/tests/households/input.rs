//! Bad input is refused with the path of every bad field, and nothing is stored.

use chassis::testing::new_id;
use proto::{
    households::v1::{households_service_server::HouseholdsService, *},
    r#type::v1::{Origin, Risk, RiskType},
};

use crate::desk::{Desk, admin, by, cadre, family, id_number, wrong};

#[tokio::test]
async fn every_bad_field_is_named() {
    let desk = Desk::open().await;
    let s = &desk.service;
    let mut request = family(1);
    let household = request.household.as_mut().expect("given");
    household.division_code = "999999001".to_owned();
    household.group_number = 100;
    household.origin = Origin::FormerlyRegistered.into();
    household.phone = "123".to_owned();
    household.risks = vec![
        Risk {
            r#type: RiskType::NaturalDisaster.into(),
            ..Risk::default()
        };
        2
    ];
    request.members[0].id_number = id_number("19800101", 1).replace("999999", "99999A");
    request.members[1].id_number = "999999800101001".to_owned();
    request.members[2].id_number = "9.99999198001011E+17".to_owned();
    request.members[3].name = "\u{7}".to_owned();
    request.members[4].labour_capacity = 99;
    assert_eq!(
        wrong(s.create_household(by(&cadre(), request)).await),
        [
            "household.division_code MALFORMED",
            "members[0].id_number ID_CHARACTERS",
            "members[1].id_number ID_FIFTEEN_DIGITS",
            "members[2].id_number ID_SPREADSHEET_FLOAT",
            "members[3].name CONTROL_CHARACTER",
            "members[4].labour_capacity UNKNOWN_CODE",
        ]
    );
    let mut request = family(1);
    let household = request.household.as_mut().expect("given");
    household.group_number = 100;
    household.origin = Origin::FormerlyRegistered.into();
    household.phone = "123".to_owned();
    household.risks = vec![
        Risk {
            r#type: RiskType::NaturalDisaster.into(),
            ..Risk::default()
        };
        2
    ];
    request.members[1].is_head = true;
    request.members[2].id_number = request.members[3].id_number.clone();
    assert_eq!(
        wrong(s.create_household(by(&cadre(), request)).await),
        [
            "household.group_number GROUP_NUMBER",
            "household.lifted_year LIFTED_YEAR",
            "household.phone PHONE",
            "household.risks[0].sub_code DISASTER_SUB_CODE",
            "household.risks[1].sub_code DISASTER_SUB_CODE",
            "household.risks[1].type DUPLICATE",
            "members EXACTLY_ONE_HEAD",
            "members[1].relation HEAD_RELATION",
            "members[3].id_number DUPLICATE_ID_NUMBER",
        ]
    );
    let mut request = family(1);
    request.household.as_mut().expect("given").division_code = "999999001009".to_owned();
    let office = chassis::testing::caller(kernel::Role::TownshipOffice, "999999001000");
    assert_eq!(
        wrong(s.create_household(by(&office, request)).await),
        ["household.division_code UNKNOWN_DIVISION"]
    );
    let request = RecordIncomeRequest {
        request_id: new_id().to_string(),
        household_id: "7".to_owned(),
        from_month: "2026-06".to_owned(),
        to_month: "2999-05".to_owned(),
        entries: vec![IncomeEntry {
            month: "2026-13".to_owned(),
            amount_fen: -1,
            ..IncomeEntry::default()
        }],
        complete: true,
    };
    assert_eq!(
        wrong(s.record_income(by(&cadre(), request)).await),
        [
            "household_id MALFORMED",
            "to_month TOO_MANY",
            "to_month MONTH_IN_FUTURE",
            "entries[0].month MONTH",
            "entries[0].group UNKNOWN_CODE",
            "entries[0].kind REQUIRED",
            "entries[0].amount_fen AMOUNT",
            "entries[0].source UNKNOWN_CODE",
        ]
    );
    let request = PutDivisionRequest {
        division: Some(Division {
            code: "999999003001".to_owned(),
            name: "三村".to_owned(),
            valid_from: "2020-01-01".to_owned(),
            ..Division::default()
        }),
    };
    assert_eq!(
        wrong(s.put_division(by(&admin(), request)).await),
        ["division.code UNKNOWN_PARENT"]
    );
    let request = BatchGetHouseholdsRequest {
        ids: vec!["x".to_owned(); 101],
    };
    let answer = wrong(s.batch_get_households(by(&cadre(), request)).await);
    assert_eq!(answer[0], "ids TOO_MANY");
    let list = ListHouseholdsRequest::default();
    let list = s.list_households(by(&cadre(), list)).await.expect("listed");
    assert_eq!(list.into_inner().households, [], "nothing was stored");
    desk.close().await;
}
