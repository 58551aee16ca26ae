//! The report of a file.

use chassis::{auth::Caller, decode::Fields, error::Error};
use kernel::BatchId;
use proto::comparison::v1::{GetBatchRequest, GetBatchResponse};

use super::Service;
use crate::store;

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: GetBatchRequest,
) -> Result<GetBatchResponse, Error> {
    let mut f = Fields::new();
    let batch = f.parse("batch_id", &request.batch_id);
    let batch: BatchId = f.finish_with(batch)?;
    let mut tx = service.database.read(caller).await?;
    let report = store::batch::lookup(&mut tx, batch).await?;
    Ok(GetBatchResponse {
        report: Some(report),
    })
}
