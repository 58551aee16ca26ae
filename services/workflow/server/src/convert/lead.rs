//! Leads and what is done to them, on the wire and back.

use anyhow::Context;
use chassis::{
    clock::timestamp,
    decode::{Fields, codes},
};
use chrono::NaiveDate;
use kernel::{Code, Department, DivisionCode};
use proto::workflow::v1::{self as wire, act_on_lead_request::Action};
use workflow_core::lead::{Lead, LeadCommand, Linked, Source};

use super::{claim, command, day, lead_state, lead_state_to_proto, read_day};
use crate::lead_file::LeadFile;

/// Longest reason.
const REASON_CHARS_MAX: usize = 500;

/// The lead of a file, without the reason of its closing.
pub fn lead(file: &LeadFile) -> wire::Lead {
    let lead = &file.lead;
    let (linked_to, case_id) = match lead.linked {
        None => (String::new(), String::new()),
        Some(Linked::Lead(id)) => (id.to_string(), String::new()),
        Some(Linked::Case(id)) => (id.to_string(), id.to_string()),
    };
    wire::Lead {
        id: file.id.to_string(),
        household_id: file.household.to_string(),
        division_code: file.division.to_string(),
        state: lead_state_to_proto(lead.state),
        sources: lead.sources.iter().map(source).collect(),
        risk: codes::risk_type_to_proto(file.risk),
        linked_to,
        case_id,
        visit_due_on: day(lead.visit_due),
        closed_reason: String::new(),
        feedback_due_on: day(lead.feedback_due),
        version: file.version,
        create_time: Some(timestamp(file.created)),
        claim: lead.claim.as_ref().map(claim::claim),
    }
}

fn source(source: &Source) -> wire::LeadSource {
    wire::LeadSource {
        channel: codes::lead_channel_to_proto(source.channel),
        reference: source.reference.clone(),
        department: source
            .department
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        severity: source.severity.map_or(0, codes::severity_to_proto),
        received_on: source.received.to_string(),
    }
}

/// The lead that a stored item tells of. Whether the visit found a risk stands in the action that
/// recorded it, not in the lead.
pub fn read(stored: &wire::Lead, visit: Option<(NaiveDate, bool)>) -> anyhow::Result<Lead> {
    let linked = match (stored.case_id.as_str(), stored.linked_to.as_str()) {
        ("", "") => None,
        ("", lead) => Some(Linked::Lead(lead.parse().context("linked_to")?)),
        (case, _) => Some(Linked::Case(case.parse().context("case_id")?)),
    };
    Ok(Lead {
        state: lead_state(stored.state).context("state")?,
        sources: stored
            .sources
            .iter()
            .map(read_source)
            .collect::<anyhow::Result<_>>()?,
        linked,
        visit_due: read_day(&stored.visit_due_on).context("visit_due_on")?,
        visited: visit.map(|(day, _)| day),
        risk_found: visit.is_some_and(|(_, found)| found),
        feedback_due: read_day(&stored.feedback_due_on).context("feedback_due_on")?,
        claim: stored.claim.as_ref().map(claim::read).transpose()?,
    })
}

fn read_source(stored: &wire::LeadSource) -> anyhow::Result<Source> {
    let department = match stored.department.as_str() {
        "" => None,
        text => Some(text.parse().context("department")?),
    };
    Ok(Source {
        channel: codes::lead_channel(stored.channel).context("channel")?,
        reference: stored.reference.clone(),
        department,
        severity: codes::severity(stored.severity),
        received: stored.received_on.parse().context("received_on")?,
    })
}

/// What somebody wants to do to a lead.
pub struct Asked {
    pub command: LeadCommand,
    /// Where it is forwarded to.
    pub forward_to: Option<DivisionCode>,
}

/// Reads an action; `None` when `f` holds why not. `division` is where the lead lies.
pub fn action(f: &mut Fields, action: Option<&Action>, division: &DivisionCode) -> Option<Asked> {
    let Some(action) = action else {
        f.violation("action", "REQUIRED", "one action");
        return None;
    };
    let mut forward_to = None;
    let command = match action {
        Action::OrderVisit(_) => LeadCommand::OrderVisit,
        Action::RecordVisit(a) => f.within("record_visit", |f| {
            let visited = f.date("visited_on", &a.visited_on);
            let visitors = command::accounts(f, "visitors", &a.visitors);
            let undeclared = match a.undeclared_outcome.as_str() {
                "" => Some(None),
                text => f
                    .code("undeclared_outcome", Code::parse(text).ok())
                    .map(Some),
            };
            Some(LeadCommand::RecordVisit {
                visited: visited?,
                visitors: visitors?,
                risk_found: a.risk_found,
                undeclared: undeclared?,
            })
        })?,
        Action::Dismiss(a) => LeadCommand::Dismiss {
            reason: f.text_optional("dismiss.reason", &a.reason, REASON_CHARS_MAX)?,
        },
        Action::Forward(a) => {
            let to: DivisionCode = f.parse("forward.division_code", &a.division_code)?;
            forward_to = Some(to);
            LeadCommand::Forward {
                elsewhere: to != *division,
            }
        }
        Action::NoRisk(a) => f.within("no_risk", |f| {
            let reason = f.text_optional("reason", &a.reason, REASON_CHARS_MAX);
            let feedback = f.date_optional("feedback_on", &a.feedback_on);
            Some(LeadCommand::NoRisk {
                reason: reason?,
                feedback,
            })
        })?,
        Action::SectorIssue(a) => f.within("sector_issue", |f| {
            let department: Option<Department> = f.parse_optional("department", &a.department);
            let reason = f.text_optional("reason", &a.reason, REASON_CHARS_MAX);
            Some(LeadCommand::SectorIssue {
                department,
                reason: reason?,
            })
        })?,
    };
    Some(Asked {
        command,
        forward_to,
    })
}

/// Takes the reason out of an action: it may name somebody and stays out of the feed.
pub fn take_reason(action: Option<&mut Action>) -> Option<String> {
    let reason = match action? {
        Action::Dismiss(a) => &mut a.reason,
        Action::NoRisk(a) => &mut a.reason,
        Action::SectorIssue(a) => &mut a.reason,
        _ => return None,
    };
    Some(std::mem::take(reason)).filter(|reason| !reason.is_empty())
}
