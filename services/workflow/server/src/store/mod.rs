//! SQL, by aggregate.

pub mod case;
pub mod contact;
pub mod lead;
pub mod text;
pub mod warning_list;
