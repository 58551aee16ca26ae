//! Income, guarantees and what follows: the numbers of the golden scenarios.

use chassis::testing::new_id;
use proto::{
    households::v1::{households_service_server::HouseholdsService, *},
    r#type::v1::{Category, Guarantee, GuaranteeStatus, Origin},
};

use crate::desk::{Desk, by, cadre, family, wrong};

async fn record(
    desk: &Desk,
    id: &str,
    amounts: &[(IncomeGroup, i64)],
    complete: bool,
) -> Assessment {
    let (from, to) = desk.window();
    let entries = amounts.iter().map(|(group, yuan)| IncomeEntry {
        month: to.clone(),
        group: (*group).into(),
        kind: "合计".to_owned(),
        amount_fen: yuan * 100,
        source: IncomeSource::Visited.into(),
    });
    let request = RecordIncomeRequest {
        request_id: new_id().to_string(),
        household_id: id.to_owned(),
        from_month: from,
        to_month: to.clone(),
        entries: entries.collect(),
        complete,
    };
    let recorded = desk.service.record_income(by(&cadre(), request)).await;
    let recorded = recorded.expect("recorded").into_inner();
    recorded.assessment.expect("an assessment")
}

#[tokio::test]
async fn a_hospital_bill_makes_a_sudden_hardship() {
    let desk = Desk::open().await;
    let id = desk
        .create(family(1))
        .await
        .household
        .expect("a household")
        .id;
    let amounts = [
        (IncomeGroup::Wage, 80_400),
        (IncomeGroup::CompliantOop, 50_000),
    ];
    let assessment = record(&desk, &id, &amounts, true).await;
    assert_eq!(assessment.heads, 5);
    assert_eq!(assessment.net_pc_fen, 1_608_000);
    assert_eq!(assessment.reference_pc_fen, 608_000);
    assert_eq!(assessment.line_fen, 870_000);
    assert!(!assessment.net_below_line && assessment.reference_below_line);
    assert_eq!(assessment.category(), Category::SuddenHardship);

    let entries = ListIncomeRequest {
        household_id: id.clone(),
        from_month: desk.window().0,
        to_month: desk.window().1,
    };
    let entries = desk.service.list_income(by(&cadre(), entries)).await;
    let entries = entries.expect("listed").into_inner().entries;
    assert_eq!(
        entries.iter().map(|e| e.amount_fen).sum::<i64>(),
        13_040_000
    );
    let history = desk.history(&cadre(), &id).await;
    assert!(
        history.iter().any(|line| line.starts_with("income ")),
        "{history:#?}"
    );
    desk.close().await;
}

#[tokio::test]
async fn below_the_line_the_origin_decides_and_without_a_form_nothing_does() {
    let desk = Desk::open().await;
    let general = desk
        .create(family(1))
        .await
        .household
        .expect("a household")
        .id;
    let mut lifted = family(50);
    let household = lifted.household.as_mut().expect("given");
    household.origin = Origin::FormerlyRegistered.into();
    household.lifted_year = 2019;
    let lifted = desk.create(lifted).await.household.expect("a household").id;
    let poor = [
        (IncomeGroup::BusinessIncome, 50_000),
        (IncomeGroup::BusinessExpenditure, 10_000),
    ];
    let first = record(&desk, &general, &poor, true).await;
    assert_eq!(
        (first.net_pc_fen, first.category()),
        (800_000, Category::MarginalVulnerable)
    );
    let second = record(&desk, &lifted, &poor, true).await;
    assert_eq!(second.category(), Category::UnstableEscaped);
    // Taken back: the form is not complete any more.
    let open = record(&desk, &general, &[], false).await;
    assert!(!open.income_complete);
    assert_eq!(open.category(), Category::Unspecified);
    assert_eq!(open.net_income_fen, 0);
    desk.close().await;
}

#[tokio::test]
async fn guarantees_are_safe_when_all_six_were_found_so() {
    let desk = Desk::open().await;
    let id = desk
        .create(family(1))
        .await
        .household
        .expect("a household")
        .id;
    let put = |from: i32, status: GuaranteeStatus| {
        let findings = (from..=6).map(|guarantee| GuaranteeFinding {
            guarantee,
            status: status.into(),
            checked_on: desk.today().to_string(),
            remark: String::new(),
        });
        RecordGuaranteesRequest {
            request_id: new_id().to_string(),
            household_id: id.clone(),
            findings: findings.collect(),
        }
    };
    let record = |request| desk.service.record_guarantees(by(&cadre(), request));
    let five = record(put(2, GuaranteeStatus::Safe))
        .await
        .expect("recorded")
        .into_inner();
    let five = five.assessment.expect("an assessment");
    assert!(!five.guarantees_complete && !five.guarantees_safe);
    record(put(1, GuaranteeStatus::Safe))
        .await
        .expect("recorded");
    assert!(
        desk.facts(&id)
            .await
            .assessment
            .expect("one")
            .guarantees_safe
    );
    let unsafe_water = record(put(6, GuaranteeStatus::Unsafe))
        .await
        .expect("recorded");
    let assessment = unsafe_water.into_inner().assessment.expect("an assessment");
    assert!(assessment.guarantees_complete && !assessment.guarantees_safe);
    assert_eq!(assessment.guarantees[5].guarantee(), Guarantee::SafeWater);

    let mut twice = put(6, GuaranteeStatus::Safe);
    twice.findings.push(twice.findings[0].clone());
    assert_eq!(
        wrong(record(twice).await),
        ["findings[1].guarantee DUPLICATE"]
    );
    desk.close().await;
}
