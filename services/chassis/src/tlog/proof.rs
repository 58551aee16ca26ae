//! Inclusion and consistency proofs (RFC 6962, 2.1.1 and 2.1.2) from tiles.

use std::{cell::RefCell, collections::HashMap};

use tlog_tiles::{Error, HashReader};

use super::tile::{HEIGHT, TileId};
use crate::merkle::Hash;

/// Something that can be proved of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// A leaf is in the log of `size` leaves.
    Inclusion {
        /// Counted from 0.
        index: u64,
        /// Leaves of the log.
        size: u64,
    },
    /// The log of `size` leaves begins with the log of `from` leaves.
    Consistency {
        /// Leaves before.
        from: u64,
        /// Leaves now.
        size: u64,
    },
}

/// More leaves than any log has: what is asked about more is nonsense, and would overflow below.
const SIZE_MAX: u64 = 1 << 48;

/// Hashes by level and index of their tile, one after the other.
pub(super) type Tiles = HashMap<(u8, u64), Vec<u8>>;

impl Claim {
    /// The tiles from which the claim is proved; none where nothing has to be shown. `None` when the
    /// claim is about leaves that no such log has.
    #[must_use]
    pub fn tiles(self) -> Option<Vec<TileId>> {
        let (Self::Inclusion { size, .. } | Self::Consistency { size, .. }) = self;
        if size > SIZE_MAX {
            return None;
        }
        let asked = Asked(RefCell::default());
        match self.read(&asked) {
            // Only this reader fails so; with nothing to read the proof is there at once.
            Ok(_) | Err(Error::IndexesNotInTree) => {}
            Err(_) => return None,
        }
        let mut tiles: Vec<TileId> = Vec::new();
        for index in asked.0.into_inner() {
            let theirs = tlog_tiles::Tile::from_index(HEIGHT, index);
            let tile = TileId {
                level: theirs.level(),
                index: theirs.level_index(),
                width: theirs.width().into(),
            };
            let same = |known: &&mut TileId| (known.level, known.index) == (tile.level, tile.index);
            match tiles.iter_mut().find(same) {
                Some(known) => known.width = known.width.max(tile.width),
                None => tiles.push(tile),
            }
        }
        Some(tiles)
    }

    /// The proof; `None` when the tiles are not those that the claim needs.
    pub(super) fn prove(self, tiles: &Tiles) -> Option<Vec<Hash>> {
        let proof = self.read(&Held(tiles)).ok()?;
        Some(proof.into_iter().map(|hash| hash.0).collect())
    }

    fn read(self, reader: &impl HashReader) -> Result<Vec<tlog_tiles::Hash>, Error> {
        match self {
            Self::Inclusion { index, size } => tlog_tiles::prove_record(size, index, reader),
            // Every log begins with the empty one.
            Self::Consistency { from: 0, .. } => Ok(Vec::new()),
            Self::Consistency { from, size } => tlog_tiles::prove_tree(size, from, reader),
        }
    }
}

/// Notes what would be read.
struct Asked(RefCell<Vec<u64>>);

impl HashReader for Asked {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, Error> {
        self.0.borrow_mut().extend(indexes);
        Err(Error::IndexesNotInTree)
    }
}

/// Reads from tiles that are there.
struct Held<'a>(&'a Tiles);

impl HashReader for Held<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, Error> {
        let read = |index: &u64| {
            let needed = tlog_tiles::Tile::from_index(HEIGHT, *index);
            let bytes = self.0.get(&(needed.level(), needed.level_index()));
            needed.hash_at_index(bytes.ok_or(Error::InvalidTile)?, *index)
        };
        indexes.iter().map(read).collect()
    }
}

/// Whether `proof` shows that `leaf` is leaf `index` of the log of `size` leaves with `root`.
#[must_use]
pub fn check_inclusion(leaf: Hash, index: u64, size: u64, root: Hash, proof: &[Hash]) -> bool {
    if size > SIZE_MAX {
        return false;
    }
    let (proof, root) = (theirs(proof), tlog_tiles::Hash(root));
    tlog_tiles::check_record(&proof, size, root, index, tlog_tiles::Hash(leaf)).is_ok()
}

/// Whether `proof` shows that the log of `size` leaves with `root` begins with that of `from` leaves
/// with `from_root`.
#[must_use]
pub fn check_consistency(
    (from, from_root): (u64, Hash),
    (size, root): (u64, Hash),
    proof: &[Hash],
) -> bool {
    if from == 0 {
        return proof.is_empty() && from_root == crate::merkle::root(&[]);
    }
    if size > SIZE_MAX {
        return false;
    }
    let (proof, root) = (theirs(proof), tlog_tiles::Hash(root));
    tlog_tiles::check_tree(&proof, size, root, from, tlog_tiles::Hash(from_root)).is_ok()
}

