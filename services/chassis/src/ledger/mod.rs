//! The ledger: every feed row is a leaf of a Merkle log, and any row that was changed, removed or
//! moved is found and named.

mod row;
mod verify;

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use uuid::Uuid;

pub(crate) use row::{Row, copy, read_in_order, rows};
pub use verify::{Fault, Known, Report, verify};

use crate::{merkle::Hash, secret::SecretKey};

/// First byte of a payload hash of today. One of before has none and 32 bytes.
const MAC_VERSION: u8 = 2;
/// Length of a payload hash.
pub const MAC_BYTES: usize = 33;

/// Makes and checks the keyed hashes of payloads. A leaf holds this hash and not the payload, so that a
/// payload can be erased and nobody can guess a payload from its leaf.
///
/// Every payload is hashed under a key of its own, its opening: whoever is given a payload with its
/// opening can check that one, and learns nothing that would help to guess another.
#[derive(Debug, Clone)]
pub struct PayloadMac {
    openings: Hmac<Sha256>,
    before: Hmac<Sha256>,
}

impl PayloadMac {
    /// From the key of the ledger.
    #[must_use]
    pub fn new(key: &SecretKey) -> Self {
        Self {
            openings: keyed(key.expose()).chain_update(b"opening"),
            before: keyed(key.expose()).chain_update(b"ledger"),
        }
    }

    /// The key of the payload at `position`.
    #[must_use]
    pub fn opening(&self, position: i64) -> Hash {
        let mac = self.openings.clone().chain_update(position.to_be_bytes());
        mac.finalize().into_bytes().into()
    }

    /// The hash of the payload at `position`.
    #[must_use]
    pub fn of(&self, position: i64, payload: &[u8]) -> [u8; MAC_BYTES] {
        opened(&self.opening(position), payload)
    }

    /// Whether `mac` is the hash of the payload at `position`, in today's form or that of before.
    #[must_use]
    pub fn fits(&self, position: i64, payload: &[u8], mac: &[u8]) -> bool {
        if mac.len() == MAC_BYTES {
            return mac == self.of(position, payload);
        }
        let before = self.before.clone().chain_update(payload);
        mac == before.finalize().into_bytes().as_slice()
    }
}

/// The hash of a payload under its opening.
#[must_use]
pub fn opened(opening: &Hash, payload: &[u8]) -> [u8; MAC_BYTES] {
    let mac = keyed(opening).chain_update(payload).finalize();
    let mut bytes = [MAC_VERSION; MAC_BYTES];
    bytes[1..].copy_from_slice(&mac.into_bytes());
    bytes
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    // A key shorter than a block is filled up with zeros, so one that fills the block is the same.
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    Hmac::<Sha256>::new(&block.into())
}

/// What is hashed of a feed row.
#[derive(Debug, Clone, Copy)]
pub struct Leaf<'a> {
    /// Position of the row.
    pub position: i64,
    /// Kind of the item.
    pub kind: &'a str,
    /// What it is about.
    pub subject: Uuid,
    /// Where it lies.
    pub division: &'a str,
    /// Department that it belongs to: decides who sees it, as the division does.
    pub department: Option<&'a str>,
    /// W3C trace context of the change: leads from the record to what else was done with it.
    pub traceparent: &'a str,
    /// When it was recorded, to the microsecond.
    pub recorded_at: DateTime<Utc>,
    /// Keyed hash of the payload.
    pub payload_mac: &'a [u8],
}

impl Leaf<'_> {
    /// The leaf's hash (RFC 6962, 2.1).
    #[must_use]
    pub fn hash(&self) -> Hash {
        Row {
            position: self.position,
            kind: self.kind.as_bytes(),
            subject: self.subject.as_bytes(),
            division: self.division.as_bytes(),
            department: self.department.unwrap_or_default().as_bytes(),
            traceparent: self.traceparent.as_bytes(),
            recorded_at_us: self.recorded_at.timestamp_micros(),
            payload: None,
            payload_mac: self.payload_mac,
            root: &[],
        }
        .leaf_hash(&mut Vec::with_capacity(256))
    }
}

impl Row<'_> {
    /// Hash of canonical bytes: a version byte, then every field with its length before it. `buffer` is
    /// scratch space.
    pub(crate) fn leaf_hash(&self, buffer: &mut Vec<u8>) -> Hash {
        buffer.clear();
        // 0 begins a leaf (RFC 6962), 1 is the version.
        buffer.extend([0, 1]);
        let position = self.position.to_be_bytes();
        let recorded_at = self.recorded_at_us.to_be_bytes();
        for field in [
            &position[..],
            self.kind,
            self.subject,
            self.division,
            self.department,
            self.traceparent,
            &recorded_at,
            self.payload_mac,
        ] {
            buffer.extend((field.len() as u32).to_be_bytes());
            buffer.extend(field);
        }
        Sha256::digest(&buffer).into()
    }
}
