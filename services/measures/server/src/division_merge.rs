//! Plans of merged villages follow them (ORG-1).

use chassis::{
    division_merge::{BATCH, Follow},
    error::Error,
    pg::Tx,
};

use crate::store;

/// Moves plans.
#[derive(Debug)]
pub struct Plans;

impl Follow for Plans {
    async fn follow(&self, tx: &mut Tx) -> Result<usize, Error> {
        store::plan::follow_merges(tx, BATCH).await
    }
}
