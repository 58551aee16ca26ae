//! What is found in a piece of a file.
//!
//! A row is judged as far as it is read: everybody's up to the ID number, an authorised person's to
//! its last wanted column. Nothing of another's row is copied anywhere.

use memchr::memchr;

use crate::{
    authorised::{Authorised, Place},
    columns::Layout,
    encoding::Encoding,
    id::Number,
    input::{Piece, is_blank},
    name,
    report::Reason,
    rows::{Cells, ROW_BYTES_MAX},
};

/// A row that is more than an outsider's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Event {
    /// Counted from 0 within its piece.
    pub row: u32,
    pub what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// A good row of an authorised person, and where it is in the piece.
    Hit {
        person: u32,
        begin: u32,
        end: u32,
    },
    Fault {
        person: Option<u32>,
        reason: Reason,
    },
}

/// What is found in a piece.
#[derive(Default)]
pub(crate) struct Findings {
    /// In the order of rows.
    pub events: Vec<Event>,
    pub rows: u32,
    pub blank_rows: u32,
    /// Rows with a good number, up to [`BATCH`].
    batch: Vec<Candidate>,
    /// Those of them that passed the filter.
    candidates: Vec<Candidate>,
    /// And where their numbers would be.
    places: Vec<Place>,
}

/// A row with a good number.
///
/// Looking whose number it is takes three looks into memory that no cache holds. They are made for many
/// rows at once, each kind in a loop of its own without a branch that depends on it: so the looks for
/// different rows overlap, instead of one waiting for the other.
#[derive(Clone, Copy)]
struct Candidate {
    /// Of the number.
    hash: u64,
    row: u32,
    begin: u32,
    end: u32,
}

/// Rows whose filter is looked at together: one bit of a word for each.
const BATCH: usize = 64;

/// How rows are read. The result is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Clean rows by a path of their own.
    Fast,
    /// All rows with care: what the other is tested against.
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests ask for it"))]
    Careful,
}

/// Looks for authorised persons.
pub(crate) struct Scan<'a> {
    pub authorised: &'a Authorised,
    pub layout: &'a Layout,
    pub encoding: Encoding,
    pub reading: Reading,
}

/// An ID number and the comma behind it.
const CLEAN_BYTES: usize = 19;

