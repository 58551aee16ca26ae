//! A result file: what a department that looks up for itself has answered, each answer with the token of
//! its question (CMP-4, CMP-5). It holds nobody but those asked about, so it may go onto the disk.

use std::{ops::ControlFlow, thread};

use chassis::{
    csv_rows,
    error::Error,
    upload::{self, Uploaded},
};
use chrono::{DateTime, Utc};
use comparison_core::{
    answer::{Layout, Told},
    row::Fault,
};
use comparison_query::token::Query;
use kernel::{Department, IdNumber, ItemKind};
use proto::comparison::v1::{BadRow, BatchReport};
use tokio::sync::oneshot;

use crate::{
    file::{BAD_ROWS_MAX, bad_row},
    queries::Queries,
};

/// Whom a file has to be from and about what, and when it came.
#[derive(Clone)]
pub struct Expected {
    pub department: Department,
    pub item: ItemKind,
    pub now: DateTime<Utc>,
}

/// An answer with a token that the county has signed for it.
pub struct Answered {
    pub row: i64,
    pub query: Query,
    pub id_number: IdNumber,
    pub told: Option<Told>,
}

/// What a file came to.
#[derive(Default)]
pub struct Answers {
    pub answers: Vec<Answered>,
    rows_read: i64,
    rows_refused: i64,
    bad_rows: Vec<BadRow>,
}

impl Answers {
    /// Refuses a row that was read.
    pub fn refuse(&mut self, row: i64, column: &str, code: &str) {
        self.rows_refused += 1;
        if self.bad_rows.len() < BAD_ROWS_MAX {
            self.bad_rows.push(bad_row(row, column, code));
        }
    }

    /// Adds what became of rows to the report.
    pub fn note(&mut self, report: &mut BatchReport) {
        upload::count("answers", self.rows_read, self.rows_refused);
        report.rows_read = self.rows_read;
        report.rows_refused = self.rows_refused;
        self.bad_rows.sort_by_key(|bad| bad.row);
        report.bad_rows = std::mem::take(&mut self.bad_rows);
    }
}

/// Reads a file in a thread of its own: signatures take a while.
///
/// # Errors
/// It has not the item's columns, or is no CSV.
pub async fn read(
    uploaded: &Uploaded,
    expected: Expected,
    queries: std::sync::Arc<Queries>,
) -> Result<Answers, Error> {
    let failed = |error: std::io::Error| Error::Internal(error.into());
    let file = uploaded.file.try_clone().map_err(failed)?;
    let (done, read) = oneshot::channel();
    let reader = thread::Builder::new().name("result-file".to_owned());
    let reader = reader.spawn(move || {
        // Nobody listens any more when the file was given up.
        let _ = done.send(read_rows(&file, &expected, &queries));
    });
    drop(reader.map_err(failed)?);
    read.await.map_err(|error| Error::Internal(error.into()))?
}

fn read_rows(
    file: &std::fs::File,
    expected: &Expected,
    queries: &Queries,
) -> Result<Answers, Error> {
    let mut layout: Option<Result<Layout, String>> = None;
    let mut answers = Answers::default();
    let visited = csv_rows::visit(file, &mut |row, cells| {
        let layout = match &layout {
            Some(Ok(layout)) => layout,
            Some(Err(_)) => return ControlFlow::Break(()),
            None => {
                let headers: Vec<&str> = cells.iter().map(|c| c.unwrap_or_default()).collect();
                layout = Some(Layout::find(expected.item, &headers));
                return ControlFlow::Continue(());
            }
        };
        answers.rows_read += 1;
        let row = i64::from(row);
        match read_row(layout, cells, expected, queries) {
            Ok((query, id_number, told)) => answers.answers.push(Answered {
                row,
                query,
                id_number,
                told,
            }),
            Err(fault) => answers.refuse(row, fault.column, fault.code),
        }
        ControlFlow::Continue(())
    });
    visited.map_err(|_| Error::invalid("file", "MALFORMED_FILE", "a readable .csv file"))?;
    match layout {
        Some(Ok(_)) => Ok(answers),
        Some(Err(column)) => Err(Error::invalid("file", "HEADER_MISSING", &column)),
        None => {
            let expected = "headers in the first row";
            Err(Error::invalid("file", "HEADER_MISSING", expected))
        }
    }
}

fn read_row(
    layout: &Layout,
    cells: &[csv_rows::Cell<'_>],
    expected: &Expected,
    queries: &Queries,
) -> Result<(Query, IdNumber, Option<Told>), Fault> {
    let answer = layout.read(cells)?;
    let Expected {
        department,
        item,
        now,
    } = expected;
    let query = queries
        .keys
        .read_token(&answer.token, department, *item, *now);
    let query = query.and_then(|query| {
        query.check(&answer.id_number, answer.case)?;
        Ok(query)
    });
    let query = query.map_err(|fault| Fault {
        column: "token",
        code: fault.code(),
    })?;
    Ok((query, answer.id_number, answer.told))
}
