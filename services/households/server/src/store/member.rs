//! Members. A row is a membership; the person keeps its id from one to the next.

use std::collections::HashMap;

use chassis::{error::Error, pg::Tx};
use chrono::NaiveDate;
use households_core::member::{Member, Standing};
use kernel::{Code, DivisionCode, HouseholdId, PersonId, SubjectClass};
use uuid::Uuid;

use super::{code, code_optional, damaged, division, text};
use crate::seal::{Column, Sealer};

struct Row {
    person_id: Uuid,
    household_id: Uuid,
    name: String,
    id_sealed: Vec<u8>,
    relation: String,
    is_head: bool,
    registered: bool,
    resident: bool,
    shares_income: bool,
    labour: Option<String>,
    health: String,
    schooling: String,
    medically_insured: bool,
    social_security: bool,
    guardian_person_id: Option<Uuid>,
}

const TABLE: &str = "members";

impl Row {
    fn open(self, sealer: &Sealer) -> Result<(HouseholdId, Member), Error> {
        let id_number = sealer.open_text(Column::IdNumber, self.person_id, &self.id_sealed)?;
        let member = Member {
            person: PersonId(self.person_id),
            name: self.name,
            id_number: id_number.parse().map_err(|_| damaged(TABLE, "id_sealed"))?,
            relation: self.relation,
            is_head: self.is_head,
            standing: Standing {
                registered: self.registered,
                resident: self.resident,
                shares_income: self.shares_income,
            },
            labour: code_optional(TABLE, "labour", self.labour.as_deref())?,
            health: self.health,
            schooling: self.schooling,
            medically_insured: self.medically_insured,
            social_security: self.social_security,
            guardian: self.guardian_person_id.map(PersonId),
        };
        Ok((HouseholdId(self.household_id), member))
    }
}

/// Members of households, by household, head first.
pub async fn list(
    tx: &mut Tx,
    sealer: &Sealer,
    households: &[HouseholdId],
) -> Result<Vec<(HouseholdId, Member)>, Error> {
    let households: Vec<Uuid> = households.iter().map(|id| id.0).collect();
    let rows = sqlx::query_as!(
        Row,
        "select person_id, household_id, name, id_sealed, relation, is_head, registered, resident,
                shares_income, labour, health, schooling, medically_insured, social_security,
                guardian_person_id
         from households.members
         where household_id = any($1) and removed_on is null
         order by household_id, is_head desc, position, person_id",
        &households,
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter().map(|row| row.open(sealer)).collect()
}

/// Members of one household.
pub async fn of_household(
    tx: &mut Tx,
    sealer: &Sealer,
    household: HouseholdId,
) -> Result<Vec<Member>, Error> {
    let members = list(tx, sealer, &[household]).await?;
    Ok(members.into_iter().map(|(_, member)| member).collect())
}

/// Persons that were or are members somewhere in scope, by the keyed hash of their ID number.
pub async fn known_persons(
    tx: &mut Tx,
    lookups: &[Vec<u8>],
) -> Result<HashMap<Vec<u8>, PersonId>, Error> {
    let rows = sqlx::query!(
        r#"select id_lookup as "id_lookup!", person_id as "person_id!" from (
               select id_lookup, person_id, removed_on from households.members
               where id_lookup = any($1) and removed_on is null
               union all
               select id_lookup, person_id, removed_on from households.members
               where id_lookup = any($1) and removed_on is not null
           ) m order by removed_on nulls last"#,
        lookups,
    )
    .fetch_all(&mut **tx)
    .await?;
    // The last one wins: the living membership, else the latest.
    Ok(rows
        .into_iter()
        .map(|row| (row.id_lookup, PersonId(row.person_id)))
        .collect())
}

/// A membership to be added.
#[derive(Debug, Clone, Copy)]
pub struct New<'a> {
    pub household: HouseholdId,
    pub division: DivisionCode,
    pub position: i32,
    pub member: &'a Member,
}

