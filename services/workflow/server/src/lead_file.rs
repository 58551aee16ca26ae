//! A lead with where it lies: what its newest feed item says.

use anyhow::Context;
use chassis::{decode::codes, feed::Stored};
use chrono::{DateTime, NaiveDate, Utc};
use kernel::{DivisionCode, HouseholdId, LeadId, RiskType};
use prost::Message;
use proto::workflow::v1::{LeadEvent, act_on_lead_request::Action};
use workflow_core::lead::Lead;

use crate::convert;

/// A lead as its events have made it.
#[derive(Debug, Clone)]
pub struct LeadFile {
    pub id: LeadId,
    pub household: HouseholdId,
    pub division: DivisionCode,
    pub risk: RiskType,
    pub created: DateTime<Utc>,
    /// Number of events.
    pub version: i64,
    pub lead: Lead,
}

impl LeadFile {
    /// The lead that its items tell of, oldest first.
    ///
    /// # Errors
    /// An item was erased or does not read: the lead can't be acted on.
    pub fn replay(items: &[Stored]) -> anyhow::Result<Self> {
        let events = items.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
        let (Some(first), Some(newest)) = (items.first(), items.last()) else {
            anyhow::bail!("a lead without events")
        };
        let last = events.last().context("a lead without events")?;
        let mut visit = None;
        for event in &events {
            if let Some(Action::RecordVisit(recorded)) =
                event.action.as_ref().and_then(|a| a.action.as_ref())
            {
                let on: NaiveDate = recorded.visited_on.parse().context("visited_on")?;
                visit = Some((on, recorded.risk_found));
            }
        }
        let lead = last.lead.as_ref().context("an event without its lead")?;
        Ok(Self {
            id: first.subject.into(),
            household: lead.household_id.parse().context("household_id")?,
            division: newest.division,
            risk: codes::risk_type(lead.risk).context("risk")?,
            created: first.recorded_at,
            version: lead.version,
            lead: convert::lead::read(lead, visit)?,
        })
    }

    /// Day on which the first channel brought it.
    pub fn received(&self) -> NaiveDate {
        let first = self.lead.sources.first();
        first.map_or_else(
            || kernel::local_date(self.created),
            |source| source.received,
        )
    }
}

fn read(item: &Stored) -> anyhow::Result<LeadEvent> {
    let place = || format!("feed item {}", item.position);
    let payload = item
        .payload
        .as_ref()
        .context("erased")
        .with_context(place)?;
    LeadEvent::decode(&payload[..]).with_context(place)
}
