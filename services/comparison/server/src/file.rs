//! What comes of a department: a header, and a file as a stream of chunks. An alert batch goes onto the
//! disk and from there as rows to the registry, for anybody in it may be in need; a register never does,
//! see [`crate::register`].

use std::{fs::File, ops::ControlFlow};

use chassis::{
    auth::Caller,
    bucket::Files,
    csv_rows,
    decode::{Fields, codes},
    error::Error,
    upload::{self, Upload, Uploaded, incomplete},
};
use chrono::NaiveDate;
use comparison_core::{
    contract::Contract,
    row::{Layout, Row, reason},
};
use kernel::{Department, ItemKind};
use proto::comparison::v1::{self as wire, BadRow, BatchHeader, BatchReport};
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt as _};
use tonic::Status;

/// Rows handed on at once; also as many persons as the registry looks up at once.
pub const ROWS_AT_ONCE: usize = 1000;
/// Chunks read ahead of the database.
const CHUNKS_AHEAD: usize = 2;
/// Longest key of a file in a store: a department, a folder and a name.
const OBJECT_KEY_CHARS_MAX: usize = 300;
/// Bad rows that a report holds: more are not worth reading.
pub const BAD_ROWS_MAX: usize = 1000;

/// A message of a stream of a file.
pub enum Part {
    Header(BatchHeader),
    Chunk(Vec<u8>),
    /// The store that the file is in does not give it.
    Failed(Error),
}

/// A message of one of the RPCs that take files.
pub trait Message {
    /// What it brings; `None` where it is empty.
    fn part(self) -> Option<Part>;
}

macro_rules! messages {
    ($($message:ident, $part:ident);+ $(;)?) => {$(
        impl Message for wire::$message {
            fn part(self) -> Option<Part> {
                self.part.map(|part| match part {
                    wire::$part::Part::Header(header) => Part::Header(header),
                    wire::$part::Part::Chunk(chunk) => Part::Chunk(chunk),
                })
            }
        }
    )+};
}

messages! {
    SubmitAlertBatchRequest, submit_alert_batch_request;
    SubmitItemFileRequest, submit_item_file_request;
    SubmitResultFileRequest, submit_result_file_request;
}

/// The messages of any of those RPCs.
pub fn parts<M: Message>(messages: impl Stream<Item = Result<M, Status>> + Unpin) -> impl Parts {
    messages.map(|message| message.map(Message::part))
}

/// What a file's header says.
pub struct Header {
    pub department: Department,
    pub data_date: NaiveDate,
    pub file_name: String,
    pub row_kind: String,
    pub item: Option<ItemKind>,
    /// Where the file is, if it does not come as chunks.
    pub object_key: Option<String>,
}

/// Messages of a file, the header first.
pub trait Parts: Stream<Item = Result<Option<Part>, Status>> + Unpin {}
impl<S: Stream<Item = Result<Option<Part>, Status>> + Unpin> Parts for S {}

/// Takes the header.
pub async fn header(parts: &mut impl Parts, today: NaiveDate) -> Result<Header, Error> {
    let first = parts.try_next().await.map_err(|_| incomplete())?;
    let Some(Some(Part::Header(header))) = first else {
        return Err(incomplete());
    };
    let mut f = Fields::new();
    let department: Option<Department> = f.parse("department", &header.department);
    let data_date = f.past_date("data_date", &header.data_date, today);
    let file_name = f.text_optional("file_name", &header.file_name, 200);
    let row_kind = f.text_optional("row_kind", &header.row_kind, 40);
    let object_key = f.text_optional("object_key", &header.object_key, OBJECT_KEY_CHARS_MAX);
    let decoded = (|| Some((department?, data_date?, file_name?, row_kind?, object_key?)))();
    let (department, data_date, file_name, row_kind, object_key) = f.finish_with(decoded)?;
    Ok(Header {
        department,
        data_date,
        file_name,
        row_kind,
        item: codes::item_kind(header.item),
        object_key: Some(object_key).filter(|key| !key.is_empty()),
    })
}

/// A file in the county's store as if it were sent.
pub async fn stored(files: &Files, key: &str) -> Result<impl Parts + use<>, Error> {
    let pieces = files.get(key).await?;
    let parts = pieces.map(|piece| match piece {
        Ok(piece) => Part::Chunk(piece.into()),
        Err(error) => Part::Failed(error),
    });
    Ok(Box::pin(parts.map(|part| Ok(Some(part)))))
}

/// The next chunk, `None` at the end.
pub async fn chunk(parts: &mut impl Parts) -> Result<Option<Vec<u8>>, Error> {
    match parts.try_next().await.map_err(|_| incomplete())? {
        None => Ok(None),
        Some(Some(Part::Chunk(chunk))) => Ok(Some(chunk)),
        Some(Some(Part::Failed(error))) => Err(error),
        Some(_) => Err(incomplete()),
    }
}

