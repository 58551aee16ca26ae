//! The ledger as a transparency log that others can check: Merkle tiles, signed checkpoints, proofs and
//! the cosignatures of witnesses, in the formats of C2SP (tlog-tiles, tlog-checkpoint, signed-note,
//! tlog-cosignature). Whatever is here without a database can be used by anybody offline.

mod checkpoint;
mod extract;
mod proof;
mod seal;
pub(crate) mod store;
mod tile;
mod witness;

pub use checkpoint::{
    Checkpoint, Cosignature, Cosigner, InvalidKey, LogKey, LogVerifier, NotGenuine, WitnessVerifier,
};
pub use extract::{Checked, Entry, Extract, Flaw};
pub use proof::{Claim, check_consistency, check_inclusion};
pub(crate) use seal::status;
pub use seal::{Daily, Log, LogConfig, Served, Status};
pub use tile::{Edge, Tile, TileId, WIDTH};
pub use witness::{Distrust, examine};

/// A hash in lower-case hex.
#[must_use]
pub fn hex(hash: &crate::merkle::Hash) -> String {
    hex::encode(hash)
}
