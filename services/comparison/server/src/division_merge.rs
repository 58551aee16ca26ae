//! Comparisons and cases of merged villages follow them (ORG-1).

use chassis::{
    division_merge::{BATCH, Follow},
    error::Error,
    pg::Tx,
};

use crate::store;

/// Moves comparisons and cases.
#[derive(Debug)]
pub struct Comparisons;

impl Follow for Comparisons {
    async fn follow(&self, tx: &mut Tx) -> Result<usize, Error> {
        let comparisons = store::comparison::follow_merges(tx, BATCH).await?;
        let cases = store::case::follow_merges(tx, BATCH).await?;
        // There may be more of whatever there were most of.
        Ok(comparisons.max(cases))
    }
}
