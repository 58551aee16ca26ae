//! One batch, one transaction, a fixed number of statements.
//!
//! Who else has a household number or an ID number may lie out of scope and so be invisible; only
//! the insert tells. So what is new goes in first; households that turn out to be bad are taken
//! back; only then are the existing ones changed.

use std::collections::{HashMap, HashSet};

use chassis::{error::Error, pg::Tx};
use households_core::{
    change::Change,
    guarantee::Finding,
    income::{Entry, Ledger},
    member::Member,
    sheet::{Fault, NATIONAL_NUMBER, SheetHousehold},
};
use kernel::{HouseholdId, PersonId};

use super::{Outcome, Register, draft, existing, moving};
use crate::{
    item,
    seal::Sealer,
    store::{self, change::OfHousehold, household::Household, member::New},
};

/// A household on its way in.
pub(super) struct Entering<'a> {
    pub sheet: &'a SheetHousehold,
    pub household: Household,
    pub members: Vec<Member>,
    /// As it was; absent for a new one.
    pub old: Option<Old>,
}

pub(super) struct Old {
    pub household: Household,
    pub members: Vec<Member>,
}

impl Entering<'_> {
    fn was_member(&self, person: PersonId) -> bool {
        let old = self.old.as_ref().map(|old| &old.members[..]);
        old.unwrap_or_default().iter().any(|m| m.person == person)
    }

    /// Members with their positions who were not there before.
    pub fn joining(&self) -> impl Iterator<Item = New<'_>> {
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
    pub fn leaving(&self) -> impl Iterator<Item = PersonId> {
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
    moving::move_members(tx, sealer, &mut entering, &mut outcome).await?;

    let (new, changed): (Vec<_>, Vec<_>) = entering.into_iter().partition(|e| e.old.is_none());
    let mut history = Vec::new();
    fill_new(tx, &new, &mut history).await?;
    outcome.created += count(new.len());
    existing::change(tx, sealer, changed, &mut history, &mut outcome).await?;
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
        entries.extend(
            draft::entries(e.sheet, from)
                .into_iter()
                .map(|n| (id, division, n)),
        );
        findings.extend(
            draft::findings(e.sheet, today)
                .into_iter()
                .map(|f| (id, division, f)),
        );
        let number = e.household.profile.national_number.clone();
        history.push((
            id,
            division,
            vec![Change::new("household", "created", "", number)],
        ));
        item::household(tx, item::HOUSEHOLD_CREATED, &e.household, &["household"]);
    }
    let rows: Vec<_> = entries
        .iter()
        .map(|(id, division, e)| (*id, *division, e))
        .collect();
    store::income::insert(tx, &rows).await?;
    store::finding::put(tx, &findings).await
}
