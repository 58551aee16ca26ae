//! Decides a command on a case (T2–T20): the facts that the move needs are fetched first, then one
//! transaction decides and records. A move that needs none is one transaction in all.

use chassis::{
    auth::Caller,
    decode::Fields,
    error::Error,
    feed,
    pg::{Claim, Tx},
};
use kernel::{CaseId, Code};
use proto::workflow::v1::{self as wire, ActOnCaseRequest, ActOnCaseResponse};
use workflow_core::{Command, Facts, Needs, decide};

use super::Service;
use crate::{
    acting::Acting,
    convert::{self, command},
    record::{self, Told},
    store,
};

const OPERATION: &str = "ActOnCase";

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: ActOnCaseRequest,
) -> Result<ActOnCaseResponse, Error> {
    let (case, command) = decode(&request)?;
    let acting = service
        .acting(caller, &request.acting_as, OPERATION)
        .await?;
    let mut tx = service.database.begin(&acting.caller).await?;
    let found = store::case::needs(&mut tx, case, command.step()).await?;
    let (household, needs) = found.ok_or(Error::NotFound { what: "case" })?;
    if needs == Needs::default() {
        return act_in(tx, acting, (case, command), request, Facts::default()).await;
    }
    let as_of = tx.today();
    // No connection is held while neighbours are asked.
    drop(tx);
    let facts = service.neighbours.facts(needs, case, household, as_of);
    service
        .act_on_case_with(caller, request, facts.await?)
        .await
}

impl Service {
    /// Decides a command on facts that are given, in one transaction.
    ///
    /// # Errors
    /// See the RPC.
    pub async fn act_on_case_with(
        &self,
        caller: &Caller,
        request: ActOnCaseRequest,
        facts: Facts,
    ) -> Result<ActOnCaseResponse, Error> {
        let (case, command) = decode(&request)?;
        let acting = self.acting(caller, &request.acting_as, OPERATION).await?;
        let tx = self.database.begin(&acting.caller).await?;
        act_in(tx, acting, (case, command), request, facts).await
    }
}

async fn act_in(
    mut tx: Tx,
    acting: Acting,
    asked: (CaseId, Command),
    mut request: ActOnCaseRequest,
    facts: Facts,
) -> Result<ActOnCaseResponse, Error> {
    let request_id = std::mem::take(&mut request.request_id);
    match tx.claim(OPERATION, &request_id, &request).await? {
        Claim::Replayed(response) => replayed(&mut tx, asked.0, response).await,
        Claim::Fresh => act(tx, acting, asked, request, facts).await,
    }
}

fn decode(request: &ActOnCaseRequest) -> Result<(CaseId, Command), Error> {
    let mut f = Fields::new();
    let case = f.parse("case_id", &request.case_id);
    let command = command::read(&mut f, request.command.as_ref());
    if matches!(command, Some(Command::Appraise(_))) {
        f.violation("command.appraise", "BY_MEETING", "a meeting of the village");
    }
    f.finish_with(case.zip(command))
}

async fn act(
    mut tx: Tx,
    acting: Acting,
    (case, command): (CaseId, Command),
    request: ActOnCaseRequest,
    facts: Facts,
) -> Result<ActOnCaseResponse, Error> {
    let file = store::case::lock(&mut tx, case).await?;
    let mut file = file.ok_or(Error::NotFound { what: "case" })?;
    let current = file.case.version;
    if request.version != 0 && request.version != current {
        let since = store::case::events_since(&mut tx, case, request.version).await?;
        return Err(Error::VersionConflict { current, since });
    }
    store::evidence::check(&mut tx, &paper_field(&command), &command.papers()).await?;
    let step = file.case.template.nearest(command.step(), file.case.state);
    let needs = step.map(Needs::of).unwrap_or_default();
    let decision = decide(&file.case, command, &facts, &acting.actor(), tx.today())?;
    let mut sent = request.command;
    let contact = sent.as_mut().and_then(take_contact);
    let told = Told {
        command: sent,
        facts: convert::facts::provenance(&facts, needs),
        rules: decision.rules,
        deputy: acting.deputy,
        ..Told::default()
    };
    record::event(&mut tx, &mut file, &decision.event, told).await?;
    if let Some((name, phone)) = contact {
        store::contact::insert(&mut tx, &file, &name, &phone).await?;
    }
    let mut response = ActOnCaseResponse {
        case: Some(convert::case::case(&file)),
        feed_position: 0,
    };
    tx.remember(&response).await?;
    response.feed_position = tx.commit().await?.unwrap_or_default();
    Ok(response)
}

/// The field in which a command names its papers.
fn paper_field(command: &Command) -> String {
    let field = match command {
        Command::Withdraw { .. } => "statement_sha256",
        _ => "evidence_sha256",
    };
    format!("command.{}.{field}", command.step().as_str().to_lowercase())
}

/// The position is known only after the answer was remembered: it is the place of the event that
/// made the answer's version.
async fn replayed(
    tx: &mut Tx,
    case: CaseId,
    mut response: ActOnCaseResponse,
) -> Result<ActOnCaseResponse, Error> {
    let version = response.case.as_ref().map_or(0, |case| case.version);
    let items = feed::by_subject(tx, case.0).await?;
    let at = usize::try_from(version - 1).ok();
    let item = at.and_then(|at| items.get(at));
    response.feed_position = item.map_or(0, |item| item.position);
    Ok(response)
}

/// Takes name and phone out of an elimination; they have their own table.
fn take_contact(command: &mut wire::Command) -> Option<(String, String)> {
    match &mut command.command {
        Some(wire::command::Command::Eliminate(c)) => {
            let name = std::mem::take(&mut c.contact_name);
            Some((name, std::mem::take(&mut c.contact_phone)))
        }
        _ => None,
    }
}
