//! What a comparison has come to, for the procedure's guards (S34–S36).

use chrono::NaiveDate;
use kernel::{Code, ItemKind, Refusal, Requirement};

use crate::finding::FindingKind;

/// A person's decision on a hit (CMP-6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HitOutcome {
    /// The hit stands.
    Confirmed,
    /// Explained: it does not count.
    Cleared,
}

/// What counts of a hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HitState {
    /// What it is worth.
    pub kind: FindingKind,
    /// How it was decided; `None` while it is open.
    pub outcome: Option<HitOutcome>,
}

/// The sum of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Items that no department has delivered yet.
    pub items_missing: Vec<ItemKind>,
    /// Of the nine data dates the oldest; `None` until all are there.
    pub oldest_data_date: Option<NaiveDate>,
    /// Hard flaws that nobody has cleared.
    pub hard_flaws_open: usize,
    /// Those that somebody has confirmed.
    pub hard_flaws_confirmed: usize,
    /// Review hits that nobody has decided.
    pub reviews_open: usize,
}

impl Outcome {
    /// Sums up the items received with their data dates, and the hits.
    #[must_use]
    pub fn of(received: &[(ItemKind, NaiveDate)], hits: &[HitState]) -> Self {
        let is_there = |item: &ItemKind| received.iter().any(|(known, _)| known == item);
        let missing = ItemKind::ALL.iter().copied().filter(|item| !is_there(item));
        let items_missing: Vec<ItemKind> = missing.collect();
        let oldest = received.iter().map(|(_, date)| *date).min();
        let count = |test: &dyn Fn(&HitState) -> bool| hits.iter().filter(|hit| test(hit)).count();
        let hard = |hit: &HitState| hit.kind == FindingKind::HardFlaw;
        Self {
            oldest_data_date: oldest.filter(|_| items_missing.is_empty()),
            hard_flaws_open: count(&|h| hard(h) && h.outcome != Some(HitOutcome::Cleared)),
            hard_flaws_confirmed: count(&|h| hard(h) && h.outcome == Some(HitOutcome::Confirmed)),
            reviews_open: count(&|h| h.kind == FindingKind::Review && h.outcome.is_none()),
            items_missing,
        }
    }

    /// Whether all nine items were compared.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.items_missing.is_empty()
    }
}

/// Whether a hit can be answered or decided: once, by a person (CMP-6).
///
/// # Errors
/// It is decided already.
pub fn check_open(hit: &HitState) -> Result<(), Refusal> {
    let decided = hit.outcome.map(|outcome| {
        let found = match outcome {
            HitOutcome::Confirmed => "CONFIRMED",
            HitOutcome::Cleared => "CLEARED",
        };
        Requirement::new("CMP-6", "HIT_UNDECIDED", "UNDECIDED", found)
    });
    Refusal::check(decided.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hit(kind: FindingKind, outcome: Option<HitOutcome>) -> HitState {
        HitState { kind, outcome }
    }

    #[test]
    fn a_flaw_counts_until_it_is_cleared_and_a_review_until_it_is_decided() {
        use FindingKind::{HardFlaw, Info, Review};
        use HitOutcome::{Cleared, Confirmed};
        let outcome = Outcome::of(
            &[],
            &[
                hit(HardFlaw, None),
                hit(HardFlaw, Some(Cleared)),
                hit(HardFlaw, Some(Confirmed)),
                hit(Review, None),
                hit(Review, Some(Confirmed)),
                hit(Info, None),
            ],
        );
        assert_eq!(
            (outcome.hard_flaws_open, outcome.hard_flaws_confirmed),
            (2, 1)
        );
        assert_eq!(outcome.reviews_open, 1);
        assert!(check_open(&hit(Review, None)).is_ok());
        let refusal = check_open(&hit(Review, Some(Cleared))).expect_err("decided");
        assert_eq!(refusal.unmet[0].code, "HIT_UNDECIDED");
    }

    proptest! {
        #[test]
        fn complete_with_all_nine_and_dated_by_the_oldest(mask in 0u16..512, days in prop::collection::vec(0u64..1000, 9)) {
            let start: NaiveDate = "2026-01-01".parse().expect("a day");
            let received: Vec<(ItemKind, NaiveDate)> = ItemKind::ALL.iter().copied().enumerate()
                .filter(|(bit, _)| mask & (1 << bit) != 0)
                .map(|(bit, item)| (item, start + chrono::Days::new(days[bit]))).collect();
            let outcome = Outcome::of(&received, &[]);
            prop_assert_eq!(outcome.items_missing.len() + received.len(), 9);
            prop_assert_eq!(outcome.is_complete(), mask == 511);
            let oldest = received.iter().map(|(_, date)| *date).min();
            prop_assert_eq!(outcome.oldest_data_date, oldest.filter(|_| mask == 511));
        }
    }
}
