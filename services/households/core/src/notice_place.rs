//! Places where notices hang in a village (S30).

use chrono::NaiveDate;
use kernel::{DivisionCode, NoticePlaceId, NoticePlaceKind};

/// S30: a concentration needs a notice from this many households on.
pub const CONCENTRATION_HOUSEHOLDS_MIN: u32 = 20;

/// A place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticePlace {
    /// Its id.
    pub id: NoticePlaceId,
    /// The village.
    pub division: DivisionCode,
    /// What kind of place.
    pub kind: NoticePlaceKind,
    /// How people call it.
    pub name: String,
    /// Households living there.
    pub household_count: u32,
    /// First day.
    pub valid_from: NaiveDate,
    /// Last day.
    pub valid_to: Option<NaiveDate>,
}

impl NoticePlace {
    /// Whether the place exists on `day`.
    #[must_use]
    pub fn is_valid_on(&self, day: NaiveDate) -> bool {
        self.valid_from <= day && self.valid_to.is_none_or(|last| day <= last)
    }

    /// Whether every notice has to hang here (S30).
    #[must_use]
    pub const fn is_required(&self) -> bool {
        match self.kind {
            NoticePlaceKind::Committee | NoticePlaceKind::RelocationSite => true,
            NoticePlaceKind::Concentration => self.household_count >= CONCENTRATION_HOUSEHOLDS_MIN,
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_concentration_counts_from_twenty_households_on() {
        let place = |kind, household_count| {
            NoticePlace {
                id: NoticePlaceId(Uuid::nil()),
                division: "999999001001".parse().expect("a village"),
                kind,
                name: "村委会".to_owned(),
                household_count,
                valid_from: "2020-01-01".parse().expect("a day"),
                valid_to: None,
            }
            .is_required()
        };
        assert!(place(NoticePlaceKind::Committee, 0));
        assert!(place(NoticePlaceKind::RelocationSite, 5));
        assert!(!place(NoticePlaceKind::Concentration, 19));
        assert!(place(NoticePlaceKind::Concentration, 20));
    }
}
