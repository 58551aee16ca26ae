//! From the declaration to the appraisal (T1–T5), and the same steps of the elimination (T15).

use chrono::NaiveDate;
use kernel::{Code, ItemKind};

use super::Checks;
use crate::{
    case::Case,
    command::{Appraisal, Declaration, Visit},
    decide::History,
    facts::HouseholdFacts,
};

/// T1: risk points with proof (S17), a proxy's reasons (S20), one open case per household (S02).
pub fn declarable(checks: &mut Checks, declaration: &Declaration, history: History) {
    let found = if history.open.is_some() { 1 } else { 0 };
    checks.need(found == 0, "S02", "ONE_OPEN_CASE", 0, found);
    let risks = declaration.risks.len();
    checks.need(
        (1..=5).contains(&risks),
        "S17",
        "RISK_POINTS",
        "1..5",
        risks,
    );
    checks.yes(!declaration.evidence.is_empty(), "S17", "RISK_PROOF");
    if let Some(proxy) = &declaration.proxy {
        checks.text(&proxy.capacity_reason, "S20", "PROXY_REASON");
        checks.text(&proxy.will_statement, "S20", "WILL_STATEMENT");
    }
}

/// T2: every adult or guardian has authorised all nine items (S18, S34, CMP-4).
pub fn authorised(checks: &mut Checks, household: &HouseholdFacts) {
    let (needed, found) = (
        household.persons_to_authorise.max(1),
        household.persons_authorised,
    );
    checks.need(found >= needed, "S18", "PERSONS_AUTHORISED", needed, found);
    let covered = |item: &&ItemKind| household.items_covered.contains(item);
    let (needed, found) = (
        ItemKind::ALL.len(),
        ItemKind::ALL.iter().filter(covered).count(),
    );
    checks.need(found == needed, "CMP-4", "ITEMS_AUTHORISED", needed, found);
}

/// T3: the registry holds what the visit had to find out (S06, S07).
pub fn investigated(checks: &mut Checks, case: &Case, household: &HouseholdFacts) {
    checks.yes(household.income_complete, "S06", "INCOME_COMPLETE");
    checks.yes(household.guarantees_complete, "S07", "GUARANTEES_CHECKED");
    let risks = case.risks.len();
    checks.need(risks > 0, "T3", "RISK_POINTS", "1..5", risks);
    let errors = household.quality_errors.len();
    checks.need(errors == 0, "REG-14", "DATA_QUALITY_ERRORS", 0, errors);
}

/// T3: who visited, when, and the three ticks (S22).
pub fn visit(checks: &mut Checks, case: &Case, visit: &Visit, today: NaiveDate) {
    let named = |(at, visitor): &(usize, &String)| {
        let earlier = &visit.visitors[..*at];
        !visitor.trim().is_empty() && !earlier.iter().any(|other| other.trim() == visitor.trim())
    };
    let found = visit.visitors.iter().enumerate().filter(named).count();
    let needed = case.template.parameters.visitors_min;
    checks.need(found >= needed, "T3", "VISITORS", needed, found);
    checks.day("T3", "VISITED_ON", visit.visited, case.reached, today);
    checks.yes(visit.standard_met, "S22", "STANDARD_MET");
    checks.yes(visit.true_statement, "S22", "TRUE_STATEMENT");
    checks.yes(visit.complete, "S22", "INFORMATION_COMPLETE");
}

/// T5: the meeting (S27). A vote against is a result, not a fault.
pub fn appraisal(checks: &mut Checks, case: &Case, meeting: &Appraisal, today: NaiveDate) {
    let needed = case.template.parameters.villager_representatives_min;
    let found = meeting.villager_representatives;
    checks.need(
        found >= needed,
        "S27",
        "VILLAGER_REPRESENTATIVES",
        needed,
        found,
    );
    for (code, found) in [
        ("TOWNSHIP_LIAISONS", meeting.township_liaisons),
        ("VILLAGE_CADRES", meeting.village_cadres),
        ("COMMITTEE_MEMBERS", meeting.committee_members),
        ("RESIDENT_TEAM", meeting.resident_team),
    ] {
        checks.need(found >= 1, "S27", code, 1, found);
    }
    checks.day("T5", "HELD_ON", meeting.held, case.reached, today);
    // Whoever is there votes or abstains.
    let votes = meeting.votes();
    let expected = if found == 0 { needed } else { found };
    checks.need(votes == expected, "WF-2", "VOTES", expected, votes);
    checks.yes(meeting.conflicts_declared, "WF-2", "CONFLICTS_DECLARED");
    if !meeting.carried() {
        checks.text(&meeting.reason, "T5x", "VOTE_REASON");
    } else if !case.state.is_eliminating() {
        checks.yes(meeting.category.is_some(), "S29", "CATEGORY_PROPOSED");
    }
}
