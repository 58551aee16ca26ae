//! Income against the line, and what follows from it (S03–S07, `national-practice` 2.3, 2.4).

use chrono::NaiveDate;
use kernel::{Category, DivisionCode, LedgerWindow, Money, Month, Origin};

use crate::{
    guarantee::{self, Finding},
    income::Ledger,
    line::{self, MonitoringLine},
    member::Earner,
};

/// How many monthly windows are looked back over: the longest that a rule asks for is half a year,
/// twice that is shown.
pub const WINDOWS_BACK_MAX: u32 = 12;

/// What an assessment looks at.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The village.
    pub division: DivisionCode,
    /// Where the household comes from.
    pub origin: Origin,
    /// Everybody who lives in it or belongs to it.
    pub members: Vec<Earner>,
    /// Income and expenditure.
    pub ledger: Ledger,
    /// Findings on guarantees.
    pub findings: Vec<Finding>,
    /// Lines of the village and of what it lies in.
    pub lines: Vec<MonitoringLine>,
}

/// An assessment of a household on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// The day.
    pub as_of: NaiveDate,
    /// The twelve full months before.
    pub window: LedgerWindow,
    /// Whether all of them are filled in and somebody counts.
    pub income_complete: bool,
    /// Members that count.
    pub heads: u32,
    /// Net income of the window.
    pub net: Money,
    /// Net income per head.
    pub net_pc: Money,
    /// Net income plus payouts minus compliant out-of-pocket spending, per head.
    pub reference_pc: Money,
    /// The line in force.
    pub line: Option<Money>,
    /// Category that origin and line lead to.
    pub category: Option<Category>,
    /// Latest finding on each guarantee.
    pub guarantees: Vec<Finding>,
    /// Whether all guarantees were checked.
    pub guarantees_complete: bool,
    /// Whether all are safe.
    pub guarantees_safe: bool,
    /// 整户无劳动能力 (S43): somebody counts, and nobody of them can work.
    pub no_labour: bool,
    /// Somebody who counts can work.
    pub has_labour: bool,
    /// First day since which every monthly window was at or above the line.
    pub above_line_since: Option<NaiveDate>,
}

impl Assessment {
    /// Whether net income per head is below the line.
    #[must_use]
    pub fn net_below_line(&self) -> bool {
        self.line.is_some_and(|line| self.net_pc < line)
    }

    /// Whether reference income per head is below the line.
    #[must_use]
    pub fn reference_below_line(&self) -> bool {
        self.line.is_some_and(|line| self.reference_pc < line)
    }
}

/// Assesses a household on a day.
#[must_use]
pub fn assess(subject: &Subject, as_of: NaiveDate) -> Assessment {
    let heads = heads(&subject.members);
    let window = LedgerWindow::before(as_of);
    let totals = subject.ledger.totals(window);
    let (net_pc, reference_pc) = per_head(subject, window, heads);
    let income_complete = heads > 0 && subject.ledger.covers(window);
    let line = line::in_force(&subject.lines, &subject.division, as_of);
    let category = line
        .filter(|_| income_complete)
        .and_then(|line| category(subject.origin, net_pc, reference_pc, line));
    let guarantees = guarantee::latest(&subject.findings, as_of);
    let counting = || subject.members.iter().filter(|m| m.standing.counts());
    Assessment {
        as_of,
        window,
        income_complete,
        heads,
        net: totals.net,
        net_pc,
        reference_pc,
        line,
        category,
        guarantees_complete: guarantee::complete(&guarantees),
        guarantees_safe: guarantee::safe(&guarantees),
        guarantees,
        no_labour: heads > 0 && counting().all(|member| member.cannot_work(as_of)),
        has_labour: counting().any(Earner::is_labour),
        above_line_since: above_line_since(subject, as_of, heads),
    }
}

/// The category that origin and line lead to (2.3): A and B below the line by origin, C when only
/// the reference income is below.
#[must_use]
pub fn category(
    origin: Origin,
    net_pc: Money,
    reference_pc: Money,
    line: Money,
) -> Option<Category> {
    match origin {
        Origin::FormerlyRegistered if net_pc < line => Some(Category::UnstableEscaped),
        Origin::General if net_pc < line => Some(Category::MarginalVulnerable),
        _ if reference_pc < line => Some(Category::SuddenHardship),
        _ => None,
    }
}

/// 社会保障已落实 (S43): 低保 or 特困 is recorded for every member that counts and cannot work, and
/// there is one.
#[must_use]
pub fn social_security_in_place(members: &[Earner], day: NaiveDate) -> bool {
    let mut without_labour = members
        .iter()
        .filter(|member| member.standing.counts() && member.cannot_work(day))
        .peekable();
    without_labour.peek().is_some() && without_labour.all(|member| member.social_security)
}

