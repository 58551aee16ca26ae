//! Bodies of requests, read whole up to a limit.

use axum::body::{Body, Bytes};
use futures::StreamExt as _;

/// What is read past the limit and thrown away. Whoever is cut off while sending sees a broken connection
/// and not the answer that says why; whoever sends more than this is no mistake.
const DISCARDED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The body, unless it breaks off or is longer than `limit_bytes`.
pub async fn read(body: Body, limit_bytes: usize) -> Option<Bytes> {
    let mut pieces = body.into_data_stream();
    let (mut whole, mut len) = (Vec::new(), 0_usize);
    while let Some(piece) = pieces.next().await {
        let piece = piece.ok()?;
        len = len.saturating_add(piece.len());
        if len > limit_bytes.saturating_add(DISCARDED_BYTES_MAX) {
            return None;
        }
        if len <= limit_bytes {
            whole.extend_from_slice(&piece);
        }
    }
    (len <= limit_bytes).then(|| whole.into())
}
