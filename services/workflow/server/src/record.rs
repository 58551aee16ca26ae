//! Puts what was decided on the record: the feed item, the row, and the texts that stay at home, in
//! the caller's transaction.

use chassis::{error::Error, feed::Item, pg::Tx};
use kernel::{Code, RuleId};
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
}

/// Records the first event of a case.
pub async fn declared(
    tx: &mut Tx,
    file: &CaseFile,
    event: &Event,
    mut declaration: wire::DeclareCaseRequest,
    rules: Vec<RuleId>,
) -> Result<(), Error> {
    let texts = command::take_declared_texts(&mut declaration);
    let mut told = event_to_proto(file, event, None, &doer(tx));
    told.declaration = Some(declaration);
    told.rules = names(rules);
    store::case::insert(tx, file).await?;
    store::text::insert(tx, file.id.0, 1, &file.division, &texts).await?;
    publish(tx, file, &told);
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
    let mut item = event_to_proto(file, event, Some(before), &doer(tx));
    item.command = told.command;
    item.facts = told.facts;
    item.rules = names(told.rules);
    item.comparison_id = told.comparison_id;
    item.told_roles = told.told_roles;
    store::case::update(tx, file).await?;
    let texts = texts.unwrap_or_default();
    store::text::insert(tx, file.id.0, file.case.version, &file.division, &texts).await?;
    publish(tx, file, &item);
    Ok(())
}

/// Name of a lead's event: its new state, or that another channel found it.
pub const SOURCE_ADDED: &str = "SOURCE_ADDED";

/// Records what happened to a lead; its version counts the events.
pub async fn lead(
    tx: &mut Tx,
    file: &mut LeadFile,
    name: &str,
    action: Option<wire::ActOnLeadRequest>,
) -> Result<(), Error> {
    file.version += 1;
    let mut action = action;
    let asked = action.as_mut().and_then(|a| a.action.as_mut());
    let reason = convert::lead::take_reason(asked);
    let texts: Vec<_> = reason.into_iter().map(|text| ("reason", text)).collect();
    store::lead::put(tx, file).await?;
    store::text::insert(tx, file.id.0, file.version, &file.division, &texts).await?;
    let principal = tx.principal();
    let event = wire::LeadEvent {
        lead_id: file.id.to_string(),
        name: name.to_owned(),
        lead: Some(convert::lead::lead(file)),
        actor: principal.subject.clone(),
        actor_role: principal.role.as_str().to_owned(),
        at: Some(convert::timestamp(tx.now())),
        action,
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
