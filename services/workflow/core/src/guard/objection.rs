//! Objections while a notice hangs (T7o, WF-8).

use chrono::NaiveDate;
use kernel::local_date;

use super::Checks;
use crate::{
    case::Case,
    objection::{Answering, Objecting, Recheck, Verdict},
};

/// Objections to one case that wait at once. More come from a machine or say the same: the township
/// answers those that wait, all at once if it likes, before others are taken in.
const WAITING_MAX: usize = 50;

/// What is announced is to be seen somewhere.
pub fn notice_hangs(checks: &mut Checks, case: &Case) {
    checks.yes(hangs_since(case).is_some(), "T7o", "NOTICE_HANGS");
}

fn hangs_since(case: &Case) -> Option<NaiveDate> {
    let postings = case.notice.iter().flat_map(|notice| &notice.postings);
    let hanging = postings.filter(|posting| posting.hangs());
    let first = hanging.map(|posting| posting.posted).min();
    first.map(local_date)
}

/// T7: nothing closes with an open objection.
pub fn none_open(checks: &mut Checks, case: &Case) {
    let open = case.objections.open().count();
    checks.need(open == 0, "T7o", "OBJECTIONS_OPEN", 0, open);
}

/// There is something to look into.
pub fn some_open(checks: &mut Checks, case: &Case) {
    let open = case.objections.open().next().is_some();
    checks.yes(open, "T7o", "OBJECTION_OPEN");
}

/// Somebody has looked into an open objection at the household.
pub fn some_rechecked(checks: &mut Checks, case: &Case) {
    let answerable = case.objections.open().any(|o| o.is_answerable());
    checks.yes(answerable, "T7o", "OBJECTION_RECHECKED");
}

/// What is objected, since the notice hangs, and by whom unless nobody is to know.
pub fn objecting(checks: &mut Checks, case: &Case, objecting: &Objecting, today: NaiveDate) {
    let from = hangs_since(case).unwrap_or(case.reached);
    checks.day("T7o", "RECEIVED_ON", objecting.received, from, today);
    checks.text(&objecting.text, "T7o", "OBJECTION_TEXT");
    let is_reachable = objecting.anonymous || objecting.contact_given;
    checks.yes(is_reachable, "T7o", "OBJECTOR_CONTACT");
    let waiting = case.objections.open().count();
    let fits = waiting < WAITING_MAX;
    checks.need(fits, "T7o", "OBJECTIONS_WAITING", WAITING_MAX, waiting);
}

/// A visit by people who had not visited before (ORG-3), after an objection came in.
pub fn recheck(checks: &mut Checks, case: &Case, recheck: &Recheck, today: NaiveDate) {
    let counts = |(at, visitor): &(usize, &String)| {
        let earlier = recheck.visitors[..*at].iter().chain(&case.visitors);
        !visitor.trim().is_empty() && !earlier.map(|e| e.trim()).any(|e| e == visitor.trim())
    };
    let found = recheck.visitors.iter().enumerate().filter(counts).count();
    let needed = case.template.parameters.visitors_min;
    checks.need(found >= needed, "ORG-3", "RECHECK_VISITORS", needed, found);
    let from = case.objections.waiting_since().unwrap_or(case.reached);
    checks.day("T7o", "RECHECKED_ON", recheck.visited, from, today);
}

/// Which objections are answered, why, and who was told. What follows from an upheld one is told to
/// the household (T3x), and one that stays in assistance is looked at again (S42).
pub fn answering(checks: &mut Checks, case: &Case, answering: &Answering, today: NaiveDate) {
    let answerable = case.objections.open().filter(|o| o.is_answerable());
    let answerable: Vec<u32> = answerable.map(|o| o.number).collect();
    let numbers = &answering.numbers;
    let is_met = !numbers.is_empty() && numbers.iter().all(|n| answerable.contains(n));
    let (needed, found) = (listed(&answerable), listed(numbers));
    checks.need(is_met, "T7o", "OBJECTIONS_NAMED", needed, found);
    checks.text(&answering.reason, "T7o", "ANSWER_REASON");
    let informed = answering.informed;
    checks.told("T7o", "OBJECTOR_INFORMED", informed, case, today);
    if answering.verdict == Verdict::Upheld {
        let informed = answering.household_informed;
        checks.told("T3x", "FARMER_INFORMED", informed, case, today);
        if case.state.is_eliminating() {
            let next = answering.next_review;
            let found = next.map(|day| day.to_string()).unwrap_or_default();
            checks.need(next > Some(today), "S42", "NEXT_REVIEW", today, found);
        }
    }
}

fn listed(numbers: &[u32]) -> String {
    let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
    numbers.join(", ")
}
