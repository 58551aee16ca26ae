//! One batch, one transaction, a fixed number of statements.
//!
//! Who else has a household number or an ID number may lie out of scope and so be invisible; only
//! the insert tells. So what is new goes in first; households that turn out to be bad are taken
//! back; only then are the existing ones changed.

use std::collections::{HashMap, HashSet};

use chassis::{error::Error, pg::Tx};
use households_core::{
    change::{self, Change},
    guarantee::Finding,
    income::{Entry, Ledger},
    member::Member,
    sheet::{Fault, ID_NUMBER, NATIONAL_NUMBER, SheetHousehold},
};
use kernel::{HouseholdId, PersonId};

use super::{Outcome, Register, draft};
use crate::{
    rpc::tell,
    seal::Sealer,
    store::{self, change::OfHousehold, household::Household, member::New},
};

/// Why members leave who are not in the sheet any more.
const NOT_IN_SHEET: &str = "NOT_IN_SHEET";

/// A household on its way in.
struct Entering<'a> {
    sheet: &'a SheetHousehold,
    household: Household,
    members: Vec<Member>,
    /// As it was; absent for a new one.
    old: Option<Old>,
}

struct Old {
    household: Household,
    members: Vec<Member>,
}

impl Entering<'_> {
    fn was_member(&self, person: PersonId) -> bool {
        let old = self.old.as_ref().map(|old| &old.members[..]);
        old.unwrap_or_default().iter().any(|m| m.person == person)
    }

    /// Members with their positions who were not there before.
    fn joining(&self) -> impl Iterator<Item = New<'_>> {
        let members = self.members.iter().zip(0..);
        members
            .filter(|(member, _)| !self.was_member(member.person))
            .map(|(member, position)| New {
                household: self.household.id,
                division: self.household.profile.division,
                position,
                member,
            })
    }

    /// Members of before who are not there any more.
    fn leaving(&self) -> impl Iterator<Item = PersonId> {
        let old = self.old.as_ref().map(|old| &old.members[..]);
        let stays = |person| self.members.iter().any(|member| member.person == person);
        let old = old.unwrap_or_default().iter().map(|member| member.person);
        old.filter(move |person| !stays(*person))
    }
}

/// Brings the households in.
pub async fn apply(
    tx: &mut Tx,
    sealer: &Sealer,
    register: &Register,
    sheets: &[SheetHousehold],
) -> Result<Outcome, Error> {
    let mut outcome = Outcome::default();
    let mut entering = prepare(tx, sealer, register, sheets, &mut outcome).await?;
    insert_households(tx, sealer, &mut entering, &mut outcome).await?;
    move_members(tx, sealer, &mut entering, &mut outcome).await?;

    let (new, changed): (Vec<_>, Vec<_>) = entering.into_iter().partition(|e| e.old.is_none());
    let mut history = Vec::new();
    fill_new(tx, &new, &mut history).await?;
    outcome.created += count(new.len());
    change_existing(tx, sealer, changed, &mut history, &mut outcome).await?;
    store::change::insert(tx, &history).await?;
    Ok(outcome)
}

fn count(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}

