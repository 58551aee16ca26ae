//! Who changed what.

use chassis::{error::Error, pg::Tx};
use chrono::{DateTime, Utc};
use households_core::change::Change;
use kernel::{DivisionCode, HouseholdId};
use uuid::Uuid;

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
