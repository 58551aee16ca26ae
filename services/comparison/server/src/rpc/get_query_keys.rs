//! What departments check query tokens with (CMP-4).

use chassis::{auth::Caller, error::Error};
use proto::comparison::v1::{GetQueryKeysRequest, GetQueryKeysResponse};

use super::Service;

pub async fn handle(
    service: &Service,
    _: &Caller,
    _: GetQueryKeysRequest,
) -> Result<GetQueryKeysResponse, Error> {
    let keys = service.queries.keys.to_json();
    Ok(GetQueryKeysResponse {
        jwk_set: keys.map_err(|error| Error::Internal(error.into()))?,
    })
}
