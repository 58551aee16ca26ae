//! Puts what was decided on the record: the feed item, the row, and the texts that stay at home, in
//! the caller's transaction.

use chassis::{clock::timestamp, error::Error, feed::Item, pg::Tx};
use kernel::{Code, DeputyId, DivisionCode, RuleId};
use prost::Message;
use proto::workflow::v1 as wire;
use workflow_core::Event;

use crate::{
    case_file::CaseFile,
    convert::{
        self,
        case::{Doer, event_to_proto},
        command,
    },
    lead_file::LeadFile,
    store,
};

/// What is told of an event beside the event itself.
#[derive(Default)]
pub struct Told {
    /// The command as it was sent.
    pub command: Option<wire::Command>,
    /// What the guards saw.
    pub facts: Vec<String>,
    /// Rules that held.
    pub rules: Vec<RuleId>,
    /// Result set that arrived.
    pub comparison_id: String,
    /// Whom an alarm is for.
    pub told_roles: Vec<String>,
    /// Appointment by which a deputy acted.
    pub deputy: Option<DeputyId>,
    /// Why a claim was taken or handed over.
    pub reason: String,
}

/// Records the first event of a case.
pub async fn declared(
    tx: &mut Tx,
    file: &CaseFile,
    event: &Event,
    mut declaration: wire::DeclareCaseRequest,
    told: Told,
) -> Result<(), Error> {
    let texts = command::take_declared_texts(&mut declaration);
    let mut item = event_to_proto(file, event, None, &doer(tx));
    item.declaration = Some(declaration);
    item.rules = names(told.rules);
    item.deputy_id = told.deputy.map(|id| id.to_string()).unwrap_or_default();
    store::case::insert(tx, file).await?;
    store::text::insert(tx, file.id.0, 1, &file.division, &texts).await?;
    publish(tx, file, &item);
    Ok(())
}

/// Applies an event to its case and records both.
pub async fn event(
    tx: &mut Tx,
    file: &mut CaseFile,
    event: &Event,
    mut told: Told,
) -> Result<(), Error> {
    let before = file.case.state;
    file.case.apply(event);
    file.updated = tx.now();
    let texts = told.command.as_mut().map(command::take_texts);
    let mut texts = texts.unwrap_or_default();
    if !told.reason.is_empty() {
        texts.push((CLAIM_REASON.to_owned(), told.reason));
    }
    let mut item = event_to_proto(file, event, Some(before), &doer(tx));
    item.command = told.command;
    item.facts = told.facts;
    item.rules = names(told.rules);
    item.comparison_id = told.comparison_id;
    item.told_roles = told.told_roles;
    item.deputy_id = told.deputy.map(|id| id.to_string()).unwrap_or_default();
    store::case::update(tx, file).await?;
    store::text::insert(tx, file.id.0, file.case.version, &file.division, &texts).await?;
    publish(tx, file, &item);
    Ok(())
}

/// Name of a lead's event: its new state, or that another channel found it.
pub const SOURCE_ADDED: &str = "SOURCE_ADDED";

/// Name of a lead's event: its village became part of another.
pub const VILLAGE_MERGED: &str = "VILLAGE_MERGED";

/// Name of a lead's event: its household lives in another village.
pub const HOUSEHOLD_MOVED: &str = "HOUSEHOLD_MOVED";

/// Field of the text that says why a claim was taken or handed over.
pub const CLAIM_REASON: &str = "claim_reason";

/// What is told of a lead's event beside the lead.
#[derive(Default)]
pub struct ToldOfLead {
    /// The action as it was sent.
    pub action: Option<wire::ActOnLeadRequest>,
    /// Who had the claim before.
    pub claimed_from: Option<String>,
    /// In whose place a deputy acted, and by which appointment.
    pub on_behalf_of: Option<String>,
    pub deputy: Option<DeputyId>,
    /// Why a claim was taken or handed over.
    pub claim_reason: String,
    /// Where it lay before its household moved.
    pub moved_from: Option<DivisionCode>,
}

/// Records what happened to a lead; its version counts the events.
pub async fn lead(
    tx: &mut Tx,
    file: &mut LeadFile,
    name: &str,
    action: Option<wire::ActOnLeadRequest>,
) -> Result<(), Error> {
    let told = ToldOfLead {
        action,
        ..ToldOfLead::default()
    };
    lead_told(tx, file, name, told).await
}

/// The same, with everything that is told of it.
pub async fn lead_told(
    tx: &mut Tx,
    file: &mut LeadFile,
    name: &str,
    mut told: ToldOfLead,
) -> Result<(), Error> {
    file.version += 1;
    let asked = told.action.as_mut().and_then(|a| a.action.as_mut());
    let reason = convert::lead::take_reason(asked);
    let reason = reason.into_iter().map(|text| ("reason", text));
    let claim_reason = Some(told.claim_reason).filter(|text| !text.is_empty());
    let claim_reason = claim_reason.into_iter().map(|text| (CLAIM_REASON, text));
    let texts: Vec<_> = reason.chain(claim_reason).collect();
    store::lead::put(tx, file).await?;
    store::text::insert(tx, file.id.0, file.version, &file.division, &texts).await?;
    let principal = tx.principal();
    let event = wire::LeadEvent {
        lead_id: file.id.to_string(),
        name: name.to_owned(),
        lead: Some(convert::lead::lead(file)),
        actor: principal.subject.clone(),
        actor_role: principal.role.as_str().to_owned(),
        at: Some(timestamp(tx.now())),
        action: told.action,
        claimed_from: told.claimed_from.unwrap_or_default(),
        on_behalf_of: told.on_behalf_of.unwrap_or_default(),
        deputy_id: told.deputy.map(|id| id.to_string()).unwrap_or_default(),
        moved_from_code: told.moved_from.map(|d| d.to_string()).unwrap_or_default(),
    };
    tx.publish(Item {
        kind: format!("lead.{}", name.to_lowercase()),
        subject: file.id.0,
        division: file.division,
        department: None,
        payload: event.encode_to_vec(),
    });
    Ok(())
}

fn publish(tx: &mut Tx, file: &CaseFile, event: &wire::CaseEvent) {
    tx.publish(Item {
        kind: format!("case.{}", event.name.to_lowercase()),
        subject: file.id.0,
        division: file.division,
        department: None,
        payload: event.encode_to_vec(),
    });
}

fn doer(tx: &Tx) -> Doer {
    let principal = tx.principal();
    Doer {
        account: principal.subject.clone(),
        role: principal.role,
        division: principal.scope.division,
    }
}

fn names(rules: Vec<RuleId>) -> Vec<String> {
    rules.into_iter().map(|rule| rule.to_string()).collect()
}
