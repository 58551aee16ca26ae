//! Alert rules: which rows of departments say that somebody may be in need (S24, DET-7, 8.1).

use chrono::NaiveDate;
use kernel::{Department, RiskType, Severity, SubjectClass};

use crate::{
    contract::{self, Contract},
    expression::{Around, Expression, InvalidExpression},
    row::Values,
};

/// A rule: configuration, not code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRule {
    /// e.g. `A-MED-04`.
    pub rule_id: String,
    /// Versions of one rule count up from 1.
    pub version: u32,
    /// First day in force.
    pub valid_from: NaiveDate,
    /// Last day in force.
    pub valid_to: Option<NaiveDate>,
    /// Whose rows it reads.
    pub department: Department,
    /// Kind of the rows.
    pub row_kind: String,
    /// Households it applies to; empty for all.
    pub subject_classes: Vec<SubjectClass>,
    /// CEL; see [`Expression`].
    pub expression: String,
    /// Fen for amounts.
    pub threshold: i64,
    /// Unit of the threshold, for readers.
    pub unit: String,
    /// Grade of its alerts.
    pub severity: Severity,
    /// Risk that it points to.
    pub risk: RiskType,
    /// Days for which the same person is not alerted on again.
    pub suppress_days: u32,
    /// Where the rule comes from.
    pub legal_basis: String,
}

impl AlertRule {
    /// Whether it is in force on `day`.
    #[must_use]
    pub fn is_valid_on(&self, day: NaiveDate) -> bool {
        self.valid_from <= day && self.valid_to.is_none_or(|last| day <= last)
    }
}

/// Of each rule the newest version in force on `day`, in the order of their ids.
#[must_use]
pub fn in_force(rules: &[AlertRule], day: NaiveDate) -> Vec<AlertRule> {
    let mut found: Vec<AlertRule> = rules
        .iter()
        .filter(|r| r.is_valid_on(day))
        .cloned()
        .collect();
    found.sort_by(|a, b| (&a.rule_id, b.version).cmp(&(&b.rule_id, a.version)));
    found.dedup_by(|later, first| later.rule_id == first.rule_id);
    found
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
            let expression = Expression::compile(&rule.expression, &contract)?;
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
                threshold: rule.threshold,
                subject_class: Some(subject_class),
                members: 1,
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
    Expression::compile(&rule.expression, contract).map_err(Some)?;
    Ok(())
}
