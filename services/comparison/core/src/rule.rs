//! What rules of both kinds have in common: they are configuration, not code, with versions that hold
//! for a time (DET-7, CMP-3).

use chrono::NaiveDate;

/// The head of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// e.g. `A-MED-04` or `C-HSE-01`.
    pub rule_id: String,
    /// Versions of one rule count up from 1.
    pub version: u32,
    /// First day in force.
    pub valid_from: NaiveDate,
    /// Last day in force.
    pub valid_to: Option<NaiveDate>,
    /// CEL; see [`crate::expression::Expression`].
    pub expression: String,
    /// Fen for amounts.
    pub threshold: i64,
    /// Unit of the threshold, for readers.
    pub unit: String,
    /// Where the rule comes from.
    pub legal_basis: String,
}

impl Head {
    /// Whether it is in force on `day`.
    #[must_use]
    pub fn is_valid_on(&self, day: NaiveDate) -> bool {
        self.valid_from <= day && self.valid_to.is_none_or(|last| day <= last)
    }
}

/// A rule of either kind.
pub trait Rule: Clone {
    /// What it has in common with the other kind.
    fn head(&self) -> &Head;
}

/// Of each rule the newest version in force on `day`, in the order of their ids.
#[must_use]
pub fn in_force<R: Rule>(rules: &[R], day: NaiveDate) -> Vec<R> {
    let valid = rules.iter().filter(|rule| rule.head().is_valid_on(day));
    let mut found: Vec<R> = valid.cloned().collect();
    found.sort_by(|a, b| {
        let (a, b) = (a.head(), b.head());
        (&a.rule_id, b.version).cmp(&(&b.rule_id, a.version))
    });
    found.dedup_by(|later, first| later.head().rule_id == first.head().rule_id);
    found
}

/// The number of the next version of a rule, beside the `known` ones.
#[must_use]
pub fn next_version<R: Rule>(known: &[R], rule_id: &str) -> u32 {
    let heads = known.iter().map(Rule::head);
    let versions = heads.filter(|head| head.rule_id == rule_id);
    versions.map(|head| head.version).max().unwrap_or(0) + 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Rule for Head {
        fn head(&self) -> &Head {
            self
        }
    }

    fn version(rule_id: &str, version: u32, from: u64, days: Option<u64>) -> Head {
        let start: NaiveDate = "2026-01-01".parse().expect("a day");
        let valid_from = start + chrono::Days::new(from);
        Head {
            rule_id: rule_id.to_owned(),
            version,
            valid_from,
            valid_to: days.map(|days| valid_from + chrono::Days::new(days)),
            expression: "true".to_owned(),
            threshold: 0,
            unit: String::new(),
            legal_basis: "测试".to_owned(),
        }
    }

    #[test]
    fn the_newest_version_of_the_day_judges_and_one_that_has_ended_is_out() {
        let rules = [
            version("C-A", 1, 0, None),
            version("C-A", 2, 10, Some(5)),
            version("C-B", 1, 12, None),
        ];
        let on = |day: u64| {
            let day = rules[0].valid_from + chrono::Days::new(day);
            let found = in_force(&rules, day);
            let names = found.iter().map(|r| format!("{} {}", r.rule_id, r.version));
            names.collect::<Vec<_>>()
        };
        assert_eq!(on(9), ["C-A 1"]);
        assert_eq!(on(10), ["C-A 2"]);
        assert_eq!(
            on(15),
            ["C-A 2", "C-B 1"],
            "its last day is one of its days"
        );
        assert_eq!(on(16), ["C-A 1", "C-B 1"]);
        assert_eq!(next_version(&rules, "C-A"), 3);
        assert_eq!(next_version(&rules, "C-C"), 1);
    }

    proptest! {
        #[test]
        fn of_each_rule_one_version_judges_and_none_newer_is_valid(
            drawn in prop::collection::vec((0usize..3, 1u32..9, 0u64..40, prop::option::of(0u64..20)), 0..20),
            day in 0u64..60,
        ) {
            let ids = ["C-A", "C-B", "C-C"];
            let rules: Vec<Head> = drawn.into_iter()
                .map(|(id, number, from, days)| version(ids[id], number, from, days)).collect();
            let start: NaiveDate = "2026-01-01".parse().expect("a day");
            let day = start + chrono::Days::new(day);
            let found = in_force(&rules, day);
            for id in ids {
                let valid = rules.iter().filter(|r| r.rule_id == id && r.is_valid_on(day));
                let newest = valid.map(|r| r.version).max();
                let judging: Vec<u32> = found.iter().filter(|r| r.rule_id == id).map(|r| r.version).collect();
                prop_assert_eq!(judging, newest.into_iter().collect::<Vec<_>>());
            }
        }
    }
}
