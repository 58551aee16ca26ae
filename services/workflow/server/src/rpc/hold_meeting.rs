//! Records an appraisal meeting and what it decided of each household (T5, T15, S27, WF-13).

use chassis::{
    auth::Caller,
    clock::timestamp,
    error::Error,
    feed::Item,
    pg::{Claim, Tx},
};
use chrono::NaiveDate;
use futures::{StreamExt, TryStreamExt, stream};
use kernel::{CaseId, Refusal};
use prost::Message;
use proto::workflow::v1::{self as wire, HoldMeetingRequest, HoldMeetingResponse, MeetingEvent};
use workflow_core::{Actor, Command, Decision, Facts, Move, Needs, decide};

use super::Service;
use crate::{
    case_file::CaseFile,
    convert::{
        self,
        meeting::{Held, take_private, to_record},
    },
    record::{self, Told},
    store,
};

const OPERATION: &str = "HoldMeeting";
/// Households asked about at once, where a template has the meeting look at facts.
const FACTS_AT_ONCE: usize = 8;

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: HoldMeetingRequest,
) -> Result<HoldMeetingResponse, Error> {
    let held = convert::meeting::read(request.meeting.as_ref())?;
    let acting = service
        .acting(caller, &request.acting_as, OPERATION)
        .await?;
    let mut tx = service.database.read(&acting.caller).await?;
    let mut asked = Vec::with_capacity(held.ballots.len());
    for (case, _) in &held.ballots {
        let found = store::case::needs(&mut tx, *case, Move::Appraise).await?;
        let (household, needs) = found.ok_or(Error::NotFound { what: "case" })?;
        asked.push((needs, *case, household));
    }
    let as_of = tx.today();
    drop(tx);
    let asked = asked.into_iter().map(|(needs, case, household)| {
        let neighbours = &service.neighbours;
        neighbours.facts(needs, case, household, as_of)
    });
    let facts = stream::iter(asked).buffered(FACTS_AT_ONCE).try_collect();
    service
        .hold_meeting_with(caller, request, facts.await?)
        .await
}

impl Service {
    /// Records a meeting on facts that are given, in the order of the ballots, in one transaction.
    ///
    /// # Errors
    /// See the RPC.
    pub async fn hold_meeting_with(
        &self,
        caller: &Caller,
        mut request: HoldMeetingRequest,
        facts: Vec<Facts>,
    ) -> Result<HoldMeetingResponse, Error> {
        let held = convert::meeting::read(request.meeting.as_ref())?;
        let acting = self.acting(caller, &request.acting_as, OPERATION).await?;
        if !acting.caller.principal.scope.sees(&held.division, None) {
            return Err(Error::NotFound { what: "division" });
        }
        let request_id = std::mem::take(&mut request.request_id);
        let mut tx = self.database.begin(&acting.caller).await?;
        if let Claim::Replayed(response) = tx.claim(OPERATION, &request_id, &request).await? {
            return Ok(response);
        }
        let papers: Vec<&str> = held.meeting.evidence.iter().map(String::as_str).collect();
        store::evidence::check(&mut tx, "meeting.evidence_sha256", &papers).await?;
        let mut files = lock(&mut tx, &held).await?;
        let decisions = decide_all(&held, &files, &facts, &acting.actor(), tx.today())?;

        let id = tx.database().clock().new_id();
        let sent = request.meeting.unwrap_or_default();
        for (at, decision) in decisions.into_iter().enumerate() {
            let file = &mut files[at];
            let step = file.case.template.nearest(Move::Appraise, file.case.state);
            let needs = step.map(Needs::of).unwrap_or_default();
            let told = Told {
                command: Some(convert::meeting::command(&held, at, id)),
                facts: convert::facts::provenance(&facts[at], needs),
                rules: decision.rules,
                deputy: acting.deputy,
                ..Told::default()
            };
            record::event(&mut tx, file, &decision.event, told).await?;
        }
        let meeting = to_record(sent, id, &tx);
        put_on_record(&mut tx, id, &held, meeting.clone()).await?;
        let response = HoldMeetingResponse {
            meeting: Some(meeting),
            cases: files.iter().map(convert::case::case).collect(),
        };
        tx.remember(&response).await?;
        tx.commit().await?;
        Ok(response)
    }
}

/// The cases of the ballots, held against other writers: in the order of their ids, so that two
/// meetings never wait for each other; given back in the order of the ballots.
async fn lock(tx: &mut Tx, held: &Held) -> Result<Vec<CaseFile>, Error> {
    let mut order: Vec<(usize, CaseId)> = held
        .ballots
        .iter()
        .map(|(case, _)| *case)
        .enumerate()
        .collect();
    order.sort_by_key(|(_, case)| *case);
    let mut files = Vec::with_capacity(order.len());
    for (at, case) in order {
        let file = store::case::lock(tx, case).await?;
        let file = file.ok_or(Error::NotFound { what: "case" })?;
        if !held.division.contains(&file.division) {
            let field = format!("meeting.ballots[{at}].case_id");
            return Err(Error::invalid(
                &field,
                "ANOTHER_VILLAGE",
                held.division.as_str(),
            ));
        }
        files.push((at, file));
    }
    files.sort_by_key(|(at, _)| *at);
    Ok(files.into_iter().map(|(_, file)| file).collect())
}

/// Decides every ballot; a refusal has what is unmet of all of them.
fn decide_all(
    held: &Held,
    files: &[CaseFile],
    facts: &[Facts],
    actor: &Actor,
    today: NaiveDate,
) -> Result<Vec<Decision>, Error> {
    let (mut decisions, mut unmet) = (Vec::new(), Vec::new());
    let cases = files.iter().zip(facts).zip(&held.ballots);
    for (at, ((file, facts), (_, ballot))) in cases.enumerate() {
        let command = Command::Appraise(held.meeting.appraisal(ballot));
        match decide(&file.case, command, facts, actor, today) {
            Ok(decision) => decisions.push(decision),
            Err(refusal) => {
                let part = format!("ballots[{at}]");
                unmet.extend(refusal.unmet.into_iter().map(|r| r.about(&part)));
            }
        }
    }
    Refusal::check(unmet)?;
    Ok(decisions)
}

/// Stores the meeting and tells of it; names and reasons stay at home.
async fn put_on_record(
    tx: &mut Tx,
    id: uuid::Uuid,
    held: &Held,
    mut meeting: wire::Meeting,
) -> Result<(), Error> {
    let names = take_private(&mut meeting);
    let held_on = held.meeting.held;
    store::meeting::insert(tx, id, &held.division, held_on, &meeting, &names).await?;
    let principal = tx.principal();
    let event = MeetingEvent {
        meeting: Some(meeting),
        actor: principal.subject.clone(),
        actor_role: principal.role.to_string(),
        at: Some(timestamp(tx.now())),
    };
    let item = Item {
        kind: "meeting.held".to_owned(),
        subject: id,
        division: held.division,
        department: None,
        payload: event.encode_to_vec(),
    };
    tx.publish(item);
    Ok(())
}
