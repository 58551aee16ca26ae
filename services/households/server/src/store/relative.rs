//! Relatives of households (CMP-2).

use chassis::{error::Error, pg::Tx};
use households_core::relative::Relative;
use kernel::{DivisionCode, HouseholdId, PersonId};
use uuid::Uuid;

use super::{code, damaged, text};
use crate::seal::{Column, Sealer};

const TABLE: &str = "relatives";

struct Row {
    person_id: Uuid,
    household_id: Uuid,
    name: String,
    id_sealed: Vec<u8>,
    tie: String,
    excused_reason: String,
}

impl Row {
    fn open(self, sealer: &Sealer) -> Result<(HouseholdId, Relative), Error> {
        let column = Column::RelativeIdNumber;
        let id_number = sealer.open_text(column, self.person_id, &self.id_sealed)?;
        let relative = Relative {
            person: PersonId(self.person_id),
            name: self.name,
            id_number: id_number.parse().map_err(|_| damaged(TABLE, "id_sealed"))?,
            tie: code(TABLE, "tie", &self.tie)?,
            excused_reason: self.excused_reason,
        };
        Ok((HouseholdId(self.household_id), relative))
    }
}

/// Relatives of households, by household.
pub async fn list(
    tx: &mut Tx,
    sealer: &Sealer,
    households: &[HouseholdId],
) -> Result<Vec<(HouseholdId, Relative)>, Error> {
    let households: Vec<Uuid> = households.iter().map(|id| id.0).collect();
    let rows = sqlx::query_as!(
        Row,
        "select person_id, household_id, name, id_sealed, tie, excused_reason
         from households.relatives
         where household_id = any($1) and removed_on is null
         order by household_id, person_id",
        &households,
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter().map(|row| row.open(sealer)).collect()
}

/// Relatives of one household.
pub async fn of_household(
    tx: &mut Tx,
    sealer: &Sealer,
    household: HouseholdId,
) -> Result<Vec<Relative>, Error> {
    let relatives = list(tx, sealer, &[household]).await?;
    Ok(relatives
        .into_iter()
        .map(|(_, relative)| relative)
        .collect())
}

/// Adds one, or stores it as it is now; its household is locked.
pub async fn put(
    tx: &mut Tx,
    sealer: &Sealer,
    household: HouseholdId,
    division: DivisionCode,
    relative: &Relative,
) -> Result<(), Error> {
    let number = relative.id_number.expose().as_bytes();
    let sealed = sealer.seal(Column::RelativeIdNumber, relative.person.0, number)?;
    sqlx::query!(
        "insert into households.relatives
             (person_id, household_id, division_code, name, id_sealed, tie, excused_reason)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (person_id) do update
         set name = excluded.name, id_sealed = excluded.id_sealed, tie = excluded.tie,
             excused_reason = excluded.excused_reason",
        relative.person.0,
        household.0,
        division.as_str(),
        relative.name,
        sealed,
        text(relative.tie),
        relative.excused_reason,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Ends what ties somebody to a locked household.
pub async fn remove(tx: &mut Tx, person: PersonId, reason: &str) -> Result<(), Error> {
    let today = tx.today();
    sqlx::query!(
        "update households.relatives set removed_on = $2, removal_reason = $3
         where person_id = $1",
        person.0,
        today,
        reason,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
