//! A department's register, through the engine as it comes: the file touches no disk, and only rows of
//! persons who are asked about leave the reader.

use std::{
    io::{self, Cursor, ErrorKind, Read},
    num::NonZero,
    ops::ControlFlow,
    sync::{Mutex, PoisonError},
    thread,
};

use bytes::Bytes;
use chassis::{
    error::Error,
    upload::{self, incomplete},
};
use comparison_columnar::{
    Kind,
    arrow::{Stream, open_file},
    parquet::Register,
};
use comparison_core::{answer::Told, contract::Contract, row::Values};
use comparison_engine as engine;
use comparison_engine::{Authorised, Reason, Settings};
use comparison_query::register::{columns, rows_per_person};
use proto::comparison::v1::{BadRow, BatchReport};
use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, oneshot};

use crate::file::{self, BAD_ROWS_MAX, Parts, bad_row};

/// Largest file as it is sent: a register of tens of millions of rows is below.
const FILE_BYTES_MAX: u64 = 4 << 30;
/// Largest file unpacked. A gzip can be a thousand times as large as it looks.
const TEXT_BYTES_MAX: u64 = 32 << 30;
/// Rows of a file: of columns a few bytes may be as many as somebody likes.
const ROWS_MAX: u64 = 1 << 31;
/// Largest file of Parquet or Arrow. It says at its end what is in it, so it is held in memory until it has come:
/// three million rows, more than a county has people.
const HELD_BYTES_MAX: u64 = 64 << 20;
/// One of them at a time; others wait in their connections.
static HELD: Mutex<()> = Mutex::new(());
/// Chunks ahead of the engine; a sender who is faster waits.
const CHUNKS_AHEAD: usize = 16;
/// Rows of one person that are looked at: nobody has more accounts or cars, and a file cannot fill the
/// memory with one number.
pub const ROWS_PER_PERSON_MAX: u8 = 50;
/// Rows of all persons that are kept: some for each person of the ten thousand comparisons.
const FOUND_MAX: usize = 500_000;

/// A row of a person who is asked about.
pub struct Found {
    /// Place of the person in the set asked about.
    pub person: u32,
    pub row: i64,
    pub what: What,
}

pub enum What {
    Told(Told),
    /// It contradicts an earlier row, which is number `earlier`.
    Contradiction {
        earlier: i64,
    },
    /// It cannot be used, and why.
    Unusable(&'static str),
}

/// What a whole file came to.
pub struct Compared {
    pub sha256: String,
    pub found: Vec<Found>,
    rows_read: i64,
    rows_unmatched: i64,
    rows_refused: i64,
    bad_rows: Vec<BadRow>,
}

impl Compared {
    /// Adds what became of rows to the report.
    pub fn note(&mut self, report: &mut BatchReport) {
        upload::count("items", self.rows_read, self.rows_refused);
        report.rows_read = self.rows_read;
        report.rows_unmatched = self.rows_unmatched;
        report.rows_refused = self.rows_refused;
        report.bad_rows = std::mem::take(&mut self.bad_rows);
    }
}

/// Compares the file whose header has come with the persons of `authorised`.
///
/// # Errors
/// The file breaks off, is damaged, too large, or has not the contract's columns.
pub async fn compare(
    parts: &mut impl Parts,
    contract: Contract,
    authorised: Authorised,
) -> Result<Compared, Error> {
    let (send, chunks) = mpsc::channel(CHUNKS_AHEAD);
    let (done, compared) = oneshot::channel();
    let reader = thread::Builder::new().name("register".to_owned());
    let reader = reader.spawn(move || {
        // Nobody listens any more when the file was given up.
        let _ = done.send(read(chunks, contract, &authorised));
    });
    drop(reader.map_err(|error| Error::Internal(error.into()))?);
    // Without its end the engine takes the file for broken off.
    let sha256 = feed(parts, send).await?;
    let mut compared = compared
        .await
        .map_err(|error| Error::Internal(error.into()))??;
    compared.sha256 = sha256;
    Ok(compared)
}

/// Hands chunks on; `None` is the end. If the engine has stopped before, it says why.
async fn feed(
    parts: &mut impl Parts,
    send: mpsc::Sender<Option<Vec<u8>>>,
) -> Result<String, Error> {
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    while let Some(chunk) = file::chunk(parts).await? {
        bytes += chunk.len() as u64;
        if bytes > FILE_BYTES_MAX {
            return Err(too_large("a file of 4 GiB, 32 GiB unpacked"));
        }
        hash.update(&chunk);
        if send.send(Some(chunk)).await.is_err() {
            return Ok(String::new());
        }
    }
    let _ = send.send(None).await;
    Ok(hex::encode(hash.finalize()))
}

fn too_large(limit: &str) -> Error {
    Error::TooLarge {
        limit: limit.to_owned(),
    }
}

/// The chunks as one file.
struct Pipe {
    chunks: mpsc::Receiver<Option<Vec<u8>>>,
    chunk: Vec<u8>,
    read: usize,
    ended: bool,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.read == self.chunk.len() && !self.ended {
            let next = self.chunks.blocking_recv();
            // The sender is gone without having said that this was all.
            let next = next.ok_or(ErrorKind::BrokenPipe)?;
            (self.ended, self.read) = (next.is_none(), 0);
            self.chunk = next.unwrap_or_default();
        }
        let rest = &self.chunk[self.read..];
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        self.read += len;
        Ok(len)
    }
}

