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
const FILTER_WORDS: usize = 1 << 16;

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
    /// the same one; without, or with one that has no letter in it, by the number alone.
    ///
    /// # Errors
    /// The number is none, or there are too many persons.
    pub fn add(&mut self, id_number: &str, name: Option<&str>) -> Result<u32, Refused> {
        if self.numbers.len() == PERSONS_MAX {
            return Err(Refused::TooMany);
        }
        let person = self.numbers.len() as u32;
        let near = Number::near(id_number.as_bytes());
        let number = near.map_or_else(|| Number::read(id_number), Ok);
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
        let buckets = (self.numbers.len() / 2 + 1).next_power_of_two();
        // Counted two places further on, summed up, and moved by one as they are filled: in the end a
        // bucket begins at its own place and ends at the next.
        let mut bounds = vec![0u32; buckets + 2].into_boxed_slice();
        let mut fingerprint = 0u64;
        for (hash, packed) in &self.numbers {
            filter[word(*hash)] |= bits(*hash);
            bounds[bucket(*hash, buckets) + 2] += 1;
            // A sum: the order does not matter.
            fingerprint = fingerprint.wrapping_add(fold(*hash | 1, packed.rotate_left(32)));
        }
        let mut sum = 0;
        for bound in &mut bounds {
            sum += *bound;
            *bound = sum;
        }
        let mut keys = vec![0u64; self.numbers.len()].into_boxed_slice();
        let mut persons = vec![0u32; self.numbers.len()].into_boxed_slice();
        for ((hash, packed), person) in self.numbers.iter().zip(0..) {
            let end = &mut bounds[bucket(*hash, buckets) + 1];
            keys[*end as usize] = *packed;
            persons[*end as usize] = person;
            *end += 1;
        }
        for bounds in bounds.windows(2) {
            let (begin, end) = (bounds[0] as usize, bounds[1] as usize);
            let twice = (begin..end).find(|at| keys[begin..*at].contains(&keys[*at]));
            if let Some(at) = twice {
                return Err(Refused::Twice {
                    person: persons[at],
                });
            }
        }
        Ok(Authorised {
            filter,
            bounds,
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
    /// Of each bucket of `keys` where it begins, which is where the one before ends.
    bounds: Box<[u32]>,
    /// Packed numbers, by bucket; a bucket holds one or two.
    keys: Box<[u64]>,
    /// Whose they are.
    persons: Box<[u32]>,
    names: Names,
    fingerprint: u64,
}

/// Where a number would be, and the first one that is there.
pub(crate) struct Place {
    begin: u32,
    end: u32,
    key: u64,
    person: u32,
}

fn word(hash: u64) -> usize {
    (hash >> 48) as usize & (FILTER_WORDS - 1)
}

fn bits(hash: u64) -> u64 {
    1 << (hash & 63) | 1 << (hash >> 6 & 63) | 1 << (hash >> 34 & 63)
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

    /// Who may have numbers with these hashes, in their order. Each look into memory is made for all of
    /// them before the next one.
    pub(crate) fn find(&self, hashes: impl Iterator<Item = u64>, places: &mut Vec<Place>) {
        let buckets = self.bounds.len() - 2;
        places.clear();
        places.extend(hashes.map(|hash| {
            let bucket = bucket(hash, buckets);
            let (begin, end) = (self.bounds[bucket], self.bounds[bucket + 1]);
            Place {
                begin,
                end,
                key: 0,
                person: 0,
            }
        }));
        for place in places {
            let begin = place.begin as usize;
            place.key = self.keys.get(begin).copied().unwrap_or_default();
            place.person = self.persons.get(begin).copied().unwrap_or_default();
        }
    }

    /// Who has a number that would be at a place.
    pub(crate) fn person(&self, number: Number, place: &Place) -> Option<u32> {
        let (number, begin) = (number.packed(), place.begin as usize);
        if place.key == number && place.begin < place.end {
            return Some(place.person);
        }
        let keys = &self.keys[begin..place.end as usize];
        let at = keys.iter().position(|key| *key == number)?;
        self.persons.get(begin + at).copied()
    }

    /// Whether a row with this name, without blanks around it, may be a person's.
    pub(crate) fn check_name(&self, person: u32, text: &str) -> Result<(), Reason> {
        match self.names.get(person) {
            Some(_) if text.is_empty() => Err(Reason::Missing),
            Some(name) if !name::is(text, name) => Err(Reason::NameMismatch),
            _ => Ok(()),
        }
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
            name::push_normalised(&mut self.text, name);
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
