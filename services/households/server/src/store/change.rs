//! Who changed what.

use chassis::{error::Error, pg::Tx, whereabouts::Departure};
use chrono::{DateTime, Utc};
use households_core::change::Change;
use kernel::{DivisionCode, HouseholdId};
use uuid::Uuid;

use super::division;

/// A change as it was recorded.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub id: i64,
    pub at: DateTime<Utc>,
    pub actor: String,
    pub role: String,
    pub entity: String,
    pub field: String,
    pub old_value: String,
    pub new_value: String,
}

/// Changes of one household.
pub type OfHousehold = (HouseholdId, DivisionCode, Vec<Change>);

/// Records what the caller changed now.
pub async fn insert(tx: &mut Tx, changes: &[OfHousehold]) -> Result<(), Error> {
    let mut households: Vec<Uuid> = Vec::new();
    let mut divisions = Vec::new();
    let (mut entities, mut fields) = (Vec::new(), Vec::new());
    let (mut old_values, mut new_values) = (Vec::new(), Vec::new());
    for (household, division, changes) in changes {
        for change in changes {
            households.push(household.0);
            divisions.push(division.to_string());
            entities.push(change.entity.to_owned());
            fields.push(change.field.clone());
            old_values.push(change.old.clone());
            new_values.push(change.new.clone());
        }
    }
    if households.is_empty() {
        return Ok(());
    }
    let principal = tx.principal();
    let (actor, role, at) = (
        principal.subject.clone(),
        principal.role.to_string(),
        tx.now(),
    );
    sqlx::query!(
        "insert into households.changes
             (household_id, division_code, entity, field, old_value, new_value, at, actor, role)
         select *, $7::timestamptz, $8::text, $9::text
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])",
        &households,
        &divisions,
        &entities,
        &fields,
        &old_values,
        &new_values,
        at,
        actor,
        role,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Changes of a household before the one with id `before`, newest first.
pub async fn list(
    tx: &mut Tx,
    household: HouseholdId,
    before: i64,
    most: i64,
) -> Result<Vec<Recorded>, Error> {
    let rows = sqlx::query_as!(
        Recorded,
        "select id, at, actor, role, entity, field, old_value, new_value
         from households.changes where household_id = $1 and id < $2
         order by id desc limit $3",
        household.0,
        before,
        most,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

/// Villages that households have left and nobody was told of, each with where they live, at most `most`.
/// Of merged villages everybody was told.
pub async fn untold_moves(tx: &mut Tx, most: i64) -> Result<Vec<Departure>, Error> {
    let rows = sqlx::query!(
        "select distinct c.household_id, c.old_value, h.division_code
         from households.changes c join households.households h on h.id = c.household_id
         where c.entity = 'household' and c.field = 'division_code'
           and c.old_value <> h.division_code
           and not exists (select from households.departures d
                           where d.subject = c.household_id and d.from_code = c.old_value)
           and not exists (select from households.division_merges m
                           where m.from_code = c.old_value)
         limit $1",
        most
    )
    .fetch_all(&mut **tx)
    .await?;
    let departures = rows.into_iter().map(|row| {
        Ok::<_, Error>(Departure {
            subject: row.household_id,
            from: division("changes", &row.old_value)?,
            into: division("households", &row.division_code)?,
        })
    });
    departures.collect()
}
