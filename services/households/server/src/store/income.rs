//! The ledger of income and expenditure.

use std::collections::HashMap;

use chassis::{error::Error, pg::Tx};
use chrono::NaiveDate;
use households_core::income::Entry;
use kernel::{DivisionCode, HouseholdId, Money, Month};
use uuid::Uuid;

use super::{code, small, text};

struct Row {
    household_id: Uuid,
    from_month: NaiveDate,
    months: i16,
    income_group: String,
    kind: String,
    source: String,
    amount_fen: i64,
}

impl Row {
    fn entry(self) -> Result<(HouseholdId, Entry), Error> {
        const TABLE: &str = "income";
        let entry = Entry {
            from: Month::of(self.from_month),
            months: self.months.unsigned_abs().into(),
            group: code(TABLE, "income_group", &self.income_group)?,
            kind: self.kind,
            amount: Money::from_fen(self.amount_fen),
            source: code(TABLE, "source", &self.source)?,
        };
        Ok((HouseholdId(self.household_id), entry))
    }
}

/// Entries of households that reach into the months from..=to, by household and month.
pub async fn list(
    tx: &mut Tx,
    households: &[HouseholdId],
    from: Month,
    to: Month,
) -> Result<HashMap<HouseholdId, Vec<Entry>>, Error> {
    let ids: Vec<Uuid> = households.iter().map(|id| id.0).collect();
    let rows = sqlx::query_as!(
        Row,
        "select household_id, from_month, months, income_group, kind, source, amount_fen
         from households.income
         where household_id = any($1) and from_month <= $3::date
           and from_month + make_interval(months => months::integer) > $2::date
         order by household_id, from_month, months, income_group, kind, source",
        &ids,
        from.first_day(),
        to.first_day(),
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut entries: HashMap<HouseholdId, Vec<Entry>> = HashMap::new();
    for row in rows {
        let (household, entry) = row.entry()?;
        entries.entry(household).or_default().push(entry);
    }
    Ok(entries)
}

/// Entries of one household each, with the household's division.
pub type OfHousehold<'a> = (HouseholdId, DivisionCode, &'a Entry);

#[derive(Default)]
struct Columns {
    households: Vec<Uuid>,
    divisions: Vec<String>,
    from: Vec<NaiveDate>,
    months: Vec<i16>,
    groups: Vec<String>,
    kinds: Vec<String>,
    sources: Vec<String>,
    amounts: Vec<i64>,
}

impl Columns {
    fn of(entries: &[OfHousehold<'_>]) -> Self {
        let mut columns = Self::default();
        for (household, division, entry) in entries {
            columns.households.push(household.0);
            columns.divisions.push(division.to_string());
            columns.from.push(entry.from.first_day());
            columns.months.push(small(entry.months));
            columns.groups.push(text(entry.group));
            columns.kinds.push(entry.kind.clone());
            columns.sources.push(text(entry.source));
            columns.amounts.push(entry.amount.fen());
        }
        columns
    }
}

/// Adds entries.
pub async fn insert(tx: &mut Tx, entries: &[OfHousehold<'_>]) -> Result<(), Error> {
    if entries.is_empty() {
        return Ok(());
    }
    let c = Columns::of(entries);
    sqlx::query!(
        "insert into households.income
             (household_id, division_code, from_month, months, income_group, kind, source,
              amount_fen)
         select * from unnest($1::uuid[], $2::text[], $3::date[], $4::smallint[], $5::text[],
                              $6::text[], $7::text[], $8::bigint[])",
        &c.households,
        &c.divisions,
        &c.from,
        &c.months,
        &c.groups,
        &c.kinds,
        &c.sources,
        &c.amounts,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What one household's ledger was and is to be.
#[derive(Debug)]
pub struct Replacement {
    pub household: HouseholdId,
    pub division: DivisionCode,
    pub old: Vec<Entry>,
    pub new: Vec<Entry>,
}

impl Replacement {
    /// Entries of `all` that are not among `others`.
    fn only<'a>(
        &'a self,
        all: &'a [Entry],
        others: &'a [Entry],
    ) -> impl Iterator<Item = OfHousehold<'a>> {
        let own = all.iter().filter(move |entry| !others.contains(entry));
        own.map(|entry| (self.household, self.division, entry))
    }
}

/// Makes of the old entries the new ones: touches only what differs.
pub async fn replace(tx: &mut Tx, replacements: &[Replacement]) -> Result<(), Error> {
    let gone: Vec<OfHousehold<'_>> = replacements
        .iter()
        .flat_map(|r| r.only(&r.old, &r.new))
        .collect();
    let added: Vec<OfHousehold<'_>> = replacements
        .iter()
        .flat_map(|r| r.only(&r.new, &r.old))
        .collect();
    delete(tx, &gone).await?;
    insert(tx, &added).await
}

async fn delete(tx: &mut Tx, entries: &[OfHousehold<'_>]) -> Result<(), Error> {
    if entries.is_empty() {
        return Ok(());
    }
    let c = Columns::of(entries);
    sqlx::query!(
        "delete from households.income i
         using unnest($1::uuid[], $2::date[], $3::smallint[], $4::text[], $5::text[], $6::text[])
               as t (household, from_month, months, income_group, kind, source)
         where i.household_id = t.household and i.from_month = t.from_month
           and i.months = t.months and i.income_group = t.income_group and i.kind = t.kind
           and i.source = t.source",
        &c.households,
        &c.from,
        &c.months,
        &c.groups,
        &c.kinds,
        &c.sources,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
