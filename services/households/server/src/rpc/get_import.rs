//! The report of an import.

use chassis::{auth::Caller, decode::Fields, error::Error};
use kernel::BatchId;
use proto::households::v1::{GetImportRequest, GetImportResponse};

use super::Service;
use crate::store;

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: GetImportRequest,
) -> Result<GetImportResponse, Error> {
    let mut f = Fields::new();
    let batch = f.parse("batch_id", &request.batch_id);
    let batch: BatchId = f.finish_with(batch)?;
    let mut tx = service.database.read(caller).await?;
    let report = store::import::lookup(&mut tx, batch).await?;
    Ok(GetImportResponse {
        report: Some(report),
    })
}
