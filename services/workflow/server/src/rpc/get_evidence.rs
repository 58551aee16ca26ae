//! A paper or photo, and on the record who looked at it (SEC-2).

use std::pin::Pin;

use chassis::{auth::Caller, decode::Fields, error::Error};
use futures::{Stream, stream};
use proto::workflow::v1::{GetEvidenceRequest, GetEvidenceResponse, get_evidence_response::Part};
use tonic::Status;

use super::{
    Service,
    submit_evidence::{encode, item},
};
use crate::store::evidence;

/// Bytes of a message.
const CHUNK_BYTES: usize = 64 * 1024;

/// What a file is, then its content.
pub type Content = Pin<Box<dyn Stream<Item = Result<GetEvidenceResponse, Status>> + Send>>;

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: GetEvidenceRequest,
) -> Result<Content, Error> {
    let mut f = Fields::new();
    let sha256 = f.sha256("sha256", &request.sha256);
    let sha256 = f.finish_with(sha256)?;
    let mut tx = service.database.read(caller).await?;
    let stored = evidence::lookup(&mut tx, &sha256).await?;
    drop(tx);
    let stored = stored.ok_or(Error::NotFound { what: "evidence" })?;
    // Whole and checked before the first byte goes out: half of an altered paper is no paper.
    let content = service.evidence.get(&sha256).await?;

    let division = stored.division_code.parse();
    let division = division.map_err(|_| Error::Internal(anyhow::anyhow!("division_code")))?;
    let mut tx = service.database.begin(caller).await?;
    let id = service.database.clock().new_id();
    tx.publish(item("evidence.read", id, &tx, &stored, division));
    tx.commit().await?;

    let first = Part::Evidence(encode(stored));
    let count = content.len().div_ceil(CHUNK_BYTES);
    let chunks = (0..count).map(move |at| {
        let from = at * CHUNK_BYTES;
        let until = content.len().min(from + CHUNK_BYTES);
        Part::Chunk(content.slice(from..until).to_vec())
    });
    let parts = std::iter::once(first).chain(chunks);
    let messages = parts.map(|part| Ok(GetEvidenceResponse { part: Some(part) }));
    Ok(Box::pin(stream::iter(messages)))
}
