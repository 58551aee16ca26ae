//! Tiles: the log's hashes in pieces of 256, named so that they can be served as files (tlog-tiles).

use std::{fmt, str::FromStr};

use crate::merkle::{Frontier, Hash, node_hash};

/// Levels of the tree in a tile.
pub(super) const HEIGHT: u8 = 8;
/// Hashes of a full tile.
pub const WIDTH: u64 = 1 << HEIGHT;
/// Levels of tiles that a log of 2^63 leaves has.
const LEVEL_MAX: u8 = 7;

/// Which tile, and how much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TileId {
    /// 0 holds leaf hashes, each further one the roots of full tiles of the level below.
    pub level: u8,
    /// Place in the level.
    pub index: u64,
    /// Hashes in it, 1 to 256.
    pub width: u64,
}

impl TileId {
    /// Leaves that have to be in the log before the tile is there. `None` for a tile that no log has.
    #[must_use]
    pub fn leaves(&self) -> Option<u64> {
        if self.level > LEVEL_MAX || !(1..=WIDTH).contains(&self.width) {
            return None;
        }
        let hashes = self.index.checked_mul(WIDTH)?.checked_add(self.width)?;
        hashes.checked_mul(1 << (u32::from(HEIGHT) * u32::from(self.level)))
    }
}

/// A path that names no tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a tile such as 0/x001/234 or 0/000.p/17")]
pub struct InvalidTileId;

impl FromStr for TileId {
    type Err = InvalidTileId;

    /// Reads `<L>/<N>[.p/<W>]`. Every tile has one name.
    fn from_str(path: &str) -> Result<Self, InvalidTileId> {
        // Eight groups of three digits are more than any index has.
        if path.len() > 48 {
            return Err(InvalidTileId);
        }
        let (path_to_index, width) = match path.split_once(".p/") {
            None => (path, Some(WIDTH)),
            Some((rest, width)) => (rest, width.parse().ok().filter(|width| *width < WIDTH)),
        };
        let (level, groups) = path_to_index.split_once('/').ok_or(InvalidTileId)?;
        let mut index: u64 = 0;
        for group in groups.split('/') {
            let digits = group.strip_prefix('x').unwrap_or(group);
            let number: u64 = digits.parse().map_err(|_| InvalidTileId)?;
            let longer = index.checked_mul(1000).and_then(|i| i.checked_add(number));
            index = longer.ok_or(InvalidTileId)?;
        }
        let tile = Self {
            level: level.parse().map_err(|_| InvalidTileId)?,
            index,
            width: width.ok_or(InvalidTileId)?,
        };
        // Written again it must be the same text: no leading zeros, no signs, no other grouping.
        if tile.leaves().is_none() || tile.to_string() != path {
            return Err(InvalidTileId);
        }
        Ok(tile)
    }
}

impl fmt::Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut groups = vec![self.index % 1000];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        write!(f, "{}/", self.level)?;
        for group in groups.iter().skip(1).rev() {
            write!(f, "x{group:03}/")?;
        }
        write!(f, "{:03}", groups[0])?;
        if self.width < WIDTH {
            write!(f, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

/// A tile's hashes, full or not yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// 0 holds leaf hashes.
    pub level: u8,
    /// Place in the level.
    pub index: u64,
    /// At most 256.
    pub hashes: Vec<Hash>,
}

/// The right edge of a log's tiles: from it tiles go on, at a cost in proportion to what is new.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edge {
    len: u64,
    /// Hashes of the last tile of each level, while it is not full.
    levels: Vec<Vec<Hash>>,
}

impl Edge {
    /// The tiles that are not full in a log of `len` leaves, and how many hashes each has.
    pub fn partial(len: u64) -> impl Iterator<Item = TileId> {
        (0..=LEVEL_MAX).filter_map(move |level| {
            let hashes = len >> (HEIGHT * level);
            let width = hashes % WIDTH;
            (width > 0).then_some(TileId {
                level,
                index: hashes / WIDTH,
                width,
            })
        })
    }

    /// The edge of a log of `len` leaves from the tiles that [`Edge::partial`] names, in its order.
    /// `None` when they are not those.
    #[must_use]
    pub fn new(len: u64, tiles: impl IntoIterator<Item = Vec<Hash>>) -> Option<Self> {
        let mut levels = Vec::new();
        let mut tiles = tiles.into_iter();
        for id in Self::partial(len) {
            levels.resize(usize::from(id.level) + 1, Vec::new());
            let hashes = tiles.next()?;
            if hashes.len() as u64 != id.width {
                return None;
            }
            levels[usize::from(id.level)] = hashes;
        }
        tiles.next().is_none().then_some(Self { len, levels })
    }

    /// Leaves of the log.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether the log is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a leaf hash and returns the tiles that it fills, lowest first.
    pub fn push(&mut self, leaf: Hash) -> Vec<Tile> {
        let (mut full, mut hash) = (Vec::new(), leaf);
        self.len += 1;
        for level in 0..=LEVEL_MAX {
            let at = usize::from(level);
            if self.levels.len() == at {
                self.levels.push(Vec::new());
            }
            self.levels[at].push(hash);
            if self.levels[at].len() as u64 != WIDTH {
                break;
            }
            let hashes = std::mem::take(&mut self.levels[at]);
            hash = subtree(&hashes);
            let index = (self.len >> (HEIGHT * (level + 1))) - 1;
            full.push(Tile {
                level,
                index,
                hashes,
            });
        }
        full
    }

