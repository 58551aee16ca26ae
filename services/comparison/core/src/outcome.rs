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

/// Persons whom an item was not compared for, by why (CMP-4, CMP-5, CMP-11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeftOut {
    /// They had not allowed it.
    pub not_authorised: u32,
    /// Their authorisation was past its last day.
    pub expired: u32,
    /// They had withdrawn it.
    pub withdrawn: u32,
    /// The department has not answered for them.
    pub unanswered: u32,
    /// The file that they were compared with was wrong, and they wait for the corrected one (CMP-11).
    pub corrected: u32,
}

impl LeftOut {
    /// How many persons.
    #[must_use]
    pub const fn persons(&self) -> u32 {
        self.unauthorised()
            .saturating_add(self.unanswered)
            .saturating_add(self.corrected)
    }

    /// How many for want of a valid authorisation.
    #[must_use]
    pub const fn unauthorised(&self) -> u32 {
        self.not_authorised
            .saturating_add(self.expired)
            .saturating_add(self.withdrawn)
    }
}

/// What counts of an item that a file has come for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemState {
    /// Which one.
    pub item: ItemKind,
    /// Day of its data.
    pub data_date: NaiveDate,
    /// For whom it was not compared.
    pub left_out: LeftOut,
}

impl ItemState {
    /// Whether it was compared for everybody who has to be.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.left_out.persons() == 0
    }
}

/// The sum of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Items that no department has delivered yet, or that somebody was left out of.
    pub items_missing: Vec<ItemKind>,
    /// Most persons that were left out of an item for want of a valid authorisation.
    pub persons_left_out: u32,
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
    /// Sums up the items received and the hits.
    #[must_use]
    pub fn of(received: &[ItemState], hits: &[HitState]) -> Self {
        let is_there = |item: &ItemKind| {
            let mut whole = received.iter().filter(|state| state.is_whole());
            whole.any(|state| state.item == *item)
        };
        let missing = ItemKind::ALL.iter().copied().filter(|item| !is_there(item));
        let items_missing: Vec<ItemKind> = missing.collect();
        let oldest = received.iter().map(|state| state.data_date).min();
        let left_out = received.iter().map(|state| state.left_out.unauthorised());
        let count = |test: &dyn Fn(&HitState) -> bool| hits.iter().filter(|hit| test(hit)).count();
        let hard = |hit: &HitState| hit.kind == FindingKind::HardFlaw;
        Self {
            oldest_data_date: oldest.filter(|_| items_missing.is_empty()),
            hard_flaws_open: count(&|h| hard(h) && h.outcome != Some(HitOutcome::Cleared)),
            hard_flaws_confirmed: count(&|h| hard(h) && h.outcome == Some(HitOutcome::Confirmed)),
            reviews_open: count(&|h| h.kind == FindingKind::Review && h.outcome.is_none()),
            persons_left_out: left_out.max().unwrap_or_default(),
            items_missing,
        }
    }

    /// Whether all nine items were compared for everybody.
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

    #[test]
    fn whoever_waits_for_a_corrected_file_is_missing_and_lacks_no_authorisation() {
        let left_out = LeftOut {
            corrected: 2,
            ..LeftOut::default()
        };
        let received = ItemKind::ALL.iter().map(|item| ItemState {
            item: *item,
            data_date: "2026-08-31".parse().expect("a day"),
            left_out: match item {
                ItemKind::Vehicle => left_out,
                _ => LeftOut::default(),
            },
        });
        let outcome = Outcome::of(&received.collect::<Vec<_>>(), &[]);
        assert_eq!(outcome.items_missing, [ItemKind::Vehicle]);
        assert_eq!(outcome.persons_left_out, 0);
        assert_eq!(outcome.oldest_data_date, None);
    }

    proptest! {
        #[test]
        fn complete_with_all_nine_for_everybody_and_dated_by_the_oldest(
            mask in 0u16..512, partial in 0u16..512, days in prop::collection::vec(0u64..1000, 9),
        ) {
            let start: NaiveDate = "2026-01-01".parse().expect("a day");
            let received: Vec<ItemState> = ItemKind::ALL.iter().copied().enumerate()
                .filter(|(bit, _)| mask & (1 << bit) != 0)
                .map(|(bit, item)| ItemState {
                    item,
                    data_date: start + chrono::Days::new(days[bit]),
                    left_out: LeftOut { withdrawn: u32::from(partial >> bit & 1), ..LeftOut::default() },
                }).collect();
            let outcome = Outcome::of(&received, &[]);
            let whole = mask & !partial;
            prop_assert_eq!(outcome.items_missing.len() as u32 + whole.count_ones(), 9);
            prop_assert_eq!(outcome.is_complete(), whole == 511);
            prop_assert_eq!(outcome.persons_left_out, u32::from(mask & partial != 0));
            let oldest = received.iter().map(|state| state.data_date).min();
            prop_assert_eq!(outcome.oldest_data_date, oldest.filter(|_| whole == 511));
        }
    }
}
