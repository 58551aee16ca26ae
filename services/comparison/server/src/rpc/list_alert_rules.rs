//! Alert rules in force, and every version of them.

use chassis::{auth::Caller, error::Error};
use proto::comparison::v1::{ListAlertRulesRequest, ListAlertRulesResponse};

use super::Service;
use crate::{convert, store};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    _request: ListAlertRulesRequest,
) -> Result<ListAlertRulesResponse, Error> {
    let mut tx = service.database.read(caller).await?;
    let mut rules = store::alert_rule::list(&mut tx).await?;
    rules.sort_by(|a, b| {
        let (a, b) = (&a.head, &b.head);
        (&a.rule_id, a.version).cmp(&(&b.rule_id, b.version))
    });
    Ok(ListAlertRulesResponse {
        rules: rules.iter().map(convert::alert_rule).collect(),
    })
}
