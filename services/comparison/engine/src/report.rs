//! What a comparison tells of rows: how many, and where which fault is. Never what was in them.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::encoding::Encoding;

/// Why a row counts for nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Reason {
    /// No ID number, or no value in a column that was asked for by name.
    Missing,
    /// A first-generation ID number, withdrawn in 2013.
    FifteenDigits,
    /// Neither 15 nor 18 characters.
    Length,
    /// Something else than 17 digits and a digit or X.
    Characters,
    /// The check character does not match the digits.
    CheckDigit,
    /// A spreadsheet made a float of the number (1.1E+17) and lost its last digits.
    SpreadsheetFloat,
    /// The row ends before the columns that are read.
    Columns,
    /// Bytes that are no text in the file's encoding.
    Unreadable,
    /// A NUL character.
    Nul,
    /// A quoted cell does not end, or goes on after its closing quote. Only this line is left out:
    /// the next row begins after it.
    Quote,
    /// Longer than [`crate::ROW_BYTES_MAX`].
    TooLong,
    /// The ID number is an authorised person's, the name is not theirs.
    NameMismatch,
    /// An earlier row for the same person says something else.
    Contradiction,
}

impl Reason {
    /// A stable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "MISSING",
            Self::FifteenDigits => "FIFTEEN_DIGITS",
            Self::Length => "LENGTH",
            Self::Characters => "CHARACTERS",
            Self::CheckDigit => "CHECK_DIGIT",
            Self::SpreadsheetFloat => "SPREADSHEET_FLOAT",
            Self::Columns => "COLUMNS",
            Self::Unreadable => "UNREADABLE",
            Self::Nul => "NUL",
            Self::Quote => "QUOTE",
            Self::TooLong => "TOO_LONG",
            Self::NameMismatch => "NAME_MISMATCH",
            Self::Contradiction => "CONTRADICTION",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A row that counts for nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Its number as a spreadsheet counts: the header is 1, empty rows count, a row with a line end in
    /// a quoted cell is one.
    pub row: u64,
    /// What is wrong.
    pub reason: Reason,
    /// The authorised person whose ID number it has, where it could be read that far.
    pub person: Option<u32>,
    /// For a contradiction the number of the row that it contradicts.
    pub earlier: Option<u64>,
}

/// Where a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Number of the row, see [`Fault::row`].
    pub row: u64,
    /// What is wrong with it.
    pub reason: Reason,
}

/// Rows by what became of them; the header is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All rows with anything in them.
    pub rows: u64,
    /// Rows of authorised persons that were handed on.
    pub hits: u64,
    /// With one row a person: rows that repeat an earlier one word for word, handed on once.
    pub repeats: u64,
    /// Rows that count for nobody.
    pub faults: BTreeMap<Reason, u64>,
}

impl Counts {
    /// Rows that count for nobody.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.faults.values().sum()
    }

    /// Rows with a good ID number that nobody asked for. Nothing else of them was looked at.
    #[must_use]
    pub fn outsiders(&self) -> u64 {
        let others = self.hits + self.repeats + self.faults();
        self.rows.saturating_sub(others)
    }
}

/// What a whole file came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How its text was read.
    pub encoding: Encoding,
    /// Bytes of text, unpacked.
    pub bytes: u64,
    /// Rows by what became of them.
    pub counts: Counts,
    /// The first faults, see [`crate::Settings::positions_max`].
    pub positions: Vec<Position>,
}