/// What has to go in; what is unchanged or refers to nothing is counted and left out.
async fn prepare<'a>(
    tx: &mut Tx,
    sealer: &Sealer,
    register: &Register,
    sheets: &'a [SheetHousehold],
    outcome: &mut Outcome,
) -> Result<Vec<Entering<'a>>, Error> {
    let numbers: Vec<String> = sheets.iter().map(|s| s.national_number.clone()).collect();
    let existing = store::household::lock_by_number(tx, sealer, &numbers).await?;
    let mut existing: HashMap<String, Household> = existing
        .into_iter()
        .map(|household| (household.profile.national_number.clone(), household))
        .collect();
    let mut drafts = Vec::new();
    for sheet in sheets {
        let digest = Some(sealer.digest(&sheet.content()));
        let old = existing.remove(&sheet.national_number);
        if old.as_ref().is_some_and(|old| old.sheet_digest == digest) {
            outcome.unchanged += 1;
            continue;
        }
        match draft::profile(sheet, register) {
            Ok(profile) => drafts.push((sheet, profile, digest, old)),
            Err(fault) => outcome.refuse(sheet, fault),
        }
    }
    let old_ids: Vec<HouseholdId> = drafts
        .iter()
        .filter_map(|(_, _, _, old)| old.as_ref().map(|old| old.id))
        .collect();
    let mut old_members: HashMap<HouseholdId, Vec<Member>> = HashMap::new();
    for (household, member) in store::member::list(tx, sealer, &old_ids).await? {
        old_members.entry(household).or_default().push(member);
    }
    let lookups: Vec<Vec<u8>> = drafts
        .iter()
        .flat_map(|(sheet, ..)| &sheet.members)
        .map(|member| sealer.lookup(&member.id_number))
        .collect();
    let persons = store::member::known_persons(tx, &lookups).await?;
    let clock = tx.database().clock().clone();
    let new_person = || PersonId(clock.new_id());
    let entering = drafts.into_iter().map(|(sheet, profile, digest, old)| {
        let old = old.map(|household| Old {
            members: old_members.remove(&household.id).unwrap_or_default(),
            household,
        });
        let before = old.as_ref().map(|old| &old.members[..]).unwrap_or_default();
        let members = draft::members(sheet, before, &persons, sealer, new_person);
        let mut household = match &old {
            Some(old) => Household {
                profile,
                ..old.household.clone()
            },
            None => Household::new(tx, profile),
        };
        household.sheet_digest = digest;
        household.settle(&members);
        Entering {
            sheet,
            household,
            members,
            old,
        }
    });
    let mut entering: Vec<Entering<'_>> = entering.collect();
    for new in entering.iter_mut().filter(|e| e.old.is_none()) {
        let (from, to) = draft::year(new.sheet, tx.today());
        let mut ledger = Ledger::default();
        ledger.replace(from, to, Vec::new(), new.sheet.fields.income_stated);
        new.household.income_months = ledger.complete;
    }
    Ok(entering)
}

async fn insert_households(
    tx: &mut Tx,
    sealer: &Sealer,
    entering: &mut Vec<Entering<'_>>,
    outcome: &mut Outcome,
) -> Result<(), Error> {
    let new: Vec<&Household> = entering
        .iter()
        .filter(|e| e.old.is_none())
        .map(|e| &e.household)
        .collect();
    let inserted = store::household::insert(tx, sealer, &new).await?;
    let inserted: HashSet<HouseholdId> = inserted.into_iter().collect();
    entering.retain(|e| {
        let kept = e.old.is_some() || inserted.contains(&e.household.id);
        if !kept {
            outcome.refuse(
                e.sheet,
                Fault {
                    row: e.sheet.head_row,
                    column: NATIONAL_NUMBER,
                    code: "DUPLICATE_NATIONAL_NUMBER",
                },
            );
        }
        kept
    });
    Ok(())
}

