//! Where rows begin and end, and cells within them (RFC 4180, commas).
//!
//! Nearly all rows have no quote in them and are lines. The others are found here, one after the other,
//! so that pieces of a file always end where a row does.

use std::borrow::Cow;

use memchr::{memchr, memchr2, memrchr};

use crate::{
    encoding::{Encoding, bare},
    report::Reason,
};

/// A longer row is left out, and so is one whose quoted cell does not end within this.
pub const ROW_BYTES_MAX: usize = 64 * 1024;

/// A row with a quote in it, or one that is no good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Odd {
    /// Where it begins in its piece.
    pub begin: u32,
    /// Where its last cell ends.
    pub end: u32,
    /// Where the next row begins.
    pub next: u32,
    /// Set where its cells cannot be told apart.
    pub fault: Option<Reason>,
}

/// Finds rows with quotes in `text`, which begins with a row, and tells up to where `text` is whole
/// rows. With `ended` there is nothing behind it.
///
/// What it says of a row depends on the row and the [`ROW_BYTES_MAX`] bytes from its begin, never on
/// where `text` was cut.
pub(crate) fn cut(text: &[u8], ended: bool, odd: &mut Vec<Odd>) -> usize {
    let mut at = 0;
    loop {
        let rest = &text[at..];
        let line_after = |end: &[u8]| memrchr(b'\n', end).map_or(0, |newline| newline + 1);
        let Some(quote) = memchr(b'"', rest) else {
            return if ended {
                text.len()
            } else {
                at + line_after(rest)
            };
        };
        let begin = at + line_after(&rest[..quote]);
        let Some(row) = quoted(&text[begin..], ended) else {
            return begin;
        };
        odd.push(Odd {
            begin: begin as u32,
            end: (begin + row.end) as u32,
            next: (begin + row.next) as u32,
            fault: row.fault,
        });
        at = begin + row.next;
    }
}

/// Ends of one row, and what is wrong with it.
struct Row {
    end: usize,
    next: usize,
    fault: Option<Reason>,
}

/// The row with a quote that `text` begins with. `None` if it takes more text to tell.
fn quoted(text: &[u8], ended: bool) -> Option<Row> {
    let window = &text[..text.len().min(ROW_BYTES_MAX + 1)];
    let whole = ended && window.len() == text.len();
    match walk(window, whole) {
        Walk::Row { end, next } if end <= ROW_BYTES_MAX => {
            return Some(Row {
                end,
                next,
                fault: None,
            });
        }
        Walk::Open if !whole && window.len() <= ROW_BYTES_MAX => return None,
        Walk::Row { .. } | Walk::Open | Walk::Broken => {}
    }
    let (end, next) = match memchr(b'\n', text) {
        Some(newline) => (newline, newline + 1),
        None if ended => (text.len(), text.len()),
        None => return None,
    };
    let fault = if end > ROW_BYTES_MAX {
        Reason::TooLong
    } else {
        Reason::Quote
    };
    Some(Row {
        end,
        next,
        fault: Some(fault),
    })
}

enum Walk {
    /// A whole row.
    Row { end: usize, next: usize },
    /// The text is at its end before the row is.
    Open,
    /// Something stands between a closing quote and the end of the cell.
    Broken,
}

/// Walks over a row from quote to quote; `whole` if nothing comes behind `text`.
fn walk(text: &[u8], whole: bool) -> Walk {
    let len = text.len();
    // Never within a quoted cell.
    let mut at = 0;
    loop {
        at += match memchr2(b'"', b'\n', &text[at..]) {
            Some(found) => found,
            None if whole => {
                return Walk::Row {
                    end: len,
                    next: len,
                };
            }
            None => return Walk::Open,
        };
        if text[at] == b'\n' {
            return Walk::Row {
                end: at,
                next: at + 1,
            };
        }
        let begins = at.checked_sub(1).is_none_or(|before| text[before] == b',');
        if !begins {
            at += 1;
            continue;
        }
        let Some(quoted) = quoted_len(&text[at..]) else {
            return Walk::Open;
        };
        at += quoted;
        match &text[at..] {
            [b',', ..] => at += 1,
            [b'\n', ..] => {
                return Walk::Row {
                    end: at,
                    next: at + 1,
                };
            }
            [b'\r', b'\n', ..] => {
                return Walk::Row {
                    end: at,
                    next: at + 2,
                };
            }
            [] | [b'\r'] if whole => return Walk::Row { end: at, next: len },
            [] | [b'\r'] => return Walk::Open,
            _ => return Walk::Broken,
        }
    }
}

/// Length of the quoted cell that `text` begins with, with its quotes.
fn quoted_len(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr(b'"', text.get(at..)?)? + 1;
        if text.get(at) != Some(&b'"') {
            return Some(at);
        }
        at += 1;
    }
}

/// The cells of a row.
#[derive(Clone)]
pub(crate) struct Cells<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Cells<'a> {
    /// Of a row without its line feed.
    pub(crate) fn of(row: &'a [u8]) -> Self {
        let row = row.strip_suffix(b"\r").unwrap_or(row);
        Self { rest: Some(row) }
    }
}

