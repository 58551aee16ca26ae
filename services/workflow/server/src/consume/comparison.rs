//! Alerts become leads (DET-7); the result of a comparison goes on its case's record (S34).

use anyhow::Context;
use chassis::{decode::codes, error::Error, pg::Tx, subscription::Consumer};
use kernel::{CaseId, LeadChannel};
use prost::Message;
use proto::{
    comparison::v1::{Alert, CaseFacts},
    feed::v1::Item,
};
use workflow_core::{Event, Noted, What};

use crate::{
    intake::{self, Found},
    record::{self, Told},
    store,
};

/// Follows the comparison service.
#[derive(Debug)]
pub struct Comparisons;

/// What an item says.
#[derive(Debug)]
pub enum Arrived {
    Alert(Box<Alert>),
    Completed(Box<CaseFacts>),
}

impl Consumer for Comparisons {
    const SOURCE: &'static str = "comparison";
    const KINDS: &'static [&'static str] = &["alert.raised", "comparison.completed"];
    type Prepared = Arrived;

    async fn prepare(&self, item: &Item) -> Result<Arrived, Error> {
        let payload = &item.payload[..];
        let arrived = match item.kind.as_str() {
            "alert.raised" => Alert::decode(payload).map(|a| Arrived::Alert(Box::new(a))),
            _ => CaseFacts::decode(payload).map(|f| Arrived::Completed(Box::new(f))),
        };
        arrived
            .with_context(|| format!("payload of {}", item.kind))
            .map_err(Error::Internal)
    }

    async fn apply(&self, tx: &mut Tx, _: &Item, arrived: Arrived) -> Result<(), Error> {
        match arrived {
            Arrived::Alert(alert) => {
                let found = found(&alert).map_err(Error::Internal)?;
                intake::receive(tx, found).await?;
            }
            Arrived::Completed(facts) => deliver(tx, &facts).await?,
        }
        Ok(())
    }
}

fn found(alert: &Alert) -> anyhow::Result<Found> {
    Ok(Found {
        household: alert.household_id.parse().context("household_id")?,
        division: alert.division_code.parse().context("division_code")?,
        risk: codes::risk_type(alert.risk).context("risk")?,
        channel: LeadChannel::DepartmentAlert,
        reference: alert.id.clone(),
        department: Some(alert.department.parse().context("department")?),
        severity: codes::severity(alert.severity),
    })
}

/// A result set for a case that has ended meanwhile changes nothing.
async fn deliver(tx: &mut Tx, facts: &CaseFacts) -> Result<(), Error> {
    let case: CaseId = facts
        .case_id
        .parse()
        .map_err(|_| Error::Internal(anyhow::anyhow!("a completed comparison without its case")))?;
    let Some(mut file) = store::case::lock(tx, case).await? else {
        return Ok(());
    };
    if file.case.state.is_final() {
        return Ok(());
    }
    let event = Event {
        what: What::ComparisonDelivered,
        to: file.case.state,
        on: tx.today(),
        actor: tx.principal().subject.clone(),
        on_behalf_of: None,
        noted: Noted::Nothing,
    };
    let told = Told {
        comparison_id: facts.comparison_id.clone(),
        ..Told::default()
    };
    record::event(tx, &mut file, &event, told).await
}
