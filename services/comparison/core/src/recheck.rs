//! Households of enrolled cases are looked at again (CMP-9, S45). What such a look finds goes to a person;
//! nothing follows from it by itself.

use chrono::{Months, NaiveDate};

use crate::finding::FindingKind;

kernel::codes! {
    /// What a comparison is for.
    Purpose {
        /// The procedure's own, before enrolment (S34).
        Procedure = "PROCEDURE",
        /// A later look at the household of an enrolled case.
        ReCheck = "RE_CHECK",
    }
}

impl Purpose {
    /// What a rule's finding is worth here. A later look holds up nothing: what would be a hard flaw is
    /// looked at by a person.
    #[must_use]
    pub const fn worth(self, kind: FindingKind) -> FindingKind {
        match (self, kind) {
            (Self::ReCheck, FindingKind::HardFlaw) => FindingKind::Review,
            _ => kind,
        }
    }
}

/// Months from one look to the next: each month to once a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval(Months);

impl Interval {
    /// `None` for anything but 1 to 12.
    #[must_use]
    pub const fn new(months: u32) -> Option<Self> {
        match months {
            1..=12 => Some(Self(Months::new(months))),
            _ => None,
        }
    }

    /// The newest day of a look after which another one is due today. Months end on different days, so a
    /// look on a 31st may be due again on the 1st behind a shorter month, and never early.
    #[must_use]
    pub fn last_look(self, today: NaiveDate) -> NaiveDate {
        today.checked_sub_months(self.0).unwrap_or(NaiveDate::MIN)
    }
}

#[cfg(test)]
mod tests {
    use chrono::Datelike as _;
    use kernel::Code;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_later_look_finds_no_hard_flaw() {
        for kind in FindingKind::ALL {
            assert_eq!(Purpose::Procedure.worth(*kind), *kind);
            assert_ne!(Purpose::ReCheck.worth(*kind), FindingKind::HardFlaw);
        }
        assert_eq!(Purpose::ReCheck.worth(FindingKind::Info), FindingKind::Info);
        assert_eq!(Interval::new(0), None);
        assert_eq!(Interval::new(13), None);
    }

    proptest! {
        #[test]
        fn a_look_is_due_when_its_months_are_over_and_never_early(
            months in 1u32..=12, day in 0u64..20_000,
        ) {
            let start: NaiveDate = "2020-01-01".parse().expect("a day");
            let look = start + chrono::Days::new(day);
            let interval = Interval::new(months).expect("in bounds");
            let is_due = |today: NaiveDate| look <= interval.last_look(today);
            let due = look + Months::new(months);
            prop_assert!(!is_due(due - chrono::Days::new(1)));
            // Where the month has no such day: with the next.
            let waits = if due.day() == look.day() { 0 } else { 1 };
            prop_assert!(is_due(due + chrono::Days::new(waits)));
        }
    }
}
