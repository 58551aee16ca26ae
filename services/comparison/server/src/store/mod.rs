//! Rows and what they mean. A file is an aggregate; every function works in the caller's
//! transaction, so it sees and writes the caller's scope only.

pub mod alert;
pub mod alert_rule;
pub mod batch;
pub mod case;
pub mod check;
pub mod comparison;
pub mod comparison_rule;
pub mod hit;
pub mod query;
pub mod reconsideration;
mod rule;

use chassis::error::Error;
use kernel::{Code, DivisionCode};

/// Rows that one statement writes: enough that the way to the database does not count.
const ROWS_AT_ONCE: usize = 1000;

/// A row that does not say what it should: names the place, not the value.
fn damaged(table: &'static str, column: &'static str) -> Error {
    Error::Internal(anyhow::anyhow!("comparison.{table}: bad {column}"))
}

fn code<C: Code>(table: &'static str, column: &'static str, text: &str) -> Result<C, Error> {
    C::parse(text).map_err(|_| damaged(table, column))
}

fn division(table: &'static str, text: &str) -> Result<DivisionCode, Error> {
    text.parse().map_err(|_| damaged(table, "division_code"))
}