impl<'a> Iterator for Cells<'a> {
    type Item = Cell<'a>;

    #[inline]
    fn next(&mut self) -> Option<Cell<'a>> {
        let rest = self.rest?;
        let quoted = rest.first() == Some(&b'"');
        // A row with a quote that does not close has been left out before.
        let end = match quoted.then(|| quoted_len(rest)).flatten() {
            Some(end) => (end < rest.len()).then_some(end),
            None => memchr(b',', rest),
        };
        self.rest = end.and_then(|end| rest.get(end + 1..));
        let bytes = &rest[..end.unwrap_or(rest.len())];
        Some(match bytes {
            [b'"', inner @ .., b'"'] => Cell {
                bytes: inner,
                quoted,
            },
            _ => Cell {
                bytes,
                quoted: false,
            },
        })
    }
}

/// A cell as it stands in the file.
#[derive(Clone, Copy)]
pub(crate) struct Cell<'a> {
    /// Without the quotes around it.
    pub bytes: &'a [u8],
    quoted: bool,
}

impl<'a> Cell<'a> {
    /// Its text without blanks around it, unless its bytes are none.
    pub(crate) fn text(self, encoding: Encoding) -> Option<Cow<'a, str>> {
        let text = encoding.decode(self.bytes)?;
        Some(bare(if self.quoted && text.contains("\"\"") {
            Cow::Owned(text.replace("\"\"", "\""))
        } else {
            text
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(text: &[u8]) -> Vec<Result<Vec<String>, Reason>> {
        let mut odd = Vec::new();
        assert_eq!(cut(text, true, &mut odd), text.len());
        let cells = |row| -> Vec<String> {
            Cells::of(row)
                .map(|cell| cell.text(Encoding::Utf8).expect("text").into_owned())
                .collect()
        };
        let mut found = Vec::new();
        let mut at = 0;
        odd.push(Odd {
            begin: text.len() as u32,
            end: 0,
            next: 0,
            fault: None,
        });
        for odd in odd {
            let plain = &text[at..odd.begin as usize];
            let lines = plain
                .strip_suffix(b"\n")
                .unwrap_or(plain)
                .split(|b| *b == b'\n');
            found.extend(
                lines
                    .filter(|_| !plain.is_empty())
                    .map(|line| Ok(cells(line))),
            );
            if odd.end > 0 {
                let row = &text[odd.begin as usize..odd.end as usize];
                found.push(odd.fault.map_or_else(|| Ok(cells(row)), Err));
            }
            at = odd.next as usize;
        }
        found
    }

    #[test]
    fn a_bad_quote_costs_its_own_line_only() {
        let found = rows(b"a,\"b\nc\"\r\nd,\"e\"f\ng,\"\"\"h\"\ni,j\"k\nl,\"m\nn,o\n");
        let row = |cells: &[&str]| Ok(cells.iter().map(|c| (*c).to_owned()).collect());
        let expected = [
            row(&["a", "b\nc"]),
            Err(Reason::Quote),
            row(&["g", "\"h"]),
            row(&["i", "j\"k"]),
            Err(Reason::Quote),
            row(&["n", "o"]),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_too_long_is_one_row() {
        let long = "x".repeat(ROW_BYTES_MAX);
        assert_eq!(rows(format!("{long},\"\"\na,\"b\"").as_bytes()).len(), 2);
        assert_eq!(rows(format!("\"{long}\na\"\nb").as_bytes()).len(), 3);
    }

    proptest! {
        /// Whatever text is cut where, the same rows are found.
        #[test]
        fn rows_do_not_depend_on_cuts(text in "[ab\",\n\r]{0,60}", at: prop::sample::Index) {
            let text = text.as_bytes();
            let (mut all, mut first, mut second) = (Vec::new(), Vec::new(), Vec::new());
            cut(text, true, &mut all);
            let at = at.index(text.len() + 1);
            let cut_at = cut(&text[..at], false, &mut first);
            cut(&text[cut_at..], true, &mut second);
            let moved = second.iter().map(|odd| Odd {
                begin: odd.begin + cut_at as u32,
                end: odd.end + cut_at as u32,
                next: odd.next + cut_at as u32,
                fault: odd.fault,
            });
            first.extend(moved);
            prop_assert_eq!(all, first);
        }

        /// Well-formed rows have the cells that the csv crate finds.
        #[test]
        fn cells_are_those_of_the_csv_crate(
            rows_in in prop::collection::vec(prop::collection::vec("[a\",\n é]{0,4}", 1..4), 0..6),
            style in any::<bool>(),
        ) {
            let mut writer = csv::WriterBuilder::new()
                .flexible(true)
                .quote_style(if style { csv::QuoteStyle::Necessary } else { csv::QuoteStyle::Always })
                .terminator(if style { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') })
                .from_writer(Vec::new());
            for row in &rows_in {
                writer.write_record(row).expect("written");
            }
            let text = writer.into_inner().expect("text");
            let expected: Vec<_> = rows_in.iter().map(|row| {
                Ok(row.iter().map(|cell| bare(cell.as_str().into()).into_owned()).collect::<Vec<_>>())
            }).collect();
            prop_assert_eq!(rows(&text), expected);
        }
    }
}
