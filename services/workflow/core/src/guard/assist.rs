//! Assistance, tracking and elimination (T12–T17).

use chrono::{Months, NaiveDate};
use kernel::EliminationKind;

use super::{Checks, gate::not_below};
use crate::{
    case::Case,
    facts::{Facts, HouseholdFacts},
    template::Hold,
};

/// T12: help has arrived for each risk, of the kind that labour asks for (S51, S52).
pub fn helped(checks: &mut Checks, case: &Case, facts: &Facts) {
    let (household, measures) = (&facts.household, &facts.measures);
    checks.risks(
        "MEA-7",
        "MEASURE_DELIVERED",
        &case.risks,
        &measures.risks_delivered,
    );
    if household.no_labour {
        let met = measures.social_security_delivered || household.social_security_in_place;
        checks.yes(met, "S52", "SOCIAL_SECURITY");
    } else {
        checks.yes(measures.development_delivered, "S51", "DEVELOPMENT_MEASURE");
    }
}

/// T13: nobody can work, and social security is in place (S43).
pub fn tracked(checks: &mut Checks, household: &HouseholdFacts) {
    checks.yes(household.no_labour, "S43", "NO_LABOUR");
    checks.yes(
        household.social_security_in_place,
        "S43",
        "SOCIAL_SECURITY_IN_PLACE",
    );
}

/// T14: somebody can work (S43), income is stable and everything safe (S39), every risk is closed;
/// by assistance also: two quarters have passed (S44) and help has arrived for each risk (ELI-6).
pub fn eliminable(
    checks: &mut Checks,
    case: &Case,
    kind: EliminationKind,
    facts: &Facts,
    today: NaiveDate,
) {
    checks.yes(!facts.household.no_labour, "S43", "LABOUR");
    after_values(checks, &facts.household);
    stays_above(checks, case, &facts.household, today);
    checks.risks(
        "S39",
        "RISK_CLOSED",
        &case.risks,
        &facts.measures.risks_closed,
    );
    if kind == EliminationKind::ByAssistance {
        held(checks, case, today);
        checks.risks(
            "ELI-6",
            "MEASURE_DELIVERED",
            &case.risks,
            &facts.measures.risks_delivered,
        );
    }
}

/// S44: two quarters, as rolling months since enrolment.
fn held(checks: &mut Checks, case: &Case, today: NaiveDate) {
    let (code, needed) = match case.template.parameters.hold {
        Hold::Months(months) => ("HOLD_MONTHS", months),
        Hold::Quarters(quarters) => ("HOLD_QUARTERS", quarters),
    };
    match case.enrolled.zip(case.elimination_possible()) {
        Some((enrolled, possible)) if today < possible => {
            let days = (today - enrolled).num_days();
            checks.wait("S44", code, needed, days, possible);
        }
        found => checks.need(found.is_some(), "S44", code, needed, 0),
    }
}

/// T14 and T15: income has been at or above the line long enough (S39).
pub fn stays_above(checks: &mut Checks, case: &Case, household: &HouseholdFacts, today: NaiveDate) {
    let Some(line) = household.line else {
        checks.yes(false, "S06", "MONITORING_LINE");
        return;
    };
    not_below(checks, "S39", "NET_NOT_BELOW_LINE", line, household.net_pc);
    not_below(
        checks,
        "S39",
        "REFERENCE_NOT_BELOW_LINE",
        line,
        household.reference_pc,
    );
    let months = case.template.parameters.stable_months;
    let stable_from = |since: NaiveDate| since.checked_add_months(Months::new(months));
    match household.above_line_since.and_then(stable_from) {
        Some(stable) if today < stable => {
            let since = household.above_line_since.unwrap_or_default();
            checks.wait("S39", "STABLE_MONTHS", months, since, stable);
        }
        found => checks.need(found.is_some(), "S39", "STABLE_MONTHS", months, ""),
    }
}

/// T17: the values after elimination are there (1_11_004), and safe (S39).
pub fn after_values(checks: &mut Checks, household: &HouseholdFacts) {
    checks.yes(household.income_complete, "1_11_004", "INCOME_COMPLETE");
    checks.yes(
        household.guarantees_complete,
        "1_11_004",
        "GUARANTEES_CHECKED",
    );
    checks.yes(household.guarantees_safe, "S39", "GUARANTEES_SAFE");
}
