//! The responsible person of a case (S36) and the hand-over to another (MEA-1).

use chrono::{Days, NaiveDate};
use kernel::{Refusal, Requirement};

use crate::{
    Event, Plan,
    plan::{require_happened, require_room},
};

/// One hand-over a month for eight years.
pub const RESPONSIBLE_MAX: usize = 100;

/// Somebody's time as the responsible person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Responsible {
    /// The account that monitors.
    pub account: String,
    /// The unit it belongs to.
    pub unit: String,
    /// First day.
    pub from: NaiveDate,
    /// Last day; `None` while it lasts.
    pub to: Option<NaiveDate>,
    /// Why the work was handed over; empty for the first.
    pub hand_over_note: String,
}

impl Plan {
    /// Who is responsible now.
    #[must_use]
    pub fn current_responsible(&self) -> Option<&Responsible> {
        self.responsible.last()
    }

    /// Who was responsible on a day.
    #[must_use]
    pub fn responsible_on(&self, day: NaiveDate) -> Option<&Responsible> {
        self.responsible
            .iter()
            .find(|r| r.from <= day && r.to.is_none_or(|to| day <= to))
    }

    /// S36: one person is responsible. MEA-1: the next begins after the one before began, says why,
    /// and leaves no day without anybody or with two.
    pub(crate) fn assign(&self, next: Responsible, today: NaiveDate) -> Result<Event, Refusal> {
        let mut unmet = Vec::new();
        self.require_open("S36", &mut unmet);
        require_room(self.responsible.len(), RESPONSIBLE_MAX, "MEA-1", &mut unmet);
        require_happened(next.from, today, "MEA-1", &mut unmet);
        if let Some(current) = self.current_responsible() {
            if next.hand_over_note.trim().is_empty() {
                unmet.push(Requirement::new("MEA-1", "HAND_OVER_NOTE", "", ""));
            }
            if next.account == current.account && next.unit == current.unit {
                unmet.push(Requirement::new("MEA-1", "ANOTHER_RESPONSIBLE", "", ""));
            }
            if next.from <= current.from {
                let needed = current.from + Days::new(1);
                unmet.push(Requirement::new(
                    "MEA-1",
                    "HAND_OVER_ORDER",
                    needed,
                    next.from,
                ));
            }
        }
        Refusal::check(unmet)?;
        Ok(Event::ResponsibleAssigned(Responsible { to: None, ..next }))
    }

    pub(crate) fn take_over(&mut self, next: Responsible) {
        if let Some(current) = self.responsible.last_mut() {
            current.to = next.from.pred_opt();
        }
        self.responsible.push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::properties::{codes, day, plan};

    fn responsible(account: &str, from: &str, note: &str) -> Responsible {
        Responsible {
            account: account.to_owned(),
            unit: "village committee".to_owned(),
            from: day(from),
            to: None,
            hand_over_note: note.to_owned(),
        }
    }

    #[test]
    fn a_hand_over_closes_the_day_before_mea_1() {
        let today = day("2026-09-10");
        let mut plan = plan("2026-06-01");
        let first = plan.assign(responsible("a", "2026-06-01", ""), today);
        plan.apply(first.expect("the first needs no note"));
        let second = plan.assign(responsible("b", "2026-09-01", "transferred"), today);
        plan.apply(second.expect("handed over"));
        assert_eq!(plan.responsible[0].to, Some(day("2026-08-31")));
        let account = |on: &str| plan.responsible_on(day(on)).map(|r| r.account.as_str());
        assert_eq!(account("2026-05-31"), None);
        assert_eq!(account("2026-08-31"), Some("a"));
        assert_eq!(account("2026-09-01"), Some("b"));
    }

    #[test]
    fn everything_that_is_wrong_with_a_hand_over_is_told_at_once() {
        let mut plan = plan("2026-06-01");
        plan.take_over(responsible("a", "2026-06-01", ""));
        let refused = plan.assign(responsible("a", "2026-06-01", " "), day("2026-05-31"));
        assert_eq!(
            codes(refused),
            [
                "MEA-1 DAY_REACHED",
                "MEA-1 HAND_OVER_NOTE",
                "MEA-1 ANOTHER_RESPONSIBLE",
                "MEA-1 HAND_OVER_ORDER"
            ]
        );
    }
}
