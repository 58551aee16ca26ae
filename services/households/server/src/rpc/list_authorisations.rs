//! Authorisations of a household, newest first.

use chassis::{auth::Caller, decode::Fields, error::Error};
use kernel::HouseholdId;
use proto::households::v1::{ListAuthorisationsRequest, ListAuthorisationsResponse};

use super::Service;
use crate::{convert, store};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: ListAuthorisationsRequest,
) -> Result<ListAuthorisationsResponse, Error> {
    let mut f = Fields::new();
    let household = f.parse("household_id", &request.household_id);
    let household: HouseholdId = f.finish_with(household)?;
    let mut tx = service.database.read(caller).await?;
    if store::household::lookup(&mut tx, &service.sealer, &[household])
        .await?
        .is_empty()
    {
        return Err(Error::NotFound { what: "household" });
    }
    let authorisations = store::authorisation::list(&mut tx, household).await?;
    Ok(ListAuthorisationsResponse {
        authorisations: authorisations.iter().map(convert::authorisation).collect(),
    })
}
