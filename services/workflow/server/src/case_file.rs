//! A case with what it is called and where it lies: the fold of its feed items.

use std::sync::Arc;

use anyhow::Context;
use chassis::feed::Stored;
use chrono::{DateTime, Utc};
use kernel::{CaseId, DivisionCode, HouseholdId};
use prost::Message;
use proto::{r#type::v1::Risk, workflow::v1::CaseEvent};
use workflow_core::{Case, Event, Template};

use crate::convert;

/// A case as its events have made it.
#[derive(Debug, Clone)]
pub struct CaseFile {
    pub id: CaseId,
    /// Human number, e.g. `999999001002-2026-0007`.
    pub number: String,
    pub household: HouseholdId,
    pub division: DivisionCode,
    /// As declared, with their sub-codes.
    pub risks: Vec<Risk>,
    pub created: DateTime<Utc>,
    pub updated: DateTime<Utc>,
    /// Hashes of the papers that its events name.
    pub papers: Vec<String>,
    pub case: Case,
}

impl CaseFile {
    /// Id and version of the template that the first of its items names.
    ///
    /// # Errors
    /// There is none, it was erased or does not read.
    pub fn template(items: &[Stored]) -> anyhow::Result<(String, i32)> {
        let first = items.first().context("a case without events")?;
        let (declared, _) = read(first)?;
        Ok((declared.template_id, declared.template_version))
    }

    /// The case that its items tell of, oldest first, on the template that it began with.
    ///
    /// # Errors
    /// An item was erased or does not read: the case can't be acted on.
    pub fn replay(items: &[Stored], template: Arc<Template>) -> anyhow::Result<Self> {
        let (first, rest) = items.split_first().context("a case without events")?;
        let (declared, event) = read(first)?;
        let after = declared.case.context("a declaration without its case")?;
        let mut file = Self {
            id: first.subject.into(),
            number: after.case_number,
            household: after.household_id.parse().context("household_id")?,
            division: first.division,
            risks: after.risks,
            created: first.recorded_at,
            updated: first.recorded_at,
            papers: event.papers(),
            case: Case::begin(&event, template).context("the first event declares nothing")?,
        };
        for item in rest {
            let event = read(item)?.1;
            file.case.apply(&event);
            file.papers.extend(event.papers());
            // Its village is merged, or its household moves.
            file.division = item.division;
            file.updated = item.recorded_at;
        }
        Ok(file)
    }
}

fn read(item: &Stored) -> anyhow::Result<(CaseEvent, Event)> {
    let place = || format!("feed item {}", item.position);
    let payload = item
        .payload
        .as_ref()
        .context("erased")
        .with_context(place)?;
    let stored = CaseEvent::decode(&payload[..]).with_context(place)?;
    let event = convert::case::event(&stored).with_context(place)?;
    Ok((stored, event))
}
