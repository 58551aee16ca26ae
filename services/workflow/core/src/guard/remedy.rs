//! What puts a case right: papers sent back (T8r), appeals (WF-9), and what a second person lets pass
//! (`decisions` 11).

use chrono::NaiveDate;
use kernel::RuleId;

use super::Checks;
use crate::{
    case::Case,
    command::{Actor, Correction},
};

/// Shortest reason with which something may be let pass.
const OVERRIDE_REASON_CHARS_MIN: usize = 20;

/// What a second person may let pass, and the rule that asks for it only in principle: the two
/// quarters (S44, ELI-2) and the age of compared data (T9). An authorisation that is missing, the
/// fifteen representatives and the days of a notice are not among them and never can be.
const OVERRIDABLE: [(&str, RuleId); 3] = [
    ("HOLD_MONTHS", "S44"),
    ("HOLD_QUARTERS", "S44"),
    ("COMPARISON_AGE_DAYS", "T9"),
];

/// A requirement that may be let pass, as it is called in the code.
#[must_use]
pub fn overridable(code: &str) -> Option<&'static str> {
    let found = OVERRIDABLE.iter().find(|(known, _)| *known == code);
    found.map(|(known, _)| *known)
}

/// T8r: the village has reported, and everything that is wrong is marked and explained.
pub fn returned(checks: &mut Checks, corrections: &[Correction]) {
    let found = corrections.len();
    checks.need(found > 0, "T8r", "CORRECTIONS", 1, found);
    for correction in corrections {
        checks.text(&correction.remark, "T8r", "CORRECTION_REMARK");
    }
}

/// An appeal is in time, and the first one.
pub fn appealable(checks: &mut Checks, case: &Case, today: NaiveDate) {
    let until = case.appeal_until();
    let in_time = until.is_some_and(|until| today <= until);
    let needed = until.map(|until| until.to_string()).unwrap_or_default();
    checks.need(in_time, "WF-9", "APPEAL_UNTIL", needed, today);
    checks.yes(!case.has_appealed, "WF-9", "FIRST_APPEAL");
}

/// A requirement may be let pass: it is one of the few, the reason says why, and it was not granted
/// before.
pub fn grantable(checks: &mut Checks, case: &Case, requirement: &str, reason: &str) {
    let known = OVERRIDABLE.map(|(code, _)| code).join("|");
    let rule = "ELI-2";
    let met = overridable(requirement).is_some();
    checks.need(met, rule, "OVERRIDABLE", known, requirement);
    let found = reason.trim().chars().count();
    checks.need(
        found >= OVERRIDE_REASON_CHARS_MIN,
        rule,
        "OVERRIDE_REASON",
        OVERRIDE_REASON_CHARS_MIN,
        found,
    );
    let is_new = case.granted(requirement).is_none();
    checks.yes(is_new, rule, "OVERRIDE_NOT_YET_GRANTED");
}

impl Checks {
    /// Takes away what somebody else has let pass; returns it.
    pub fn let_pass(&mut self, case: &Case, actor: &Actor) -> Vec<&'static str> {
        let mut passed = Vec::new();
        let mut is_own = false;
        self.unmet.retain(|requirement| {
            match case.granted(requirement.code) {
                Some(granted)
                    if actor
                        .persons()
                        .any(|own| granted.by.iter().any(|by| by == own)) =>
                {
                    is_own = true;
                }
                Some(granted) => {
                    passed.push(granted.requirement);
                    return false;
                }
                None => {}
            }
            true
        });
        if is_own {
            self.yes(false, "ORG-3", "OVERRIDE_BY_ANOTHER");
        }
        for rule in OVERRIDABLE.iter().filter(|(code, _)| passed.contains(code)) {
            self.need(true, rule.1, rule.0, "", "");
        }
        passed
    }
}