fn read(
    chunks: mpsc::Receiver<Option<Vec<u8>>>,
    contract: Contract,
    authorised: &Authorised,
) -> Result<Compared, Error> {
    let (columns, places) = columns(&contract);
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let comparison = engine::Comparison {
        authorised,
        columns: &columns,
        settings: Settings {
            // The rest of the machine answers meanwhile.
            threads: cores.div_ceil(2),
            positions_max: 0,
            rows_per_person: rows_per_person(&contract),
            ..Settings::default()
        },
    };
    let mut pipe = Pipe {
        chunks,
        chunk: Vec::new(),
        read: 0,
        ended: false,
    };
    let mut sink = Sink {
        contract,
        places,
        rows_of: vec![0; authorised.len()],
        found: Vec::new(),
        rows_refused: 0,
        bad_rows: Vec::new(),
    };
    let mut beginning = Vec::with_capacity(Kind::BYTES);
    let mut read = pipe.by_ref().take(Kind::BYTES as u64);
    read.read_to_end(&mut beginning).map_err(|_| incomplete())?;
    let kind = Kind::of(&beginning);
    let file = Cursor::new(beginning).chain(pipe);
    let report = match kind {
        Kind::Text | Kind::Gzip => comparison.run(file, &mut sink),
        Kind::ArrowStream => {
            Stream::open(file, &columns).and_then(|table| comparison.run_table(table, &mut sink))
        }
        Kind::ArrowFile | Kind::Parquet => {
            let _turn = HELD.lock().unwrap_or_else(PoisonError::into_inner);
            let file = Bytes::from(whole(file)?);
            if kind == Kind::Parquet {
                Register::open(file, &columns)
                    .and_then(|table| comparison.run_table(table, &mut sink))
            } else {
                open_file(file, &columns).and_then(|table| comparison.run_table(table, &mut sink))
            }
        }
    };
    let report = report.map_err(error)?;
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    Ok(Compared {
        sha256: String::new(),
        found: sink.found,
        rows_read: count(report.counts.rows),
        rows_unmatched: count(report.counts.outsiders()),
        rows_refused: sink.rows_refused,
        bad_rows: sink.bad_rows,
    })
}

/// All of a file that has to be there before it can be read.
fn whole(file: impl Read) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    file.take(HELD_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|_| incomplete())?;
    if bytes.len() as u64 > HELD_BYTES_MAX {
        return Err(Error::invalid("file", "FILE_NEEDS_STREAM", "64 MiB"));
    }
    Ok(bytes)
}

/// Keeps what is found of those asked about.
struct Sink {
    contract: Contract,
    /// Of each value of the contract its place in a hit.
    places: Vec<usize>,
    /// By person.
    rows_of: Vec<u8>,
    found: Vec<Found>,
    rows_refused: i64,
    bad_rows: Vec<BadRow>,
}

impl Sink {
    fn refuse(&mut self, row: i64, column: &str, code: &str) {
        self.rows_refused += 1;
        if self.bad_rows.len() < BAD_ROWS_MAX {
            self.bad_rows.push(bad_row(row, column, code));
        }
    }

