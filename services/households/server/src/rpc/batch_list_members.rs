//! Members of households, head first.

use chassis::{auth::Caller, decode::Fields, error::Error};
use proto::households::v1::{BatchListMembersRequest, BatchListMembersResponse};

use super::Service;
use crate::{
    convert::{self, View},
    read, store,
};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: BatchListMembersRequest,
) -> Result<BatchListMembersResponse, Error> {
    let mut f = Fields::new();
    let ids = read::household_ids(&mut f, "household_ids", &request.household_ids);
    let ids = f.finish_with(ids)?;
    let mut tx = service.database.read(caller).await?;
    let members = store::member::list(&mut tx, &service.sealer, &ids).await?;
    let view = View::of(caller.principal.role);
    let members = members.iter();
    Ok(BatchListMembersResponse {
        members: members
            .map(|(id, member)| convert::member(*id, member, view))
            .collect(),
    })
}
