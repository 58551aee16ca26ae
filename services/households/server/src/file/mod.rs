//! Files of sheets: XLSX and CSV in UTF-8 or GB18030, read twice. The first reading looks at the
//! whole file, so that nothing of a file that is broken, too long or headed wrongly goes in; the
//! second gives its households in batches. Memory does not grow with the file, but for a workbook's texts, whose
//! room all workbooks share.

mod csv_rows;
mod group;
mod survey;
mod xlsx_rows;

use std::{fs::File, ops::ControlFlow};

use chassis::error::Error;
use chrono::NaiveDate;
use households_core::sheet::{Cell, Fault, ROWS_MAX, SheetHousehold};

pub use group::Batch;

/// What kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Xlsx,
    Csv,
}

impl Format {
    /// By the ending of the name.
    pub fn of(file_name: &str) -> Option<Self> {
        let (_, ending) = file_name.rsplit_once('.')?;
        match ending.to_ascii_lowercase().as_str() {
            "xlsx" => Some(Self::Xlsx),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }
}

/// Why nothing of a file goes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unusable {
    /// It is not what its name says, or damaged.
    Malformed,
    /// It unpacks to more than is reasonable.
    UnpacksTooLarge,
    /// It brings programs along.
    Macros,
    /// None of the first rows has the headers.
    NoHeaders,
    /// Headers that are missing or stand there twice.
    Headers(Vec<(&'static str, &'static str)>),
    /// More rows than a file may have.
    TooManyRows,
}

impl From<Unusable> for Error {
    fn from(unusable: Unusable) -> Self {
        let one = |code, expected: &str| Self::invalid("file", code, expected);
        match unusable {
            Unusable::Malformed => one("MALFORMED_FILE", "a readable .xlsx or .csv file"),
            Unusable::UnpacksTooLarge => one(
                "FILE_TOO_LARGE",
                "at most 512 MiB when unpacked, with texts of at most 112 MiB in memory",
            ),
            Unusable::Macros => one("FILE_WITH_MACROS", "a workbook without macros"),
            Unusable::NoHeaders => one(
                "HEADER_MISSING",
                "户编号 and 证件号码 in row 3, or at least in rows 1 to 5",
            ),
            Unusable::Headers(faults) => {
                let mut fields = chassis::decode::Fields::new();
                for (code, header) in faults {
                    fields.violation("file", code, format_args!("the column {header} once"));
                }
                fields.finish().err().unwrap_or(Self::CursorInvalid)
            }
            Unusable::TooManyRows => one("TOO_MANY_ROWS", &format!("at most {ROWS_MAX} rows")),
        }
    }
}

/// What to do after a row.
enum Step {
    Next,
    /// The rest of this sheet is of no interest.
    NextSheet,
    Stop,
}

/// Sees the sheet's name, the row's number and its cells.
type Visit<'v> = dyn FnMut(&str, u32, &[Cell<'_>]) -> Step + 'v;

fn rows(file: &File, format: Format, visit: &mut Visit<'_>) -> Result<(), Unusable> {
    match format {
        Format::Xlsx => xlsx_rows::rows(file, visit),
        Format::Csv => csv_rows::rows(file, visit),
    }
}

/// What the reader finds, in this order.
#[derive(Debug)]
pub enum Piece {
    /// The sheet's name, once the whole file was looked at.
    Sheet(String),
    /// Some households.
    Batch(Batch),
    /// There is no more.
    End,
    /// Nothing of the file goes in. Comes alone.
    Unusable(Unusable),
}

/// Reads a file, handing out what it finds until `send` breaks. Blocks: runs on its own thread.
pub fn read(
    file: &File,
    format: Format,
    today: NaiveDate,
    mut send: impl FnMut(Piece) -> ControlFlow<()>,
) {
    let room = match format {
        Format::Xlsx => xlsx_rows::room(file).map(Some),
        Format::Csv => Ok(None),
    };
    let _room = match room {
        Ok(room) => room,
        Err(unusable) => {
            let _ = send(Piece::Unusable(unusable));
            return;
        }
    };
    let found = match survey::survey(file, format) {
        Ok(found) => found,
        Err(unusable) => {
            let _ = send(Piece::Unusable(unusable));
            return;
        }
    };
    if send(Piece::Sheet(found.sheet.clone())).is_break() {
        return;
    }
    let mut open = true;
    let mut send_batch = |batch: Batch| {
        open = open && send(Piece::Batch(batch)).is_continue();
        open
    };
    let read = group::households(file, format, &found, today, &mut send_batch);
    if open {
        // The first reading has seen every row, so this is a disk that fails, not a bad file.
        let _ = send(read.map_or_else(Piece::Unusable, |()| Piece::End));
    }
}

impl Batch {
    fn is_full(&self) -> bool {
        // A transaction with some 6 500 rows: long enough to be fast, short enough to hold up nobody.
        self.households.len() >= 500 || self.faults.len() >= 1000
    }

    fn refuse(&mut self, rows: u64, faults: impl IntoIterator<Item = Fault>) {
        self.rows_refused += rows;
        self.faults.extend(faults);
    }

    fn accept(&mut self, household: SheetHousehold) {
        self.households.push(household);
    }
}