#[derive(Default)]
struct Columns {
    ids: Vec<Uuid>,
    persons: Vec<Uuid>,
    households: Vec<Uuid>,
    divisions: Vec<String>,
    positions: Vec<i32>,
    names: Vec<String>,
    sealed: Vec<Vec<u8>>,
    lookups: Vec<Vec<u8>>,
    relations: Vec<String>,
    heads: Vec<bool>,
    registered: Vec<bool>,
    resident: Vec<bool>,
    shares: Vec<bool>,
    labour: Vec<Option<String>>,
    births: Vec<NaiveDate>,
    health: Vec<String>,
    schooling: Vec<String>,
    insured: Vec<bool>,
    security: Vec<bool>,
    guardians: Vec<Option<Uuid>>,
}

impl Columns {
    fn push(&mut self, sealer: &Sealer, member: &Member) -> Result<(), Error> {
        let number = member.id_number;
        let sealed = sealer.seal(
            Column::IdNumber,
            member.person.0,
            number.expose().as_bytes(),
        )?;
        self.persons.push(member.person.0);
        self.names.push(member.name.clone());
        self.sealed.push(sealed);
        self.lookups.push(sealer.lookup(&number));
        self.relations.push(member.relation.clone());
        self.heads.push(member.is_head);
        self.registered.push(member.standing.registered);
        self.resident.push(member.standing.resident);
        self.shares.push(member.standing.shares_income);
        self.labour.push(member.labour.map(text));
        self.births.push(number.birth_date());
        self.health.push(member.health.clone());
        self.schooling.push(member.schooling.clone());
        self.insured.push(member.medically_insured);
        self.security.push(member.social_security);
        self.guardians
            .push(member.guardian.map(|guardian| guardian.0));
        Ok(())
    }
}

