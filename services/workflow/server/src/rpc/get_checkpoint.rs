//! What the log has signed (SEC-3).

use chassis::{auth::Caller, clock::timestamp, error::Error, tlog::Served};
use proto::workflow::v1::{Checkpoint, GetCheckpointRequest, GetCheckpointResponse};

use super::Service;

pub async fn handle(
    service: &Service,
    _: &Caller,
    request: GetCheckpointRequest,
) -> Result<GetCheckpointResponse, Error> {
    let size = u64::try_from(request.size);
    let size = size.map_err(|_| Error::invalid("size", "COUNT", "0 for the last, else rows"))?;
    let served = service
        .ledger
        .checkpoint((size > 0).then_some(size))
        .await?;
    Ok(GetCheckpointResponse {
        checkpoint: Some(encode(service, served)),
    })
}

pub(super) fn encode(service: &Service, served: Served) -> Checkpoint {
    let verifier = service.ledger.verifier();
    Checkpoint {
        origin: verifier.origin().to_owned(),
        size: i64::try_from(served.checkpoint.size).unwrap_or(i64::MAX),
        root: chassis::tlog::hex(&served.checkpoint.root),
        note: served.note,
        witnesses: served.witnesses,
        sign_time: Some(timestamp(served.signed_at)),
        key: verifier.to_string(),
    }
}