fn heads(members: &[Earner]) -> u32 {
    let counting = members.iter().filter(|m| m.standing.counts()).count();
    u32::try_from(counting).unwrap_or(u32::MAX)
}

fn per_head(subject: &Subject, window: LedgerWindow, heads: u32) -> (Money, Money) {
    let totals = subject.ledger.totals(window);
    let divide = |amount: Money| amount.per_head(heads).unwrap_or(Money::ZERO);
    (divide(totals.net), divide(totals.reference()))
}

/// Goes back month by month as long as the window of that month is filled in and above. All days of
/// a month have the same window; the line may change within the month, the higher one counts.
fn above_line_since(subject: &Subject, as_of: NaiveDate, heads: u32) -> Option<NaiveDate> {
    let mut since = None;
    let mut month = Month::of(as_of);
    for _ in 0..=WINDOWS_BACK_MAX {
        let window = LedgerWindow::before(month.first_day());
        let last_day = month.last_day().min(as_of);
        let line = [month.first_day(), last_day]
            .into_iter()
            .filter_map(|day| line::in_force(&subject.lines, &subject.division, day))
            .max();
        let (net_pc, reference_pc) = per_head(subject, window, heads);
        let above = heads > 0
            && subject.ledger.covers(window)
            && line.is_some_and(|line| net_pc >= line && reference_pc >= line);
        if !above {
            break;
        }
        since = Some(month.first_day());
        month = month.minus(1);
    }
    since
}

#[cfg(test)]
mod tests {
    use kernel::{Code, Guarantee, GuaranteeStatus, LabourCapacity};
    use proptest::prelude::*;

    use super::*;
    use crate::{
        income::{Entry, IncomeGroup, IncomeSource},
        member::Standing,
    };

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    fn earner(labour: Option<LabourCapacity>, birth: &str) -> Earner {
        Earner {
            standing: Standing {
                registered: true,
                resident: true,
                shares_income: true,
            },
            labour,
            birth_date: day(birth),
            social_security: false,
        }
    }

    fn subject(origin: Origin, heads: usize) -> Subject {
        Subject {
            division: "999999001001".parse().expect("a village"),
            origin,
            members: vec![earner(Some(LabourCapacity::Ordinary), "1980-01-01"); heads],
            ledger: Ledger::default(),
            findings: Vec::new(),
            lines: vec![MonitoringLine {
                division: "999999000000".parse().expect("a county"),
                effective_from: day("2020-01-01"),
                amount: Money::from_yuan(8700),
            }],
        }
    }

    fn entry(month: Month, months: u32, group: IncomeGroup, yuan: i64) -> Entry {
        Entry {
            from: month,
            months,
            group,
            kind: "务工".to_owned(),
            amount: Money::from_yuan(yuan),
            source: IncomeSource::Declared,
        }
    }

    fn state(subject: &mut Subject, as_of: &str, entries: &[(IncomeGroup, i64)]) {
        let window = LedgerWindow::before(day(as_of));
        let (from, to) = (Month::of(window.from), Month::of(window.to));
        let entries = entries
            .iter()
            .map(|&(group, yuan)| entry(from, 12, group, yuan))
            .collect();
        subject.ledger.replace(from, to, entries, true);
    }

    #[test]
    fn scenario_01_medical_spending_of_50_000_makes_sudden_hardship() {
        for origin in Origin::ALL {
            let mut household = subject(*origin, 5);
            let spent = [
                (IncomeGroup::Wage, 80_400),
                (IncomeGroup::CompliantOop, 50_000),
            ];
            state(&mut household, "2026-08-31", &spent);
            let found = assess(&household, day("2026-08-31"));
            assert!(found.income_complete);
            assert_eq!(found.heads, 5);
            assert_eq!(found.net_pc, Money::from_yuan(16_080));
            assert_eq!(found.reference_pc, Money::from_yuan(6_080));
            assert_eq!(found.line, Some(Money::from_yuan(8_700)));
            assert!(!found.net_below_line() && found.reference_below_line());
            assert_eq!(found.category, Some(Category::SuddenHardship));
        }
    }

    #[test]
    fn scenario_02_net_income_below_the_line_goes_by_origin() {
        let of = |origin| {
            let mut household = subject(origin, 4);
            state(&mut household, "2026-08-31", &[(IncomeGroup::Wage, 32_000)]);
            assess(&household, day("2026-08-31")).category
        };
        assert_eq!(
            of(Origin::FormerlyRegistered),
            Some(Category::UnstableEscaped)
        );
        assert_eq!(of(Origin::General), Some(Category::MarginalVulnerable));
    }

    #[test]
    fn exactly_on_the_line_is_not_below() {
        let mut household = subject(Origin::General, 1);
        state(&mut household, "2026-08-31", &[(IncomeGroup::Wage, 8_700)]);
        assert_eq!(assess(&household, day("2026-08-31")).category, None);
    }