/// Adds members; leaves out those whose ID number is a living member's, in scope or not. Says which
/// persons went in.
pub async fn insert(
    tx: &mut Tx,
    sealer: &Sealer,
    members: &[New<'_>],
) -> Result<Vec<PersonId>, Error> {
    if members.is_empty() {
        return Ok(Vec::new());
    }
    let mut c = Columns::default();
    for new in members {
        c.ids.push(tx.database().clock().new_id());
        c.households.push(new.household.0);
        c.divisions.push(new.division.to_string());
        c.positions.push(new.position);
        c.push(sealer, new.member)?;
    }
    let today = tx.today();
    let persons = sqlx::query_scalar!(
        "insert into households.members
             (id, person_id, household_id, division_code, position, name, id_sealed, id_lookup,
              relation, is_head, registered, resident, shares_income, labour, birth_date, health,
              schooling, medically_insured, social_security, guardian_person_id, joined_on)
         select *, $21::date
         from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::integer[], $6::text[],
                     $7::bytea[], $8::bytea[], $9::text[], $10::boolean[], $11::boolean[],
                     $12::boolean[], $13::boolean[], $14::text[], $15::date[], $16::text[],
                     $17::text[], $18::boolean[], $19::boolean[], $20::uuid[])
         on conflict (id_lookup) where removed_on is null do nothing
         returning person_id",
        &c.ids,
        &c.persons,
        &c.households,
        &c.divisions,
        &c.positions,
        &c.names,
        &c.sealed,
        &c.lookups,
        &c.relations,
        &c.heads,
        &c.registered,
        &c.resident,
        &c.shares,
        &c.labour as _,
        &c.births,
        &c.health,
        &c.schooling,
        &c.insured,
        &c.security,
        &c.guardians as _,
        today,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(persons.into_iter().map(PersonId).collect())
}

/// Stores living members as they are now.
pub async fn update(tx: &mut Tx, sealer: &Sealer, members: &[&Member]) -> Result<(), Error> {
    if members.is_empty() {
        return Ok(());
    }
    let mut c = Columns::default();
    for member in members {
        c.push(sealer, member)?;
    }
    sqlx::query!(
        "update households.members m
         set name = t.name, id_sealed = t.sealed, id_lookup = t.lookup, relation = t.relation,
             is_head = t.head, registered = t.registered, resident = t.resident,
             shares_income = t.shares, labour = t.labour, birth_date = t.birth, health = t.health,
             schooling = t.schooling, medically_insured = t.insured, social_security = t.security,
             guardian_person_id = t.guardian
         from unnest($1::uuid[], $2::text[], $3::bytea[], $4::bytea[], $5::text[], $6::boolean[],
                     $7::boolean[], $8::boolean[], $9::boolean[], $10::text[], $11::date[],
                     $12::text[], $13::text[], $14::boolean[], $15::boolean[], $16::uuid[])
              as t (person, name, sealed, lookup, relation, head, registered, resident, shares,
                    labour, birth, health, schooling, insured, security, guardian)
         where m.person_id = t.person and m.removed_on is null",
        &c.persons,
        &c.names,
        &c.sealed,
        &c.lookups,
        &c.relations,
        &c.heads,
        &c.registered,
        &c.resident,
        &c.shares,
        &c.labour as _,
        &c.births,
        &c.health,
        &c.schooling,
        &c.insured,
        &c.security,
        &c.guardians as _,
    )
    .execute(&mut **tx)
    .await
    .map_err(|error| match chassis::error::constraint(&error) {
        Some("members_live_id_number") => duplicate("member.id_number"),
        _ => error.into(),
    })?;
    Ok(())
}

/// The ID number is a living member's; whose is not said.
pub fn duplicate(field: &str) -> Error {
    Error::invalid(
        field,
        "DUPLICATE_ID_NUMBER",
        "an ID number that no other member of a household has",
    )
}

/// Ends memberships today. Says which membership each person had.
pub async fn remove(
    tx: &mut Tx,
    persons: &[PersonId],
    reason: &str,
) -> Result<HashMap<PersonId, Uuid>, Error> {
    if persons.is_empty() {
        return Ok(HashMap::new());
    }
    let persons: Vec<Uuid> = persons.iter().map(|person| person.0).collect();
    let today = tx.today();
    let rows = sqlx::query!(
        "update households.members set removed_on = greatest($2, joined_on), removal_reason = $3
         where person_id = any($1) and removed_on is null returning id, person_id",
        &persons,
        today,
        reason,
    )
    .fetch_all(&mut **tx)
    .await?;
    let ended = rows
        .into_iter()
        .map(|row| (PersonId(row.person_id), row.id));
    Ok(ended.collect())
}

/// Undoes this transaction's [`remove`] of memberships.
pub async fn restore(tx: &mut Tx, memberships: &[Uuid]) -> Result<(), Error> {
    sqlx::query!(
        "update households.members set removed_on = null, removal_reason = ''
         where id = any($1)",
        memberships,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Takes back living memberships that this very transaction has added.
pub async fn delete(
    tx: &mut Tx,
    households: &[HouseholdId],
    persons: &[PersonId],
) -> Result<(), Error> {
    let households: Vec<Uuid> = households.iter().map(|id| id.0).collect();
    let persons: Vec<Uuid> = persons.iter().map(|person| person.0).collect();
    sqlx::query!(
        "delete from households.members
         where household_id = any($1) and person_id = any($2) and removed_on is null",
        &households,
        &persons,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Where a person was found.
#[derive(Debug, Clone)]
pub struct Found {
    pub lookup: Vec<u8>,
    pub person: PersonId,
    pub household: HouseholdId,
    pub division: DivisionCode,
    pub subject_class: SubjectClass,
}

/// Living members by the keyed hashes of their ID numbers.
pub async fn find(tx: &mut Tx, lookups: &[Vec<u8>]) -> Result<Vec<Found>, Error> {
    let rows = sqlx::query!(
        "select m.id_lookup, m.person_id, m.household_id, m.division_code, h.subject_class
         from households.members m join households.households h on h.id = m.household_id
         where m.id_lookup = any($1) and m.removed_on is null",
        lookups,
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Found {
                lookup: row.id_lookup,
                person: PersonId(row.person_id),
                household: HouseholdId(row.household_id),
                division: division(TABLE, &row.division_code)?,
                subject_class: code(TABLE, SubjectClass::NAME, &row.subject_class)?,
            })
        })
        .collect()
}
