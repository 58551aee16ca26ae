//! Households by id; ids out of scope are left out.

use chassis::{auth::Caller, decode::Fields, error::Error};
use proto::households::v1::{BatchGetHouseholdsRequest, BatchGetHouseholdsResponse};

use super::Service;
use crate::{
    convert::{self, View},
    read, store,
};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: BatchGetHouseholdsRequest,
) -> Result<BatchGetHouseholdsResponse, Error> {
    let mut f = Fields::new();
    let ids = read::household_ids(&mut f, "ids", &request.ids);
    let ids = f.finish_with(ids)?;
    let mut tx = service.database.read(caller).await?;
    let households = store::household::lookup(&mut tx, &service.sealer, &ids).await?;
    let view = View::of(caller.principal.role);
    Ok(BatchGetHouseholdsResponse {
        households: households
            .iter()
            .map(|h| convert::household(h, view))
            .collect(),
    })
}
