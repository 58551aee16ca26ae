//! Private set intersection (CMP-8): the county learns which of the persons it asks about a
//! department's register holds, and the department learns how many it was asked about. Neither learns
//! anybody else.
//!
//! Elliptic-curve Diffie–Hellman over Ristretto, for sides that keep to the protocol and are curious
//! (Meadows 1986; Huberman, Franklin and Hogg 1999). H hashes an ID number of a run to a point; a and b
//! are scalars that each side draws for the run and never shows:
//!
//! 1. county → department: `a·H(x)` of everybody asked about, in the order of these points;
//! 2. department → county: `b·a·H(x)` in the same order, and `b·H(y)` of everybody held, in the order
//!    of these points;
//! 3. the county takes `a` off the first and looks for them among the second.
//!
//! docs/psi.md says what this hides and what it does not.

pub mod file;

use std::{collections::HashSet, num::NonZero};

use curve25519_dalek::{
    ristretto::{CompressedRistretto, RistrettoPoint},
    scalar::Scalar,
    traits::IsIdentity,
};
use kernel::IdNumber;
use rand::Rng as _;
use sha2::{Digest, Sha512};
use uuid::Uuid;

/// Persons of one side: ten times the largest county. A side holds 32 bytes of each.
pub const PERSONS_MAX: usize = 1 << 24;
/// Separates these hashes from all others.
const DOMAIN: &[u8] = b"backstop psi 1";

/// A point on its way, 32 bytes.
pub type Point = [u8; 32];

/// What is wrong with what the other side sent. Says where, never what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The bytes at this place, counted from 0, are no point, or the one that hides nothing.
    #[error("no point at place {at}")]
    NotAPoint {
        /// From 0.
        at: usize,
    },
    /// The answer belongs to another question.
    #[error("the answer is to another question")]
    OtherRun,
    /// The answer has more or fewer points than the question.
    #[error("{expected} points were asked about, {found} are answered")]
    OtherNumber {
        /// Asked.
        expected: usize,
        /// Answered.
        found: usize,
    },
    /// More than [`PERSONS_MAX`].
    #[error("more than {PERSONS_MAX} persons")]
    TooMany,
}

/// What the county sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Names the run; points of two runs have nothing in common.
    pub run: Uuid,
    /// `a·H(x)`.
    pub asked: Vec<Point>,
}

/// What the department sends back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Of the question.
    pub run: Uuid,
    /// `b·a·H(x)`, in the order of the question.
    pub asked: Vec<Point>,
    /// `b·H(y)`.
    pub held: Vec<Point>,
}

/// What the county keeps until the answer comes, and shows nobody.
pub struct Secret {
    run: Uuid,
    scalar: Scalar,
    /// In the order of the question.
    persons: Vec<IdNumber>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret")
            .field("run", &self.run)
            .field("persons", &self.persons.len())
            .finish_non_exhaustive()
    }
}

/// Begins a run about persons, each once.
///
/// # Errors
/// [`Fault::TooMany`].
pub fn ask(run: Uuid, mut persons: Vec<IdNumber>) -> Result<(Secret, Question), Fault> {
    persons.sort_unstable();
    persons.dedup();
    let scalar = draw();
    let asked = blind(run, scalar, &persons)?;
    // Sorted by what looks drawn by lot, the order says nothing of the county's own.
    let mut both: Vec<(Point, IdNumber)> = asked.into_iter().zip(persons).collect();
    both.sort_unstable_by_key(|(point, _)| *point);
    let (asked, persons) = both.into_iter().unzip();
    let secret = Secret {
        run,
        scalar,
        persons,
    };
    Ok((secret, Question { run, asked }))
}

/// Answers a question from a register. The scalar is drawn anew and forgotten.
///
/// # Errors
/// Something in the question is no point, or there are too many.
pub fn answer(question: &Question, mut held: Vec<IdNumber>) -> Result<Answer, Fault> {
    if question.asked.len() > PERSONS_MAX {
        return Err(Fault::TooMany);
    }
    held.sort_unstable();
    held.dedup();
    let scalar = draw();
    let mut held = blind(question.run, scalar, &held)?;
    held.sort_unstable();
    Ok(Answer {
        run: question.run,
        asked: multiply(scalar, &question.asked)?,
        held,
    })
}

