//! Adds a version of an alert rule: rules are configuration (DET-7).

use chassis::{
    auth::Caller,
    decode::{Fields, codes},
    error::Error,
    pg::Claim,
};
use comparison_core::{
    alert::{self, AlertRule},
    rule::next_version,
};
use kernel::{Code, SubjectClass};
use proto::comparison::v1::{self as wire, PutAlertRuleRequest, PutAlertRuleResponse};

use super::{Service, rule};
use crate::{convert, store};

/// A rule may keep silent for a year at most.
const SUPPRESS_DAYS_MAX: u32 = 366;

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: PutAlertRuleRequest,
) -> Result<PutAlertRuleResponse, Error> {
    let mut rule = decode(&request.rule.clone().unwrap_or_default())?;
    let request_id = std::mem::take(&mut request.request_id);
    let mut tx = service.database.begin(caller).await?;
    if let Claim::Replayed(response) = tx.claim("PutAlertRule", &request_id, &request).await? {
        return Ok(response);
    }
    let known = store::alert_rule::list(&mut tx).await?;
    rule.head.version = next_version(&known, &rule.head.rule_id);
    store::alert_rule::insert(&mut tx, &rule).await?;
    let response = PutAlertRuleResponse {
        rule: Some(convert::alert_rule(&rule)),
    };
    tx.remember(&response).await?;
    tx.commit().await?;
    Ok(response)
}

fn decode(given: &wire::AlertRule) -> Result<AlertRule, Error> {
    let mut f = Fields::new();
    let rule = f.within("rule", |f| {
        let head = rule::head(f, given.into());
        let department = f.parse("department", &given.department);
        let row_kind = f.text("row_kind", &given.row_kind, 40);
        f.at_most(
            "subject_classes",
            given.subject_classes.len(),
            SubjectClass::ALL.len(),
        );
        let classes = given
            .subject_classes
            .iter()
            .take(SubjectClass::ALL.len())
            .enumerate();
        let subject_classes = classes
            .filter_map(|(at, class)| {
                f.code(
                    &format!("subject_classes[{at}]"),
                    codes::subject_class(*class),
                )
            })
            .collect();
        let severity = f.code("severity", codes::severity(given.severity));
        let risk = f.code("risk", codes::risk_type(given.risk));
        let suppress_days = u32::try_from(given.suppress_days).ok();
        let suppress_days = suppress_days.filter(|days| *days <= SUPPRESS_DAYS_MAX);
        if suppress_days.is_none() {
            f.violation("suppress_days", "COUNT", "0 to 366");
        }
        let rule = AlertRule {
            head: head?,
            department: department?,
            row_kind: row_kind?,
            subject_classes,
            severity: severity?,
            risk: risk?,
            suppress_days: suppress_days?,
        };
        match alert::check(&rule) {
            Ok(()) => {}
            Err(None) => f.violation("row_kind", "ROW_KIND", "rows that the department delivers"),
            Err(Some(error)) => f.violation("expression", "EXPRESSION", error),
        }
        Some(rule)
    });
    f.finish_with(rule)
}
