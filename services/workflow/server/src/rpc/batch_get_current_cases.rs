//! The open case, else the latest one, of each household of a page.

use chassis::{auth::Caller, error::Error};
use proto::workflow::v1::{BatchGetCurrentCasesRequest, BatchGetCurrentCasesResponse};

use super::{Service, ids};
use crate::store;

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: BatchGetCurrentCasesRequest,
) -> Result<BatchGetCurrentCasesResponse, Error> {
    let households = ids("household_ids", &request.household_ids)?;
    let mut tx = service.database.read(caller).await?;
    let cases = store::case::current(&mut tx, &households).await?;
    Ok(BatchGetCurrentCasesResponse { cases })
}
