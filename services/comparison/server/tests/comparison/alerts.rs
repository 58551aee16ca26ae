//! Alert batches: which rows become alerts, which are bad, and who is left in peace.

use chassis::{
    error::Error,
    testing::{caller, new_id},
};
use kernel::Role;
use proto::{
    comparison::v1::{
        AlertRule, ListAlertRulesRequest, ListAlertsRequest, PutAlertRuleRequest,
        comparison_service_server::ComparisonService,
    },
    r#type::v1::{RiskType, Severity, SubjectClass},
};

use crate::desk::{
    COUNTY, Desk, OTHER_VILLAGE, People, Person, VILLAGE, by, error, header, liaison, number,
    officer,
};

pub fn stays(rows: &[(&str, &str)]) -> String {
    let rows = rows
        .iter()
        .map(|(number, yuan)| format!("{number},{yuan},{yuan}\n"));
    format!("id_number,stay_oop,ytd_oop\n{}", rows.collect::<String>())
}

pub fn medical(desk: &Desk) -> proto::comparison::v1::BatchHeader {
    proto::comparison::v1::BatchHeader {
        row_kind: "medical_expense".to_owned(),
        ..header(desk, "medical_insurance")
    }
}

#[tokio::test]
async fn a_stay_in_hospital_raises_an_alert_by_what_the_household_already_is() {
    let desk = Desk::open(None).await;
    let general = Person::new("赵甲", 1, new_id());
    let former = Person {
        class: SubjectClass::Former,
        ..Person::new("钱乙", 2, new_id())
    };
    let people = People(vec![general.clone(), former.clone()]);
    let file = stays(&[
        (&general.number, "7000"),
        (&former.number, "7000"),
        (&number(900), "900000"),
        ("999999800101001", "1"),
        (&general.number, "-5"),
    ]);
    let liaison = liaison("medical_insurance");
    let report = desk
        .alerts(&liaison, &people, medical(&desk), &file)
        .await
        .expect("taken in");
    assert_eq!(
        (report.rows_read, report.rows_unmatched, report.rows_refused),
        (5, 1, 2)
    );
    assert_eq!((report.alerts_raised, report.alerts_suppressed), (1, 0));
    let bad: Vec<String> = report
        .bad_rows
        .iter()
        .map(|bad| format!("{} {} {}", bad.row, bad.column, bad.code))
        .collect();
    assert_eq!(bad, ["5 id_number ID_FIFTEEN_DIGITS", "6 stay_oop AMOUNT"]);

    let list = desk
        .service
        .list_alerts(by(&officer(), ListAlertsRequest::default()))
        .await;
    let alerts = list.expect("listed").into_inner().alerts;
    assert_eq!(alerts.len(), 1);
    let alert = &alerts[0];
    assert_eq!(
        (&*alert.rule_id, alert.severity()),
        ("A-MED-04", Severity::Red)
    );
    assert_eq!(
        (alert.risk(), alert.subject_class()),
        (RiskType::Illness, SubjectClass::Former)
    );
    assert_eq!(alert.person_id, former.id.to_string());
    assert_eq!(alert.evidence, ["stay_oop=7000.00", "ytd_oop=7000.00"]);

    // The same file again: the same report. The same stay in another file: nothing new.
    let again = desk
        .alerts(&liaison, &people, medical(&desk), &file)
        .await
        .expect("taken in");
    assert_eq!(again, report);
    let next = stays(&[(&former.number, "7000.5")]);
    let held = desk
        .alerts(&liaison, &people, medical(&desk), &next)
        .await
        .expect("taken in");
    assert_eq!((held.alerts_raised, held.alerts_suppressed), (0, 1));
    desk.pass(31);
    let later = stays(&[(&former.number, "6500"), (&former.number, "6600")]);
    let later = desk
        .alerts(&liaison, &people, medical(&desk), &later)
        .await
        .expect("taken in");
    assert_eq!((later.alerts_raised, later.alerts_suppressed), (1, 1));
    desk.close().await;
}