fn theirs(proof: &[Hash]) -> Vec<tlog_tiles::Hash> {
    proof.iter().copied().map(tlog_tiles::Hash).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        merkle::{self, leaf_hash},
        tlog::Edge,
    };

    fn leaves(len: u64) -> Vec<Hash> {
        (0..len)
            .map(|number| leaf_hash(&number.to_be_bytes()))
            .collect()
    }

    fn tiles(leaves: &[Hash]) -> Tiles {
        let (mut edge, mut tiles) = (Edge::default(), Vec::new());
        for leaf in leaves {
            tiles.extend(edge.push(*leaf));
        }
        tiles.extend(edge.tiles());
        let tiles = tiles.into_iter();
        tiles
            .map(|tile| ((tile.level, tile.index), tile.hashes.concat()))
            .collect()
    }

    fn prove(claim: Claim, all: &Tiles) -> Vec<Hash> {
        let needed = claim.tiles().expect("a claim that can be proved");
        let only = needed.iter().map(|tile| {
            let bytes = &all[&(tile.level, tile.index)];
            (
                (tile.level, tile.index),
                bytes[..32 * tile.width as usize].to_vec(),
            )
        });
        claim
            .prove(&only.collect())
            .expect("proved from what was asked for")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        /// The proofs come from a library, the other side from RFC 6962's definitions.
        #[test]
        fn proofs_hold_and_no_others(len in 1u64..900, a in 0u64..900, b in 0u64..900, bit in 0usize..256) {
            let (all, size) = (leaves(len), 1 + a % len);
            let root = merkle::root(&all[..size as usize]);
            let tiles = tiles(&all);
            let index = b % size;
            let proof = prove(Claim::Inclusion { index, size }, &tiles);
            prop_assert_eq!(&proof, &merkle::inclusion_proof(&all[..size as usize], index as usize));
            let leaf = all[index as usize];
            prop_assert!(check_inclusion(leaf, index, size, root, &proof));
            prop_assert!(merkle::verify_inclusion(leaf, index as usize, size as usize, &proof, &root));
            prop_assert!(!check_inclusion(leaf_hash(b"other"), index, size, root, &proof));
            prop_assert!(size == 1 || !check_inclusion(leaf, (index + 1) % size, size, root, &proof));
            let mut bent = proof.clone();
            if let Some(hash) = bent.get_mut(bit % proof.len().max(1)) {
                hash[bit / 8] ^= 1 << (bit % 8);
                prop_assert!(!check_inclusion(leaf, index, size, root, &bent));
                prop_assert!(!check_inclusion(leaf, index, size, root, &proof[1..]));
            }

            let from = 1 + b % size;
            let from_root = merkle::root(&all[..from as usize]);
            let proof = prove(Claim::Consistency { from, size }, &tiles);
            prop_assert!(check_consistency((from, from_root), (size, root), &proof));
            let other = leaf_hash(b"other");
            prop_assert!(!check_consistency((from, other), (size, root), &proof));
            prop_assert!(!check_consistency((from, from_root), (size, other), &proof));
            let mut bent = proof.clone();
            if let Some(hash) = bent.get_mut(bit % proof.len().max(1)) {
                hash[bit / 8] ^= 1 << (bit % 8);
                prop_assert!(!check_consistency((from, from_root), (size, root), &bent));
            }
        }

        #[test]
        fn hostile_claims_are_answered(a: u64, b: u64, proof in prop::collection::vec(any::<[u8; 32]>(), 0..70)) {
            let (small, large) = (a.min(b), a.max(b));
            prop_assert!(!check_inclusion([0; 32], small, large, [1; 32], &proof));
            prop_assert!(!check_inclusion([0; 32], large, small, [1; 32], &proof));
            prop_assert!(!check_consistency((large, [0; 32]), (small, [1; 32]), &proof));
            prop_assert!(!check_consistency((small, [0; 32]), (large, [1; 32]), &proof));
            let known = Claim::Consistency { from: small, size: large }.tiles();
            prop_assert!(known.is_none_or(|_| large <= SIZE_MAX));
        }
    }

    #[test]
    fn the_empty_log_begins_every_log_and_nothing_is_proved_of_what_is_not_there() {
        let root = merkle::root(&leaves(3));
        assert!(check_consistency((0, merkle::root(&[])), (3, root), &[]));
        assert!(!check_consistency((0, root), (3, root), &[]));
        assert_eq!(Claim::Inclusion { index: 3, size: 3 }.tiles(), None);
        assert_eq!(Claim::Consistency { from: 4, size: 3 }.tiles(), None);
        assert_eq!(
            Claim::Consistency { from: 3, size: 3 }.tiles(),
            Some(Vec::new())
        );
    }
}
