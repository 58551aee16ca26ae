//! Findings on guarantees.

use std::collections::HashMap;

use chassis::{error::Error, pg::Tx};
use chrono::NaiveDate;
use households_core::guarantee::Finding;
use kernel::{DivisionCode, HouseholdId};
use uuid::Uuid;

use super::{code, text};

struct Row {
    household_id: Uuid,
    guarantee: String,
    checked_on: NaiveDate,
    status: String,
    remark: String,
}

/// All findings on households, oldest first.
pub async fn list(
    tx: &mut Tx,
    households: &[HouseholdId],
) -> Result<HashMap<HouseholdId, Vec<Finding>>, Error> {
    const TABLE: &str = "guarantee_findings";
    let ids: Vec<Uuid> = households.iter().map(|id| id.0).collect();
    let rows = sqlx::query_as!(
        Row,
        "select household_id, guarantee, checked_on, status, remark
         from households.guarantee_findings where household_id = any($1)
         order by household_id, checked_on, guarantee",
        &ids,
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut findings: HashMap<HouseholdId, Vec<Finding>> = HashMap::new();
    for row in rows {
        let finding = Finding {
            guarantee: code(TABLE, "guarantee", &row.guarantee)?,
            status: code(TABLE, "status", &row.status)?,
            checked_on: row.checked_on,
            remark: row.remark,
        };
        findings
            .entry(HouseholdId(row.household_id))
            .or_default()
            .push(finding);
    }
    Ok(findings)
}

/// Records findings; one of the same day replaces the earlier.
pub async fn put(
    tx: &mut Tx,
    findings: &[(HouseholdId, DivisionCode, Finding)],
) -> Result<(), Error> {
    if findings.is_empty() {
        return Ok(());
    }
    let households: Vec<Uuid> = findings.iter().map(|(id, _, _)| id.0).collect();
    let divisions: Vec<String> = findings.iter().map(|(_, d, _)| d.to_string()).collect();
    let guarantees: Vec<String> = findings.iter().map(|(_, _, f)| text(f.guarantee)).collect();
    let days: Vec<NaiveDate> = findings.iter().map(|(_, _, f)| f.checked_on).collect();
    let statuses: Vec<String> = findings.iter().map(|(_, _, f)| text(f.status)).collect();
    let remarks: Vec<String> = findings.iter().map(|(_, _, f)| f.remark.clone()).collect();
    sqlx::query!(
        "insert into households.guarantee_findings
             (household_id, division_code, guarantee, checked_on, status, remark)
         select * from unnest($1::uuid[], $2::text[], $3::text[], $4::date[], $5::text[], $6::text[])
         on conflict (household_id, guarantee, checked_on) do update
         set status = excluded.status, remark = excluded.remark",
        &households,
        &divisions,
        &guarantees,
        &days,
        &statuses,
        &remarks,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
