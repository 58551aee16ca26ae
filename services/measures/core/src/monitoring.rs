//! Monthly monitoring (S47): one record for a calendar month; a missed month stays missed.

use chrono::{DateTime, NaiveDate, Utc};
use kernel::{Month, Refusal, Requirement, local_date};

use crate::{Event, Plan, Stage, plan::require_happened};

kernel::codes! {
    /// How the household was monitored.
    Manner {
        /// 入户
        Visit = "VISIT",
        /// 电话
        Call = "CALL",
    }
}

/// The record of a month. Never changed: a record that came late says so by `recorded_at`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monitoring {
    /// The month that the record is for.
    pub month: Month,
    /// Day of the visit or call.
    pub visited_on: NaiveDate,
    /// How.
    pub manner: Manner,
    /// What was found.
    pub finding: String,
    /// Whether the household is worse off.
    pub worse: bool,
    /// Account that records it.
    pub recorded_by: String,
    /// When it is recorded.
    pub recorded_at: DateTime<Utc>,
}

impl Monitoring {
    /// Whether it was recorded before its month had ended.
    #[must_use]
    pub fn is_in_time(&self) -> bool {
        is_in_time(self.month, self.recorded_at)
    }
}

/// Whether a record made at `recorded_at` is in time for `month`: it is made before the month ends.
#[must_use]
pub fn is_in_time(month: Month, recorded_at: DateTime<Utc>) -> bool {
    Month::of(local_date(recorded_at)) <= month
}

/// Whether `month` is over and needed a record of a case enrolled on `enrolled_on`. The month of
/// enrolment needs none: only a part of it was left.
#[must_use]
pub fn was_due(enrolled_on: NaiveDate, month: Month, today: NaiveDate) -> bool {
    Month::of(enrolled_on) < month && month < Month::of(today)
}

impl Plan {
    /// S47: the case is monitored in that month, the visit lies in it and not in the future, and
    /// there is no record yet. A month that has passed is recorded late, never as if in time.
    pub(crate) fn monitor(&self, record: Monitoring) -> Result<Event, Refusal> {
        let mut unmet = Vec::new();
        let today = local_date(record.recorded_at);
        let month = record.month;
        match self.monitored_months() {
            None => unmet.push(Requirement::new("S47", "CASE_MONITORED", "", self.stage)),
            Some((first, _)) if month < first => {
                unmet.push(Requirement::new("S47", "MONTH_MONITORED", first, month));
            }
            Some((_, Some(last))) if last < month => {
                unmet.push(Requirement::new("S47", "MONTH_MONITORED", last, month));
            }
            Some(_) => {}
        }
        if Month::of(record.visited_on) != month {
            unmet.push(Requirement::new(
                "S47",
                "VISIT_IN_MONTH",
                month,
                record.visited_on,
            ));
        }
        require_happened(record.visited_on, today, "S47", &mut unmet);
        if self.monitoring.iter().any(|other| other.month == month) {
            unmet.push(Requirement::new("S47", "ONE_RECORD_A_MONTH", 1, 2));
        }
        Refusal::check(unmet)?;
        Ok(Event::MonitoringRecorded(record))
    }

    /// Months in which a record may be made: from the month of enrolment to that of the end.
    fn monitored_months(&self) -> Option<(Month, Option<Month>)> {
        if self.stage == Stage::Preparing {
            return None;
        }
        Some((Month::of(self.enrolled_on?), self.ended_on.map(Month::of)))
    }

    /// Months that passed without a record in time, oldest first. The last that can be missed is the
    /// one before the case ended.
    #[must_use]
    pub fn missed_months(&self, today: NaiveDate) -> Vec<Month> {
        let Some(enrolled_on) = self.enrolled_on else {
            return Vec::new();
        };
        let until = self.ended_on.map_or(today, |ended_on| ended_on.min(today));
        let in_time = |month| {
            self.monitoring
                .iter()
                .any(|m| m.month == month && m.is_in_time())
        };
        std::iter::successors(Some(Month::of(enrolled_on).next()), |month| {
            Some(month.next())
        })
        .take_while(|month| was_due(enrolled_on, *month, until))
        .filter(|month| !in_time(*month))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::properties::{codes, day, monitored, plan};

    fn record(plan: &mut Plan, month: &str, visited_on: &str, recorded_at: &str) {
        let event = plan.monitor(monitored(month, visited_on, recorded_at));
        plan.apply(event.expect("recorded"));
    }

    fn missed(plan: &Plan, today: &str) -> Vec<String> {
        let months = plan.missed_months(day(today));
        months.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_missed_month_cannot_be_filled_in_silently_s47() {
        let mut plan = plan("2026-06-15");
        record(&mut plan, "2026-07", "2026-07-08", "2026-07-08T02:00:00Z");
        assert_eq!(missed(&plan, "2026-08-31"), [""; 0], "August still runs");
        assert_eq!(missed(&plan, "2026-09-01"), ["2026-08"]);
        record(&mut plan, "2026-08", "2026-08-30", "2026-09-02T02:00:00Z");
        assert!(!plan.monitoring[1].is_in_time());
        assert_eq!(
            missed(&plan, "2026-09-02"),
            ["2026-08"],
            "kept, and still missed"
        );
    }

    #[test]
    fn the_month_turns_in_the_county_and_not_in_utc() {
        let mut plan = plan("2026-06-15");
        record(&mut plan, "2026-07", "2026-07-31", "2026-07-31T15:59:59Z");
        record(&mut plan, "2026-08", "2026-08-31", "2026-08-31T16:00:00Z");
        assert_eq!(missed(&plan, "2026-09-01"), ["2026-08"]);
    }

    #[test]
    fn one_record_a_month_inside_the_month_s47() {
        let mut plan = plan("2026-06-15");
        record(&mut plan, "2026-07", "2026-07-08", "2026-07-08T02:00:00Z");
        let refused = plan.monitor(monitored("2026-07", "2026-08-01", "2026-07-09T02:00:00Z"));
        assert_eq!(
            codes(refused),
            [
                "S47 VISIT_IN_MONTH",
                "S47 DAY_REACHED",
                "S47 ONE_RECORD_A_MONTH"
            ]
        );
        let refused = plan.monitor(monitored("2026-05", "2026-05-08", "2026-07-09T02:00:00Z"));
        assert_eq!(codes(refused), ["S47 MONTH_MONITORED"]);
    }

    #[test]
    fn before_enrolment_nothing_is_monitored_and_after_the_end_nothing_is_missed() {
        let mut plan = plan("2026-06-15");
        plan.ended_on = Some(day("2026-09-20"));
        plan.stage = Stage::Ended;
        assert_eq!(missed(&plan, "2027-01-01"), ["2026-07", "2026-08"]);
        let refused = plan.monitor(monitored("2026-10", "2026-10-01", "2026-10-02T02:00:00Z"));
        assert_eq!(codes(refused), ["S47 MONTH_MONITORED"]);
        plan.stage = Stage::Preparing;
        let refused = plan.monitor(monitored("2026-09", "2026-09-01", "2026-10-02T02:00:00Z"));
        assert_eq!(codes(refused), ["S47 CASE_MONITORED"]);
    }
}
