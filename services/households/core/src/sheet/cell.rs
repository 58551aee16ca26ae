//! A cell as a spreadsheet or a text file holds it.

use chrono::NaiveDate;

/// A cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// Nothing.
    Empty,
    /// Text, which may look like a number.
    Text(&'a str),
    /// A number of a spreadsheet.
    Number(f64),
    /// A cell formatted as a date.
    Date(NaiveDate),
    /// An error of the spreadsheet, or bytes that are no text in the file's encoding.
    Unreadable,
}

impl Cell<'_> {
    /// Whether nothing but white space is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Text(text) => text.trim().is_empty(),
            _ => false,
        }
    }
}
