//! What putting a rule of either kind has in common.

use chassis::decode::Fields;
use comparison_core::rule::Head;
use proto::comparison::v1 as wire;

/// Ten billion yuan in fen, more than any column holds; thresholds of other units are below.
const THRESHOLD_MAX: i64 = 1_000_000_000_000;

/// The head of a rule as it was sent.
pub struct Given<'a> {
    rule_id: &'a str,
    valid_from: &'a str,
    valid_to: &'a str,
    expression: &'a str,
    threshold: i64,
    unit: &'a str,
    legal_basis: &'a str,
}

macro_rules! given {
    ($($rule:ident),+) => {$(
        impl<'a> From<&'a wire::$rule> for Given<'a> {
            fn from(rule: &'a wire::$rule) -> Self {
                Self {
                    rule_id: &rule.rule_id,
                    valid_from: &rule.valid_from,
                    valid_to: &rule.valid_to,
                    expression: &rule.expression,
                    threshold: rule.threshold,
                    unit: &rule.unit,
                    legal_basis: &rule.legal_basis,
                }
            }
        }
    )+};
}
given!(AlertRule, ComparisonRule);

/// Reads the head of a rule; it gets its version later.
pub fn head(f: &mut Fields, given: Given<'_>) -> Option<Head> {
    let rule_id = f.text("rule_id", given.rule_id, 40);
    let valid_from = f.date("valid_from", given.valid_from);
    let valid_to = f.date_optional("valid_to", given.valid_to);
    if valid_to < valid_from && valid_to.is_some() {
        f.violation("valid_to", "BEFORE_START", "valid_from or later");
    }
    let expression = f.text("expression", given.expression, 500);
    if !(0..=THRESHOLD_MAX).contains(&given.threshold) {
        f.violation("threshold", "COUNT", format_args!("0 to {THRESHOLD_MAX}"));
    }
    let unit = f.text_optional("unit", given.unit, 20);
    let legal_basis = f.text("legal_basis", given.legal_basis, 200);
    Some(Head {
        rule_id: rule_id?,
        version: 0,
        valid_from: valid_from?,
        valid_to,
        expression: expression?,
        threshold: given.threshold,
        unit: unit?,
        legal_basis: legal_basis?,
    })
}
