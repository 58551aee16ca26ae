//! Relatives of households who belong to their comparisons (CMP-2).

use chassis::{auth::Caller, decode::Fields, error::Error};
use proto::households::v1::{BatchListRelativesRequest, BatchListRelativesResponse};

use super::Service;
use crate::{
    convert::{self, View},
    read, store,
};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: BatchListRelativesRequest,
) -> Result<BatchListRelativesResponse, Error> {
    let mut f = Fields::new();
    let ids = read::household_ids(&mut f, "household_ids", &request.household_ids);
    let ids = f.finish_with(ids)?;
    let mut tx = service.database.read(caller).await?;
    let relatives = store::relative::list(&mut tx, &service.sealer, &ids).await?;
    let view = View::of(caller.principal.role);
    let relatives = relatives.iter();
    Ok(BatchListRelativesResponse {
        relatives: relatives
            .map(|(id, relative)| convert::relative(*id, relative, view))
            .collect(),
    })
}
