//! What an event adds to a plan, as rows.

use chassis::{error::Error, pg::Tx};
use kernel::MeasureId;
use measures_core::{ClosedRisk, Delivery, Event, Measure, Monitoring, Plan, Responsible};

/// Stores what `event` adds to `plan`. The plan is locked by this transaction.
pub async fn insert(tx: &mut Tx, plan: &Plan, event: &Event) -> Result<(), Error> {
    match event {
        Event::ResponsibleAssigned(next) => responsible(tx, plan, next).await,
        Event::MeasurePlanned(planned, _) => measure(tx, plan, planned).await,
        Event::MeasureDelivered(id, given) => delivery(tx, plan, *id, given).await,
        Event::RiskClosed(closed) => closed_risk(tx, plan, closed).await,
        Event::MonitoringRecorded(record) => monitoring(tx, plan, record).await,
    }
}

async fn responsible(tx: &mut Tx, plan: &Plan, next: &Responsible) -> Result<(), Error> {
    sqlx::query!(
        "update measures.responsible set to_on = $2::date - 1 where case_id = $1 and to_on is null",
        plan.case.0,
        next.from,
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "insert into measures.responsible
             (case_id, division_code, account, unit, from_on, hand_over_note)
         values ($1, $2, $3, $4, $5, $6)",
        plan.case.0,
        plan.division.as_str(),
        next.account,
        next.unit,
        next.from,
        next.hand_over_note,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn measure(tx: &mut Tx, plan: &Plan, measure: &Measure) -> Result<(), Error> {
    sqlx::query!(
        "insert into measures.measures (id, case_id, division_code, kind, risk, description,
                                        department, planned_on, due_on)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        measure.id.0,
        plan.case.0,
        plan.division.as_str(),
        measure.kind.to_string(),
        measure.risk.to_string(),
        measure.description,
        measure.department,
        measure.planned_on,
        measure.due_on,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn delivery(
    tx: &mut Tx,
    plan: &Plan,
    measure: MeasureId,
    delivery: &Delivery,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into measures.deliveries (measure_id, number, division_code, delivered_on,
                                          amount_fen, confirmed, evidence_sha256)
         select $1, count(*) + 1, $2, $3, $4, $5, $6
         from measures.deliveries where measure_id = $1",
        measure.0,
        plan.division.as_str(),
        delivery.delivered_on,
        delivery.amount.fen(),
        delivery.confirmed,
        delivery.evidence_sha256,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn closed_risk(tx: &mut Tx, plan: &Plan, closed: &ClosedRisk) -> Result<(), Error> {
    sqlx::query!(
        "insert into measures.closed_risks (case_id, risk, division_code, closed_on, reason)
         values ($1, $2, $3, $4, $5)",
        plan.case.0,
        closed.risk.to_string(),
        plan.division.as_str(),
        closed.closed_on,
        closed.reason,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn monitoring(tx: &mut Tx, plan: &Plan, record: &Monitoring) -> Result<(), Error> {
    sqlx::query!(
        "insert into measures.monitoring (case_id, month, division_code, visited_on, manner, finding,
                                          worse, recorded_by, recorded_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        plan.case.0,
        record.month.first_day(),
        plan.division.as_str(),
        record.visited_on,
        record.manner.to_string(),
        record.finding,
        record.worse,
        record.recorded_by,
        record.recorded_at,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
