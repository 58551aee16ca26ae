//! Comparison and enrolment (T9–T11).

use chrono::NaiveDate;
use kernel::{Category, Code, ItemKind, Money, Origin};

use super::{Checks, one_of};
use crate::{
    case::Case,
    command::DisqualificationGround,
    facts::{ComparisonFacts, HouseholdFacts, MeasureFacts},
};

/// T9: a whole comparison on fresh data, with every hit dealt with by a person (S34–S36, CMP-3).
pub fn compared(
    checks: &mut Checks,
    case: &Case,
    facts: Option<&ComparisonFacts>,
    today: NaiveDate,
) {
    let Some(facts) = facts else {
        checks.yes(false, "S34", "COMPARISON_OPENED");
        return;
    };
    if !facts.complete {
        let all = ItemKind::ALL.len();
        let found = all - facts.items_missing.len().min(all);
        checks.need(false, "S34", "ITEMS_COMPARED", all, found);
        if !facts.items_missing.is_empty() {
            checks.need(
                false,
                "S34",
                "ITEMS_MISSING",
                one_of(&facts.items_missing),
                "",
            );
        }
        let left_out = facts.persons_left_out;
        checks.need(left_out == 0, "CMP-4", "PERSONS_LEFT_OUT", 0, left_out);
    } else if let Some(oldest) = facts.oldest_data {
        let most = i64::from(case.template.parameters.comparison_age_days_max);
        let age = (today - oldest).num_days();
        checks.need(age <= most, "T9", "COMPARISON_AGE_DAYS", most, age);
    } else {
        checks.yes(false, "T9", "COMPARISON_DATED");
    }
    let open = facts.hard_flaws_open;
    checks.need(open == 0, "S36", "HARD_FLAWS_OPEN", 0, open);
    let open = facts.reviews_open;
    checks.need(open == 0, "CMP-6", "REVIEWS_OPEN", 0, open);
}

/// T9x: a hard flaw that a person has confirmed, or untrue information (S35).
pub fn disqualifiable(
    checks: &mut Checks,
    ground: DisqualificationGround,
    facts: Option<&ComparisonFacts>,
) {
    if ground == DisqualificationGround::HardFlaw {
        let found = facts.map_or(0, |facts| facts.hard_flaws_confirmed);
        checks.need(found > 0, "S35", "HARD_FLAW_CONFIRMED", 1, found);
    }
}

/// T11: the category follows from origin and line (S03–S06). No number of households plays a part
/// (S28).
pub fn category(checks: &mut Checks, case: &Case, household: &HouseholdFacts) {
    let Some(category) = case.category else {
        checks.yes(false, "S29", "CATEGORY_PROPOSED");
        return;
    };
    let origin = match category {
        Category::UnstableEscaped => Some(("S03", Origin::FormerlyRegistered)),
        Category::MarginalVulnerable => Some(("S04", Origin::General)),
        Category::SuddenHardship => None,
    };
    if let Some((rule, needed)) = origin {
        let found = household.origin.map_or("", Origin::as_str);
        checks.need(
            household.origin == Some(needed),
            rule,
            "ORIGIN",
            needed,
            found,
        );
    }
    let (net, reference) = (household.net_pc, household.reference_pc);
    let Some(line) = household.line else {
        checks.yes(false, "S06", "MONITORING_LINE");
        return;
    };
    if category == Category::SuddenHardship {
        not_below(checks, "S05", "NET_NOT_BELOW_LINE", line, net);
        // What the shock has cost shows in the reference income only.
        checks.need(
            reference < line,
            "S05",
            "REFERENCE_BELOW_LINE",
            line,
            reference,
        );
    } else {
        checks.need(net < line, "S06", "NET_BELOW_LINE", line, net);
    }
}

pub fn not_below(
    checks: &mut Checks,
    rule: &'static str,
    code: &'static str,
    line: Money,
    found: Money,
) {
    checks.need(found >= line, rule, code, line, found);
}

/// T11: somebody is responsible, a measure answers each risk, and a day is planned (S36).
pub fn help_arranged(checks: &mut Checks, case: &Case, measures: &MeasureFacts, today: NaiveDate) {
    checks.yes(measures.has_responsible, "S36", "RESPONSIBLE_PERSON");
    checks.risks(
        "S36",
        "MEASURE_PLANNED",
        &case.risks,
        &measures.risks_planned,
    );
    let planned = measures.planned_elimination;
    let found = planned.map(|day| day.to_string()).unwrap_or_default();
    checks.need(
        planned > Some(today),
        "S36",
        "PLANNED_ELIMINATION",
        today,
        found,
    );
}
