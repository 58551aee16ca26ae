//! What is found in a piece of a file.
//!
//! A row is judged as far as it is read: everybody's up to the ID number, an authorised person's to
//! its last wanted column. Nothing of another's row is copied anywhere.

use memchr::memchr;

use crate::{
    authorised::Authorised,
    columns::Layout,
    encoding::Encoding,
    id::Number,
    input::{Piece, is_blank},
    report::Reason,
    rows::{Cells, ROW_BYTES_MAX},
    sieve::{Candidate, Sieve},
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
    /// A good row of an authorised person.
    Hit {
        person: u32,
        span: Span,
    },
    Fault {
        person: Option<u32>,
        reason: Reason,
    },
}

/// Where a row is in its piece: of a text from which byte to which, of a table its place among the rows
/// that were fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub begin: u32,
    pub end: u32,
}

/// What is found in a piece.
#[derive(Default)]
pub(crate) struct Findings {
    /// In the order of rows.
    pub events: Vec<Event>,
    pub rows: u32,
    pub blank_rows: u32,
    /// Of a text, where it has not been told yet whose rows they are.
    lines: Sieve<Span>,
    /// The same of a table.
    pub numbers: Sieve<Number>,
}

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
        findings.clear();
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
        let (begin, end) = (begin as u32, end as u32);
        let candidate = Candidate {
            hash,
            row: findings.rows,
            what: Span { begin, end },
        };
        findings.lines.push(candidate, self.authorised);
    }

    /// Looks whose numbers they are, and at the rest of the rows of authorised persons.
    fn candidates(&self, text: &[u8], findings: &mut Findings) {
        let Findings { events, lines, .. } = findings;
        for (candidate, place) in lines.finish(self.authorised) {
            let span = candidate.what;
            let text = &text[span.begin as usize..span.end as usize];
            // It was read before.
            let number = self.number(text).ok();
            let person = number.and_then(|number| self.authorised.person(number, place));
            let Some(person) = person else { continue };
            let row = candidate.row;
            let what = What::of(person, span, self.judge(text, person));
            events.push(Event { row, what });
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
            if is_name {
                named = self.authorised.check_name(person, &text);
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

impl What {
    /// What an authorised person's row is, once it has been judged.
    pub(crate) fn of(person: u32, span: Span, judged: Result<(), Reason>) -> Self {
        match judged {
            Ok(()) => Self::Hit { person, span },
            Err(reason) => Self::Fault {
                person: Some(person),
                reason,
            },
        }
    }
}

impl Findings {
    /// Begins with another piece.
    pub(crate) fn clear(&mut self) {
        self.events.clear();
        self.lines.clear();
        self.numbers.clear();
        (self.rows, self.blank_rows) = (0, 0);
    }

    pub(crate) fn note(&mut self, what: What) {
        let row = self.rows;
        self.events.push(Event { row, what });
    }
}
