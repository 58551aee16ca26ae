//! A case and its events, on the wire and back.

use anyhow::Context;
use chassis::{
    clock::timestamp,
    decode::{Fields, codes},
};
use kernel::{Code, DivisionCode, Role};
use proto::workflow::v1 as wire;
use workflow_core::{Command, Event, Noted, Notice, What, alarm, due, last_chance, overridable};

use super::{alarm_to_proto, case_state, case_state_to_proto, claim, command, day, read_day};
use crate::case_file::CaseFile;

/// Name of the event that puts a comparison's result on the record.
const COMPARISON_DELIVERED: &str = "COMPARISON_DELIVERED";
/// Name of the event that tells of a limit.
const ALARM_RAISED: &str = "ALARM_RAISED";
/// Names of the events by which somebody has the current task.
const CLAIMED: [&str; 3] = ["CLAIMED", "TAKEN_OVER", "HANDED_OVER"];
/// Name of the event that frees it.
const RELEASED: &str = "RELEASED";
/// Name of the event by which a case lies in another village.
const VILLAGE_MERGED: &str = "VILLAGE_MERGED";
/// The same, because its household does.
const HOUSEHOLD_MOVED: &str = "HOUSEHOLD_MOVED";
/// Name of the event that freezing a warning list makes.
const WARNING_LISTED: &str = "WARNING_LISTED";

/// The case of a file, without free texts.
pub fn case(file: &CaseFile) -> wire::Case {
    let case = &file.case;
    wire::Case {
        id: file.id.to_string(),
        case_number: file.number.clone(),
        household_id: file.household.to_string(),
        division_code: file.division.to_string(),
        state: case_state_to_proto(case.state),
        template_id: case.template.id.clone(),
        template_version: case.template.version,
        risks: file.risks.clone(),
        category: case.category.map_or(0, codes::category_to_proto),
        declared_on: case.declared.to_string(),
        enrolled_on: day(case.enrolled),
        notice: case
            .notice
            .as_ref()
            .map(|n| notice(n, day(case.notice_closable()))),
        elimination_possible_from: day(case.elimination_possible()),
        planned_elimination_on: day(case.planned_elimination),
        elimination_kind: case
            .elimination_kind
            .map_or(0, codes::elimination_kind_to_proto),
        township_document_number: case.document_number.clone().unwrap_or_default(),
        eliminated_on: day(case.eliminated),
        relapse_of: case.relapse_of.map(|id| id.to_string()).unwrap_or_default(),
        emergency_aid: case.emergency.is_some(),
        closed_reason: case.closed_reason.unwrap_or_default().to_owned(),
        due_on: day(due(case)),
        version: case.version,
        create_time: Some(timestamp(file.created)),
        update_time: Some(timestamp(file.updated)),
        alarm: alarm_to_proto(alarm(case)),
        last_chance_on: day(last_chance(case)),
        corrections: case.corrections.iter().map(ToString::to_string).collect(),
        appeal_until: day(case.appeal_until()),
        overrides: case.overrides.iter().map(granted).collect(),
        claim: case.claim.as_ref().map(claim::claim),
        objections_open: i32::try_from(case.objections.open().count()).unwrap_or(i32::MAX),
    }
}

fn granted(granted: &workflow_core::Override) -> wire::Override {
    wire::Override {
        requirement: granted.requirement.to_owned(),
        granted_by: granted.by.first().cloned().unwrap_or_default(),
        granted_on: granted.on.to_string(),
        used: granted.used,
    }
}

fn notice(notice: &Notice, closable_on: String) -> wire::Notice {
    let posting = |posting: &workflow_core::Posting| wire::NoticePosting {
        place_id: posting.place.to_string(),
        evidence_sha256: posting.evidence.clone(),
        posted_at: Some(timestamp(posting.posted)),
        removed_at: posting.removal.as_ref().map(|r| timestamp(r.removed)),
        removal_evidence_sha256: posting
            .removal
            .as_ref()
            .map(|r| r.evidence.clone())
            .unwrap_or_default(),
    };
    wire::Notice {
        kind: codes::notice_kind_to_proto(notice.kind),
        postings: notice.postings.iter().map(posting).collect(),
        required_place_ids: notice.required.iter().map(ToString::to_string).collect(),
        clock_started_on: day(notice.clock_started),
        closable_on,
    }
}

/// The event that a stored item tells of.
pub fn event(stored: &wire::CaseEvent) -> anyhow::Result<Event> {
    let after = stored.case.as_ref().context("no case after the event")?;
    let what = what(stored)?;
    let noted = match &what {
        What::Decided(Command::Declare(_)) if !after.relapse_of.is_empty() => {
            Noted::RelapseOf(after.relapse_of.parse().context("relapse_of")?)
        }
        What::Decided(Command::PostNotice { .. }) => {
            let notice = after.notice.as_ref().context("no notice")?;
            let places = notice.required_place_ids.iter().map(|id| id.parse());
            let places = places.collect::<Result<_, _>>();
            Noted::RequiredPlaces(places.context("required_place_ids")?)
        }
        What::Decided(Command::Enrol { .. }) => read_day(&after.planned_elimination_on)
            .context("planned_elimination_on")?
            .map_or(Noted::Nothing, Noted::PlannedElimination),
        _ => let_pass(after),
    };
    Ok(Event {
        what,
        to: case_state(stored.to).context("state after the event")?,
        on: stored.decided_on.parse().context("decided_on")?,
        actor: stored.actor.clone(),
        on_behalf_of: Some(stored.on_behalf_of.clone()).filter(|account| !account.is_empty()),
        noted,
    })
}

