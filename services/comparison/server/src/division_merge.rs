//! Comparisons of merged villages follow them (ORG-1).

use chassis::{
    division_merge::{BATCH, Follow},
    error::Error,
    pg::Tx,
};

use crate::store;

/// Moves comparisons.
#[derive(Debug)]
pub struct Comparisons;

impl Follow for Comparisons {
    async fn follow(&self, tx: &mut Tx) -> Result<usize, Error> {
        store::comparison::follow_merges(tx, BATCH).await
    }
}
