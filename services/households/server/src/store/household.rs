//! Households.

use std::collections::BTreeSet;

use chassis::{
    error::{Error, constraint},
    pg::Tx,
    whereabouts,
};
use chrono::{DateTime, NaiveDate, Utc};
use households_core::{
    household::{Profile, class_at_rest, has_social_security},
    member::{self, Member},
    risk::Risk,
};
use kernel::{Category, DivisionCode, HouseholdId, Month, NoticePlaceId, SubjectClass};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use uuid::Uuid;

use super::{code, code_optional, damaged, division, small, text};
use crate::seal::{Column, Sealer};

/// A household as it is stored.
#[derive(Debug, Clone)]
pub struct Household {
    pub id: HouseholdId,
    pub profile: Profile,
    pub head_name: String,
    pub member_count: u32,
    pub subject_class: SubjectClass,
    pub category: Option<Category>,
    /// Months whose income form is complete.
    pub income_months: BTreeSet<Month>,
    pub sheet_digest: Option<Vec<u8>>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Household {
    /// A household that is new now.
    pub fn new(tx: &Tx, profile: Profile) -> Self {
        Self {
            id: HouseholdId(tx.database().clock().new_id()),
            subject_class: class_at_rest(profile.origin, false),
            profile,
            head_name: String::new(),
            member_count: 0,
            category: None,
            income_months: BTreeSet::new(),
            sheet_digest: None,
            version: 1,
            created_at: tx.now(),
            updated_at: tx.now(),
        }
    }

    /// Brings up to date what follows from the members.
    pub fn settle(&mut self, members: &[Member]) {
        let head = members.iter().find(|member| member.is_head);
        self.head_name = head.map(|head| head.name.clone()).unwrap_or_default();
        self.member_count = member::count(members);
        if self.subject_class != SubjectClass::Enrolled {
            self.subject_class = class_at_rest(self.profile.origin, has_social_security(members));
        }
    }
}

#[derive(Serialize, Deserialize)]
struct StoredRisk {
    kind: String,
    sub_code: String,
    remark: String,
}

struct Row {
    id: Uuid,
    division_code: String,
    national_number: String,
    group_number: i16,
    origin: String,
    lifted_year: Option<i16>,
    phone_sealed: Option<Vec<u8>>,
    address: String,
    relocation_site_id: Option<Uuid>,
    risks: Json<Vec<StoredRisk>>,
    head_name: String,
    member_count: i32,
    subject_class: String,
    category: Option<String>,
    income_months: Vec<NaiveDate>,
    sheet_digest: Option<Vec<u8>>,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

const TABLE: &str = "households";

impl Row {
    fn open(self, sealer: &Sealer) -> Result<Household, Error> {
        let risk = |risk: StoredRisk| {
            Ok::<_, Error>(Risk {
                kind: code(TABLE, "risks", &risk.kind)?,
                sub_code: risk.sub_code,
                remark: risk.remark,
            })
        };
        let phone = self.phone_sealed;
        let phone = phone.map(|sealed| sealer.open_text(Column::Phone, self.id, &sealed));
        let group_number = u32::try_from(self.group_number);
        Ok(Household {
            id: HouseholdId(self.id),
            profile: Profile {
                national_number: self.national_number,
                division: division(TABLE, &self.division_code)?,
                group_number: group_number.map_err(|_| damaged(TABLE, "group_number"))?,
                origin: code(TABLE, "origin", &self.origin)?,
                lifted_year: self.lifted_year.map(i32::from),
                phone: phone.transpose()?.unwrap_or_default(),
                address: self.address,
                relocation_site: self.relocation_site_id.map(NoticePlaceId),
                risks: self
                    .risks
                    .0
                    .into_iter()
                    .map(risk)
                    .collect::<Result<_, _>>()?,
            },
            head_name: self.head_name,
            member_count: self.member_count.unsigned_abs(),
            subject_class: code(TABLE, "subject_class", &self.subject_class)?,
            category: code_optional(TABLE, "category", self.category.as_deref())?,
            income_months: self.income_months.into_iter().map(Month::of).collect(),
            sheet_digest: self.sheet_digest,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// `select` of all columns, with the given rest of the statement.
macro_rules! select {
    ($rest:tt, $($argument:expr),* $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"select id, division_code, national_number, group_number, origin, lifted_year,
                      phone_sealed, address, relocation_site_id,
                      risks as "risks: Json<Vec<StoredRisk>>", head_name, member_count,
                      subject_class, category, income_months, sheet_digest, version, created_at,
                      updated_at
               from households.households "# + $rest,
            $($argument),*
        )
    };
}

fn open_all(rows: Vec<Row>, sealer: &Sealer) -> Result<Vec<Household>, Error> {
    rows.into_iter().map(|row| row.open(sealer)).collect()
}

/// What a list is of.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Digits that the division begins with; empty for the whole scope.
    pub within: String,
    pub subject_class: Option<SubjectClass>,
    /// Part of the head's name; empty for all.
    pub head_name_contains: String,
}

/// Place in the order of lists: division, national number, id.
pub type Place = (String, String, Uuid);

/// Households after a place.
pub async fn list(
    tx: &mut Tx,
    sealer: &Sealer,
    filter: &Filter,
    after: &Place,
    most: i64,
) -> Result<Vec<Household>, Error> {
    let rows = select!(
        "where ($1 = '' or division_code >= $1 and division_code < $1 || ':')
           and ($2::text is null or subject_class = $2)
           and ($3 = '' or position($3 in head_name) > 0)
           and (division_code, national_number, id) > ($4, $5, $6)
         order by division_code, national_number, id limit $7",
        filter.within,
        filter.subject_class.map(text),
        filter.head_name_contains,
        after.0,
        after.1,
        after.2,
        most,
    )
    .fetch_all(&mut **tx)
    .await?;
    open_all(rows, sealer)
}

/// How many there are.
pub async fn count(tx: &mut Tx, filter: &Filter) -> Result<i64, Error> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from households.households
           where ($1 = '' or division_code >= $1 and division_code < $1 || ':')
             and ($2::text is null or subject_class = $2)
             and ($3 = '' or position($3 in head_name) > 0)"#,
        filter.within,
        filter.subject_class.map(text),
        filter.head_name_contains,
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(count)
}

/// Households by id, in the order of lists.
pub async fn lookup(
    tx: &mut Tx,
    sealer: &Sealer,
    ids: &[HouseholdId],
) -> Result<Vec<Household>, Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = select!(
        "where id = any($1) order by division_code, national_number, id",
        &ids
    )
    .fetch_all(&mut **tx)
    .await?;
    open_all(rows, sealer)
}

/// A household that nobody else can change until this transaction ends.
pub async fn lock(tx: &mut Tx, sealer: &Sealer, id: HouseholdId) -> Result<Household, Error> {
    let row = select!("where id = $1 for update", id.0)
        .fetch_optional(&mut **tx)
        .await?;
    row.ok_or(Error::NotFound { what: "household" })?
        .open(sealer)
}

/// The same by national number, several at once.
pub async fn lock_by_number(
    tx: &mut Tx,
    sealer: &Sealer,
    numbers: &[String],
) -> Result<Vec<Household>, Error> {
    let rows = select!(
        "where national_number = any($1) and national_number <> '' order by id for update",
        numbers
    )
    .fetch_all(&mut **tx)
    .await?;
    open_all(rows, sealer)
}

/// The columns of many households, for `unnest`.
#[derive(Default)]
struct Columns {
    ids: Vec<Uuid>,
    divisions: Vec<String>,
    national_numbers: Vec<String>,
    group_numbers: Vec<i16>,
    origins: Vec<String>,
    lifted_years: Vec<Option<i16>>,
    phones: Vec<Option<Vec<u8>>>,
    addresses: Vec<String>,
    relocation_sites: Vec<Option<Uuid>>,
    risks: Vec<serde_json::Value>,
    head_names: Vec<String>,
    member_counts: Vec<i32>,
    subject_classes: Vec<String>,
    categories: Vec<Option<String>>,
    // PostgreSQL's arrays of arrays must be rectangular, so the months travel as one text each.
    income_months: Vec<String>,
    sheet_digests: Vec<Option<Vec<u8>>>,
}

impl Columns {
    fn of(households: &[&Household], sealer: &Sealer) -> Result<Self, Error> {
        let mut columns = Self::default();
        for household in households {
            columns.push(household, sealer)?;
        }
        Ok(columns)
    }

