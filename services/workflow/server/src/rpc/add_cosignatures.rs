//! What witnesses have signed under a checkpoint of this log (C2SP tlog-cosignature). It needs no
//! account: the signature says whose it is.

use chassis::{auth::Caller, error::Error};
use proto::workflow::v1::{AddCosignaturesRequest, AddCosignaturesResponse};

use super::Service;

pub async fn handle(
    service: &Service,
    _: &Caller,
    request: AddCosignaturesRequest,
) -> Result<AddCosignaturesResponse, Error> {
    let witnesses = service.ledger.cosign(&request.note).await?;
    Ok(AddCosignaturesResponse { witnesses })
}