    #[test]
    fn income_that_is_not_filled_in_says_nothing() {
        let mut household = subject(Origin::General, 1);
        state(&mut household, "2026-08-31", &[]);
        let month = "2026-03".parse().expect("a month");
        household.ledger.replace(month, month, Vec::new(), false);
        let found = assess(&household, day("2026-08-31"));
        assert!(!found.income_complete);
        assert_eq!(found.category, None);
        assert_eq!(found.above_line_since, None);
    }

    #[test]
    fn above_since_goes_back_over_full_windows_only() {
        let mut household = subject(Origin::General, 1);
        // A good first year, then six months without a fen, then good months again.
        let first: Month = "2024-01".parse().expect("a month");
        let mut month = first;
        for number in 0..36 {
            let yuan = if (12..18).contains(&number) { 0 } else { 1_000 };
            let entries = vec![entry(month, 1, IncomeGroup::Wage, yuan)];
            household.ledger.replace(month, month, entries, true);
            month = month.next();
        }
        // The window has nine good months, 9 000 yuan, from 2026-04 on.
        let found = assess(&household, day("2026-09-15"));
        assert_eq!(found.above_line_since, Some(day("2026-04-01")));
        let found = assess(&household, day("2026-03-31"));
        assert_eq!(found.above_line_since, None);
        let low = entry(first, 1, IncomeGroup::Wage, 0);
        household.ledger.entries.push(low);
        assert_eq!(
            assess(&household, day("2025-01-31")).above_line_since,
            Some(day("2025-01-01")),
            "the windows before reach into months that are not filled in"
        );
    }

    #[test]
    fn no_labour_needs_everybody_known() {
        let as_of = day("2026-08-31");
        let of = |members: Vec<Earner>| {
            let mut household = subject(Origin::General, 0);
            household.members = members;
            let found = assess(&household, as_of);
            (found.no_labour, found.has_labour)
        };
        let lost = earner(Some(LabourCapacity::Lost), "1950-01-01");
        let child = earner(None, "2015-01-01");
        let unknown = earner(None, "1980-01-01");
        let weak = earner(Some(LabourCapacity::Weak), "1970-01-01");
        assert_eq!(of(vec![]), (false, false));
        assert_eq!(of(vec![lost, child]), (true, false));
        assert_eq!(of(vec![lost, unknown]), (false, false));
        assert_eq!(of(vec![lost, weak]), (false, true));
        let mut away = weak;
        away.standing.shares_income = false;
        assert_eq!(of(vec![lost, away]), (true, false));
    }

    #[test]
    fn social_security_has_to_reach_everybody_without_labour() {
        let as_of = day("2026-08-31");
        let lost = earner(Some(LabourCapacity::Lost), "1950-01-01");
        let secured = Earner {
            social_security: true,
            ..lost
        };
        let able = earner(Some(LabourCapacity::Ordinary), "1980-01-01");
        assert!(!social_security_in_place(&[], as_of));
        assert!(!social_security_in_place(&[able], as_of));
        assert!(!social_security_in_place(&[lost, secured], as_of));
        assert!(social_security_in_place(&[able, secured], as_of));
    }

    #[test]
    fn guarantees_are_told_as_of_the_day() {
        let mut household = subject(Origin::General, 1);
        household.findings = Guarantee::ALL
            .iter()
            .map(|&guarantee| Finding {
                guarantee,
                status: GuaranteeStatus::Safe,
                checked_on: day("2026-05-01"),
                remark: String::new(),
            })
            .collect();
        let found = assess(&household, day("2026-05-01"));
        assert!(found.guarantees_complete && found.guarantees_safe);
        assert!(!assess(&household, day("2026-04-30")).guarantees_complete);
    }

    proptest! {
        #[test]
        fn category_follows_from_the_two_comparisons(
            formerly: bool, net in -20_000i64..40_000, oop in 0i64..40_000, line in 1i64..20_000,
        ) {
            let origin = if formerly { Origin::FormerlyRegistered } else { Origin::General };
            let (net, reference) = (Money::from_yuan(net), Money::from_yuan(net - oop));
            let line = Money::from_yuan(line);
            let found = category(origin, net, reference, line);
            match found {
                Some(Category::UnstableEscaped) => prop_assert!(formerly && net < line),
                Some(Category::MarginalVulnerable) => prop_assert!(!formerly && net < line),
                Some(Category::SuddenHardship) => prop_assert!(net >= line && reference < line),
                None => prop_assert!(net >= line && reference >= line),
            }
        }

        #[test]
        fn above_since_is_never_set_below_the_line(yuan in 0i64..20_000, heads in 1usize..4) {
            let mut household = subject(Origin::General, heads);
            state(&mut household, "2026-08-31", &[(IncomeGroup::Wage, yuan)]);
            let found = assess(&household, day("2026-08-31"));
            prop_assert_eq!(found.above_line_since.is_some(), !found.net_below_line());
        }
    }
}
