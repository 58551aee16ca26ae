//! Cases as the workflow service tells of them.

use chassis::{error::Error, pg::Tx};
use kernel::{CaseId, DivisionCode, HouseholdId};

/// What a case's event says.
#[derive(Debug, Clone)]
pub struct Case {
    pub id: CaseId,
    pub household: HouseholdId,
    pub division: DivisionCode,
    /// Oldest data that its procedure lets a comparison rest on (T9).
    pub data_age_days_max: Option<u32>,
}

/// Notes what is known of a case. Where it lies follows merges by itself.
pub async fn put(tx: &mut Tx, case: &Case) -> Result<(), Error> {
    sqlx::query!(
        "insert into comparison.cases as c (case_id, household_id, division_code, data_age_days_max)
         values ($1, $2, $3, $4)
         on conflict (case_id) do update
         set data_age_days_max = coalesce(excluded.data_age_days_max, c.data_age_days_max)",
        case.id.0,
        case.household.0,
        case.division.as_str(),
        case.data_age_days_max.and_then(|days| i32::try_from(days).ok()),
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Oldest data that the procedure of a case lets a comparison rest on, where it is known.
pub async fn data_age_days_max(tx: &mut Tx, case: CaseId) -> Result<Option<u32>, Error> {
    let days = sqlx::query_scalar!(
        "select data_age_days_max from comparison.cases where case_id = $1",
        case.0
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(days.flatten().and_then(|days| u32::try_from(days).ok()))
}

/// Moves cases that lie in merged villages, at most `most`; says how many there were.
pub async fn follow_merges(tx: &mut Tx, most: i64) -> Result<usize, Error> {
    let moved = sqlx::query!(
        "with due as (
             select c.case_id, m.into_code from comparison.division_merges m
             join comparison.cases c on c.division_code = m.from_code
             order by c.case_id limit $1 for update of c
         )
         update comparison.cases c set division_code = due.into_code
         from due where c.case_id = due.case_id",
        most
    )
    .execute(&mut **tx)
    .await?;
    Ok(usize::try_from(moved.rows_affected()).unwrap_or(usize::MAX))
}
