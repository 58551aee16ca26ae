//! Leads by id. Those out of scope are left out.

use chassis::{auth::Caller, error::Error};
use proto::workflow::v1::{BatchGetLeadsRequest, BatchGetLeadsResponse};

use super::{Service, ids};
use crate::store;

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: BatchGetLeadsRequest,
) -> Result<BatchGetLeadsResponse, Error> {
    let ids = ids("ids", &request.ids)?;
    let mut tx = service.database.read(caller).await?;
    let leads = store::lead::lookup(&mut tx, &ids).await?;
    Ok(BatchGetLeadsResponse { leads })
}
