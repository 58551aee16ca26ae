//! Why a comparison has no result.

use std::io;

/// Why a comparison has no result. What the sink has got until then is worth nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("the file cannot be read")]
    Read(#[source] io::Error),
    /// A gzip ends before its end: the rest is missing.
    #[error("the gzip ends too early")]
    Truncated,
    /// A gzip is damaged, or something stands behind it.
    #[error("the gzip is damaged")]
    Damaged(#[source] io::Error),
    /// UTF-16 is not read.
    #[error("the file is UTF-16, expected UTF-8 or GB18030")]
    Utf16,
    /// There is no row at all, or none within [`crate::ROW_BYTES_MAX`].
    #[error("the file has no header row")]
    NoHeader,
    /// The header row lacks a column.
    #[error("the header row has no column {column}")]
    ColumnMissing {
        /// Which one.
        column: String,
    },
    /// The header row has a column twice.
    #[error("the header row has the column {column} twice")]
    ColumnTwice {
        /// Which one.
        column: String,
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
