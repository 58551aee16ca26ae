//! Request files: CSV in UTF-8 with a mark, so that a spreadsheet shows names as they are.

use std::io::{Read, Write};

use chrono::{DateTime, Utc};
use comparison_core::answer::REQUEST_COLUMNS;
use kernel::{Department, IdNumber, ItemKind};
use uuid::Uuid;

use crate::token::{Keys, Query, TokenFault};

/// Rows of a request at most: as many persons as the engine compares at once.
pub const ROWS_MAX: usize = comparison_engine::PERSONS_MAX;
/// What a file in UTF-8 begins with.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// A question as it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Signed by the county.
    pub token: String,
    /// What it is needed for.
    pub case: Uuid,
    /// Whom it is about.
    pub id_number: IdNumber,
    /// Their name.
    pub name: String,
}

/// Writes a request file a question at a time.
pub struct Writer<W: Write>(csv::Writer<W>);

impl<W: Write> Writer<W> {
    /// Writes the headers.
    ///
    /// # Errors
    /// `target` cannot be written.
    pub fn new(mut target: W) -> Result<Self, csv::Error> {
        target.write_all(MARK)?;
        let mut csv = csv::Writer::from_writer(target);
        csv.write_record(REQUEST_COLUMNS)?;
        Ok(Self(csv))
    }

    /// Writes a question.
    ///
    /// # Errors
    /// The target cannot be written.
    pub fn write(&mut self, question: &Question) -> Result<(), csv::Error> {
        let case = question.case.to_string();
        let Question { token, name, .. } = question;
        self.0
            .write_record([token, &case, question.id_number.expose(), name])
    }

    /// What was written to, with all that was written.
    ///
    /// # Errors
    /// The target cannot be written.
    pub fn finish(self) -> std::io::Result<W> {
        self.0.into_inner().map_err(csv::IntoInnerError::into_error)
    }
}

/// A question that has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// As it was asked.
    pub question: Question,
    /// What the token says.
    pub query: Query,
}

/// A row that is no question to this department.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Number of the row as a spreadsheet counts; the headers are row 1.
    pub row: u64,
    /// The column.
    pub column: &'static str,
    /// What is wrong; [`comparison_core::row::reason`] has the sentence.
    pub code: &'static str,
}

/// What a request file holds.
#[derive(Debug, Default)]
pub struct Request {
    /// Questions that may be answered.
    pub questions: Vec<Checked>,
    /// Rows that may not.
    pub refused: Vec<Refused>,
}

/// A file that is no request.
#[derive(Debug, thiserror::Error)]
pub enum NoRequest {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] csv::Error),
    /// It lacks a column.
    #[error("has no column {0}")]
    Column(&'static str),
    /// It is too long.
    #[error("has more than {ROWS_MAX} rows")]
    TooLong,
}

/// Reads a request file and checks every question of it, offline: signed by a key of the county, for this
/// department and item, still good, about this person and for this case.
///
/// # Errors
/// The file is none.
pub fn read(
    file: impl Read,
    keys: &Keys,
    department: &Department,
    item: ItemKind,
    now: DateTime<Utc>,
) -> Result<Request, NoRequest> {
    let mut csv = csv::ReaderBuilder::new().flexible(true).from_reader(file);
    // The reader leaves out the mark.
    let headers = csv.headers()?.clone();
    let place = |name| headers.iter().position(|header| header.trim() == name);
    let mut places = [0; REQUEST_COLUMNS.len()];
    for (place_of, name) in places.iter_mut().zip(REQUEST_COLUMNS) {
        *place_of = place(name).ok_or(NoRequest::Column(name))?;
    }
    let mut request = Request::default();
    for (record, row) in csv.records().zip(2..) {
        if request.questions.len() + request.refused.len() == ROWS_MAX {
            return Err(NoRequest::TooLong);
        }
        let record = record?;
        let cells = places.map(|place| record.get(place).unwrap_or_default().trim());
        match check(cells, keys, department, item, now) {
            Ok(checked) => request.questions.push(checked),
            Err((column, code)) => request.refused.push(Refused { row, column, code }),
        }
    }
    Ok(request)
}

fn check(
    [token, case, id_number, name]: [&str; 4],
    keys: &Keys,
    department: &Department,
    item: ItemKind,
    now: DateTime<Utc>,
) -> Result<Checked, (&'static str, &'static str)> {
    let refused = |fault: TokenFault| ("token", fault.code());
    let query = keys
        .read_token(token, department, item, now)
        .map_err(refused)?;
    let number: Option<IdNumber> = id_number.parse().ok();
    let id_number = number.ok_or_else(|| refused(TokenFault::OtherPerson))?;
    let case = case.parse().map_err(|_| refused(TokenFault::OtherCase))?;
    query.check(&id_number, case).map_err(refused)?;
    let (token, name) = (token.to_owned(), name.to_owned());
    Ok(Checked {
        question: Question {
            token,
            case,
            id_number,
            name,
        },
        query,
    })
}
