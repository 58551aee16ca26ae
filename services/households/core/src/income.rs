//! The ledger of income and expenditure, month by month (S07, REG-6).

use std::collections::BTreeSet;

use chrono::Datelike;
use kernel::{LedgerWindow, Money, Month, codes};

codes! {
    /// Group of the national income form.
    IncomeGroup {
        /// 工资性收入
        Wage = "WAGE",
        /// 生产经营性收入
        BusinessIncome = "BUSINESS_INCOME",
        /// 生产经营性支出
        BusinessExpenditure = "BUSINESS_EXPENDITURE",
        /// 财产性收入
        Property = "PROPERTY",
        /// 转移性收入
        Transfer = "TRANSFER",
        /// 理赔收入
        InsurancePayout = "INSURANCE_PAYOUT",
        /// 合规自付支出
        CompliantOop = "COMPLIANT_OOP",
    }
}

codes! {
    /// Where an amount is known from.
    IncomeSource {
        /// Said by the household.
        Declared = "DECLARED",
        /// Seen on a visit.
        Visited = "VISITED",
        /// Told by a department.
        Department = "DEPARTMENT",
        /// Told by a bank.
        Bank = "BANK",
    }
}

/// An amount of one or several months.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// First month.
    pub from: Month,
    /// How many months, at least one: an amount known for the year spans twelve.
    pub months: u32,
    /// Group of the form.
    pub group: IncomeGroup,
    /// Position within the group, e.g. 务工.
    pub kind: String,
    /// The whole amount, never negative.
    pub amount: Money,
    /// Where it is known from.
    pub source: IncomeSource,
}

/// Months since the year 0, to count with.
fn ordinal(month: Month) -> i64 {
    let day = month.first_day();
    i64::from(day.year()) * 12 + i64::from(day.month0())
}

/// The month `count` after `month`.
fn plus(month: Month, count: u32) -> Month {
    (0..count).fold(month, |month, _| month.next())
}

impl Entry {
    /// Last month.
    #[must_use]
    pub fn last(&self) -> Month {
        plus(self.from, self.months.saturating_sub(1))
    }

    /// The part of the amount that falls on the months from..=to. The parts of all months add up to
    /// the amount: what does not divide goes to the later ones.
    #[must_use]
    pub fn share(&self, from: Month, to: Month) -> Money {
        let months = i64::from(self.months.max(1));
        let begin = (ordinal(from) - ordinal(self.from)).clamp(0, months);
        let end = (ordinal(to) - ordinal(self.from) + 1).clamp(begin, months);
        let up_to = |month: i64| {
            let part = i128::from(self.amount.fen()) * i128::from(month) / i128::from(months);
            i64::try_from(part).unwrap_or(i64::MAX)
        };
        Money::from_fen(up_to(end) - up_to(begin))
    }

    /// The same amount as one entry a month.
    pub fn monthly(&self) -> impl Iterator<Item = Self> + '_ {
        (0..self.months.max(1)).map(|number| {
            let month = plus(self.from, number);
            self.part(month, month)
        })
    }

    fn part(&self, from: Month, to: Month) -> Self {
        let months = u32::try_from(ordinal(to) - ordinal(from) + 1).unwrap_or(1);
        Self {
            from,
            months,
            amount: self.share(from, to),
            ..self.clone()
        }
    }

    fn overlaps(&self, from: Month, to: Month) -> bool {
        self.from <= to && from <= self.last()
    }
}

/// A household's ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledger {
    /// Amounts, in no order.
    pub entries: Vec<Entry>,
    /// Months whose form is stated to be complete, zero income included.
    pub complete: BTreeSet<Month>,
}

impl Ledger {
    /// Replaces everything of the months from..=to; of entries that reach beyond, the part outside
    /// stays.
    pub fn replace(&mut self, from: Month, to: Month, entries: Vec<Entry>, complete: bool) {
        let mut kept = Vec::with_capacity(self.entries.len() + entries.len());
        for entry in std::mem::take(&mut self.entries) {
            if !entry.overlaps(from, to) {
                kept.push(entry);
                continue;
            }
            if entry.from < from {
                kept.push(entry.part(entry.from, from.minus(1)));
            }
            if entry.last() > to {
                kept.push(entry.part(to.next(), entry.last()));
            }
        }
        kept.extend(entries);
        self.entries = merged(kept);
        let mut month = from;
        while month <= to {
            if complete {
                self.complete.insert(month);
            } else {
                self.complete.remove(&month);
            }
            month = month.next();
        }
    }

    /// Whether all months of `window` are complete.
    #[must_use]
    pub fn covers(&self, window: LedgerWindow) -> bool {
        let (mut month, last) = (Month::of(window.from), Month::of(window.to));
        while month <= last {
            if !self.complete.contains(&month) {
                return false;
            }
            month = month.next();
        }
        true
    }

