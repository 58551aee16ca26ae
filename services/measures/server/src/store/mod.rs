//! Rows. Functions take a transaction and never commit it.

pub mod due;
pub mod entry;
pub mod plan;
mod row;
