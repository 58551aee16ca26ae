//! Households of merged villages follow them (ORG-1).

use chassis::{
    division_merge::{BATCH, Follow},
    error::Error,
    pg::Tx,
};
use households_core::change::Change;

use crate::{item, store};

/// Moves households.
#[derive(Debug)]
pub struct Households;

impl Follow for Households {
    async fn follow(&self, tx: &mut Tx) -> Result<usize, Error> {
        let moved = store::merge::follow(tx, BATCH).await?;
        let mut changes = Vec::with_capacity(moved.len());
        for household in &moved {
            let (from, into) = (household.from, household.into);
            let mut changed = vec![Change::new(
                "household",
                "division_code",
                from.0.to_string(),
                into.0.to_string(),
            )];
            if from.1 != into.1 {
                changed.push(Change::new(
                    "household",
                    "group_number",
                    from.1.to_string(),
                    into.1.to_string(),
                ));
            }
            changes.push((household.household, into.0, changed));
            item::moved(tx, household.household, into.0, household.version);
        }
        store::change::insert(tx, &changes).await?;
        Ok(moved.len())
    }
}