impl Secret {
    /// The persons who are held.
    ///
    /// # Errors
    /// The answer is to another question, or is none.
    pub fn open(&self, answer: &Answer) -> Result<Vec<IdNumber>, Fault> {
        if answer.run != self.run {
            return Err(Fault::OtherRun);
        }
        let (expected, found) = (self.persons.len(), answer.asked.len());
        if expected != found {
            return Err(Fault::OtherNumber { expected, found });
        }
        let bare = multiply(self.scalar.invert(), &answer.asked)?;
        let held: HashSet<&Point> = answer.held.iter().collect();
        let both = self.persons.iter().zip(&bare);
        let found = both.filter(|(_, point)| held.contains(point));
        Ok(found.map(|(person, _)| *person).collect())
    }
}

/// A scalar by lot; zero has a chance of 2^-252.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever could draw it again would know the secret"
)]
fn draw() -> Scalar {
    let mut bytes = [0; 64];
    rand::rng().fill_bytes(&mut bytes);
    Scalar::from_bytes_mod_order_wide(&bytes)
}

fn hash(run: Uuid, person: &IdNumber) -> RistrettoPoint {
    let mut hash = Sha512::new();
    hash.update(DOMAIN);
    hash.update(run.as_bytes());
    hash.update(person.expose());
    RistrettoPoint::from_uniform_bytes(&hash.finalize().into())
}

/// `scalar·H(person)` of each.
fn blind(run: Uuid, scalar: Scalar, persons: &[IdNumber]) -> Result<Vec<Point>, Fault> {
    if persons.len() > PERSONS_MAX {
        return Err(Fault::TooMany);
    }
    let half = half(scalar);
    on_all_cores(persons, |_, persons| {
        let blinded = persons.iter().map(|person| hash(run, person) * half);
        Ok(blinded.collect())
    })
}

/// `scalar·P` of each, where each is a point that hides something.
fn multiply(scalar: Scalar, points: &[Point]) -> Result<Vec<Point>, Fault> {
    let half = half(scalar);
    on_all_cores(points, |begin, points| {
        let multiplied = points.iter().enumerate().map(|(at, point)| {
            let point = CompressedRistretto(*point).decompress();
            let point = point.filter(|point| !point.is_identity());
            let at = begin + at;
            Ok(point.ok_or(Fault::NotAPoint { at })? * half)
        });
        multiplied.collect()
    })
}

/// Points are written down many at once, which is cheaper and doubles them: the half is made up for.
fn half(scalar: Scalar) -> Scalar {
    scalar * Scalar::from(2_u8).invert()
}

/// Points written down at once: enough to share an inversion among, little to hold.
const AT_ONCE: usize = 1024;

/// Works on equal parts, one a core, and writes down the doubles of what comes of it, in order. `work`
/// gets the place of the first of its items.
fn on_all_cores<T: Sync>(
    items: &[T],
    work: impl Fn(usize, &[T]) -> Result<Vec<RistrettoPoint>, Fault> + Sync,
) -> Result<Vec<Point>, Fault> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let share = items.len().div_ceil(cores).max(1);
    let of_share = |number: usize, items: &[T]| {
        let mut written = Vec::with_capacity(items.len());
        for (piece, items) in items.chunks(AT_ONCE).enumerate() {
            let points = work(number * share + piece * AT_ONCE, items)?;
            let doubles = RistrettoPoint::double_and_compress_batch(&points);
            written.extend(doubles.into_iter().map(|point| point.to_bytes()));
        }
        Ok(written)
    };
    let of_share = &of_share;
    let parts: Vec<Result<Vec<Point>, Fault>> = std::thread::scope(|scope| {
        let shares = items.chunks(share).enumerate();
        let working: Vec<_> = shares
            .map(|(number, items)| scope.spawn(move || of_share(number, items)))
            .collect();
        let working = working.into_iter();
        working
            .map(|part| {
                part.join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    });
    let mut all = Vec::with_capacity(items.len());
    for part in parts {
        all.extend(part?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