impl Scan<'_> {
    /// Looks at all rows of a piece.
    pub(crate) fn piece(&self, piece: &Piece, findings: &mut Findings) {
        findings.events.clear();
        findings.candidates.clear();
        (findings.rows, findings.blank_rows) = (0, 0);
        let text = piece.text();
        let mut at = 0;
        for odd in &piece.odd {
            let (begin, end) = (odd.begin as usize, odd.end as usize);
            self.lines(text, at, begin, findings);
            match odd.fault {
                None => self.row(text, begin, end, findings),
                Some(reason) => findings.note(What::Fault {
                    person: None,
                    reason,
                }),
            }
            findings.rows += 1;
            at = odd.next as usize;
        }
        self.lines(text, at, text.len(), findings);
        self.sift(findings);
        self.candidates(text, findings);
        // Faults are there already: two sorted runs.
        findings.events.sort_by_key(|event| event.row);
    }

    /// Looks at rows without quotes.
    fn lines(&self, text: &[u8], begin: usize, end: usize, findings: &mut Findings) {
        if self.layout.id_number == 0 && self.reading == Reading::Fast {
            self.lines_by_number(text, begin, end, findings);
        } else {
            self.lines_by_cells(text, begin, end, findings);
        }
    }

    /// The path for files whose rows begin with the number, which is what the engine is fast at.
    fn lines_by_number(&self, text: &[u8], begin: usize, end: usize, findings: &mut Findings) {
        let mut at = begin;
        let text = &text[..end];
        while at < end {
            let rest = &text[at..];
            let clean = clean(rest).map(Number::hash);
            // There is no line end within a number.
            let from = if clean.is_some() { CLEAN_BYTES } else { 0 };
            let newline = memchr(b'\n', &rest[from..]);
            let len = newline.map_or(rest.len(), |newline| from + newline);
            match clean {
                Some(hash) if len <= ROW_BYTES_MAX => {
                    self.good(hash, at, at + len, findings);
                }
                _ => self.row(text, at, at + len, findings),
            }
            findings.rows += 1;
            at += len + 1;
        }
    }

    /// The same where the number is in a later column.
    fn lines_by_cells(&self, text: &[u8], begin: usize, end: usize, findings: &mut Findings) {
        let mut at = begin;
        while at < end {
            let len = memchr(b'\n', &text[at..end]).unwrap_or(end - at);
            self.row(text, at, at + len, findings);
            findings.rows += 1;
            at += len + 1;
        }
    }

    /// Reads a row with care.
    fn row(&self, text: &[u8], begin: usize, end: usize, findings: &mut Findings) {
        let row = &text[begin..end];
        let fault = |reason| What::Fault {
            person: None,
            reason,
        };
        if row.len() > ROW_BYTES_MAX {
            return findings.note(fault(Reason::TooLong));
        }
        match self.number(row) {
            Ok(number) => self.good(number.hash(), begin, end, findings),
            Err(Reason::Missing | Reason::Columns) if is_blank(row, self.encoding) => {
                findings.blank_rows += 1;
            }
            Err(reason) => findings.note(fault(reason)),
        }
    }

    /// The number of a row.
    fn number(&self, row: &[u8]) -> Result<Number, Reason> {
        let cell = Cells::of(row)
            .nth(self.layout.id_number)
            .ok_or(Reason::Columns)?;
        let near = Number::near(cell.bytes).filter(|_| self.reading == Reading::Fast);
        match near {
            Some(number) => Ok(number),
            None => Number::read(&cell.text(self.encoding).ok_or(Reason::Unreadable)?),
        }
    }

    /// Takes a row with a good number.
    #[inline]
    fn good(&self, hash: u64, begin: usize, end: usize, findings: &mut Findings) {
        let (row, begin, end) = (findings.rows, begin as u32, end as u32);
        findings.batch.push(Candidate {
            hash,
            row,
            begin,
            end,
        });
        if findings.batch.len() == BATCH {
            self.sift(findings);
        }
    }

    /// Lets outsiders go, nearly all of them.
    fn sift(&self, findings: &mut Findings) {
        let mut passed = 0u64;
        for (candidate, at) in findings.batch.iter().zip(0..BATCH) {
            passed |= u64::from(self.authorised.may_have(candidate.hash)) << at;
        }
        while passed != 0 {
            findings
                .candidates
                .push(findings.batch[passed.trailing_zeros() as usize]);
            passed &= passed - 1;
        }
        findings.batch.clear();
    }

    /// Looks whose numbers they are, and at the rest of the rows of authorised persons.
    fn candidates(&self, text: &[u8], findings: &mut Findings) {
        let hashes = findings.candidates.iter().map(|candidate| candidate.hash);
        self.authorised.find(hashes, &mut findings.places);
        for (candidate, place) in findings.candidates.iter().zip(&findings.places) {
            let text = &text[candidate.begin as usize..candidate.end as usize];
            // It was read before.
            let number = self.number(text).ok();
            let person = number.and_then(|number| self.authorised.person(number, place));
            let Some(person) = person else { continue };
            let Candidate {
                row, begin, end, ..
            } = *candidate;
            let what = match self.judge(text, person) {
                Ok(()) => What::Hit { person, begin, end },
                Err(reason) => What::Fault {
                    person: Some(person),
                    reason,
                },
            };
            findings.events.push(Event { row, what });
        }
    }

    /// Whether an authorised person's row is good.
    fn judge(&self, row: &[u8], person: u32) -> Result<(), Reason> {
        if memchr(0, row).is_some() {
            return Err(Reason::Nul);
        }
        let mut cells = 0;
        let mut named = Ok(());
        for (at, cell) in Cells::of(row).take(self.layout.end).enumerate() {
            cells += 1;
            let is_name = self.layout.name == Some(at);
            if !is_name && !self.layout.values.contains(&Some(at)) {
                continue;
            }
            let text = cell.text(self.encoding).ok_or(Reason::Unreadable)?;
            match self.authorised.name(person) {
                Some(_) if is_name && text.is_empty() => named = Err(Reason::Missing),
                Some(name) if is_name && !name::is(&text, name) => {
                    named = Err(Reason::NameMismatch);
                }
                _ => {}
            }
        }
        if cells < self.layout.width {
            return Err(Reason::Columns);
        }
        named
    }
}

/// The number that a row begins with, if it is as it should be and a comma follows.
#[inline]
fn clean(row: &[u8]) -> Option<Number> {
    let (number, comma) = row
        .first_chunk::<CLEAN_BYTES>()?
        .split_first_chunk::<18>()?;
    if comma == b"," {
        Number::clean(number)
    } else {
        None
    }
}

impl Findings {
    fn note(&mut self, what: What) {
        let row = self.rows;
        self.events.push(Event { row, what });
    }
}