/// Refuses whoever acts for another department than their own.
pub fn check_department(caller: &Caller, department: &Department) -> Result<(), Error> {
    let own: Option<&Department> = caller.principal.scope.department.as_ref();
    if own.is_some_and(|own| own != department) {
        let expected = "your own department";
        return Err(Error::invalid("department", "OWN_DEPARTMENT", expected));
    }
    Ok(())
}

impl Header {
    /// Refuses whoever delivers for another department than their own.
    pub fn check_sender(&self, caller: &Caller) -> Result<(), Error> {
        check_department(caller, &self.department)
    }

    /// A report without results.
    pub fn report(&self, sha256: &str) -> BatchReport {
        BatchReport {
            department: self.department.to_string(),
            data_date: self.data_date.to_string(),
            file_name: self.file_name.clone(),
            sha256: sha256.to_owned(),
            ..BatchReport::default()
        }
    }
}

/// Takes an alert batch onto the disk.
pub async fn receive(parts: &mut impl Parts) -> Result<Uploaded, Error> {
    let mut upload = Upload::begin()?;
    while let Some(chunk) = chunk(parts).await? {
        upload.write(&chunk)?;
    }
    Ok(upload.finish())
}

/// Rows of a file, and what is bad between them.
#[derive(Default)]
pub struct Chunk {
    pub rows: Vec<(u32, Row)>,
    pub rows_read: i64,
    pub bad: Vec<BadRow>,
}

/// What the reader finds.
pub enum Piece {
    Chunk(Chunk),
    End,
    /// Nothing more can be read.
    Unusable(Error),
}

/// Starts reading a file in a thread of its own.
pub fn rows(uploaded: &Uploaded, contract: Contract) -> Result<mpsc::Receiver<Piece>, Error> {
    let failed = |error: std::io::Error| Error::Internal(error.into());
    let file = uploaded.file.try_clone().map_err(failed)?;
    let (send, pieces) = mpsc::channel(CHUNKS_AHEAD);
    let reader = std::thread::Builder::new().name("department-file".to_owned());
    let reader = reader.spawn(move || {
        let end = match read(&file, contract, &send) {
            Ok(()) => Piece::End,
            Err(error) => Piece::Unusable(error),
        };
        // Nobody listens any more when the batch was given up.
        let _ = send.blocking_send(end);
    });
    drop(reader.map_err(failed)?);
    Ok(pieces)
}

fn read(file: &File, contract: Contract, send: &mpsc::Sender<Piece>) -> Result<(), Error> {
    let mut layout: Option<Result<Layout, &'static str>> = None;
    let mut chunk = Chunk::default();
    let read = csv_rows::visit(file, &mut |number, cells| {
        let layout = match &layout {
            Some(Ok(layout)) => layout,
            Some(Err(_)) => return ControlFlow::Break(()),
            None => {
                let headers: Vec<&str> = cells.iter().map(|c| c.unwrap_or_default()).collect();
                layout = Some(Layout::find(contract, &headers));
                return ControlFlow::Continue(());
            }
        };
        chunk.rows_read += 1;
        match layout.read(cells) {
            Ok(row) => chunk.rows.push((number, row)),
            Err(fault) => chunk
                .bad
                .push(bad_row(number.into(), fault.column, fault.code)),
        }
        if chunk.rows.len() + chunk.bad.len() < ROWS_AT_ONCE {
            return ControlFlow::Continue(());
        }
        match send.blocking_send(Piece::Chunk(std::mem::take(&mut chunk))) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    });
    read.map_err(|_| Error::invalid("file", "MALFORMED_FILE", "a readable .csv file"))?;
    match layout {
        Some(Ok(_)) => {
            let _ = send.blocking_send(Piece::Chunk(chunk));
            Ok(())
        }
        Some(Err(column)) => Err(Error::invalid("file", "HEADER_MISSING", column)),
        None => Err(Error::invalid(
            "file",
            "HEADER_MISSING",
            "headers in the first row",
        )),
    }
}

/// What is wrong with a row.
pub fn bad_row(row: i64, column: &str, code: &str) -> BadRow {
    BadRow {
        row,
        column: column.to_owned(),
        code: code.to_owned(),
        reason: reason(code).to_owned(),
    }
}

/// Adds what a chunk has brought to the report.
pub fn note(kind: &'static str, report: &mut BatchReport, chunk: &mut Chunk) {
    let refused = i64::try_from(chunk.bad.len()).unwrap_or(i64::MAX);
    upload::count(kind, chunk.rows_read, refused);
    report.rows_read += chunk.rows_read;
    report.rows_refused += refused;
    let room = BAD_ROWS_MAX.saturating_sub(report.bad_rows.len());
    report.bad_rows.extend(chunk.bad.drain(..).take(room));
}
