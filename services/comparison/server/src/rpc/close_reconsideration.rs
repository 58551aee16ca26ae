//! A named person has looked again at a decision that rested on a wrong file (CMP-11): it stands, or the
//! household is compared again, which begins only while what happens is on the record (SEC-3).

use chassis::{
    auth::Caller,
    decode::Fields,
    error::Error,
    pg::{Claim, Tx},
};
use comparison_core::{
    correction::{Reconsidered, check_open},
    recheck::Purpose,
};
use proto::comparison::v1::{
    self as wire, CloseReconsiderationRequest, CloseReconsiderationResponse,
};
use uuid::Uuid;

use super::{Service, reason};
use crate::{
    convert, evidence,
    store::{self, comparison::Comparison, reconsideration::Reconsideration},
};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: CloseReconsiderationRequest,
) -> Result<CloseReconsiderationResponse, Error> {
    let mut f = Fields::new();
    let id: Option<Uuid> = f.parse("reconsideration_id", &request.reconsideration_id);
    let outcome = match request.outcome() {
        wire::ReconsiderationOutcome::Stands => Some(Reconsidered::Stands),
        wire::ReconsiderationOutcome::CompareAgain => Some(Reconsidered::CompareAgain),
        wire::ReconsiderationOutcome::Unspecified => None,
    };
    let outcome = f.code("outcome", outcome);
    let reason = reason::read(&mut f, &request.reason);
    let decoded = (|| Some((id?, outcome?, reason?)))();
    let (id, outcome, reason) = f.finish_with(decoded)?;
    if outcome == Reconsidered::CompareAgain {
        evidence::check(&service.ledger).await?;
    }
    let request_id = std::mem::take(&mut request.request_id);
    let mut tx = service.database.begin(caller).await?;
    let claim = tx
        .claim("CloseReconsideration", &request_id, &request)
        .await?;
    if let Claim::Replayed(response) = claim {
        return Ok(response);
    }
    let not_found = || Error::NotFound {
        what: "reconsideration",
    };
    let mut entry = store::reconsideration::lock(&mut tx, id)
        .await?
        .ok_or_else(not_found)?;
    check_open(entry.outcome)?;
    let comparison = match outcome {
        Reconsidered::Stands => None,
        Reconsidered::CompareAgain => compare_again(&mut tx, &mut entry).await?,
    };
    entry.outcome = Some(outcome);
    entry.closed_by = caller.principal.subject.clone();
    entry.closed_reason = reason;
    entry.closed_on = Some(tx.today());
    store::reconsideration::close(&mut tx, &entry).await?;
    let response = CloseReconsiderationResponse {
        reconsideration: Some(convert::reconsideration(&entry)),
        comparison: comparison.as_ref().map(convert::comparison),
    };
    tx.remember(&response).await?;
    tx.commit().await?;
    Ok(response)
}

/// The comparison that is under way for the case now, or was already. The decided hit counts no more in
/// one that goes on: the corrected file is compared anew.
async fn compare_again(
    tx: &mut Tx,
    entry: &mut Reconsideration,
) -> Result<Option<Comparison>, Error> {
    let known = store::comparison::lock(tx, entry.comparison).await?;
    let goes_on = known.is_some_and(|comparison| comparison.completed_at.is_none());
    if let (Some(hit), true) = (&mut entry.hit, goes_on) {
        hit.superseded = true;
        store::hit::update(tx, hit).await?;
    }
    // The procedure of an enrolled case is over: what is found now goes to a person.
    let enrolled = store::case::is_enrolled(tx, entry.case).await?;
    let purpose = if enrolled {
        Purpose::ReCheck
    } else {
        Purpose::Procedure
    };
    let (case, household, division) = (entry.case, entry.household, entry.division);
    let opened = store::comparison::open(tx, case, household, division, purpose).await?;
    if opened.is_some() && enrolled {
        store::case::looked(tx, &[case]).await?;
    }
    let of_case = store::comparison::of_cases(tx, &[case]).await?;
    Ok(of_case.into_iter().find(|c| c.completed_at.is_none()))
}