    /// The tiles that are not full yet, lowest first.
    pub fn tiles(&self) -> impl Iterator<Item = Tile> {
        Self::partial(self.len).map(|id| Tile {
            level: id.level,
            index: id.index,
            hashes: self.levels[usize::from(id.level)].clone(),
        })
    }

    /// The same log as a frontier: every tile's hashes are roots of complete subtrees.
    #[must_use]
    pub fn frontier(&self) -> Option<Frontier> {
        let mut roots = Vec::new();
        for hashes in self.levels.iter().rev() {
            let mut rest = &hashes[..];
            while !rest.is_empty() {
                let (subtree_hashes, after) = rest.split_at(1 << rest.len().ilog2());
                roots.push(subtree(subtree_hashes));
                rest = after;
            }
        }
        Frontier::new(self.len, roots)
    }
}

/// Root over a power of two of hashes.
fn subtree(hashes: &[Hash]) -> Hash {
    match hashes {
        [hash] => *hash,
        _ => {
            let (left, right) = hashes.split_at(hashes.len() / 2);
            node_hash(&subtree(left), &subtree(right))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use tlog_tiles::{Tile as Theirs, TileHashReader, TileReader};

    use super::*;
    use crate::merkle::{self, leaf_hash};

    fn leaf(number: u64) -> Hash {
        leaf_hash(&number.to_be_bytes())
    }

    /// Every tile of a log, as an independent implementation reads them.
    struct Served(HashMap<(u8, u64), Vec<u8>>);

    impl Served {
        fn new(len: u64) -> (Self, Edge) {
            let (mut edge, mut tiles) = (Edge::default(), HashMap::new());
            let mut keep = |tile: Tile| {
                tiles.insert((tile.level, tile.index), tile.hashes.concat());
            };
            for number in 0..len {
                edge.push(leaf(number)).into_iter().for_each(&mut keep);
            }
            edge.tiles().for_each(&mut keep);
            (Self(tiles), edge)
        }
    }

    impl TileReader for Served {
        fn height(&self) -> u8 {
            HEIGHT
        }

        fn read_tiles(&self, tiles: &[Theirs]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
            let read = |tile: &Theirs| {
                let own = TileId {
                    level: tile.level(),
                    index: tile.level_index(),
                    width: tile.width().into(),
                };
                assert_eq!(format!("tile/{HEIGHT}/{own}"), tile.path());
                assert_eq!(own.to_string().parse(), Ok(own));
                let bytes = &self.0[&(own.level, own.index)];
                bytes[..32 * tile.width() as usize].to_vec()
            };
            Ok(tiles.iter().map(read).collect())
        }

        fn save_tiles(&self, _: &[Theirs], _: &[Vec<u8>]) {}
    }

    #[test]
    fn an_independent_reader_finds_every_leaf_in_the_tiles() {
        for len in [1, 2, 255, 256, 257, 511, 513, 70_000] {
            let (served, edge) = Served::new(len);
            let root = edge.frontier().expect("a frontier").root();
            let reader = TileHashReader::new(len, tlog_tiles::Hash(root), &served);
            for number in [0, len / 3, len - 1] {
                let index = tlog_tiles::stored_hash_index(0, number);
                let found = tlog_tiles::HashReader::read_hashes(&reader, &[index]);
                let found = found.expect("tiles follow from the root");
                assert_eq!(found[0].0, leaf(number), "{number} of {len}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn an_edge_goes_on_as_if_it_had_never_stopped(len in 0u64..1500, stop in 0u64..1500) {
            let stop = stop.min(len);
            let mut edge = Served::new(stop).1;
            let again = Edge::new(edge.len(), edge.tiles().map(|tile| tile.hashes));
            prop_assert_eq!(again.as_ref(), Some(&edge));
            edge = again.expect("an edge");
            for number in stop..len {
                edge.push(leaf(number));
            }
            let leaves: Vec<Hash> = (0..len).map(leaf).collect();
            let frontier = edge.frontier().expect("a frontier");
            prop_assert_eq!(frontier.root(), merkle::root(&leaves));
            prop_assert_eq!(edge, Served::new(len).1);
        }

        #[test]
        fn a_hostile_path_is_a_tile_or_an_error(path in "\\PC{0,60}") {
            if let Ok(tile) = path.parse::<TileId>() {
                prop_assert_eq!(tile.to_string(), path);
            }
        }

        #[test]
        fn every_tile_has_one_name(level in 0u8..8, index in 0u64..1 << 40, width in 1u64..257) {
            let tile = TileId { level, index, width };
            match tile.leaves() {
                Some(_) => prop_assert_eq!(tile.to_string().parse(), Ok(tile)),
                None => prop_assert!(tile.to_string().parse::<TileId>().is_err()),
            }
        }
    }

    #[test]
    fn names_that_are_no_tiles() {
        for bad in [
            "",
            "0",
            "0/",
            "0/0",
            "0/00",
            "0/0000",
            "0/1000",
            "0/x000/001",
            "0/001/002",
            "00/000",
            "+0/000",
            "0/+00",
            "0/000.p/0",
            "0/000.p/256",
            "0/000.p/01",
            "0/000.p/",
            "0/000.p/1/2",
            "8/000",
            "64/000",
            "data/000",
            "0/x001/x000",
            "0/-01",
            "0/000 ",
            "0//000",
            "0/x018/x446/x744/x073/x709/x551/616",
            "7/x001/000",
        ] {
            assert_eq!(bad.parse::<TileId>(), Err(InvalidTileId), "{bad}");
        }
        let far = "0/x001/x234/067"
            .parse::<TileId>()
            .expect("the example of the specification");
        assert_eq!((far.level, far.index, far.width), (0, 1_234_067, 256));
    }
}
