//! Rule expressions: CEL over a row's columns, `threshold`, `members`, `relative` and `subject_class`. Amounts
//! are fen, days are text such as "2026-08-31".

use std::fmt;

use cel::{Context, Program, Value as CelValue};
use kernel::{Code, SubjectClass};

use crate::{column::Value, contract::Contract, row::Values};

/// Longest expression: a rule, not a program.
const CHARS_MAX: usize = 500;

/// A compiled expression.
pub struct Expression {
    program: Program,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expression").finish_non_exhaustive()
    }
}

/// What a rule sees beside the row.
#[derive(Debug, Clone, Copy)]
pub struct Around {
    /// The rule's threshold: fen, or a number of its unit.
    pub threshold: i64,
    /// What the household already is.
    pub subject_class: Option<SubjectClass>,
    /// Members of the household that are compared.
    pub members: i64,
    /// The row is of somebody who is no member (CMP-2).
    pub is_relative: bool,
}

/// An expression that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidExpression {
    /// Too long.
    #[error("an expression of at most 500 characters")]
    TooLong,
    /// It does not parse.
    #[error("a CEL expression")]
    Syntax,
    /// It does not give true or false on a row of the contract.
    #[error("a CEL expression over the row's columns that is true or false")]
    Type,
}

impl Expression {
    /// Compiles and tries it on a row of `contract`.
    ///
    /// # Errors
    /// See [`InvalidExpression`].
    pub fn compile(source: &str, contract: &Contract) -> Result<Self, InvalidExpression> {
        if source.chars().count() > CHARS_MAX {
            return Err(InvalidExpression::TooLong);
        }
        let program = Program::compile(source).map_err(|_| InvalidExpression::Syntax)?;
        let expression = Self { program };
        let around = Around {
            threshold: 1,
            subject_class: Some(SubjectClass::General),
            members: 1,
            is_relative: false,
        };
        let nothing = contract.values().map(|column| column.kind.nothing());
        let nothing: Vec<Value> = nothing.collect();
        let names = contract.values().map(|column| column.name);
        let values = names.zip(&nothing);
        match expression.evaluate(values, around) {
            Some(_) => Ok(expression),
            None => Err(InvalidExpression::Type),
        }
    }

    /// Whether the rule hits a row. Compiling has tried it, so that it gives nothing else than true
    /// or false only where a row divides by zero or overflows: that is no hit.
    #[must_use]
    pub fn hits(&self, values: &Values, contract: &Contract, around: Around) -> bool {
        self.evaluate(values.named(contract), around)
            .unwrap_or(false)
    }

    fn evaluate<'a>(
        &self,
        values: impl Iterator<Item = (&'static str, &'a Value)>,
        around: Around,
    ) -> Option<bool> {
        let mut context = Context::default();
        for (name, value) in values {
            let value = match value {
                Value::Money(amount) => CelValue::Int(amount.fen()),
                Value::Number(number) => CelValue::Int(*number),
                Value::Flag(is) => CelValue::Bool(*is),
                Value::Date(day) => {
                    CelValue::from(day.map(|day| day.to_string()).unwrap_or_default())
                }
                Value::Text(text) => CelValue::from(text.clone()),
            };
            context.add_variable(name, value).ok()?;
        }
        let class = around.subject_class.map_or("", Code::as_str);
        context
            .add_variable("subject_class", CelValue::from(class.to_owned()))
            .ok()?;
        context
            .add_variable("threshold", CelValue::Int(around.threshold))
            .ok()?;
        context
            .add_variable("members", CelValue::Int(around.members))
            .ok()?;
        context
            .add_variable("relative", CelValue::Bool(around.is_relative))
            .ok()?;
        match self.program.execute(&context) {
            Ok(CelValue::Bool(hit)) => Some(hit),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use kernel::ItemKind;
    use proptest::prelude::*;

    use super::*;
    use crate::contract;

    #[test]
    fn an_expression_is_tried_before_it_is_used() {
        let contract = contract::of_alerts("medical_expense").expect("a contract");
        for (source, found) in [
            ("stay_oop >= threshold", None),
            ("stay_oop >= threshold && subject_class == 'ENROLLED'", None),
            ("stay_oop >=", Some(InvalidExpression::Syntax)),
            ("stay_oop + 1", Some(InvalidExpression::Type)),
            ("balance > 1", Some(InvalidExpression::Type)),
            ("stay_oop > 'x'", Some(InvalidExpression::Type)),
        ] {
            assert_eq!(
                Expression::compile(source, contract).err(),
                found,
                "{source}"
            );
        }
        let long = "true && ".repeat(100) + "true";
        let found = Expression::compile(&long, contract).err();
        assert_eq!(found, Some(InvalidExpression::TooLong));
    }

    proptest! {
        #[test]
        fn a_threshold_is_a_threshold(yuan in 0i64..1_000_000, fen in 0i64..100, limit in 0i64..100_000_000) {
            let contract = contract::of_item(ItemKind::BankDeposit);
            let values = Values::read(&contract, [format!("{yuan}.{fen:02}")]).expect("values");
            let rule = Expression::compile("balance > threshold * members", &contract).expect("one");
            let around = Around { threshold: limit, subject_class: None, members: 3, is_relative: false };
            prop_assert_eq!(rule.hits(&values, &contract, around), yuan * 100 + fen > limit * 3);
        }

        #[test]
        fn any_text_compiles_or_is_refused(source in ".{0,60}") {
            let contract = contract::of_item(ItemKind::BankDeposit);
            let _ = Expression::compile(&source, &contract);
        }
    }
}
