//! Plans: read whole, in one statement; written by their head here and by entry in
//! [`super::entry`].

use anyhow::Context;
use chassis::{error::Error, pg::Tx};
use chrono::NaiveDate;
use kernel::{CaseId, DivisionCode};
use measures_core::Plan;
use sqlx::types::Json;
use uuid::Uuid;

use super::row::{self, ClosedRiskRow, MeasureRow, MonitoringRow, ResponsibleRow};

struct Row {
    case_id: Uuid,
    household_id: Uuid,
    division_code: String,
    stage: String,
    risks: Vec<String>,
    has_labour: Option<bool>,
    enrolled_on: Option<NaiveDate>,
    ended_on: Option<NaiveDate>,
    planned_elimination_on: Option<NaiveDate>,
    version: i64,
    responsible: Json<Vec<ResponsibleRow>>,
    measures: Json<Vec<MeasureRow>>,
    closed_risks: Json<Vec<ClosedRiskRow>>,
    monitoring: Json<Vec<MonitoringRow>>,
}

impl TryFrom<Row> for Plan {
    type Error = anyhow::Error;

    fn try_from(row: Row) -> anyhow::Result<Self> {
        let case = row.case_id;
        let read = || -> anyhow::Result<Self> {
            let risks = row.risks.iter().map(|risk| row::read(risk, "plans.risks"));
            Ok(Self {
                case: row.case_id.into(),
                household: row.household_id.into(),
                division: row::read(&row.division_code, "plans.division_code")?,
                stage: row::read(&row.stage, "plans.stage")?,
                risks: risks.collect::<anyhow::Result<_>>()?,
                has_labour: row.has_labour,
                enrolled_on: row.enrolled_on,
                ended_on: row.ended_on,
                planned_elimination_on: row.planned_elimination_on,
                responsible: row.responsible.0.into_iter().map(Into::into).collect(),
                measures: row::all(row.measures.0)?,
                closed_risks: row::all(row.closed_risks.0)?,
                monitoring: row::all(row.monitoring.0)?,
                version: row.version,
            })
        };
        read().with_context(|| format!("measures.plans {case}"))
    }
}

/// The plans of cases that the caller sees, in the order of the case ids. One statement.
pub async fn lookup(tx: &mut Tx, cases: &[CaseId]) -> Result<Vec<Plan>, Error> {
    let cases: Vec<Uuid> = cases.iter().map(|case| case.0).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"
        select p.case_id, p.household_id, p.division_code, p.stage, p.risks, p.has_labour,
               p.enrolled_on, p.ended_on, p.planned_elimination_on, p.version,
               coalesce((select jsonb_agg(to_jsonb(r) order by r.from_on)
                         from measures.responsible r where r.case_id = p.case_id), '[]')
                   as "responsible!: Json<Vec<ResponsibleRow>>",
               coalesce((select jsonb_agg(
                             to_jsonb(m) || jsonb_build_object('deliveries', coalesce(
                                 (select jsonb_agg(to_jsonb(d) order by d.number)
                                  from measures.deliveries d where d.measure_id = m.id), '[]'))
                             order by m.id)
                         from measures.measures m where m.case_id = p.case_id), '[]')
                   as "measures!: Json<Vec<MeasureRow>>",
               coalesce((select jsonb_agg(to_jsonb(c) order by c.closed_on, c.risk)
                         from measures.closed_risks c where c.case_id = p.case_id), '[]')
                   as "closed_risks!: Json<Vec<ClosedRiskRow>>",
               coalesce((select jsonb_agg(to_jsonb(o) order by o.month)
                         from measures.monitoring o where o.case_id = p.case_id), '[]')
                   as "monitoring!: Json<Vec<MonitoringRow>>"
        from measures.plans p
        where p.case_id = any($1)
        order by p.case_id
        "#,
        &cases
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter()
        .map(|row| Plan::try_from(row).map_err(Error::Internal))
        .collect()
}

/// The plan of a case, held against other writers until the transaction ends.
pub async fn lock(tx: &mut Tx, case: CaseId) -> Result<Option<Plan>, Error> {
    sqlx::query!(
        "select case_id from measures.plans where case_id = $1 for update",
        case.0
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(lookup(tx, &[case]).await?.pop())
}

/// Measures of the plans of some cases, each with where it lies.
pub async fn measures(tx: &mut Tx, cases: &[Uuid]) -> Result<Vec<(Uuid, DivisionCode)>, Error> {
    let rows = sqlx::query!(
        "select id, division_code from measures.measures where case_id = any($1)",
        cases
    )
    .fetch_all(&mut **tx)
    .await?;
    let places = rows.into_iter().map(|row| {
        let division = row::read(&row.division_code, "measures.division_code");
        Ok::<_, Error>((row.id, division.map_err(Error::Internal)?))
    });
    places.collect()
}

/// Stores the head of a plan, new or changed.
pub async fn put(tx: &mut Tx, plan: &Plan) -> Result<(), Error> {
    let risks: Vec<String> = plan.risks.iter().map(ToString::to_string).collect();
    sqlx::query!(
        "insert into measures.plans (case_id, household_id, division_code, stage, risks, has_labour,
                                     enrolled_on, ended_on, planned_elimination_on, version)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         on conflict (case_id) do update
         set stage = excluded.stage, risks = excluded.risks, has_labour = excluded.has_labour,
             enrolled_on = excluded.enrolled_on, ended_on = excluded.ended_on,
             planned_elimination_on = excluded.planned_elimination_on, version = excluded.version",
        plan.case.0,
        plan.household.0,
        plan.division.as_str(),
        plan.stage.to_string(),
        &risks,
        plan.has_labour,
        plan.enrolled_on,
        plan.ended_on,
        plan.planned_elimination_on,
        plan.version,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