    /// Keeps a person's row. Of too many the first one that is too many stands for the rest.
    fn keep(&mut self, person: u32, row: i64, what: What) {
        let Some(rows) = self.rows_of.get_mut(person as usize) else {
            return;
        };
        *rows = rows.saturating_add(1);
        match *rows {
            ..=ROWS_PER_PERSON_MAX => self.found.push(Found { person, row, what }),
            over => {
                if over == ROWS_PER_PERSON_MAX + 1 {
                    let what = What::Unusable("TOO_MANY_ROWS");
                    self.found.push(Found { person, row, what });
                }
                // A row that is refused already is not refused again.
                if matches!(what, What::Told(_)) {
                    self.refuse(row, "", "TOO_MANY_ROWS");
                }
            }
        }
    }
}

fn number(row: u64) -> i64 {
    i64::try_from(row).unwrap_or(i64::MAX)
}

impl engine::Sink for Sink {
    fn hit(&mut self, hit: &engine::Hit<'_>) {
        let cells = self.places.iter().map(|place| hit.value(*place));
        let row = number(hit.row);
        match Values::read(&self.contract, cells) {
            Ok(values) => {
                let told = Told::exactly(values, &self.contract);
                self.keep(hit.person, row, What::Told(told));
            }
            Err(fault) => {
                self.refuse(row, fault.column, fault.code);
                self.keep(hit.person, row, What::Unusable(fault.code));
            }
        }
    }

    fn fault(&mut self, fault: &engine::Fault) {
        let (column, code) = place_and_code(fault);
        let row = number(fault.row);
        self.refuse(row, column, code);
        if let Some(person) = fault.person {
            let what = match fault.earlier {
                Some(earlier) => What::Contradiction {
                    earlier: number(earlier),
                },
                None => What::Unusable(code),
            };
            self.keep(person, row, what);
        }
    }

    fn advanced(&mut self, progress: &engine::Progress<'_>) -> ControlFlow<()> {
        let rows = progress.counts().rows;
        let found = self.found.len();
        if progress.bytes() > TEXT_BYTES_MAX || rows > ROWS_MAX || found > FOUND_MAX {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

/// Column and code of a fault, as the contract's own are named; no column where it is the row's.
const fn place_and_code(fault: &engine::Fault) -> (&'static str, &'static str) {
    match fault.reason {
        // Of others the number alone is looked at.
        Reason::Missing if fault.person.is_some() => ("name", "REQUIRED"),
        Reason::Missing => ("id_number", "REQUIRED"),
        Reason::FifteenDigits => ("id_number", "ID_FIFTEEN_DIGITS"),
        Reason::Length => ("id_number", "ID_LENGTH"),
        Reason::Characters => ("id_number", "ID_CHARACTERS"),
        Reason::CheckDigit => ("id_number", "ID_CHECK_DIGIT"),
        Reason::SpreadsheetFloat => ("id_number", "ID_SPREADSHEET_FLOAT"),
        Reason::Unreadable if fault.person.is_none() => ("id_number", "UNREADABLE"),
        Reason::Unreadable => ("", "UNREADABLE"),
        Reason::Columns => ("", "COLUMNS"),
        Reason::Nul => ("", "NUL"),
        Reason::Quote => ("", "QUOTE"),
        Reason::TooLong => ("", "ROW_TOO_LONG"),
        Reason::NameMismatch => ("name", "NAME_MISMATCH"),
        Reason::Contradiction => ("", "CONTRADICTORY_ROWS"),
    }
}

fn error(error: engine::Error) -> Error {
    use engine::Error as E;
    let invalid = |code, expected: &str| Error::invalid("file", code, expected);
    match error {
        E::Read(_) => incomplete(),
        E::Truncated => invalid("FILE_TRUNCATED", "a whole file"),
        E::Damaged(_) => invalid("MALFORMED_FILE", "an undamaged file"),
        E::Unsupported { expected } => invalid("FILE_UNSUPPORTED", expected),
        E::Utf16 => invalid("FILE_ENCODING", "UTF-8 or GB18030"),
        E::NoHeader => invalid("HEADER_MISSING", "headers in the first row"),
        E::ColumnMissing { column } => invalid("HEADER_MISSING", &column),
        E::ColumnTwice { column } => invalid("HEADER_DUPLICATE", &column),
        E::ColumnType { column, expected } => {
            invalid("COLUMN_TYPE", &format!("{column}: {expected}"))
        }
        E::BrokenOff => {
            too_large("a file of 4 GiB, 32 GiB unpacked, 2^31 rows, 500000 of those asked about")
        }
        E::OtherFile | E::OtherPersons => Error::Internal(error.into()),
    }
}
