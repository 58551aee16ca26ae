//! What is wrong with a value that somebody gave.

/// A broken rule at a place of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Path of the field, e.g. `members[2].id_number`.
    pub field: String,
    /// Stable SCREAMING_SNAKE name.
    pub code: &'static str,
    /// What was expected, in English; never what was there.
    pub expected: &'static str,
}

impl Flaw {
    /// A flaw.
    #[must_use]
    pub fn new(field: impl Into<String>, code: &'static str, expected: &'static str) -> Self {
        Self {
            field: field.into(),
            code,
            expected,
        }
    }
}
