//! Rows and what they mean. A file is an aggregate; every function works in the caller's
//! transaction, so it sees and writes the caller's scope only.

pub mod authorisation;
pub mod change;
pub mod division;
pub mod finding;
pub mod household;
pub mod import;
pub mod income;
pub mod line;
pub mod member;
pub mod merge;
pub mod notice_place;
pub mod relative;
pub mod sealed;
pub mod subject;

use chassis::error::Error;
use kernel::{Code, DivisionCode};

/// A row that does not say what it should: names the place, not the value.
fn damaged(table: &'static str, column: &'static str) -> Error {
    Error::Internal(anyhow::anyhow!("households.{table}: bad {column}"))
}

fn code<C: Code>(table: &'static str, column: &'static str, text: &str) -> Result<C, Error> {
    C::parse(text).map_err(|_| damaged(table, column))
}

fn code_optional<C: Code>(
    table: &'static str,
    column: &'static str,
    text: Option<&str>,
) -> Result<Option<C>, Error> {
    text.map(|text| code(table, column, text)).transpose()
}

fn division(table: &'static str, text: &str) -> Result<DivisionCode, Error> {
    text.parse().map_err(|_| damaged(table, "division_code"))
}

fn text<C: Code>(code: C) -> String {
    code.as_str().to_owned()
}

/// A number of the domain as a column holds it. All are bounded far below.
fn small(number: u32) -> i16 {
    i16::try_from(number).unwrap_or(i16::MAX)
}
