//! What the tables of both kinds of rules have in common.

use chassis::error::{Error, constraint};
use comparison_core::rule::Head;

/// Some forty rules, changed twice a year for ten years.
pub const MOST: i64 = 1000;

/// A version or a number of days as the tables have it.
pub fn number(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Why a version was not added: somebody else has added the same one.
pub fn conflict(error: sqlx::Error, head: &Head) -> Error {
    match constraint(&error) {
        Some("alert_rules_pkey" | "comparison_rules_pkey") => Error::VersionConflict {
            current: head.version.into(),
            since: Vec::new(),
        },
        _ => error.into(),
    }
}
