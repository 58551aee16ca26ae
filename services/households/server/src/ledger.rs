//! Replaces months of households' ledgers, of any number of households in a fixed number of
//! statements.

use std::collections::HashMap;

use chassis::{error::Error, pg::Tx};
use households_core::{
    change::{self, Change},
    income::{Entry, Ledger},
};
use kernel::{HouseholdId, Month};

use crate::store::{self, household::Household, income::Replacement};

/// What somebody says of one household's months from..=to.
#[derive(Debug)]
pub struct Statement {
    pub from: Month,
    pub to: Month,
    pub entries: Vec<Entry>,
    /// That the form of these months is complete.
    pub complete: bool,
}

/// Stores the statements and brings the households' months up to date; the households themselves
/// are for the caller to store. Says what changed.
pub async fn replace(
    tx: &mut Tx,
    statements: Vec<(&mut Household, Statement)>,
) -> Result<HashMap<HouseholdId, Change>, Error> {
    let first = statements.iter().map(|(_, statement)| statement.from).min();
    let last = statements.iter().map(|(_, statement)| statement.to).max();
    let (Some(first), Some(last)) = (first, last) else {
        return Ok(HashMap::new());
    };
    let ids: Vec<HouseholdId> = statements
        .iter()
        .map(|(household, _)| household.id)
        .collect();
    let mut known = store::income::list(tx, &ids, first, last).await?;
    let mut changes = HashMap::new();
    let mut replacements = Vec::new();
    for (household, statement) in statements {
        let Statement {
            from,
            to,
            entries,
            complete,
        } = statement;
        let old = known.remove(&household.id).unwrap_or_default();
        let mut ledger = Ledger {
            entries: old.clone(),
            complete: household.income_months.clone(),
        };
        ledger.replace(from, to, entries, complete);
        let same = old.len() == ledger.entries.len()
            && ledger.entries.iter().all(|entry| old.contains(entry));
        if same && ledger.complete == household.income_months {
            continue;
        }
        changes.insert(
            household.id,
            change::of_ledger(from, to, &old, &ledger.entries),
        );
        household.income_months = ledger.complete;
        replacements.push(Replacement {
            household: household.id,
            division: household.profile.division,
            old,
            new: ledger.entries,
        });
    }
    store::income::replace(tx, &replacements).await?;
    Ok(changes)
}
