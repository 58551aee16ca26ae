//! Opens a comparison for a case by hand: a new one when the last is too old. A re-check that is under way
//! ends for it. Only while what happens
//! is on the record (SEC-3).

use chassis::{auth::Caller, decode::Fields, error::Error, pg::Claim};
use comparison_core::recheck::Purpose;
use kernel::{CaseId, HouseholdId};
use proto::comparison::v1::{StartComparisonRequest, StartComparisonResponse};

use super::Service;
use crate::{convert, evidence, store};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: StartComparisonRequest,
) -> Result<StartComparisonResponse, Error> {
    let mut f = Fields::new();
    let case: Option<CaseId> = f.parse("case_id", &request.case_id);
    let household: Option<HouseholdId> = f.parse("household_id", &request.household_id);
    let (case, household) = f.finish_with(case.zip(household))?;
    evidence::check(&service.ledger).await?;
    let request_id = std::mem::take(&mut request.request_id);
    let mut tx = service.database.begin(caller).await?;
    if let Claim::Replayed(response) = tx.claim("StartComparison", &request_id, &request).await? {
        return Ok(response);
    }
    // An authorised case has had its first comparison opened, so its place is known.
    let earlier = store::comparison::of_cases(&mut tx, &[case]).await?;
    let not_found = || Error::NotFound { what: "comparison" };
    let earlier = earlier.first().ok_or_else(not_found)?;
    if earlier.household != household {
        return Err(not_found());
    }
    store::comparison::open(
        &mut tx,
        case,
        household,
        earlier.division,
        Purpose::Procedure,
    )
    .await?;
    let current = store::comparison::of_cases(&mut tx, &[case]).await?;
    let response = StartComparisonResponse {
        comparison: current.first().map(convert::comparison),
    };
    tx.remember(&response).await?;
    tx.commit().await?;
    Ok(response)
}
