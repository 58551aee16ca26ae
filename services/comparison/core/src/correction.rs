//! A delivered file was wrong: what rests on it is looked at again (CMP-11, S57).

use chrono::NaiveDate;
use kernel::{Refusal, Requirement};

kernel::codes! {
    /// What became of a decision that rested on a wrong file.
    Reconsidered {
        /// It would be the same without the file.
        Stands = "STANDS",
        /// The household is compared again.
        CompareAgain = "COMPARE_AGAIN",
    }
}

/// Whether a batch can be corrected: once.
///
/// # Errors
/// It was corrected on the day.
pub fn check_standing(corrected: Option<NaiveDate>) -> Result<(), Refusal> {
    let corrected = corrected.map(|on| Requirement::new("CMP-11", "BATCH_STANDS", "", on));
    Refusal::check(corrected.into_iter().collect())
}

/// Whether a decision still waits to be looked at again: once, by a person.
///
/// # Errors
/// It does not.
pub fn check_open(outcome: Option<Reconsidered>) -> Result<(), Refusal> {
    let closed =
        outcome.map(|outcome| Requirement::new("CMP-11", "RECONSIDERATION_OPEN", "OPEN", outcome));
    Refusal::check(closed.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_corrected_once_and_a_decision_looked_at_again_once() {
        assert!(check_standing(None).is_ok() && check_open(None).is_ok());
        let day = "2026-08-31".parse().expect("a day");
        let refused = check_standing(Some(day)).expect_err("corrected");
        assert_eq!(refused.unmet[0].found, "2026-08-31");
        let refused = check_open(Some(Reconsidered::Stands)).expect_err("closed");
        assert_eq!(
            (refused.unmet[0].code, &*refused.unmet[0].found),
            ("RECONSIDERATION_OPEN", "STANDS")
        );
    }
}