/// Ends and begins memberships; households with a member who lives elsewhere are taken back.
async fn move_members(
    tx: &mut Tx,
    sealer: &Sealer,
    entering: &mut Vec<Entering<'_>>,
    outcome: &mut Outcome,
) -> Result<(), Error> {
    let leaving: Vec<PersonId> = entering.iter().flat_map(Entering::leaving).collect();
    store::member::remove(tx, &leaving, NOT_IN_SHEET).await?;
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
    for e in entering.iter().filter(|e| refused.contains_key(&e.household.id)) {
        if e.old.is_none() {
            new.push(e.household.id);
            continue;
        }
        existing.push(e.household.id);
        added.extend(e.joining().map(|join| join.member.person).filter(|p| joined.contains(p)));
        removed.extend(e.leaving());
    }
    store::household::delete(tx, &new).await?;
    store::member::delete(tx, &existing, &added).await?;
    store::member::restore(tx, &existing, &removed, NOT_IN_SHEET).await?;
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

async fn fill_new(
    tx: &mut Tx,
    new: &[Entering<'_>],
    history: &mut Vec<OfHousehold>,
) -> Result<(), Error> {
    let today = tx.today();
    let mut entries: Vec<(HouseholdId, _, Entry)> = Vec::new();
    let mut findings: Vec<(HouseholdId, _, Finding)> = Vec::new();
    for e in new {
        let (id, division) = (e.household.id, e.household.profile.division);
        let (from, _) = draft::year(e.sheet, today);
        entries.extend(draft::entries(e.sheet, from).into_iter().map(|n| (id, division, n)));
        findings.extend(draft::findings(e.sheet, today).into_iter().map(|f| (id, division, f)));
        let number = e.household.profile.national_number.clone();
        history.push((id, division, vec![Change::new("household", "created", "", number)]));
        tell::household(tx, tell::CREATED, &e.household, &["household"]);
    }
    let rows: Vec<_> = entries.iter().map(|(id, division, e)| (*id, *division, e)).collect();
    store::income::insert(tx, &rows).await?;
    store::finding::put(tx, &findings).await
}

async fn change_existing(
    tx: &mut Tx,
    sealer: &Sealer,
    changed: Vec<Entering<'_>>,
    history: &mut Vec<OfHousehold>,
    outcome: &mut Outcome,
) -> Result<(), Error> {
    let ids: Vec<HouseholdId> = changed.iter().map(|e| e.household.id).collect();
    let known_findings = store::finding::list(tx, &ids).await?;
    let mut updates: Vec<Household> = Vec::new();
    let mut members: Vec<Member> = Vec::new();
    let mut findings = Vec::new();
    for mut e in changed {
        let Some(old) = e.old.take() else { continue };
        let (id, division) = (e.household.id, e.household.profile.division);
        let mut changes = change::of_household(&old.household.profile, &e.household.profile);
        if old.household.profile.division != division {
            store::household::move_belongings(tx, id, division).await?;
        }
        for member in &e.members {
            let before = old.members.iter().find(|m| m.person == member.person);
            let differs = before.map(|before| change::of_member(before, member));
            match differs {
                Some(differs) if differs.is_empty() => {}
                Some(differs) => {
                    changes.extend(differs);
                    members.push(member.clone());
                }
                None => changes.push(change::joined(member)),
            }
        }
        let left = old.members.iter().filter(|m| !e.members.iter().any(|n| n.person == m.person));
        changes.extend(left.map(change::left));
        changes.extend(replace_income(tx, &mut e).await?);
        for finding in draft::findings(e.sheet, tx.today()) {
            if !known_findings.contains(&(id, finding.clone())) {
                changes.push(change::of_finding(None, &finding));
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
    for (household, (_, _, changes)) in updates.iter().zip(history_of(history, &updates)) {
        tell::household(tx, tell::CHANGED, household, &tell::entities(changes));
    }
    Ok(())
}

/// The part of the history that belongs to `updates`: the last ones, in the same order.
fn history_of<'h>(
    history: &'h [OfHousehold],
    updates: &[Household],
) -> impl Iterator<Item = &'h OfHousehold> {
    history.iter().skip(history.len() - updates.len())
}

/// The sheet's year replaces what the ledger has of it; nothing happens when the sheet says nothing.
async fn replace_income(tx: &mut Tx, e: &mut Entering<'_>) -> Result<Option<Change>, Error> {
    if !e.sheet.fields.income_stated {
        return Ok(None);
    }
    let (from, to) = draft::year(e.sheet, tx.today());
    let entries = draft::entries(e.sheet, from);
    let division = e.household.profile.division;
    let mut complete = std::mem::take(&mut e.household.income_months);
    let change = super::super::rpc::ledger::replace(
        tx,
        (e.household.id, division),
        &mut complete,
        (from, to),
        (entries, true),
    )
    .await?;
    e.household.income_months = complete;
    Ok(change)
}
