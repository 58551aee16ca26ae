//! Alert rules: which rows of departments say that somebody may be in need (S24, DET-7, 8.1).

use kernel::{Department, RiskType, Severity, SubjectClass};

use crate::{
    contract::{self, Contract},
    expression::{Around, Expression, InvalidExpression},
    row::Values,
    rule::{Head, Rule},
};

/// A rule: configuration, not code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRule {
    /// What every rule has.
    pub head: Head,
    /// Whose rows it reads.
    pub department: Department,
    /// Kind of the rows.
    pub row_kind: String,
    /// Households it applies to; empty for all.
    pub subject_classes: Vec<SubjectClass>,
    /// Grade of its alerts.
    pub severity: Severity,
    /// Risk that it points to.
    pub risk: RiskType,
    /// Days for which the same person is not alerted on again.
    pub suppress_days: u32,
}

impl Rule for AlertRule {
    fn head(&self) -> &Head {
        &self.head
    }
}

/// Rules compiled for one kind of rows.
#[derive(Debug)]
pub struct Rules {
    contract: Contract,
    rules: Vec<(AlertRule, Expression)>,
}

impl Rules {
    /// Compiles those of `rules` that read rows of `contract`.
    ///
    /// # Errors
    /// A rule that should not have got so far.
    pub fn compile(rules: Vec<AlertRule>, contract: Contract) -> Result<Self, InvalidExpression> {
        let own = rules.into_iter().filter(|rule| {
            rule.row_kind == contract.row_kind && rule.department.as_str() == contract.department
        });
        let compiled = own.map(|rule| {
            let expression = Expression::compile(&rule.head.expression, &contract)?;
            Ok((rule, expression))
        });
        Ok(Self {
            contract,
            rules: compiled.collect::<Result<_, _>>()?,
        })
    }

    /// The rules that hit the values of a row about a member of a household of `subject_class`.
    pub fn hits<'a>(
        &'a self,
        values: &'a Values,
        subject_class: SubjectClass,
    ) -> impl Iterator<Item = &'a AlertRule> {
        let applies = move |rule: &AlertRule| {
            rule.subject_classes.is_empty() || rule.subject_classes.contains(&subject_class)
        };
        self.rules.iter().filter_map(move |(rule, expression)| {
            let around = Around {
                threshold: rule.head.threshold,
                subject_class: Some(subject_class),
                members: 1,
                is_relative: false,
            };
            let hit = applies(rule) && expression.hits(values, &self.contract, around);
            hit.then_some(rule)
        })
    }
}

/// Whether a rule can be put in force.
///
/// # Errors
/// Its expression, or rows that no department delivers (`None`).
pub fn check(rule: &AlertRule) -> Result<(), Option<InvalidExpression>> {
    let contract = contract::of_alerts(&rule.row_kind)
        .filter(|contract| contract.department == rule.department.as_str())
        .ok_or(None)?;
    Expression::compile(&rule.head.expression, contract).map_err(Some)?;
    Ok(())
}