    /// What the window adds up to.
    #[must_use]
    pub fn totals(&self, window: LedgerWindow) -> Totals {
        let (from, to) = (Month::of(window.from), Month::of(window.to));
        let mut totals = Totals::default();
        for entry in &self.entries {
            let share = entry.share(from, to);
            match entry.group {
                IncomeGroup::Wage
                | IncomeGroup::BusinessIncome
                | IncomeGroup::Property
                | IncomeGroup::Transfer => totals.net = totals.net + share,
                IncomeGroup::BusinessExpenditure => totals.net = totals.net - share,
                IncomeGroup::InsurancePayout => totals.payouts = totals.payouts + share,
                IncomeGroup::CompliantOop => totals.compliant_oop = totals.compliant_oop + share,
            }
        }
        totals
    }
}

/// Entries that differ in nothing but the amount, as one.
fn merged(entries: Vec<Entry>) -> Vec<Entry> {
    let mut merged: Vec<Entry> = Vec::with_capacity(entries.len());
    for entry in entries {
        let same = merged.iter_mut().find(|known| {
            known.from == entry.from
                && known.months == entry.months
                && known.group == entry.group
                && known.source == entry.source
                && known.kind == entry.kind
        });
        match same {
            Some(known) => known.amount = known.amount + entry.amount,
            None => merged.push(entry),
        }
    }
    merged
}

/// What a window adds up to (`national-practice` 2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// wage + business income − business expenditure + property + transfer. Can be negative.
    pub net: Money,
    /// 理赔收入
    pub payouts: Money,
    /// 合规自付支出
    pub compliant_oop: Money,
}

impl Totals {
    /// net + payouts − compliant out-of-pocket.
    #[must_use]
    pub fn reference(&self) -> Money {
        self.net + self.payouts - self.compliant_oop
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn month(number: u32) -> Month {
        plus("2024-01".parse().expect("a month"), number)
    }

    fn entry(from: u32, months: u32, fen: i64, group: IncomeGroup) -> Entry {
        Entry {
            from: month(from),
            months,
            group,
            kind: "务工".to_owned(),
            amount: Money::from_fen(fen),
            source: IncomeSource::Declared,
        }
    }

    fn window(from: u32, to: u32) -> LedgerWindow {
        LedgerWindow {
            from: month(from).first_day(),
            to: month(to).last_day(),
        }
    }

    #[test]
    fn a_year_slides_out_month_by_month() {
        let year = entry(0, 12, 120_000, IncomeGroup::Wage);
        assert_eq!(year.share(month(0), month(11)), Money::from_fen(120_000));
        assert_eq!(year.share(month(6), month(17)), Money::from_fen(60_000));
        assert_eq!(year.share(month(12), month(23)), Money::ZERO);
    }

    #[test]
    fn expenditure_lowers_net_and_oop_lowers_reference_only() {
        let ledger = Ledger {
            entries: vec![
                entry(0, 1, 1000, IncomeGroup::BusinessIncome),
                entry(0, 1, 300, IncomeGroup::BusinessExpenditure),
                entry(0, 1, 50, IncomeGroup::InsurancePayout),
                entry(0, 1, 200, IncomeGroup::CompliantOop),
            ],
            complete: BTreeSet::new(),
        };
        let totals = ledger.totals(window(0, 11));
        assert_eq!(totals.net.fen(), 700);
        assert_eq!(totals.reference().fen(), 550);
    }

    #[test]
    fn a_statement_that_is_not_complete_takes_completeness_away() {
        let mut ledger = Ledger::default();
        ledger.replace(month(0), month(11), Vec::new(), true);
        assert!(ledger.covers(window(0, 11)));
        ledger.replace(month(3), month(3), Vec::new(), false);
        assert!(!ledger.covers(window(0, 11)));
        assert!(ledger.covers(window(4, 11)));
    }

    proptest! {
        #[test]
        fn monthly_parts_add_up(months in 1u32..24, fen in 0i64..1_000_000) {
            let whole = entry(0, months, fen, IncomeGroup::Wage);
            let sum: Money = whole.monthly().map(|part| part.amount).sum();
            prop_assert_eq!(sum, whole.amount);
            prop_assert_eq!(whole.monthly().count(), months as usize);
        }

        #[test]
        fn replacing_leaves_the_outside_alone(
            spans in prop::collection::vec((0u32..24, 1u32..13, 0i64..100_000), 0..8),
            at in 0u32..24, len in 0u32..6, fen in 0i64..1000,
        ) {
            let entries: Vec<Entry> = spans.iter()
                .map(|&(from, months, fen)| entry(from, months, fen, IncomeGroup::Wage)).collect();
            let mut ledger = Ledger { entries, complete: BTreeSet::new() };
            let net = |ledger: &Ledger, from, to| ledger.totals(window(from, to)).net;
            let before = (at > 0).then(|| net(&ledger, 0, at - 1));
            let after = net(&ledger, at + len + 1, 60);
            let new = vec![entry(at, 1, fen, IncomeGroup::Wage)];
            ledger.replace(month(at), month(at + len), new, true);
            prop_assert_eq!(before, (at > 0).then(|| net(&ledger, 0, at - 1)));
            prop_assert_eq!(after, net(&ledger, at + len + 1, 60));
            prop_assert_eq!(net(&ledger, at, at + len).fen(), fen);
        }
    }
}