    fn push(&mut self, household: &Household, sealer: &Sealer) -> Result<(), Error> {
        let profile = &household.profile;
        let phone = Some(&profile.phone).filter(|phone| !phone.is_empty());
        let phone = phone.map(|phone| sealer.seal(Column::Phone, household.id.0, phone.as_bytes()));
        let risks: Vec<StoredRisk> = profile.risks.iter().map(stored_risk).collect();
        let risks = serde_json::to_value(risks).map_err(|error| Error::Internal(error.into()))?;
        let months: Vec<String> = household
            .income_months
            .iter()
            .map(|month| month.first_day().to_string())
            .collect();
        self.ids.push(household.id.0);
        self.divisions.push(profile.division.to_string());
        self.national_numbers.push(profile.national_number.clone());
        self.group_numbers.push(small(profile.group_number));
        self.origins.push(text(profile.origin));
        self.lifted_years
            .push(profile.lifted_year.and_then(|year| year.try_into().ok()));
        self.phones.push(phone.transpose()?);
        self.addresses.push(profile.address.clone());
        self.relocation_sites
            .push(profile.relocation_site.map(|id| id.0));
        self.risks.push(risks);
        self.head_names.push(household.head_name.clone());
        self.member_counts
            .push(i32::try_from(household.member_count).unwrap_or(i32::MAX));
        self.subject_classes.push(text(household.subject_class));
        self.categories.push(household.category.map(text));
        self.income_months.push(format!("{{{}}}", months.join(",")));
        self.sheet_digests.push(household.sheet_digest.clone());
        Ok(())
    }
}

fn stored_risk(risk: &Risk) -> StoredRisk {
    StoredRisk {
        kind: text(risk.kind),
        sub_code: risk.sub_code.clone(),
        remark: risk.remark.clone(),
    }
}

/// Adds households; leaves out those whose national number somebody has, in scope or not. Says
/// which went in.
pub async fn insert(
    tx: &mut Tx,
    sealer: &Sealer,
    households: &[&Household],
) -> Result<Vec<HouseholdId>, Error> {
    if households.is_empty() {
        return Ok(Vec::new());
    }
    let c = Columns::of(households, sealer)?;
    let now = tx.now();
    let ids = sqlx::query_scalar!(
        "insert into households.households
             (id, division_code, national_number, group_number, origin, lifted_year, phone_sealed,
              address, relocation_site_id, risks, head_name, member_count, subject_class, category,
              income_months, sheet_digest, version, created_at, updated_at)
         select id, division, number, group_number, origin, year, phone, address, site, risks, head,
                count, class, category, months::date[], digest, 1, $17::timestamptz, $17
         from unnest($1::uuid[], $2::text[], $3::text[], $4::smallint[], $5::text[],
                     $6::smallint[], $7::bytea[], $8::text[], $9::uuid[], $10::jsonb[], $11::text[],
                     $12::integer[], $13::text[], $14::text[], $15::text[], $16::bytea[])
              as t (id, division, number, group_number, origin, year, phone, address, site, risks,
                    head, count, class, category, months, digest)
         on conflict (national_number) where national_number <> '' do nothing
         returning id",
        &c.ids,
        &c.divisions,
        &c.national_numbers,
        &c.group_numbers,
        &c.origins,
        &c.lifted_years as _,
        &c.phones as _,
        &c.addresses,
        &c.relocation_sites as _,
        &c.risks,
        &c.head_names,
        &c.member_counts,
        &c.subject_classes,
        &c.categories as _,
        &c.income_months,
        &c.sheet_digests as _,
        now,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(ids.into_iter().map(HouseholdId).collect())
}

/// Stores locked households as they are now, each with the next version.
pub async fn update(
    tx: &mut Tx,
    sealer: &Sealer,
    households: &mut [&mut Household],
) -> Result<(), Error> {
    if households.is_empty() {
        return Ok(());
    }
    let now = tx.now();
    for household in households.iter_mut() {
        household.version += 1;
        household.updated_at = now;
    }
    let all: Vec<&Household> = households.iter().map(|household| &**household).collect();
    let c = Columns::of(&all, sealer)?;
    sqlx::query!(
        "update households.households h
         set division_code = t.division, national_number = t.number,
             group_number = t.group_number, origin = t.origin, lifted_year = t.year,
             phone_sealed = t.phone, address = t.address, relocation_site_id = t.site,
             risks = t.risks, head_name = t.head, member_count = t.count, subject_class = t.class,
             category = t.category, income_months = t.months::date[], sheet_digest = t.digest,
             version = h.version + 1, updated_at = $17::timestamptz
         from unnest($1::uuid[], $2::text[], $3::text[], $4::smallint[], $5::text[],
                     $6::smallint[], $7::bytea[], $8::text[], $9::uuid[], $10::jsonb[], $11::text[],
                     $12::integer[], $13::text[], $14::text[], $15::text[], $16::bytea[])
              as t (id, division, number, group_number, origin, year, phone, address, site, risks,
                    head, count, class, category, months, digest)
         where h.id = t.id",
        &c.ids,
        &c.divisions,
        &c.national_numbers,
        &c.group_numbers,
        &c.origins,
        &c.lifted_years as _,
        &c.phones as _,
        &c.addresses,
        &c.relocation_sites as _,
        &c.risks,
        &c.head_names,
        &c.member_counts,
        &c.subject_classes,
        &c.categories as _,
        &c.income_months,
        &c.sheet_digests as _,
        now,
    )
    .execute(&mut **tx)
    .await
    .map_err(number_taken)?;
    Ok(())
}

/// The national number is somebody's; whose is not said.
fn number_taken(error: sqlx::Error) -> Error {
    match constraint(&error) {
        Some("households_national_number") => taken(),
        _ => error.into(),
    }
}

/// See [`insert`].
pub fn taken() -> Error {
    Error::invalid(
        "household.national_number",
        "DUPLICATE_NATIONAL_NUMBER",
        "a number that no other household has",
    )
}

/// Takes back households of this very transaction, with everything that hangs on them.
pub async fn delete(tx: &mut Tx, ids: &[HouseholdId]) -> Result<(), Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    sqlx::query!("delete from households.households where id = any($1)", &ids)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Everything that hangs on households goes with them to another village. Their own rows move with
/// [`update`], or with their village.
pub async fn move_belongings(tx: &mut Tx, moved: &[(Uuid, DivisionCode)]) -> Result<(), Error> {
    const TABLES: [&str; 6] = [
        "members",
        "relatives",
        "income",
        "guarantee_findings",
        "authorisations",
        "changes",
    ];
    whereabouts::carry(tx, moved, &TABLES.map(|table| (table, "household_id"))).await
}

/// What a case made of the household. A household at rest goes by origin and social security.
pub async fn set_class(
    tx: &mut Tx,
    id: HouseholdId,
    enrolled_as: Option<Option<Category>>,
) -> Result<(), Error> {
    let (enrolled, category) = (enrolled_as.is_some(), enrolled_as.flatten().map(text));
    let now = tx.now();
    sqlx::query!(
        "update households.households h
         set category = $3, updated_at = $4,
             subject_class = case
                 when $2 then 'ENROLLED'
                 when origin = 'FORMERLY_REGISTERED' then 'FORMER'
                 when exists (select from households.members m where m.household_id = h.id
                              and m.removed_on is null and m.social_security) then 'LOW_INCOME'
                 else 'GENERAL' end
         where id = $1",
        id.0,
        enrolled,
        category,
        now,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
