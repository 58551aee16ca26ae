//! The public notice (T6, T7): at every required place (S30), for seven full days (S31).

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use kernel::{NoticePlaceId, day_start};

use super::Checks;
use crate::{
    case::{Case, Notice, Posting},
    command::Removal,
    facts::{Facts, HouseholdFacts},
};

/// T6 at one place: a required one that waits for it, and not dated back behind the meeting or an earlier removal.
pub fn posting(
    checks: &mut Checks,
    case: &Case,
    household: &HouseholdFacts,
    (place, posted): (NoticePlaceId, DateTime<Utc>),
    today: NaiveDate,
) {
    let is_waiting = |place: &&NoticePlaceId| hanging(case, **place).is_none();
    let waiting = household.required_places.iter().filter(is_waiting);
    let waiting: Vec<_> = waiting.map(ToString::to_string).collect();
    let is_met = waiting.contains(&place.to_string());
    checks.need(is_met, "S30", "REQUIRED_PLACE", waiting.join("|"), place);
    let postings = case.notice.iter().flat_map(|notice| &notice.postings);
    let removed = postings
        .filter(|p| p.place == place)
        .filter_map(|p| Some(p.removal.as_ref()?.removed));
    let from = removed.max().max(Some(day_start(case.reached)));
    checks.moments("S31", "POSTED_AT", [posted], from, today);
}

/// A notice came down before its time. One that has had its time is closed, not removed.
pub fn removal(checks: &mut Checks, case: &Case, removal: &Removal, today: NaiveDate) {
    let posting = hanging(case, removal.place);
    checks.yes(posting.is_some(), "S30", "NOTICE_HANGS_THERE");
    let since = posting.map_or(day_start(case.reached), |posting| posting.posted);
    let last = case.notice_closable().and_then(|day| day.pred_opt());
    let until = last.map_or(today, |last| last.min(today));
    let removed = [removal.removed];
    checks.moments("S31", "REMOVED_EARLY_AT", removed, Some(since), until);
}

/// T7: it hangs at every required place (S30) and has done so for seven full days (S31).
pub fn hung_long_enough(
    checks: &mut Checks,
    case: &Case,
    household: &HouseholdFacts,
    today: NaiveDate,
) {
    for place in &household.required_places {
        let met = hanging(case, *place).is_some();
        checks.need(met, "S30", "NOTICE_AT_EVERY_PLACE", place, "");
    }
    let started = case.notice.as_ref().and_then(|notice| notice.clock_started);
    match started.zip(case.notice_closable()) {
        Some((started, closable)) if today < closable => {
            let (needed, hung) = (
                case.template.parameters.notice_days,
                (today - started).num_days(),
            );
            checks.wait("S31", "NOTICE_DAYS", needed, hung, closable);
        }
        found => checks.need(
            found.is_some(),
            "S31",
            "NOTICE_DAYS",
            case.template.parameters.notice_days,
            0,
        ),
    }
}

/// T7: it was taken down wherever it hung, on a day on which it might be: not before the last
/// objection was answered.
pub fn closing(checks: &mut Checks, case: &Case, removals: &[Removal], today: NaiveDate) {
    // Before the first possible day nothing about the removal matters yet.
    let Some(closable) = case.notice_closable().filter(|day| *day <= today) else {
        return;
    };
    let hanging = case.notice.iter().flat_map(Notice::hanging_anywhere);
    let needed = Places::of(hanging.map(|posting| posting.place));
    let found = Places::of(removals.iter().map(|removal| removal.place));
    let is_met = needed == found;
    checks.need(is_met, "S30", "REMOVED_AT_EVERY_PLACE", needed, found);
    let from = case.objections.last_answer().max(Some(closable));
    let removed = removals.iter().map(|removal| removal.removed);
    checks.moments("S31", "REMOVED_AT", removed, from.map(day_start), today);
}

/// Places in order, written for a refusal only.
#[derive(PartialEq, Eq)]
struct Places(Vec<NoticePlaceId>);

impl Places {
    fn of(places: impl Iterator<Item = NoticePlaceId>) -> Self {
        let mut places: Vec<_> = places.collect();
        places.sort_unstable();
        Self(places)
    }
}

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, place) in self.0.iter().enumerate() {
            let between = if at == 0 { "" } else { "|" };
            write!(f, "{between}{place}")?;
        }
        Ok(())
    }
}

/// Whether the notice hangs at every required place once it is posted at `place` (S30).
pub fn hangs_everywhere(case: &Case, facts: &Facts, place: NoticePlaceId) -> bool {
    let required = &facts.household.required_places;
    !required.is_empty()
        && required
            .iter()
            .all(|p| *p == place || hanging(case, *p).is_some())
}

fn hanging(case: &Case, place: NoticePlaceId) -> Option<&Posting> {
    case.notice.as_ref()?.hanging(place)
}
