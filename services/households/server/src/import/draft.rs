//! What a sheet says of a household, as the registry would have it.

use std::collections::HashMap;

use chrono::NaiveDate;
use households_core::{
    guarantee::Finding,
    household::{Profile, group_number},
    income::{Entry, IncomeSource},
    member::Member,
    sheet::{DIVISION_CODE, Fault, RELOCATION_SITE, SheetHousehold, SheetMember, VILLAGE_GROUP},
};
use kernel::{LedgerWindow, Month, PersonId};

use super::Register;
use crate::seal::Sealer;

/// The household's own fields, with what they refer to found.
pub fn profile(household: &SheetHousehold, register: &Register) -> Result<Profile, Fault> {
    let fields = &household.fields;
    let fault = |column, code| Fault {
        row: household.head_row,
        column,
        code,
    };
    let division = fields.division;
    let groups = register
        .villages
        .get(&division)
        .ok_or_else(|| fault(DIVISION_CODE, "UNKNOWN_DIVISION"))?;
    let group_number =
        group_number(&fields.group, groups).ok_or_else(|| fault(VILLAGE_GROUP, "UNKNOWN_GROUP"))?;
    let site = fields.relocation_site.as_ref().map(|name| {
        let site = register.sites.get(&(division, name.clone()));
        site.copied()
            .ok_or_else(|| fault(RELOCATION_SITE, "UNKNOWN_RELOCATION_SITE"))
    });
    Ok(Profile {
        national_number: household.national_number.clone(),
        division,
        group_number,
        origin: fields.origin,
        lifted_year: fields.lifted_year,
        phone: fields.phone.clone(),
        address: fields.address.clone(),
        relocation_site: site.transpose()?,
        risks: fields.risks.clone(),
    })
}

/// The members. `persons` knows those who were members somewhere before; `old` are those of this
/// household, whose guardians the sheet does not know.
pub fn members(
    household: &SheetHousehold,
    old: &[Member],
    persons: &HashMap<Vec<u8>, PersonId>,
    sealer: &Sealer,
    mut new_person: impl FnMut() -> PersonId,
) -> Vec<Member> {
    let mut members: Vec<Member> = household
        .members
        .iter()
        .map(|m| {
            let before = old.iter().find(|before| before.id_number == m.id_number);
            let known = before
                .map(|before| before.person)
                .or_else(|| persons.get(&sealer.lookup(&m.id_number)).copied());
            let guardian = before.and_then(|before| before.guardian);
            member(m, known.unwrap_or_else(&mut new_person), guardian)
        })
        .collect();
    let staying: Vec<PersonId> = members.iter().map(|member| member.person).collect();
    for member in &mut members {
        member.guardian = member
            .guardian
            .filter(|guardian| staying.contains(guardian));
    }
    members
}

fn member(m: &SheetMember, person: PersonId, guardian: Option<PersonId>) -> Member {
    Member {
        person,
        name: m.name.clone(),
        id_number: m.id_number,
        relation: m.relation.clone(),
        is_head: m.is_head,
        standing: m.standing,
        labour: m.labour,
        health: m.health.clone(),
        schooling: m.schooling.clone(),
        medically_insured: m.medically_insured,
        social_security: m.social_security,
        guardian,
    }
}

/// First and last month of the year that the sheet's amounts are of.
pub fn year(household: &SheetHousehold, today: NaiveDate) -> (Month, Month) {
    let window = LedgerWindow::before(household.fields.filled_on.unwrap_or(today));
    (Month::of(window.from), Month::of(window.to))
}

/// The year's amounts, each one entry over twelve months. The sheet has a kind once.
pub fn entries(household: &SheetHousehold, from: Month) -> Vec<Entry> {
    let entry = |(group, kind, amount): &(_, &'static str, _)| Entry {
        from,
        months: 12,
        group: *group,
        kind: (*kind).to_owned(),
        amount: *amount,
        source: IncomeSource::Declared,
    };
    household.fields.income.iter().map(entry).collect()
}

/// What the sheet says on guarantees.
pub fn findings(household: &SheetHousehold, today: NaiveDate) -> Vec<Finding> {
    let checked_on = household.fields.filled_on.unwrap_or(today);
    let finding = |(guarantee, status): &(_, _)| Finding {
        guarantee: *guarantee,
        status: *status,
        checked_on,
        remark: String::new(),
    };
    household.fields.guarantees.iter().map(finding).collect()
}
