//! Who leaves and who joins. The insert alone tells whether somebody lives elsewhere, maybe out of
//! scope; households that meet such a person are taken back as a whole.

use std::collections::{HashMap, HashSet};

use chassis::{error::Error, pg::Tx};
use households_core::sheet::{Fault, ID_NUMBER};
use kernel::{HouseholdId, PersonId};

use super::{Outcome, batch::Entering};
use crate::{
    seal::Sealer,
    store::{self, member::New},
};

/// Why members leave who are not in the sheet any more.
const NOT_IN_SHEET: &str = "NOT_IN_SHEET";

/// Ends and begins memberships; households with a member who lives elsewhere are taken back.
pub(super) async fn move_members(
    tx: &mut Tx,
    sealer: &Sealer,
    entering: &mut Vec<Entering<'_>>,
    outcome: &mut Outcome,
) -> Result<(), Error> {
    let leaving: Vec<PersonId> = entering.iter().flat_map(Entering::leaving).collect();
    let ended = store::member::remove(tx, &leaving, NOT_IN_SHEET).await?;
    let joining: Vec<New<'_>> = entering.iter().flat_map(Entering::joining).collect();
    let joined = store::member::insert(tx, sealer, &joining).await?;
    let joined: HashSet<PersonId> = joined.into_iter().collect();
    drop(joining);

    let refused = find_refused(entering, &joined);
    if refused.is_empty() {
        return Ok(());
    }
    let (mut new, mut existing) = (Vec::new(), Vec::new());
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    for e in entering
        .iter()
        .filter(|e| refused.contains_key(&e.household.id))
    {
        if e.old.is_none() {
            new.push(e.household.id);
            continue;
        }
        existing.push(e.household.id);
        added.extend(
            e.joining()
                .map(|join| join.member.person)
                .filter(|p| joined.contains(p)),
        );
        removed.extend(e.leaving().filter_map(|person| ended.get(&person).copied()));
    }
    store::household::delete(tx, &new).await?;
    store::member::delete(tx, &existing, &added).await?;
    store::member::restore(tx, &removed).await?;
    entering.retain(|e| match refused.get(&e.household.id) {
        Some(fault) => {
            outcome.refuse(e.sheet, *fault);
            false
        }
        None => true,
    });
    Ok(())
}

/// Households with a member who did not get in; and those that got a member whom one of them has to
/// get back.
fn find_refused(
    entering: &[Entering<'_>],
    joined: &HashSet<PersonId>,
) -> HashMap<HouseholdId, Fault> {
    let mut refused: HashMap<HouseholdId, Fault> = HashMap::new();
    let mut returning: HashSet<PersonId> = HashSet::new();
    loop {
        let before = refused.len();
        for e in entering {
            if refused.contains_key(&e.household.id) {
                continue;
            }
            let stuck = e.joining().find(|join| {
                !joined.contains(&join.member.person) || returning.contains(&join.member.person)
            });
            if let Some(stuck) = stuck {
                let rows = e.sheet.members.iter();
                let row = rows.clone().find(|m| m.id_number == stuck.member.id_number);
                let fault = Fault {
                    row: row.map_or(e.sheet.head_row, |member| member.row),
                    column: ID_NUMBER,
                    code: "DUPLICATE_ID_NUMBER",
                };
                refused.insert(e.household.id, fault);
                returning.extend(e.leaving());
            }
        }
        if refused.len() == before {
            return refused;
        }
    }
}
