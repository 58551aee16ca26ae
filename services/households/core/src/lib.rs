//! The registry's rules: who counts, what a household lives on, which category follows, who may
//! sign, where notices hang, and what a sheet of the national system says.
//!
//! Nothing here does I/O or reads a clock. Values come in, values go out.

#![deny(missing_docs)]

pub mod assessment;
pub mod authorisation;
pub mod change;
pub mod flaw;
pub mod guarantee;
pub mod household;
pub mod income;
pub mod line;
pub mod member;
pub mod notice_place;
pub mod quality;
pub mod relative;
pub mod risk;
pub mod sheet;
