//! Which monitored cases have or lack their record of a month.

use chassis::{error::Error, pg::Tx};
use chrono::{DateTime, Utc};
use kernel::{CaseId, DivisionCode, Month};
use uuid::Uuid;

/// A case that is monitored in a month.
pub struct Row {
    pub case_id: Uuid,
    pub household_id: Uuid,
    pub division_code: String,
    pub enrolled_on: chrono::NaiveDate,
    /// Empty when nobody was named up to the end of the month.
    pub responsible_account: String,
    pub recorded_at: Option<DateTime<Utc>>,
}

/// Where a page begins: behind this case.
pub struct After {
    pub division: String,
    pub case: CaseId,
}

/// Cases under monitoring at the end of `month`, by division and case, at most `most`.
pub async fn list(
    tx: &mut Tx,
    division: Option<DivisionCode>,
    month: Month,
    after: Option<After>,
    most: i64,
) -> Result<Vec<Row>, Error> {
    let prefix = division.as_ref().map_or("", |division| division.prefix());
    let (after_division, after_case) =
        after.map_or_else(|| (String::new(), Uuid::nil()), |a| (a.division, a.case.0));
    let rows = sqlx::query_as!(
        Row,
        r#"
        select p.case_id, p.household_id, p.division_code, p.enrolled_on as "enrolled_on!",
               coalesce((select r.account from measures.responsible r
                         where r.case_id = p.case_id and r.from_on <= $2
                         order by r.from_on desc limit 1), '') as "responsible_account!",
               m.recorded_at as "recorded_at?"
        from measures.plans p
        left join measures.monitoring m on m.case_id = p.case_id and m.month = $1
        where p.enrolled_on <= $2 and (p.ended_on is null or p.ended_on > $2)
          and p.division_code ^@ $3
          and (p.division_code, p.case_id) > ($4::text collate "C", $5::uuid)
        order by p.division_code, p.case_id
        limit $6
        "#,
        month.first_day(),
        month.last_day(),
        prefix,
        after_division,
        after_case,
        most,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}
