//! What answering and deciding a hit have in common: the comparison is locked, the hit is open.

use chassis::{error::Error, pg::Tx};
use comparison_core::outcome::check_open;
use uuid::Uuid;

use crate::store::{self, comparison::Comparison, hit::Hit};

/// The hit with the comparison that it belongs to.
pub async fn lock(tx: &mut Tx, id: Uuid) -> Result<(Comparison, Hit), Error> {
    let not_found = || Error::NotFound { what: "hit" };
    let comparison = store::hit::comparison_of(tx, id)
        .await?
        .ok_or_else(not_found)?;
    let comparison = store::comparison::lock(tx, comparison)
        .await?
        .ok_or_else(not_found)?;
    let hit = comparison.hits.iter().find(|hit| hit.id == id);
    let hit = hit.cloned().ok_or_else(not_found)?;
    check_open(&hit.state())?;
    Ok((comparison, hit))
}
