//! Comparison rules: what a department's register says against a household (S36, 8.2).

use kernel::ItemKind;

use crate::{
    answer::Told,
    contract::{self, Contract},
    expression::{Around, Expression, InvalidExpression},
    row::Values,
    rule::{Head, Rule},
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

/// Ids of findings that no configuration makes.
pub const BUILT_IN: [&str; 2] = [CONTRADICTORY_ROWS, UNUSABLE_ROW];

/// A rule: configuration, not code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparisonRule {
    /// What every rule has.
    pub head: Head,
    /// Whose rows it reads.
    pub item: ItemKind,
    /// What a hit is worth.
    pub kind: FindingKind,
    /// CEL; where it is true of a row the rule does not hit. Empty for none.
    pub exemption: String,
}

impl Rule for ComparisonRule {
    fn head(&self) -> &Head {
        &self.head
    }
}

/// What of a rule is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalid {
    /// Its id is that of a finding that no configuration makes.
    BuiltIn,
    /// Its expression.
    Expression(InvalidExpression),
    /// Its exemption.
    Exemption(InvalidExpression),
}

/// Whether a rule can be put in force: everything that is wrong with it.
#[must_use]
pub fn check(rule: &ComparisonRule) -> Vec<Invalid> {
    let contract = contract::of_item(rule.item);
    let built_in = BUILT_IN.contains(&&*rule.head.rule_id);
    let expression = Expression::compile(&rule.head.expression, &contract).err();
    let exemption = exemption(rule, &contract).err();
    let built_in = built_in.then_some(Invalid::BuiltIn);
    let expression = expression.map(Invalid::Expression);
    let exemption = exemption.map(Invalid::Exemption);
    built_in
        .into_iter()
        .chain(expression)
        .chain(exemption)
        .collect()
}

fn exemption(
    rule: &ComparisonRule,
    contract: &Contract,
) -> Result<Option<Expression>, InvalidExpression> {
    let given = Some(&rule.exemption).filter(|source| !source.is_empty());
    given
        .map(|source| Expression::compile(source, contract))
        .transpose()
}

/// A rule with its expressions.
#[derive(Debug)]
struct Compiled {
    rule: ComparisonRule,
    expression: Expression,
    exemption: Option<Expression>,
}

/// Rules compiled for the register of one item.
#[derive(Debug)]
pub struct Rules {
    contract: Contract,
    rules: Vec<Compiled>,
}

impl Rules {
    /// Compiles those of `rules` that read `item`.
    ///
    /// # Errors
    /// A rule whose expression or exemption is none.
    pub fn compile(rules: &[ComparisonRule], item: ItemKind) -> Result<Self, InvalidExpression> {
        let contract = contract::of_item(item);
        let compiled = rules.iter().filter(|rule| rule.item == item).map(|rule| {
            Ok(Compiled {
                rule: rule.clone(),
                expression: Expression::compile(&rule.head.expression, &contract)?,
                exemption: exemption(rule, &contract)?,
            })
        });
        Ok(Self {
            contract,
            rules: compiled.collect::<Result<_, _>>()?,
        })
    }

    /// The rules that hit what is told of a person's thing, in a household of `members` compared members,
    /// and what each is worth here: where only the far end of a band is hit nobody knows, so that a hard
    /// flaw becomes something to look at.
    #[must_use]
    pub fn judge<'a>(
        &'a self,
        told: &'a Told,
        is_relative: bool,
        members: i64,
    ) -> Vec<(&'a ComparisonRule, FindingKind)> {
        let low: Vec<_> = self.hits(&told.low, is_relative, members).collect();
        if told.low == told.high {
            return low.into_iter().map(|rule| (rule, rule.kind)).collect();
        }
        let high: Vec<_> = self.hits(&told.high, is_relative, members).collect();
        let has = |rules: &[&ComparisonRule], rule| rules.iter().any(|r| std::ptr::eq(*r, rule));
        let rules = self.rules.iter().map(|compiled| &compiled.rule);
        let judged = rules.filter_map(|rule| match (has(&low, rule), has(&high, rule)) {
            (true, true) => Some((rule, rule.kind)),
            (false, false) => None,
            _ if rule.kind == FindingKind::HardFlaw => Some((rule, FindingKind::Review)),
            _ => Some((rule, rule.kind)),
        });
        judged.collect()
    }

    /// The rules that hit the values of a row.
    fn hits<'a>(
        &'a self,
        values: &'a Values,
        is_relative: bool,
        members: i64,
    ) -> impl Iterator<Item = &'a ComparisonRule> {
        self.rules.iter().filter_map(move |compiled| {
            let around = Around {
                threshold: compiled.rule.head.threshold,
                subject_class: None,
                members,
                is_relative,
            };
            let is_true = |of: &Expression| of.hits(values, &self.contract, around);
            let exempt = compiled.exemption.as_ref().is_some_and(is_true);
            (is_true(&compiled.expression) && !exempt).then_some(&compiled.rule)
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn rule(expression: &str, exemption: &str) -> ComparisonRule {
        ComparisonRule {
            head: Head {
                rule_id: "C-VEH-01".to_owned(),
                version: 1,
                valid_from: "2026-01-01".parse().expect("a day"),
                valid_to: None,
                expression: expression.to_owned(),
                threshold: 3_000_000,
                unit: "fen".to_owned(),
                legal_basis: "测试".to_owned(),
            },
            item: ItemKind::Vehicle,
            kind: FindingKind::Review,
            exemption: exemption.to_owned(),
        }
    }

    #[test]
    fn everything_that_is_wrong_with_a_rule_is_said() {
        assert_eq!(check(&rule("price > threshold", "exemption != ''")), []);
        assert_eq!(check(&rule("true", "")), []);
        let bad = ComparisonRule {
            head: Head {
                rule_id: UNUSABLE_ROW.to_owned(),
                ..rule("price >", "").head
            },
            exemption: "balance > 1".to_owned(),
            ..rule("", "")
        };
        let found = [
            Invalid::BuiltIn,
            Invalid::Expression(InvalidExpression::Syntax),
            Invalid::Exemption(InvalidExpression::Type),
        ];
        assert_eq!(check(&bad), found);
    }

    proptest! {
        #[test]
        fn what_is_exempt_is_never_hit_and_nothing_else_is_let_off(
            yuan in prop_oneof![Just(1i64), 0i64..100_000], exempt in prop::option::of("[报废残疾代步]{1,4}"),
        ) {
            let contract = contract::of_item(ItemKind::Vehicle);
            let exemption = exempt.unwrap_or_default();
            let cells = ["小型汽车".to_owned(), format!("{yuan}"), exemption.clone()];
            let values = Values::read(&contract, cells).expect("values");
            let hits = |rule: ComparisonRule| {
                let rules = Rules::compile(&[rule], ItemKind::Vehicle).expect("compiles");
                rules.hits(&values, false, 1).count() == 1
            };
            let over = yuan > 30_000;
            prop_assert_eq!(hits(rule("price > threshold", "")), over);
            prop_assert_eq!(hits(rule("price > threshold", "exemption != ''")), over && exemption.is_empty());
            prop_assert!(!hits(rule("true", "true")));
            // What divides by zero lets nobody off.
            prop_assert!(hits(rule("true", "1 / (price - 100) > 5")));
        }
    }
}
