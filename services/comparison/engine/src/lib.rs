//! The asset comparison: authorised persons (up to 300 000 and more) against a department's file of tens
//! of millions of rows, by ID number and, where wanted, by name.
//!
//! The file is streamed through, on all cores and in bounded memory. What leaves the engine is rows of
//! authorised persons, and of them the columns asked for; places and reasons of rows that are no good;
//! and counts. Another's row is looked at up to its ID number, and is copied, kept, logged and counted by
//! person nowhere.
//!
//! [`Comparison::run`] is the way in: a [`Read`](std::io::Read) of CSV in UTF-8 or GB18030, plain or gzip,
//! goes in, and a [`Sink`] takes what is found, in the order of rows. [`Progress::checkpoint`] is where
//! [`Comparison::resume`] goes on after a crash. Files of columns come in by [`Comparison::run_table`]: what
//! reads their formats is outside, and is asked for the ID numbers of all rows, and for names and values of
//! authorised persons' rows alone.
#![warn(missing_docs)]

mod authorised;
mod columns;
mod compare;
mod encoding;
mod error;
mod id;
mod input;
mod name;
mod report;
mod rows;
mod scan;
mod sieve;
mod table;

pub use authorised::{Authorised, AuthorisedBuilder, PERSONS_MAX, Refused};
pub use columns::{COLUMNS_MAX, Columns};
pub use compare::{Checkpoint, Comparison, Hit, Progress, RowsPerPerson, Settings, Sink};
pub use encoding::Encoding;
pub use error::Error;
pub use report::{Counts, Fault, Position, Reason, Report};
pub use rows::ROW_BYTES_MAX;
pub use table::{Numbers, Piece, Table};
