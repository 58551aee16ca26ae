//! The rules of data comparison, without I/O: what departments' rows mean, which of them raise an
//! alert (S24), what the asset comparison finds (S34–S36), and when it is complete.

pub mod alert;
pub mod answer;
pub mod column;
pub mod contract;
pub mod correction;
pub mod expression;
pub mod finding;
pub mod outcome;
pub mod recheck;
pub mod reuse;
pub mod row;
pub mod rule;
