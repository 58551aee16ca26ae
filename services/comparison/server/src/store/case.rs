//! Cases as the workflow service tells of them.

use chassis::{error::Error, pg::Tx};
use chrono::NaiveDate;
use kernel::{CaseId, DivisionCode, HouseholdId};
use uuid::Uuid;

use super::division;

/// What a case's event says.
#[derive(Debug, Clone)]
pub struct Case {
    pub id: CaseId,
    pub household: HouseholdId,
    pub division: DivisionCode,
    /// Oldest data that its procedure lets a comparison rest on (T9).
    pub data_age_days_max: Option<u32>,
    /// Day of enrolment, while it is enrolled.
    pub enrolled_on: Option<NaiveDate>,
}

/// Notes what is known of a case. Where it lies follows by itself.
pub async fn put(tx: &mut Tx, case: &Case) -> Result<(), Error> {
    sqlx::query!(
        "insert into comparison.cases as c
             (case_id, household_id, division_code, data_age_days_max, is_enrolled, looked_on)
         values ($1, $2, $3, $4, $5::date is not null, $5)
         on conflict (case_id) do update
         set data_age_days_max = coalesce(excluded.data_age_days_max, c.data_age_days_max),
             is_enrolled = excluded.is_enrolled,
             looked_on = coalesce(c.looked_on, excluded.looked_on)",
        case.id.0,
        case.household.0,
        case.division.as_str(),
        case.data_age_days_max
            .and_then(|days| i32::try_from(days).ok()),
        case.enrolled_on,
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

/// Whether a case is enrolled, as far as this service has heard.
pub async fn is_enrolled(tx: &mut Tx, case: CaseId) -> Result<bool, Error> {
    let enrolled = sqlx::query_scalar!(
        "select is_enrolled from comparison.cases where case_id = $1",
        case.0
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(enrolled.unwrap_or_default())
}

/// A case whose household is to be looked at again.
pub struct Due {
    pub id: CaseId,
    pub household: HouseholdId,
    pub division: DivisionCode,
}

/// Enrolled cases that were looked at on `last_look` or before and have no comparison under way, longest
/// ago first, at most `most`, but for those that another replica holds.
pub async fn lock_due(tx: &mut Tx, last_look: NaiveDate, most: i64) -> Result<Vec<Due>, Error> {
    let rows = sqlx::query!(
        "select case_id, household_id, division_code from comparison.cases c
         where is_enrolled and looked_on <= $1
           and not exists (select from comparison.comparisons o
                           where o.case_id = c.case_id and o.completed_at is null)
         order by looked_on limit $2 for update of c skip locked",
        last_look,
        most,
    )
    .fetch_all(&mut **tx)
    .await?;
    let due = rows.into_iter().map(|row| {
        Ok(Due {
            id: CaseId(row.case_id),
            household: HouseholdId(row.household_id),
            division: division("cases", &row.division_code)?,
        })
    });
    due.collect()
}

/// Notes that the households of cases are looked at from today.
pub async fn looked(tx: &mut Tx, cases: &[CaseId]) -> Result<(), Error> {
    let cases: Vec<Uuid> = cases.iter().map(|case| case.0).collect();
    let today = tx.today();
    sqlx::query!(
        "update comparison.cases set looked_on = $2 where case_id = any($1)",
        &cases,
        today,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
