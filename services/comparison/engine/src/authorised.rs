//! The persons whose rows may leave the engine.

use crate::{
    id::{Number, fold},
    name,
    report::Reason,
};

/// Persons of one comparison at most: what the filter below is made for, thrice over.
pub const PERSONS_MAX: usize = 1 << 20;

/// Words of the Bloom filter: 1 MiB, so 28 bits for each of 300 000 persons. Two bits of one word
/// stand for a person: one look, and not one outsider in a hundred passes.
const FILTER_WORDS: usize = 1 << 17;

/// Why a set of persons was refused. Persons are told by their place, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// An ID number is none.
    #[error("person {person} has no valid ID number: {reason}")]
    Number {
        /// Which one.
        person: u32,
        /// What is wrong with it.
        reason: Reason,
    },
    /// An ID number is there twice.
    #[error("person {person} is there twice")]
    Twice {
        /// The later one.
        person: u32,
    },
    /// More than [`PERSONS_MAX`].
    #[error("more than {PERSONS_MAX} persons")]
    TooMany,
}

/// Collects the persons of a comparison.
#[derive(Default)]
pub struct AuthorisedBuilder {
    numbers: Vec<(u64, u64)>,
    names: Names,
}

impl AuthorisedBuilder {
    /// Adds a person and tells their place, counted from 0. With a name, a row counts only if it has
    /// the same one; without, by the number alone.
    ///
    /// # Errors
    /// The number is none, or there are too many persons.
    pub fn add(&mut self, id_number: &str, name: Option<&str>) -> Result<u32, Refused> {
        if self.numbers.len() == PERSONS_MAX {
            return Err(Refused::TooMany);
        }
        let person = self.numbers.len() as u32;
        let number = Number::read(id_number);
        let number = number.map_err(|reason| Refused::Number { person, reason })?;
        self.numbers.push((number.hash(), number.packed()));
        self.names.push(person, name);
        Ok(person)
    }

    /// The set.
    ///
    /// # Errors
    /// A person is there twice.
    pub fn build(self) -> Result<Authorised, Refused> {
        let mut filter = vec![0u64; FILTER_WORDS].into_boxed_slice();
        let buckets = self.numbers.len().next_power_of_two();
        let mut ends = vec![0u32; buckets + 1].into_boxed_slice();
        let mut fingerprint = 0u64;
        for (hash, packed) in &self.numbers {
            filter[word(*hash)] |= bits(*hash);
            ends[bucket(*hash, buckets)] += 1;
            // A sum: the order does not matter.
            fingerprint = fingerprint.wrapping_add(fold(*hash | 1, packed.rotate_left(32)));
        }
        let mut sum = 0;
        for end in &mut ends {
            // Where a bucket begins; filling it moves this to where it ends.
            sum += std::mem::replace(end, sum);
        }
        let mut keys = vec![0u64; self.numbers.len()].into_boxed_slice();
        let mut persons = vec![0u32; self.numbers.len()].into_boxed_slice();
        for ((hash, packed), person) in self.numbers.iter().zip(0..) {
            let end = &mut ends[bucket(*hash, buckets)];
            keys[*end as usize] = *packed;
            persons[*end as usize] = person;
            *end += 1;
        }
        let mut begin = 0;
        for end in ends.iter().map(|end| *end as usize) {
            let twice = (begin..end).find(|at| keys[begin..*at].contains(&keys[*at]));
            if let Some(at) = twice {
                return Err(Refused::Twice {
                    person: persons[at],
                });
            }
            begin = end;
        }
        Ok(Authorised {
            filter,
            ends,
            keys,
            persons,
            names: self.names,
            fingerprint,
        })
    }
}

/// The persons of a comparison, in about 5 MiB for 300 000, and what their names take.
pub struct Authorised {
    filter: Box<[u64]>,
    /// Of each bucket of `keys` its end, which is where the next one begins; a power of two, and one.
    ends: Box<[u32]>,
    /// Packed numbers, by bucket; a bucket holds one on average.
    keys: Box<[u64]>,
    /// Whose they are.
    persons: Box<[u32]>,
    names: Names,
    fingerprint: u64,
}

fn word(hash: u64) -> usize {
    (hash >> 47) as usize & (FILTER_WORDS - 1)
}

fn bits(hash: u64) -> u64 {
    1 << (hash & 63) | 1 << (hash >> 6 & 63)
}

/// Other bits of the hash than the filter looks at.
fn bucket(hash: u64, buckets: usize) -> usize {
    (hash >> 12) as usize & (buckets - 1)
}

impl Authorised {
    /// An empty set to add persons to.
    #[must_use]
    pub fn builder() -> AuthorisedBuilder {
        AuthorisedBuilder::default()
    }

    /// How many persons.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The same for the same numbers in any order.
    pub(crate) fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Whether the number with this hash may be in the set; says no for almost everybody else.
    #[inline]
    pub(crate) fn may_have(&self, hash: u64) -> bool {
        let bits = bits(hash);
        self.filter[word(hash)] & bits == bits
    }

    /// Who has a number.
    pub(crate) fn find(&self, number: Number) -> Option<u32> {
        let hash = number.hash();
        if !self.may_have(hash) {
            return None;
        }
        let bucket = bucket(hash, self.ends.len() - 1);
        let begin = bucket.checked_sub(1).map_or(0, |before| self.ends[before]) as usize;
        let end = self.ends[bucket] as usize;
        let at = self.keys[begin..end]
            .iter()
            .position(|key| *key == number.packed());
        at.map(|at| self.persons[begin + at])
    }

    /// The normalised name that a row of a person must have.
    pub(crate) fn name(&self, person: u32) -> Option<&str> {
        self.names.get(person)
    }
}

/// Normalised names, one after the other.
#[derive(Default)]
struct Names {
    text: String,
    /// Empty as long as nobody has a name.
    ends: Vec<u32>,
}

impl Names {
    fn push(&mut self, person: u32, name: Option<&str>) {
        if name.is_none() && self.ends.is_empty() {
            return;
        }
        self.ends.resize(person as usize, self.text.len() as u32);
        if let Some(name) = name {
            self.text.push_str(&name::normalised(name));
        }
        self.ends.push(self.text.len() as u32);
    }

    fn get(&self, person: u32) -> Option<&str> {
        let person = person as usize;
        let end = *self.ends.get(person)? as usize;
        let begin = person
            .checked_sub(1)
            .map_or(0, |before| self.ends[before] as usize);
        self.text.get(begin..end).filter(|name| !name.is_empty())
    }
}
