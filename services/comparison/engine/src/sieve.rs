//! Lets outsiders' rows go, many at once.
//!
//! Looking whose number it is takes three looks into memory that no cache holds. They are made for many
//! rows at once, each kind in a loop of its own without a branch that depends on it: so the looks for
//! different rows overlap, instead of one waiting for the other.

use crate::authorised::{Authorised, Place};

/// A row with a good number.
#[derive(Clone, Copy)]
pub(crate) struct Candidate<T> {
    /// Of the number.
    pub hash: u64,
    pub row: u32,
    /// What it takes to read the row on.
    pub what: T,
}

/// Rows whose filter is looked at together: one bit of a word for each.
const BATCH: usize = 64;

pub(crate) struct Sieve<T> {
    /// Rows with a good number, up to [`BATCH`].
    batch: Vec<Candidate<T>>,
    /// Those of them that passed the filter.
    candidates: Vec<Candidate<T>>,
    /// And where their numbers would be.
    places: Vec<Place>,
}

impl<T> Default for Sieve<T> {
    fn default() -> Self {
        Self {
            batch: Vec::with_capacity(BATCH),
            candidates: Vec::new(),
            places: Vec::new(),
        }
    }
}

impl<T: Copy> Sieve<T> {
    /// Begins with another piece.
    pub(crate) fn clear(&mut self) {
        self.batch.clear();
        self.candidates.clear();
    }

    #[inline]
    pub(crate) fn push(&mut self, candidate: Candidate<T>, authorised: &Authorised) {
        self.batch.push(candidate);
        if self.batch.len() == BATCH {
            self.sift(authorised);
        }
    }

    /// Lets outsiders go, nearly all of them.
    fn sift(&mut self, authorised: &Authorised) {
        let mut passed = 0u64;
        for (candidate, at) in self.batch.iter().zip(0..BATCH) {
            passed |= u64::from(authorised.may_have(candidate.hash)) << at;
        }
        while passed != 0 {
            self.candidates
                .push(self.batch[passed.trailing_zeros() as usize]);
            passed &= passed - 1;
        }
        self.batch.clear();
    }

    /// All rows that may be an authorised person's, with where their numbers would be.
    pub(crate) fn finish(
        &mut self,
        authorised: &Authorised,
    ) -> impl Iterator<Item = (&Candidate<T>, &Place)> {
        self.sift(authorised);
        let hashes = self.candidates.iter().map(|candidate| candidate.hash);
        authorised.find(hashes, &mut self.places);
        self.candidates.iter().zip(&self.places)
    }
}
