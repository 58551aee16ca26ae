//! Cases by id. Those out of scope are left out.

use chassis::{auth::Caller, error::Error};
use proto::workflow::v1::{BatchGetCasesRequest, BatchGetCasesResponse};

use super::{Service, ids};
use crate::store;

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: BatchGetCasesRequest,
) -> Result<BatchGetCasesResponse, Error> {
    let ids = ids("ids", &request.ids)?;
    let mut tx = service.database.read(caller).await?;
    let cases = store::case::lookup(&mut tx, &ids).await?;
    Ok(BatchGetCasesResponse { cases })
}
