//! Whether what happens is on the record.

use chassis::{auth::Caller, clock::timestamp, error::Error};
use proto::workflow::v1::{GetEvidenceStatusRequest, GetEvidenceStatusResponse};

use super::Service;

pub async fn handle(
    service: &Service,
    _: &Caller,
    _: GetEvidenceStatusRequest,
) -> Result<GetEvidenceStatusResponse, Error> {
    let status = service.ledger.status().await?;
    Ok(GetEvidenceStatusResponse {
        size: i64::try_from(status.size).unwrap_or(i64::MAX),
        sealed: i64::try_from(status.sealed).unwrap_or(i64::MAX),
        waiting_since: status.waiting_since.map(timestamp),
        waited_seconds: status.waited.num_seconds(),
        limit_seconds: status.limit.num_seconds(),
        overdue: status.is_overdue(),
    })
}
