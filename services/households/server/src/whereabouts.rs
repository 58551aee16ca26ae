//! Households of merged villages follow them (ORG-1). Those that move by themselves are told of where that
//! is recorded; here of those that moved while nobody told of it.

use std::time::Duration;

use chassis::{
    error::Error,
    lifecycle::Runtime,
    pg::{Database, Tx},
    whereabouts::{BATCH, Follow, HOUSEHOLD_MOVED, Move, note_moves},
};
use households_core::change::Change;
use kernel::DivisionCode;

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

/// Wait after a failure.
const RETRY: Duration = Duration::from_secs(10);

/// Tells, once after the start, of households that an earlier program has moved.
pub fn spawn_telling(runtime: &Runtime, database: Database, county: DivisionCode) {
    let lifecycle = runtime.lifecycle.clone();
    runtime.lifecycle.spawn("earlier_moves", async move {
        while let Err(error) = tell_of_earlier(&database, county).await {
            tracing::warn!(%error, "earlier moves are told of later");
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                () = lifecycle.stopping() => return,
            }
        }
    });
}

/// Tells of every move that the history knows and nobody was told of. Another replica may do the same:
/// being told twice changes nothing.
///
/// # Errors
/// The database does not answer. What was told stays told.
pub async fn tell_of_earlier(database: &Database, county: DivisionCode) -> Result<(), Error> {
    loop {
        let mut tx = database.begin_internal(county).await?;
        let untold = store::change::untold_moves(&mut tx, BATCH).await?;
        let moves: Vec<Move> = untold.into_iter().map(Move::of_household).collect();
        note_moves(&mut tx, HOUSEHOLD_MOVED, &moves).await?;
        tx.commit().await?;
        if moves.is_empty() {
            return Ok(());
        }
    }
}
