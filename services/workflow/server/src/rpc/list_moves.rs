//! What can be done to a case next, and everything that is missing for it (WF-1).

use chassis::{
    auth::Caller,
    decode::Fields,
    error::{self, Error},
};
use kernel::{CaseId, Code};
use proto::workflow::v1::{ListMovesRequest, ListMovesResponse, Move};
use workflow_core::{Case, NextMove, due, moves};

use super::Service;
use crate::{convert, store};

const OPERATION: &str = "ListMoves";

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: ListMovesRequest,
) -> Result<ListMovesResponse, Error> {
    let mut f = Fields::new();
    let case = f.parse("case_id", &request.case_id);
    let case: CaseId = f.finish_with(case)?;
    let acting = service
        .acting(caller, &request.acting_as, OPERATION)
        .await?;
    let mut tx = service.database.read(&acting.caller).await?;
    let file = store::case::file(&mut tx, case).await?;
    let today = tx.today();
    drop(tx);
    let file = file.ok_or(Error::NotFound { what: "case" })?;
    let needs = file.case.needs();
    let facts = service.neighbours.facts(needs, case, file.household, today);
    let moves = moves(&file.case, &facts.await?, &acting.actor(), today);
    Ok(ListMovesResponse {
        moves: moves.iter().map(|next| encode(&file.case, next)).collect(),
    })
}

fn encode(case: &Case, next: &NextMove) -> Move {
    let step = case.template.step(next.step, Some(case.state));
    let roles = step.into_iter().flat_map(|step| &step.roles);
    let unmet = next.unmet.iter().chain(&next.to_give);
    let waits_until = unmet.clone().filter_map(|unmet| unmet.possible_from).max();
    Move {
        name: next.step.as_str().to_owned(),
        transition: next.transition.to_owned(),
        to: convert::case_state_to_proto(next.to),
        roles: roles.map(|role| role.as_str().to_owned()).collect(),
        yours: next.yours,
        unmet: unmet.map(error::requirement_to_proto).collect(),
        due_on: convert::day(due(case).filter(|_| next.step.leads_on())),
        possible_from: convert::day(waits_until),
    }
}
