//! Merkle tree hashing of RFC 6962: leaves, nodes, roots and a frontier that appends in O(log n).

use sha2::{Digest, Sha256};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// Hash of a leaf (RFC 6962, 2.1).
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    Sha256::new()
        .chain_update([0])
        .chain_update(leaf)
        .finalize()
        .into()
}

/// Hash of an inner node (RFC 6962, 2.1).
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new()
        .chain_update([1])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// Root of a list of leaf hashes, straight from the definition. For proofs and for checking the
/// frontier; appending goes through [`Frontier`].
#[must_use]
pub fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::new().finalize().into(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node_hash(&root(left), &root(right))
        }
    }
}

/// The largest power of two below `len`.
const fn split(len: usize) -> usize {
    len.next_power_of_two() / 2
}

/// The hashes from which a log goes on: roots of its complete subtrees, largest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    len: u64,
    roots: Vec<Hash>,
}

impl Frontier {
    /// The frontier of a log of `len` leaves. `None` when the hashes cannot belong to that length.
    #[must_use]
    pub fn new(len: u64, roots: Vec<Hash>) -> Option<Self> {
        (roots.len() == len.count_ones() as usize).then_some(Self { len, roots })
    }

    /// Number of leaves.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether the log is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The hashes, largest subtree first.
    #[must_use]
    pub fn roots(&self) -> &[Hash] {
        &self.roots
    }

    /// Appends a leaf hash and returns the new root.
    pub fn push(&mut self, leaf: Hash) -> Hash {
        let mut hash = leaf;
        // Every trailing one bit of the length is a complete subtree that the new leaf completes.
        for _ in 0..self.len.trailing_ones() {
            if let Some(left) = self.roots.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.roots.push(hash);
        self.len += 1;
        self.root()
    }

    /// The root of the whole log.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut roots = self.roots.iter().rev().copied();
        let Some(mut hash) = roots.next() else {
            return root(&[]);
        };
        for left in roots {
            hash = node_hash(&left, &hash);
        }
        hash
    }
}

/// Proof that leaf `index` is in the log of `leaves` (RFC 6962, 2.1.1), lowest sibling first.
#[must_use]
pub fn inclusion_proof(leaves: &[Hash], index: usize) -> Vec<Hash> {
    if leaves.len() <= 1 || index >= leaves.len() {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut proof, sibling) = if index < left.len() {
        (inclusion_proof(left, index), root(right))
    } else {
        (inclusion_proof(right, index - left.len()), root(left))
    };
    proof.push(sibling);
    proof
}

/// Whether `proof` shows that `leaf` is leaf `index` of a log of `len` leaves with `root`.
#[must_use]
pub fn verify_inclusion(leaf: Hash, index: usize, len: usize, proof: &[Hash], root: &Hash) -> bool {
    fn fold(leaf: Hash, index: usize, len: usize, proof: &[Hash]) -> Option<Hash> {
        if len <= 1 {
            return (len == 1 && index == 0 && proof.is_empty()).then_some(leaf);
        }
        let (sibling, rest) = proof.split_last()?;
        let left_len = split(len);
        if index < left_len {
            Some(node_hash(&fold(leaf, index, left_len, rest)?, sibling))
        } else {
            Some(node_hash(
                sibling,
                &fold(leaf, index - left_len, len - left_len, rest)?,
            ))
        }
    }
    index < len && fold(leaf, index, len, proof).as_ref() == Some(root)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Leaves and roots that implementations of RFC 6962 publish as test vectors.
    #[test]
    fn agrees_with_the_published_vectors() {
        let leaves: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut frontier = Frontier::default();
        for (leaf, expected) in leaves.iter().zip(roots) {
            assert_eq!(hex::encode(frontier.push(leaf_hash(leaf))), expected);
        }
        assert_eq!(
            hex::encode(root(&[])),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    proptest! {
        #[test]
        fn the_frontier_is_the_tree(len in 1usize..200, index in 0usize..200) {
            let leaves: Vec<Hash> = (0..len).map(|i| leaf_hash(&i.to_be_bytes())).collect();
            let mut frontier = Frontier::default();
            for leaf in &leaves {
                frontier.push(*leaf);
            }
            let expected = root(&leaves);
            prop_assert_eq!(frontier.root(), expected);
            let again = Frontier::new(frontier.len(), frontier.roots().to_vec());
            prop_assert_eq!(again, Some(frontier));
            let index = index % len;
            let proof = inclusion_proof(&leaves, index);
            prop_assert!(verify_inclusion(leaves[index], index, len, &proof, &expected));
            prop_assert!(!verify_inclusion(leaf_hash(b"other"), index, len, &proof, &expected));
        }
    }
}
