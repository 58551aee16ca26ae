//! Objections: commands from the wire, and what callers see of them (T7o).

use chassis::decode::{Fields, code_of};
use kernel::{Code, Role};
use proto::workflow::v1::{self as wire, ObjectionChannel as WireChannel, ObjectionOutcome};
use workflow_core::{Answering, Case, Objecting, Objection, ObjectionChannel, Recheck, answer_due};

use super::{
    command::{accounts, hash, hashes, text},
    day,
};

/// Most numbers of an answer: as many as wait at once.
const NUMBERS_MAX: usize = 50;
/// Longest way of reaching somebody.
const CONTACT_CHARS_MAX: usize = 100;

fn channel(value: i32) -> Option<ObjectionChannel> {
    code_of(
        WireChannel::try_from(value).ok()?.as_str_name(),
        "OBJECTION_CHANNEL",
    )
}

/// Writes a channel.
pub fn channel_to_proto(channel: ObjectionChannel) -> i32 {
    let name = format!("OBJECTION_CHANNEL_{}", channel.as_str());
    WireChannel::from_str_name(&name).map_or(0, Into::into)
}

fn outcome<C: Code>(value: i32) -> Option<C> {
    code_of(
        ObjectionOutcome::try_from(value).ok()?.as_str_name(),
        "OBJECTION_OUTCOME",
    )
}

fn outcome_to_proto(outcome: impl Code) -> i32 {
    let name = format!("OBJECTION_OUTCOME_{}", outcome.as_str());
    ObjectionOutcome::from_str_name(&name).map_or(0, Into::into)
}

/// Reads how to reach whoever objects; empty when it was not said.
pub fn contact(f: &mut Fields, field: &str, contact: &str) -> Option<String> {
    f.text_optional(field, contact, CONTACT_CHARS_MAX)
}

pub fn object(f: &mut Fields, c: &wire::Object) -> Option<Objecting> {
    let channel = f.code("channel", channel(c.channel));
    let received = f.date("received_on", &c.received_on);
    let text = text(f, "text", &c.text);
    let contact = contact(f, "contact", &c.contact);
    Some(Objecting {
        channel: channel?,
        anonymous: c.anonymous,
        received: received?,
        text: text?,
        contact_given: !contact?.is_empty(),
    })
}

pub fn recheck(f: &mut Fields, c: &wire::Recheck) -> Option<Recheck> {
    let visitors = accounts(f, "visitors", &c.visitors);
    let visited = f.date("visited_on", &c.visited_on);
    let evidence = hashes(f, "evidence_sha256", &c.evidence_sha256);
    Some(Recheck {
        visitors: visitors?,
        visited: visited?,
        evidence: evidence?,
    })
}

pub fn answer(f: &mut Fields, c: &wire::AnswerObjection) -> Option<Answering> {
    f.at_most("numbers", c.numbers.len(), NUMBERS_MAX);
    // One that is none is the number of no objection.
    let numbers = c.numbers.iter().take(NUMBERS_MAX);
    let numbers = numbers.map(|number| u32::try_from(*number).unwrap_or_default());
    let verdict = f.code("outcome", outcome(c.outcome));
    let reason = text(f, "reason", &c.reason);
    let informed = f.date_optional("objector_informed_on", &c.objector_informed_on);
    let household_informed = f.date_optional("household_informed_on", &c.household_informed_on);
    let next_review = f.date_optional("next_review_on", &c.next_review_on);
    let evidence = hash(f, "evidence_sha256", &c.evidence_sha256);
    Some(Answering {
        numbers: numbers.collect(),
        verdict: verdict?,
        reason: reason?,
        informed,
        household_informed,
        next_review,
        evidence: evidence?,
    })
}

/// Whether a role learns who objected. The village does not: an objection may be against those who
/// visited and voted there.
pub const fn sees_objector(role: Role) -> bool {
    matches!(
        role,
        Role::TownshipOffice
            | Role::TownshipLeader
            | Role::CountyOfficer
            | Role::CountyApprover
            | Role::DisciplineInspection
    )
}

/// An objection without its texts.
pub fn to_proto(case: &Case, objection: &Objection) -> wire::Objection {
    let due = answer_due(case, objection.received).filter(|_| objection.is_open());
    let (outcome, ended) = objection.ended.unzip();
    wire::Objection {
        number: i32::try_from(objection.number).unwrap_or(i32::MAX),
        channel: channel_to_proto(objection.channel),
        anonymous: objection.anonymous,
        received_on: objection.received.to_string(),
        rechecked_on: day(objection.rechecked),
        outcome: outcome.map_or(0, outcome_to_proto),
        ended_on: day(ended),
        answer_sha256: objection.answer.clone(),
        due_on: day(due),
        ..wire::Objection::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_the_wire() {
        for known in ObjectionChannel::ALL {
            assert_eq!(channel(channel_to_proto(*known)), Some(*known));
        }
        for known in workflow_core::ObjectionOutcome::ALL {
            assert_eq!(outcome(outcome_to_proto(*known)), Some(*known));
        }
        let superseded = ObjectionOutcome::Superseded.into();
        let verdict: Option<workflow_core::Verdict> = outcome(superseded);
        assert_eq!(verdict, None, "nobody answers that");
    }
}
