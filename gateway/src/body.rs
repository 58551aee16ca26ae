//! Bodies of requests, read whole up to a limit.

use axum::body::{Body, BodyDataStream, Bytes};
use futures::StreamExt as _;

/// What is read past the limit and thrown away: whoever sends more than this is no mistake.
const DISCARDED_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The body, unless it breaks off or is longer than `limit_bytes`.
pub async fn read(body: Body, limit_bytes: usize) -> Option<Bytes> {
    let mut pieces = body.into_data_stream();
    let mut whole = Vec::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.ok()?;
        if piece.len() > limit_bytes - whole.len() {
            discard(&mut pieces, DISCARDED_BYTES_MAX).await;
            return None;
        }
        whole.extend_from_slice(&piece);
    }
    Some(whole.into())
}

/// Reads what is still to come of a body and throws it away, `most_bytes` of it. Whoever is cut off while
/// sending sees a broken connection and not the answer that says why.
pub async fn discard(pieces: &mut BodyDataStream, most_bytes: u64) {
    let mut left = most_bytes;
    while let Some(Ok(piece)) = pieces.next().await {
        match left.checked_sub(piece.len() as u64) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}
