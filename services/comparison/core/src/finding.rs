//! Comparison rules: what a department's register says against a household (S36, 8.2).

use kernel::ItemKind;

use crate::{
    answer::Told,
    contract::{self, Contract},
    expression::{Around, Expression, InvalidExpression},
    row::Values,
};

kernel::codes! {
    /// What a hit is worth (CMP-3).
    FindingKind {
        /// 硬伤: holds up the procedure until a person has cleared it.
        HardFlaw = "HARD_FLAW",
        /// A person has to look at it.
        Review = "REVIEW",
        /// To be known.
        Info = "INFO",
    }
}

/// Two rows of a register say different things of one person. No configuration: nobody can know which
/// of them to hold against whom, so a person has to look.
pub const CONTRADICTORY_ROWS: &str = "C-ROW-01";
/// A row with a person's ID number cannot be used: a value that is none, another name. Silence would
/// look like a clean register.
pub const UNUSABLE_ROW: &str = "C-ROW-02";

/// A rule: configuration, not code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparisonRule {
    /// e.g. `C-HSE-01`.
    pub rule_id: String,
    /// Versions of one rule count up from 1.
    pub version: u32,
    /// Whose rows it reads.
    pub item: ItemKind,
    /// What a hit is worth.
    pub kind: FindingKind,
    /// CEL; see [`Expression`].
    pub expression: String,
    /// Fen for amounts.
    pub threshold: i64,
}

/// Rules compiled for the register of one item.
#[derive(Debug)]
pub struct Rules {
    contract: Contract,
    rules: Vec<(ComparisonRule, Expression)>,
}

impl Rules {
    /// Compiles those of `rules` that read `item`.
    ///
    /// # Errors
    /// A rule whose expression is none.
    pub fn compile(rules: &[ComparisonRule], item: ItemKind) -> Result<Self, InvalidExpression> {
        let contract = contract::of_item(item);
        let compiled = rules.iter().filter(|rule| rule.item == item).map(|rule| {
            let expression = Expression::compile(&rule.expression, &contract)?;
            Ok((rule.clone(), expression))
        });
        Ok(Self {
            contract,
            rules: compiled.collect::<Result<_, _>>()?,
        })
    }

    /// The rules that hit what is told of a person's thing, in a household of `members` compared persons,
    /// and what each is worth here: where only the far end of a band is hit nobody knows, so that a hard
    /// flaw becomes something to look at.
    #[must_use]
    pub fn judge<'a>(
        &'a self,
        told: &'a Told,
        members: i64,
    ) -> Vec<(&'a ComparisonRule, FindingKind)> {
        let low: Vec<_> = self.hits(&told.low, members).collect();
        if told.low == told.high {
            return low.into_iter().map(|rule| (rule, rule.kind)).collect();
        }
        let high: Vec<_> = self.hits(&told.high, members).collect();
        let has = |rules: &[&ComparisonRule], rule| rules.iter().any(|r| std::ptr::eq(*r, rule));
        let rules = self.rules.iter().map(|(rule, _)| rule);
        let judged = rules.filter_map(|rule| match (has(&low, rule), has(&high, rule)) {
            (true, true) => Some((rule, rule.kind)),
            (false, false) => None,
            _ if rule.kind == FindingKind::HardFlaw => Some((rule, FindingKind::Review)),
            _ => Some((rule, rule.kind)),
        });
        judged.collect()
    }

    /// The rules that hit the values of a row of a person in a household of `members` compared persons.
    fn hits<'a>(
        &'a self,
        values: &'a Values,
        members: i64,
    ) -> impl Iterator<Item = &'a ComparisonRule> {
        self.rules.iter().filter_map(move |(rule, expression)| {
            let around = Around {
                threshold: rule.threshold,
                subject_class: None,
                members,
            };
            expression
                .hits(values, &self.contract, around)
                .then_some(rule)
        })
    }
}

#[cfg(test)]
impl ComparisonRule {
    /// A hard flaw.
    pub(crate) fn test(item: ItemKind, expression: &str, threshold: i64) -> Self {
        Self {
            rule_id: "C-TEST-01".to_owned(),
            version: 1,
            item,
            kind: FindingKind::HardFlaw,
            expression: expression.to_owned(),
            threshold,
        }
    }
}
