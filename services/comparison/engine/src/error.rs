//! Why a comparison has no result.

use std::io;

/// Why a comparison has no result. What the sink has got until then is worth nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("the file cannot be read")]
    Read(#[source] io::Error),
    /// A gzip or a columnar file ends before its end: the rest is missing.
    #[error("the file ends too early")]
    Truncated,
    /// A gzip or a columnar file is damaged, or something stands behind it.
    #[error("the file is damaged")]
    Damaged(#[source] io::Error),
    /// A columnar file that is read by no means, or only in smaller parts.
    #[error("the file is not read, expected {expected}")]
    Unsupported {
        /// What would be read.
        expected: &'static str,
    },
    /// UTF-16 is not read.
    #[error("the file is UTF-16, expected UTF-8 or GB18030")]
    Utf16,
    /// There is no row at all, or none within [`crate::ROW_BYTES_MAX`].
    #[error("the file has no header row")]
    NoHeader,
    /// The file lacks a column.
    #[error("the file has no column {column}")]
    ColumnMissing {
        /// Which one.
        column: String,
    },
    /// The file has a column twice.
    #[error("the file has the column {column} twice")]
    ColumnTwice {
        /// Which one.
        column: String,
    },
    /// A column of a columnar file has a type that cannot hold what it should.
    #[error("the column {column} is not {expected}")]
    ColumnType {
        /// Which one.
        column: String,
        /// What it should hold.
        expected: &'static str,
    },
    /// The checkpoint is of another file, or of other columns of it.
    #[error("the checkpoint is of another file")]
    OtherFile,
    /// The checkpoint is of other persons.
    #[error("the checkpoint is of other persons")]
    OtherPersons,
    /// The sink broke off.
    #[error("broken off")]
    BrokenOff,
}
