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
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// In the order of rows.
    pub events: Vec<Event>,
    pub rows: u32,
    pub blank_rows: u32,
}

/// Looks for authorised persons.
pub(crate) struct Scan<'a> {
    pub authorised: &'a Authorised,
    pub layout: &'a Layout,
    pub encoding: Encoding,
    /// Every row is read with care; for tests of the path for clean rows.
    pub careful: bool,
}

/// An ID number and the comma behind it.
const CLEAN_BYTES: usize = 19;

impl Scan<'_> {
    /// Looks at all rows of a piece.
    pub(crate) fn piece(&self, piece: &Piece, findings: &mut Findings) {
        findings.events.clear();
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
    }

    /// Looks at rows without quotes.
    fn lines(&self, text: &[u8], begin: usize, end: usize, findings: &mut Findings) {
        if self.layout.id_number == 0 && !self.careful {
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
            let clean = clean(rest);
            // There is no line end within a number.
            let from = if clean.is_some() { CLEAN_BYTES } else { 0 };
            let newline = memchr(b'\n', &rest[from..]);
            let len = newline.map_or(rest.len(), |newline| from + newline);
            match clean {
                Some(number) if len <= ROW_BYTES_MAX => {
                    if self.authorised.may_have(number.hash()) {
                        self.known(number, text, at, at + len, findings);
                    }
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
        let number = Cells::of(row)
            .nth(self.layout.id_number)
            .ok_or(Reason::Columns);
        let number = number.and_then(|cell| {
            let clean = cell.bytes.try_into().ok().filter(|_| !self.careful);
            if let Some(number) = clean.and_then(Number::clean) {
                return Ok(number);
            }
            Number::read(&cell.text(self.encoding).ok_or(Reason::Unreadable)?)
        });
        match number {
            Ok(number) => self.known(number, text, begin, end, findings),
            Err(Reason::Missing | Reason::Columns) if is_blank(row, self.encoding) => {
                findings.blank_rows += 1;
            }
            Err(reason) => findings.note(fault(reason)),
        }
    }

    /// Looks whose number it is, and at the rest of the row if it is an authorised person's.
    fn known(
        &self,
        number: Number,
        text: &[u8],
        begin: usize,
        end: usize,
        findings: &mut Findings,
    ) {
        if let Some(person) = self.authorised.find(number) {
            findings.note(match self.judge(&text[begin..end], person) {
                Ok(()) => What::Hit {
                    person,
                    begin: begin as u32,
                    end: end as u32,
                },
                Err(reason) => What::Fault {
                    person: Some(person),
                    reason,
                },
            });
        }
    }

    /// Whether an authorised person's row is good.
    fn judge(&self, row: &[u8], person: u32) -> Result<(), Reason> {
        if memchr(0, row).is_some() {
            return Err(Reason::Nul);
        }
        let mut cells = 0;
        let mut named = Ok(());
        for (at, cell) in Cells::of(row).take(self.layout.width).enumerate() {
            cells += 1;
            let is_name = self.layout.name == Some(at);
            if !is_name && !self.layout.values.contains(&at) {
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
