//! A tile of the log's hashes (C2SP tlog-tiles).

use chassis::{auth::Caller, decode::Fields, error::Error};
use proto::workflow::v1::{GetTileRequest, GetTileResponse};

use super::Service;

pub async fn handle(
    service: &Service,
    _: &Caller,
    request: GetTileRequest,
) -> Result<GetTileResponse, Error> {
    let mut f = Fields::new();
    let tile = f.parse("path", &request.path);
    let tile = f.finish_with(tile)?;
    let hashes = service.ledger.tile(tile).await?;
    Ok(GetTileResponse { hashes })
}
