//! Registers as files of columns – Parquet and Arrow – for the asset comparison: the same engine, the same
//! verdicts, the same guarantees as for a text.
//!
//! [`Kind::of`] tells by its first bytes what a file is. An Arrow stream is read as it comes
//! ([`arrow::Stream`]); a file of Arrow ([`arrow::open_file`]) or Parquet ([`parquet::Register`]) says at its end
//! what is in it, so that it needs random access: a [file](parquet::OnDisk), bytes in memory, or whatever else
//! is a [`ChunkReader`](::parquet::file::reader::ChunkReader), for example ranges of an object store. Each is a
//! [`Table`](comparison_engine::Table) for
//! [`Comparison::run_table`](comparison_engine::Comparison::run_table).
//!
//! The formats' libraries stay in this crate. Of a file's columns those are read that were asked for, the ID
//! numbers where they lie; the other columns only where a row is an authorised person's.
#![warn(missing_docs)]

pub mod arrow;
mod cells;
mod columns;
mod foreign;
mod kind;
pub mod parquet;

pub use kind::Kind;

#[cfg(test)]
mod tests;
