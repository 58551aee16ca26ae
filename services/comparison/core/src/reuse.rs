//! A check of a household's assets that civil affairs has made lately stands for files of departments: what
//! was looked at with consent is not looked at again (CMP-7).

use chrono::NaiveDate;
use kernel::{ItemKind, Refusal, Requirement};

/// Oldest check for a case whose procedure is not known here. No procedure may let a comparison rest on
/// older data (T9), so an older one would hold the case up later.
pub const AGE_DAYS_MAX: u32 = 90;

/// What somebody says of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// Day on which it was made.
    pub checked_on: NaiveDate,
    /// That nothing was found. What was found has to be judged from a department's rows.
    pub nothing_found: bool,
}

/// An item that a check covers, as it stands in the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Covered {
    /// Which one.
    pub item: ItemKind,
    /// Whether it was compared for everybody already.
    pub is_received: bool,
    /// Persons who allow it at this moment and whom it was not compared for.
    pub persons: usize,
}

/// Whether a check counts for the items that it covers, in a case whose procedure lets data be
/// `age_days_max` days old.
///
/// # Errors
/// Everything that keeps it from counting.
pub fn check(
    check: Check,
    covered: &[Covered],
    age_days_max: Option<u32>,
    today: NaiveDate,
) -> Result<(), Refusal> {
    let mut unmet = Vec::new();
    if !check.nothing_found {
        unmet.push(Requirement::new("CMP-7", "CHECK_CLEAN", "yes", "no"));
    }
    let most = i64::from(age_days_max.unwrap_or(AGE_DAYS_MAX));
    let age = (today - check.checked_on).num_days();
    if !(0..=most).contains(&age) {
        unmet.push(Requirement::new("CMP-7", "CHECK_AGE_DAYS", most, age));
    }
    let listed = |which: &dyn Fn(&Covered) -> bool| {
        let which = covered.iter().filter(|covered| which(covered));
        let items: Vec<String> = which.map(|covered| covered.item.to_string()).collect();
        items.join("|")
    };
    let received = listed(&|covered| covered.is_received);
    if !received.is_empty() {
        unmet.push(Requirement::new(
            "CMP-7",
            "ITEMS_NOT_RECEIVED",
            "",
            received,
        ));
    }
    let nobody = listed(&|covered| !covered.is_received && covered.persons == 0);
    if !nobody.is_empty() {
        unmet.push(Requirement::new("CMP-4", "ITEMS_ALLOWED", nobody, ""));
    }
    Refusal::check(unmet)
}

#[cfg(test)]
mod tests {
    use kernel::Code;
    use proptest::prelude::*;

    use super::*;

    fn codes(refused: &Refusal) -> Vec<String> {
        let unmet = refused.unmet.iter();
        unmet
            .map(|unmet| format!("{} {}", unmet.rule, unmet.code))
            .collect()
    }

    #[test]
    fn everything_that_keeps_a_check_from_counting_is_said_at_once() {
        let today: NaiveDate = "2026-08-31".parse().expect("a day");
        let covered = |item, is_received, persons| Covered {
            item,
            is_received,
            persons,
        };
        let old = Check {
            checked_on: today - chrono::Days::new(91),
            nothing_found: false,
        };
        let items = [
            covered(ItemKind::Vehicle, true, 0),
            covered(ItemKind::Insurance, false, 0),
            covered(ItemKind::BankDeposit, false, 2),
        ];
        let refused = check(old, &items, None, today).expect_err("refused");
        assert_eq!(
            codes(&refused),
            [
                "CMP-7 CHECK_CLEAN",
                "CMP-7 CHECK_AGE_DAYS",
                "CMP-7 ITEMS_NOT_RECEIVED",
                "CMP-4 ITEMS_ALLOWED",
            ]
        );
        assert_eq!(refused.unmet[1].needed, "90");
        assert_eq!(refused.unmet[2].found, "VEHICLE");
        assert_eq!(refused.unmet[3].needed, "INSURANCE");
    }

    proptest! {
        #[test]
        fn a_check_counts_while_it_is_as_young_as_the_procedure_wants(
            age in -3i64..200, most in prop::option::of(1u32..=90),
        ) {
            let today: NaiveDate = "2026-08-31".parse().expect("a day");
            let made = Check {
                checked_on: today - chrono::Duration::days(age),
                nothing_found: true,
            };
            let all = ItemKind::ALL.iter().map(|item| Covered {
                item: *item,
                is_received: false,
                persons: 1,
            });
            let all: Vec<Covered> = all.collect();
            let young = age >= 0 && age <= i64::from(most.unwrap_or(90));
            prop_assert_eq!(check(made, &all, most, today).is_ok(), young);
        }
    }
}