/// What was let pass for a move. What was used before stays used.
fn let_pass(after: &wire::Case) -> Noted {
    let used = after.overrides.iter().filter(|granted| granted.used);
    let used: Vec<_> = used.filter_map(|g| overridable(&g.requirement)).collect();
    match used.is_empty() {
        true => Noted::Nothing,
        false => Noted::LetPass(used),
    }
}

fn what(stored: &wire::CaseEvent) -> anyhow::Result<What> {
    let mut f = Fields::new();
    let command = match (&stored.declaration, &stored.command) {
        (Some(declaration), _) => command::declaration(&mut f, declaration).map(Command::Declare),
        (None, Some(_)) => command::read(&mut f, stored.command.as_ref()),
        (None, None) if stored.name == COMPARISON_DELIVERED => {
            return Ok(What::ComparisonDelivered);
        }
        (None, None) if stored.name == ALARM_RAISED => {
            return Ok(What::AlarmRaised {
                alarm: super::alarm(stored.alarm).context("alarm")?,
                due: stored.alarm_due_on.parse().context("alarm_due_on")?,
            });
        }
        (None, None) if CLAIMED.contains(&stored.name.as_str()) => {
            let claim = stored.claim.as_ref().context("a claim")?;
            let from = Some(stored.claimed_from.clone());
            return Ok(What::Claimed {
                claim: claim::read(claim)?,
                from: from.filter(|account| !account.is_empty()),
            });
        }
        (None, None) if stored.name == RELEASED => return Ok(What::Released),
        (None, None) if stored.name == VILLAGE_MERGED => {
            return Ok(What::VillageMerged {
                from: stored
                    .merged_from_code
                    .parse()
                    .context("merged_from_code")?,
            });
        }
        (None, None) if stored.name == HOUSEHOLD_MOVED => {
            return Ok(What::HouseholdMoved {
                from: stored.moved_from_code.parse().context("moved_from_code")?,
            });
        }
        (None, None) if stored.name == WARNING_LISTED => Some(Command::ListForWarning),
        (None, None) => anyhow::bail!("event {} without a command", stored.name),
    };
    let command = f.finish_with(command);
    let command = command.map_err(|_| anyhow::anyhow!("a command that does not read"))?;
    Ok(What::Decided(command))
}

/// Who did it, as the feed tells it.
pub struct Doer {
    pub account: String,
    pub role: Role,
    pub division: DivisionCode,
}

/// The event as the feed tells it; `before` is absent for the first. What was said beside the event
/// itself is filled in by the caller.
pub fn event_to_proto(
    file: &CaseFile,
    event: &Event,
    before: Option<workflow_core::CaseState>,
    doer: &Doer,
) -> wire::CaseEvent {
    wire::CaseEvent {
        case_id: file.id.to_string(),
        name: event.name().to_owned(),
        from: before.map_or(0, case_state_to_proto),
        to: case_state_to_proto(event.to),
        actor: doer.account.clone(),
        actor_role: doer.role.as_str().to_owned(),
        actor_division: doer.division.to_string(),
        at: Some(timestamp(file.updated)),
        decided_on: event.on.to_string(),
        template_id: file.case.template.id.clone(),
        template_version: file.case.template.version,
        household_id: file.household.to_string(),
        division_code: file.division.to_string(),
        case: Some(case(file)),
        on_behalf_of: event.on_behalf_of.clone().unwrap_or_default(),
        comparison_age_days_max: file
            .case
            .template
            .parameters
            .comparison_age_days_max
            .try_into()
            .unwrap_or(i32::MAX),
        ..own_fields(event)
    }
}

/// What only an alarm, a claim, a merge or a move says.
fn own_fields(event: &Event) -> wire::CaseEvent {
    match &event.what {
        What::AlarmRaised { alarm, due } => wire::CaseEvent {
            alarm: alarm_to_proto(Some(*alarm)),
            alarm_due_on: due.to_string(),
            ..wire::CaseEvent::default()
        },
        What::Claimed { claim, from } => wire::CaseEvent {
            claim: Some(claim::claim(claim)),
            claimed_from: from.clone().unwrap_or_default(),
            ..wire::CaseEvent::default()
        },
        What::VillageMerged { from } => wire::CaseEvent {
            merged_from_code: from.to_string(),
            ..wire::CaseEvent::default()
        },
        What::HouseholdMoved { from } => wire::CaseEvent {
            moved_from_code: from.to_string(),
            ..wire::CaseEvent::default()
        },
        What::Decided(_) | What::Released | What::ComparisonDelivered => wire::CaseEvent::default(),
    }
}
