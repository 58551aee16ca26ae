//! Frozen warning lists (S26).

use chassis::{error::Error, pg::Tx};
use chrono::NaiveDate;
use kernel::{DivisionCode, Month};
use uuid::Uuid;

/// A frozen list.
pub struct List {
    pub version: i32,
    pub frozen_on: NaiveDate,
    pub case_ids: Vec<Uuid>,
}

/// A version of a month's list, the newest for 0. `None` when there is none in scope.
pub async fn lookup(
    tx: &mut Tx,
    division: &DivisionCode,
    month: Month,
    version: i32,
) -> Result<Option<List>, Error> {
    let list = sqlx::query_as!(
        List,
        "select version, frozen_on, case_ids from workflow.warning_lists
         where division_code = $1 and month = $2 and ($3 = 0 or version = $3)
         order by version desc limit 1",
        division.as_str(),
        month.first_day(),
        version
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(list)
}

/// Freezes a version.
pub async fn insert(
    tx: &mut Tx,
    division: &DivisionCode,
    month: Month,
    list: &List,
) -> Result<(), Error> {
    let frozen_by = tx.principal().subject.clone();
    sqlx::query!(
        "insert into workflow.warning_lists
             (division_code, month, version, frozen_on, frozen_by, case_ids)
         values ($1, $2, $3, $4, $5, $6)",
        division.as_str(),
        month.first_day(),
        list.version,
        list.frozen_on,
        frozen_by,
        &list.case_ids
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