#[tokio::test]
async fn a_department_delivers_its_own_and_sees_its_own() {
    let desk = Desk::open(None).await;
    let near = Person::new("赵甲", 1, new_id());
    let far = Person {
        division: OTHER_VILLAGE,
        ..Person::new("钱乙", 2, new_id())
    };
    let people = People(vec![near.clone(), far.clone()]);
    let file = stays(&[(&near.number, "20000"), (&far.number, "20000")]);
    let education = liaison("education");
    match desk
        .alerts(&education, &people, medical(&desk), &file)
        .await
    {
        Err(Error::Invalid(violations)) => assert_eq!(violations[0].code, "OWN_DEPARTMENT"),
        other => panic!("must be refused: {other:?}"),
    }
    let report = desk
        .alerts(&officer(), &people, medical(&desk), &file)
        .await;
    assert_eq!(report.expect("taken in").alerts_raised, 4, "two rules each");
    let count = |caller, division: &str, department: &str| {
        let request = ListAlertsRequest {
            division_code: division.to_owned(),
            department: department.to_owned(),
            ..ListAlertsRequest::default()
        };
        let desk = &desk;
        async move {
            let list = desk.service.list_alerts(by(&caller, request)).await;
            list.map(|list| list.into_inner().alerts.len())
        }
    };
    let cadre = || caller(Role::VillageCadre, VILLAGE);
    assert_eq!(count(officer(), "", "").await.expect("listed"), 4);
    assert_eq!(
        count(officer(), OTHER_VILLAGE, "").await.expect("listed"),
        2
    );
    assert_eq!(count(officer(), "", "education").await.expect("listed"), 0);
    assert_eq!(count(cadre(), "", "").await.expect("listed"), 2);
    assert_eq!(
        count(liaison("medical_insurance"), "", "")
            .await
            .expect("listed"),
        4
    );
    assert_eq!(count(education.clone(), "", "").await.expect("listed"), 0);
    for answer in [
        count(cadre(), OTHER_VILLAGE, "").await,
        count(education, "", "medical_insurance").await,
    ] {
        let error = Error::from_status(&answer.expect_err("out of scope"));
        assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    }
    // A batch of a village's officer is about the village's people.
    let village = caller(Role::CountyOfficer, VILLAGE);
    let other = stays(&[(&far.number, "90000")]);
    let report = desk
        .alerts(&village, &people, medical(&desk), &other)
        .await
        .expect("taken in");
    assert_eq!((report.rows_unmatched, report.alerts_raised), (1, 0));
    let admin = caller(Role::SystemAdmin, COUNTY);
    let answer = error(
        desk.service
            .list_alerts(by(&admin, ListAlertsRequest::default()))
            .await,
    );
    assert!(matches!(answer, Error::PermissionDenied), "{answer:?}");
    desk.close().await;
}

#[tokio::test]
async fn a_rule_is_data_with_versions_and_tried_before_it_is_taken() {
    let desk = Desk::open(None).await;
    let put = |expression: &str, threshold| PutAlertRuleRequest {
        request_id: new_id().to_string(),
        rule: Some(AlertRule {
            rule_id: "A-MED-04-OTHER".to_owned(),
            valid_from: desk.today().to_string(),
            department: "medical_insurance".to_owned(),
            row_kind: "medical_expense".to_owned(),
            expression: expression.to_owned(),
            threshold,
            unit: "fen".to_owned(),
            severity: Severity::Yellow.into(),
            risk: RiskType::Illness.into(),
            suppress_days: 30,
            legal_basis: "县级文件".to_owned(),
            ..AlertRule::default()
        }),
    };
    for bad in ["stay_oop >", "stay_oop", "balance > 1"] {
        match error(
            desk.service
                .put_alert_rule(by(&officer(), put(bad, 1)))
                .await,
        ) {
            Error::Invalid(violations) => assert_eq!(violations[0].code, "EXPRESSION", "{bad}"),
            other => panic!("must be invalid: {other:?}"),
        }
    }
    let lower = put("stay_oop >= threshold", 500_000);
    let taken = desk
        .service
        .put_alert_rule(by(&officer(), lower.clone()))
        .await;
    assert_eq!(
        taken
            .expect("taken")
            .into_inner()
            .rule
            .expect("a rule")
            .version,
        2
    );
    let again = desk.service.put_alert_rule(by(&officer(), lower)).await;
    assert_eq!(
        again
            .expect("the same answer")
            .into_inner()
            .rule
            .expect("one")
            .version,
        2
    );
    let rules = desk
        .service
        .list_alert_rules(by(&officer(), ListAlertRulesRequest {}))
        .await;
    assert!(rules.expect("listed").into_inner().rules.len() >= 6);

    let person = Person::new("赵甲", 1, new_id());
    let file = stays(&[(&person.number, "5000")]);
    let report = desk
        .alerts(&officer(), &People(vec![person]), medical(&desk), &file)
        .await;
    assert_eq!(report.expect("taken in").alerts_raised, 1);
    desk.close().await;
}
