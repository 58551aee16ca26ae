//! Rows of what belongs to a plan, as PostgreSQL's `to_jsonb` writes them, and the way from there
//! into the core. A text that the core does not know is a damaged row.

use std::{fmt::Display, str::FromStr};

use anyhow::Context;
use chrono::{DateTime, NaiveDate, Utc};
use kernel::{Money, Month};
use measures_core::{ClosedRisk, Delivery, Measure, Monitoring, Responsible};
use serde::Deserialize;
use uuid::Uuid;

/// Reads a stored text; what does not read names table and column, never the content.
pub fn read<T: FromStr<Err: Display>>(text: &str, place: &'static str) -> anyhow::Result<T> {
    text.parse()
        .map_err(|error: T::Err| anyhow::anyhow!("{error}"))
        .context(place)
}

#[derive(Debug, Deserialize)]
pub struct ResponsibleRow {
    account: String,
    unit: String,
    from_on: NaiveDate,
    to_on: Option<NaiveDate>,
    hand_over_note: String,
}

impl From<ResponsibleRow> for Responsible {
    fn from(row: ResponsibleRow) -> Self {
        Self {
            account: row.account,
            unit: row.unit,
            from: row.from_on,
            to: row.to_on,
            hand_over_note: row.hand_over_note,
        }
    }
}

#[derive(Debug, Deserialize)]
pub struct MeasureRow {
    id: Uuid,
    kind: String,
    risk: String,
    description: String,
    department: String,
    planned_on: NaiveDate,
    due_on: NaiveDate,
    deliveries: Vec<DeliveryRow>,
}

impl TryFrom<MeasureRow> for Measure {
    type Error = anyhow::Error;
    fn try_from(row: MeasureRow) -> anyhow::Result<Self> {
        Ok(Self {
            id: row.id.into(),
            kind: read(&row.kind, "measures.kind")?,
            risk: read(&row.risk, "measures.risk")?,
            description: row.description,
            department: row.department,
            planned_on: row.planned_on,
            due_on: row.due_on,
            deliveries: row.deliveries.into_iter().map(Into::into).collect(),
        })
    }
}

#[derive(Debug, Deserialize)]
struct DeliveryRow {
    delivered_on: NaiveDate,
    amount_fen: i64,
    confirmed: bool,
    evidence_sha256: String,
}

impl From<DeliveryRow> for Delivery {
    fn from(row: DeliveryRow) -> Self {
        Self {
            delivered_on: row.delivered_on,
            amount: Money::from_fen(row.amount_fen),
            confirmed: row.confirmed,
            evidence_sha256: row.evidence_sha256,
        }
    }
}

#[derive(Debug, Deserialize)]
pub struct ClosedRiskRow {
    risk: String,
    closed_on: NaiveDate,
    reason: String,
}

impl TryFrom<ClosedRiskRow> for ClosedRisk {
    type Error = anyhow::Error;
    fn try_from(row: ClosedRiskRow) -> anyhow::Result<Self> {
        Ok(Self {
            risk: read(&row.risk, "closed_risks.risk")?,
            closed_on: row.closed_on,
            reason: row.reason,
        })
    }
}

#[derive(Debug, Deserialize)]
pub struct MonitoringRow {
    month: NaiveDate,
    visited_on: NaiveDate,
    manner: String,
    finding: String,
    worse: bool,
    recorded_by: String,
    recorded_at: DateTime<Utc>,
}

impl TryFrom<MonitoringRow> for Monitoring {
    type Error = anyhow::Error;
    fn try_from(row: MonitoringRow) -> anyhow::Result<Self> {
        Ok(Self {
            month: Month::of(row.month),
            visited_on: row.visited_on,
            manner: read(&row.manner, "monitoring.manner")?,
            finding: row.finding,
            worse: row.worse,
            recorded_by: row.recorded_by,
            recorded_at: row.recorded_at,
        })
    }
}

/// Every row of a list, or the first that is damaged.
pub fn all<R, T: TryFrom<R, Error = anyhow::Error>>(rows: Vec<R>) -> anyhow::Result<Vec<T>> {
    rows.into_iter().map(T::try_from).collect()
}
