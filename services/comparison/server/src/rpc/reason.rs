//! Reasons that people give for what they decide.

use chassis::decode::Fields;

/// A reason that says something.
const CHARS_MIN: usize = 5;

/// Reads a reason of at least 5 characters.
pub fn read(f: &mut Fields, text: &str) -> Option<String> {
    let reason = f.text("reason", text, 500)?;
    if reason.chars().count() < CHARS_MIN {
        f.violation("reason", "TOO_SHORT", "at least 5 characters");
        return None;
    }
    Some(reason)
}
