//! Households that the registry knows: only what differs is written.

use std::collections::HashMap;

use chassis::{
    error::Error,
    pg::Tx,
    whereabouts::{self, Departure, HOUSEHOLD_MOVED, Move},
};
use households_core::{
    change::{self, Change},
    guarantee::Finding,
    member::Member,
};
use kernel::{DivisionCode, HouseholdId};

use super::{
    Outcome,
    batch::{Entering, Old},
    draft,
};
use crate::{
    item,
    ledger::{self, Statement},
    seal::Sealer,
    store::{self, change::OfHousehold, household::Household},
};

/// Changes households that exist. Members have joined and left already.
pub(super) async fn change(
    tx: &mut Tx,
    sealer: &Sealer,
    mut changed: Vec<Entering<'_>>,
    history: &mut Vec<OfHousehold>,
    outcome: &mut Outcome,
) -> Result<(), Error> {
    let ids: Vec<HouseholdId> = changed.iter().map(|e| e.household.id).collect();
    let known_findings = store::finding::list(tx, &ids).await?;
    let moved = moved(&changed);
    let places: Vec<_> = moved.iter().map(|m| (m.subject, m.into)).collect();
    store::household::move_belongings(tx, &places).await?;
    let mut ledgers = replace_income(tx, &mut changed).await?;
    let mut updates: Vec<Household> = Vec::new();
    let mut members: Vec<Member> = Vec::new();
    let mut findings: Vec<(HouseholdId, DivisionCode, Finding)> = Vec::new();
    for mut e in changed {
        let Some(old) = e.old.take() else { continue };
        let (id, division) = (e.household.id, e.household.profile.division);
        let mut changes = change::of_household(&old.household.profile, &e.household.profile);
        let (different, differences) = compare_members(&old, &e.members);
        members.extend(different);
        changes.extend(differences);
        changes.extend(ledgers.remove(&id));
        let known = known_findings.get(&id).map_or(&[][..], Vec::as_slice);
        for finding in draft::findings(e.sheet, tx.today()) {
            if !known.contains(&finding) {
                let of_same = |f: &&Finding| f.guarantee == finding.guarantee;
                let before = known.iter().rfind(of_same);
                changes.push(change::of_finding(before, &finding));
                findings.push((id, division, finding));
            }
        }
        if changes.is_empty() {
            outcome.unchanged += 1;
        } else {
            history.push((id, division, changes));
            updates.push(e.household);
            outcome.updated += 1;
        }
    }
    store::member::update(tx, sealer, &members.iter().collect::<Vec<_>>()).await?;
    store::household::update(tx, sealer, &mut updates.iter_mut().collect::<Vec<_>>()).await?;
    store::finding::put(tx, &findings).await?;
    // The last ones of the history, in the same order.
    let of_updates = history.iter().skip(history.len() - updates.len());
    for (household, (_, _, changes)) in updates.iter().zip(of_updates) {
        let entities = item::entities(changes);
        item::household(tx, item::HOUSEHOLD_CHANGED, household, &entities);
    }
    let moves: Vec<Move> = moved.into_iter().map(Move::of_household).collect();
    whereabouts::note_moves(tx, HOUSEHOLD_MOVED, &moves).await
}

/// Those that live in another village than before: what is open of them follows (REG-12).
fn moved(changed: &[Entering<'_>]) -> Vec<Departure> {
    let moved = changed.iter().filter_map(|e| {
        let into = e.household.profile.division;
        let from = e.old.as_ref()?.household.profile.division;
        let subject = e.household.id.0;
        (from != into).then_some(Departure {
            subject,
            from,
            into,
        })
    });
    moved.collect()
}

/// Members that stayed and differ, and everything that is different about members.
fn compare_members(old: &Old, members: &[Member]) -> (Vec<Member>, Vec<Change>) {
    let (mut different, mut changes) = (Vec::new(), Vec::new());
    for member in members {
        let before = old.members.iter().find(|m| m.person == member.person);
        let Some(before) = before else {
            changes.push(change::joined(member));
            continue;
        };
        let differences = change::of_member(before, member);
        if !differences.is_empty() {
            changes.extend(differences);
            different.push(member.clone());
        }
    }
    let stays = |m: &&Member| members.iter().any(|member| member.person == m.person);
    let left = old.members.iter().filter(|m| !stays(m));
    changes.extend(left.map(change::left));
    (different, changes)
}

/// A sheet's year replaces what the ledger has of it; nothing happens where a sheet says nothing.
async fn replace_income(
    tx: &mut Tx,
    changed: &mut [Entering<'_>],
) -> Result<HashMap<HouseholdId, Change>, Error> {
    let today = tx.today();
    let stated = changed.iter_mut().filter(|e| e.sheet.fields.income_stated);
    let statements = stated.map(|e| {
        let (from, to) = draft::year(e.sheet, today);
        let statement = Statement {
            from,
            to,
            entries: draft::entries(e.sheet, from),
            complete: true,
        };
        (&mut e.household, statement)
    });
    let statements = statements.collect();
    ledger::replace(tx, statements).await
}
