//! Everything that an assessment looks at, of many households in one statement.

use std::collections::BTreeSet;

use chassis::{error::Error, pg::Tx};
use chrono::NaiveDate;
use households_core::{
    assessment::{Subject, WINDOWS_BACK_MAX},
    guarantee::Finding,
    income::{Entry, IncomeSource, Ledger},
    line::MonitoringLine,
    member::{Earner, Standing},
};
use kernel::{HouseholdId, Money, Month};
use serde::Deserialize;
use sqlx::types::Json;
use uuid::Uuid;

use super::{code, code_optional, division};

#[derive(Deserialize)]
struct StoredEarner {
    registered: bool,
    resident: bool,
    shares_income: bool,
    labour: Option<String>,
    birth_date: NaiveDate,
    social_security: bool,
}

#[derive(Deserialize)]
struct StoredEntry {
    from_month: NaiveDate,
    months: u32,
    income_group: String,
    amount_fen: i64,
}

#[derive(Deserialize)]
struct StoredFinding {
    guarantee: String,
    status: String,
    checked_on: NaiveDate,
    remark: String,
}

#[derive(Deserialize)]
struct StoredLine {
    division_code: String,
    effective_from: NaiveDate,
    amount_fen: i64,
}

struct Row {
    id: Uuid,
    division_code: String,
    origin: String,
    income_months: Vec<NaiveDate>,
    members: Json<Vec<StoredEarner>>,
    entries: Json<Vec<StoredEntry>>,
    findings: Json<Vec<StoredFinding>>,
    lines: Json<Vec<StoredLine>>,
}

impl TryFrom<Row> for (HouseholdId, Subject) {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        let members = row.members.0.into_iter().map(|m| {
            Ok(Earner {
                standing: Standing {
                    registered: m.registered,
                    resident: m.resident,
                    shares_income: m.shares_income,
                },
                labour: code_optional("members", "labour", m.labour.as_deref())?,
                birth_date: m.birth_date,
                social_security: m.social_security,
            })
        });
        let entries = row.entries.0.into_iter().map(|e| {
            Ok(Entry {
                from: Month::of(e.from_month),
                months: e.months,
                group: code("income", "income_group", &e.income_group)?,
                // Neither kind nor source changes a sum.
                kind: String::new(),
                amount: Money::from_fen(e.amount_fen),
                source: IncomeSource::Declared,
            })
        });
        let findings = row.findings.0.into_iter().map(|f| {
            Ok(Finding {
                guarantee: code("guarantee_findings", "guarantee", &f.guarantee)?,
                status: code("guarantee_findings", "status", &f.status)?,
                checked_on: f.checked_on,
                remark: f.remark,
            })
        });
        let lines = row.lines.0.into_iter().map(|l| {
            Ok(MonitoringLine {
                division: division("monitoring_lines", &l.division_code)?,
                effective_from: l.effective_from,
                amount: Money::from_fen(l.amount_fen),
            })
        });
        let complete: BTreeSet<Month> = row.income_months.into_iter().map(Month::of).collect();
        let subject = Subject {
            division: division("households", &row.division_code)?,
            origin: code("households", "origin", &row.origin)?,
            members: members.collect::<Result<_, Error>>()?,
            ledger: Ledger {
                entries: entries.collect::<Result<_, Error>>()?,
                complete,
            },
            findings: findings.collect::<Result<_, Error>>()?,
            lines: lines.collect::<Result<_, Error>>()?,
        };
        Ok((HouseholdId(row.id), subject))
    }
}

/// What the assessment of `ids` on `as_of` looks at; those out of scope are left out.
pub async fn load(
    tx: &mut Tx,
    ids: &[HouseholdId],
    as_of: NaiveDate,
) -> Result<Vec<(HouseholdId, Subject)>, Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    // The oldest window that is looked back at.
    let oldest = Month::of(as_of).minus(12 + WINDOWS_BACK_MAX).first_day();
    let rows = sqlx::query_as!(
        Row,
        r#"select h.id, h.division_code, h.origin, h.income_months,
             (select coalesce(jsonb_agg(jsonb_build_object(
                  'registered', registered, 'resident', resident, 'shares_income', shares_income,
                  'labour', labour, 'birth_date', birth_date, 'social_security', social_security)),
                  '[]')
              from households.members m
              where m.household_id = h.id and m.removed_on is null)
             as "members!: Json<Vec<StoredEarner>>",
             (select coalesce(jsonb_agg(jsonb_build_object(
                  'from_month', from_month, 'months', months, 'income_group', income_group,
                  'amount_fen', amount_fen)), '[]')
              from households.income i
              where i.household_id = h.id and i.from_month <= $2
                and i.from_month + make_interval(months => i.months::integer) > $3::date)
             as "entries!: Json<Vec<StoredEntry>>",
             (select coalesce(jsonb_agg(jsonb_build_object(
                  'guarantee', guarantee, 'status', status, 'checked_on', checked_on,
                  'remark', remark)), '[]')
              from households.guarantee_findings f
              where f.household_id = h.id and f.checked_on <= $2)
             as "findings!: Json<Vec<StoredFinding>>",
             (select coalesce(jsonb_agg(jsonb_build_object(
                  'division_code', l.division_code, 'effective_from', effective_from,
                  'amount_fen', amount_fen)), '[]')
              from households.monitoring_lines l
              where starts_with(h.division_code, l.division_prefix) and effective_from <= $2)
             as "lines!: Json<Vec<StoredLine>>"
           from households.households h where h.id = any($1) order by h.id"#,
        &ids,
        as_of,
        oldest,
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter().map(TryFrom::try_from).collect()
}
