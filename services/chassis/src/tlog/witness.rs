//! What a witness decides: whether a log goes on from what was seen of it before.

use super::{checkpoint::Checkpoint, proof::check_consistency};
use crate::merkle::Hash;

/// Why a log is not to be trusted any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// It is shorter than it was.
    #[error("the log was rolled back: it had {seen} rows and now shows {shown}")]
    RolledBack {
        /// Rows seen before.
        seen: u64,
        /// Rows shown now.
        shown: u64,
    },
    /// Two histories of the same length.
    #[error(
        "split view: at {size} rows the log had root {} and now shows {}",
        hex::encode(seen),
        hex::encode(shown)
    )]
    SplitView {
        /// Rows.
        size: u64,
        /// Root seen before.
        seen: Hash,
        /// Root shown now.
        shown: Hash,
    },
    /// It does not begin with what was seen.
    #[error(
        "split view: the log of {shown} rows does not begin with the {seen} rows that were seen before"
    )]
    NotContinued {
        /// Rows seen before.
        seen: u64,
        /// Rows shown now.
        shown: u64,
    },
}

/// Compares what a log shows with what was seen of it; `proof` is its consistency proof.
///
/// # Errors
/// The log bends its past.
pub fn examine(seen: &Checkpoint, shown: &Checkpoint, proof: &[Hash]) -> Result<(), Distrust> {
    if shown.size < seen.size {
        return Err(Distrust::RolledBack {
            seen: seen.size,
            shown: shown.size,
        });
    }
    if shown.size == seen.size {
        return match shown.root == seen.root {
            true => Ok(()),
            false => Err(Distrust::SplitView {
                size: seen.size,
                seen: seen.root,
                shown: shown.root,
            }),
        };
    }
    match check_consistency((seen.size, seen.root), (shown.size, shown.root), proof) {
        true => Ok(()),
        false => Err(Distrust::NotContinued {
            seen: seen.size,
            shown: shown.size,
        }),
    }
}
