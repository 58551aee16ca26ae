//! A meeting, from the wire into the core and onto the record.

use std::collections::HashSet;

use chassis::{
    decode::{Fields, code_of, codes},
    error::Error,
    pg::Tx,
};
use kernel::{CaseId, Code, DivisionCode, DivisionLevel};
use proto::workflow::v1 as wire;
use uuid::Uuid;
use workflow_core::{Ballot, Capacity, Meeting};

use super::command;

/// More people than this do not fit into a village's hall.
const ATTENDEES_MAX: usize = 300;
/// More households than this need more than one meeting.
const BALLOTS_MAX: usize = 200;
/// Longest name: 少数民族 names transcribed have up to some thirty characters.
const NAME_CHARS_MAX: usize = 50;
/// Longest reason of a vote.
const REASON_CHARS_MAX: usize = 2000;

/// A meeting with what it decided.
pub struct Held {
    pub division: DivisionCode,
    pub meeting: Meeting,
    pub ballots: Vec<(CaseId, Ballot)>,
}

/// Reads a meeting.
///
/// # Errors
/// [`Error::Invalid`] with every bad field.
pub fn read(meeting: Option<&wire::Meeting>) -> Result<Held, Error> {
    let mut f = Fields::new();
    let Some(meeting) = meeting else {
        return Err(Error::invalid("meeting", "REQUIRED", "a meeting"));
    };
    let held = f.within("meeting", |f| fields(f, meeting));
    f.finish_with(held)
}

fn fields(f: &mut Fields, meeting: &wire::Meeting) -> Option<Held> {
    let division: Option<DivisionCode> = f.parse("division_code", &meeting.division_code);
    if division.is_some_and(|division| division.level() != DivisionLevel::Village) {
        f.violation("division_code", "VILLAGE", "the code of a village");
    }
    let held = f.date("held_on", &meeting.held_on);
    f.at_most("attendees", meeting.attendees.len(), ATTENDEES_MAX);
    let attendees = meeting.attendees.iter().take(ATTENDEES_MAX).enumerate();
    let attendees: Option<Vec<_>> = attendees
        .map(|(at, attendee)| {
            f.within(format_args!("attendees[{at}]"), |f| capacities(f, attendee))
        })
        .collect();
    let evidence = command::hashes(f, "evidence_sha256", &meeting.evidence_sha256);
    if meeting.ballots.is_empty() {
        f.violation("ballots", "REQUIRED", "at least one ballot");
    }
    f.at_most("ballots", meeting.ballots.len(), BALLOTS_MAX);
    let present = meeting.attendees.len();
    let (mut ballots, mut seen) = (Vec::new(), HashSet::new());
    for (at, sent) in meeting.ballots.iter().take(BALLOTS_MAX).enumerate() {
        let read = f.within(format_args!("ballots[{at}]"), |f| {
            let case: Option<CaseId> = f.parse("case_id", &sent.case_id);
            if case.is_some_and(|case| !seen.insert(case)) {
                f.violation("case_id", "TWICE", "every case once");
            }
            case.zip(ballot(f, sent, present))
        });
        ballots.extend(read);
    }
    Some(Held {
        division: division?,
        meeting: Meeting {
            held: held?,
            attendees: attendees?,
            conflicts_declared: meeting.conflicts_declared,
            evidence: evidence?,
        },
        ballots,
    })
}

fn capacities(f: &mut Fields, attendee: &wire::Attendee) -> Option<Vec<Capacity>> {
    f.text("name", &attendee.name, NAME_CHARS_MAX);
    let known = |capacity: &i32| {
        let name = wire::Capacity::try_from(*capacity).ok()?.as_str_name();
        code_of(name, "CAPACITY")
    };
    let mut found: Vec<Capacity> = Vec::new();
    for capacity in attendee.capacities.iter().take(Capacity::ALL.len()) {
        let capacity = f.code("capacities", known(capacity))?;
        if !found.contains(&capacity) {
            found.push(capacity);
        }
    }
    let represents = found.contains(&Capacity::VillagerRepresentative);
    if found.is_empty() {
        f.violation("capacities", "REQUIRED", "at least one capacity");
    } else if represents && found.len() > 1 {
        let expected = "a villager representative comes as nothing else";
        f.violation("capacities", "REPRESENTATIVE_ONLY", expected);
    }
    Some(found)
}

fn ballot(f: &mut Fields, sent: &wire::Ballot, present: usize) -> Option<Ballot> {
    f.at_most("conflicted", sent.conflicted.len(), present);
    let conflicted = sent.conflicted.iter().take(present).enumerate();
    let conflicted: Option<Vec<usize>> = conflicted
        .map(|(at, place)| {
            let place = usize::try_from(*place)
                .ok()
                .filter(|place| *place < present);
            if place.is_none() {
                let field = format!("conflicted[{at}]");
                f.violation(
                    &field,
                    "NO_ATTENDEE",
                    format_args!("a place below {present}"),
                );
            }
            place
        })
        .collect();
    let [votes_for, votes_against, votes_abstained] = [
        ("votes_for", sent.votes_for),
        ("votes_against", sent.votes_against),
        ("votes_abstained", sent.votes_abstained),
    ]
    .map(|(field, number)| command::count(f, field, number));
    let reason = f.text_optional("reason", &sent.reason, REASON_CHARS_MAX);
    Some(Ballot {
        conflicted: conflicted?,
        votes_for: votes_for?,
        votes_against: votes_against?,
        votes_abstained: votes_abstained?,
        category: codes::category(sent.category),
        reason: reason?,
    })
}

/// What a meeting decided of its case number `at`, as the case's record has it.
pub fn command(held: &Held, at: usize, meeting: Uuid) -> wire::Command {
    let (_, ballot) = &held.ballots[at];
    let made = held.meeting.appraisal(ballot);
    let number = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    let attendance = wire::Attendance {
        villager_representatives: number(made.villager_representatives),
        township_liaisons: number(made.township_liaisons),
        village_cadres: number(made.village_cadres),
        committee_members: number(made.committee_members),
        resident_team: number(made.resident_team),
        conflicted: i32::try_from(ballot.conflicted.len()).unwrap_or(i32::MAX),
    };
    wire::Command {
        command: Some(wire::command::Command::Appraise(wire::Appraise {
            held_on: made.held.to_string(),
            attendance: Some(attendance),
            votes_for: number(made.votes_for),
            votes_against: number(made.votes_against),
            votes_abstained: number(made.votes_abstained),
            conflicts_declared: made.conflicts_declared,
            category: made.category.map_or(0, codes::category_to_proto),
            reason: made.reason,
            evidence_sha256: made.evidence,
            meeting_id: meeting.to_string(),
        })),
    }
}

/// A meeting as it is kept: with its id, and who recorded it.
pub fn to_record(sent: wire::Meeting, id: Uuid, tx: &Tx) -> wire::Meeting {
    wire::Meeting {
        id: id.to_string(),
        recorded_by: tx.principal().subject.clone(),
        record_time: Some(chassis::clock::timestamp(tx.now())),
        ..sent
    }
}

/// Takes names and reasons out of a meeting; returns the names. The reasons are kept with the cases.
pub fn take_private(meeting: &mut wire::Meeting) -> Vec<String> {
    for ballot in &mut meeting.ballots {
        ballot.reason.clear();
    }
    let attendees = meeting.attendees.iter_mut();
    attendees
        .map(|attendee| std::mem::take(&mut attendee.name))
        .collect()
}
