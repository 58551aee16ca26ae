//! Adds a version of a comparison rule: rules are configuration (CMP-3).

use chassis::{
    auth::Caller,
    decode::{Fields, codes},
    error::Error,
    pg::Claim,
};
use comparison_core::{
    finding::{self, ComparisonRule, Invalid},
    rule::next_version,
};
use proto::comparison::v1::{self as wire, PutComparisonRuleRequest, PutComparisonRuleResponse};

use super::{Service, rule};
use crate::{convert, store};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: PutComparisonRuleRequest,
) -> Result<PutComparisonRuleResponse, Error> {
    let mut rule = decode(&request.rule.clone().unwrap_or_default())?;
    let request_id = std::mem::take(&mut request.request_id);
    let mut tx = service.database.begin(caller).await?;
    let claim = tx.claim("PutComparisonRule", &request_id, &request).await?;
    if let Claim::Replayed(response) = claim {
        return Ok(response);
    }
    let known = store::comparison_rule::list(&mut tx).await?;
    rule.head.version = next_version(&known, &rule.head.rule_id);
    store::comparison_rule::insert(&mut tx, &rule).await?;
    let response = PutComparisonRuleResponse {
        rule: Some(convert::comparison_rule(&rule)),
    };
    tx.remember(&response).await?;
    tx.commit().await?;
    Ok(response)
}

fn decode(given: &wire::ComparisonRule) -> Result<ComparisonRule, Error> {
    let mut f = Fields::new();
    let rule = f.within("rule", |f| {
        let head = rule::head(f, given.into());
        let item = f.code("item", codes::item_kind(given.item));
        let kind = f.code("kind", convert::read_finding_kind(given.kind()));
        let exemption = f.text_optional("exemption", &given.exemption, 500);
        let rule = ComparisonRule {
            head: head?,
            item: item?,
            kind: kind?,
            exemption: exemption?,
        };
        for invalid in finding::check(&rule) {
            match invalid {
                Invalid::BuiltIn => f.violation("rule_id", "RULE_BUILT_IN", "another id"),
                Invalid::Expression(error) => f.violation("expression", "EXPRESSION", error),
                Invalid::Exemption(error) => f.violation("exemption", "EXPRESSION", error),
            }
        }
        Some(rule)
    });
    f.finish_with(rule)
}
