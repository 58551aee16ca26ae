//! A department's file, as a stream of chunks onto the disk and from there as rows. The reader has a
//! thread of its own; what nobody asked for does not leave it.

use std::{fs::File, ops::ControlFlow};

use chassis::{
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
use proto::comparison::v1::{BadRow, BatchHeader, BatchReport};
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt as _};
use tonic::Status;

/// Rows handed on at once; also as many persons as the registry looks up at once.
pub const ROWS_AT_ONCE: usize = 1000;
/// Chunks read ahead of the database.
const CHUNKS_AHEAD: usize = 2;
/// Bad rows that a report holds: more are not worth reading.
const BAD_ROWS_MAX: usize = 1000;

/// A message of a stream of a file.
pub enum Part {
    Header(BatchHeader),
    Chunk(Vec<u8>),
}

/// A file with what its header says.
pub struct Delivery {
    pub department: Department,
    pub data_date: NaiveDate,
    pub file_name: String,
    pub row_kind: String,
    pub item: Option<ItemKind>,
    pub uploaded: Uploaded,
}

/// Takes the stream in.
pub async fn receive(
    mut parts: impl Stream<Item = Result<Option<Part>, Status>> + Unpin,
    today: NaiveDate,
) -> Result<Delivery, Error> {
    let first = parts.try_next().await.map_err(|_| incomplete())?;
    let Some(Some(Part::Header(header))) = first else {
        return Err(incomplete());
    };
    let mut f = Fields::new();
    let department: Option<Department> = f.parse("department", &header.department);
    let data_date = f.past_date("data_date", &header.data_date, today);
    let file_name = f.text_optional("file_name", &header.file_name, 200);
    let row_kind = f.text_optional("row_kind", &header.row_kind, 40);
    let decoded = (|| Some((department?, data_date?, file_name?, row_kind?)))();
    let (department, data_date, file_name, row_kind) = f.finish_with(decoded)?;
    let mut upload = Upload::begin()?;
    while let Some(part) = parts.try_next().await.map_err(|_| incomplete())? {
        let Some(Part::Chunk(chunk)) = part else {
            return Err(incomplete());
        };
        upload.write(&chunk)?;
    }
    Ok(Delivery {
        department,
        data_date,
        file_name,
        row_kind,
        item: codes::item_kind(header.item),
        uploaded: upload.finish(),
    })
}

/// Rows of a file, and what was left out between them.
#[derive(Default)]
pub struct Chunk {
    pub rows: Vec<(u32, Row)>,
    pub rows_read: i64,
    /// Rows that the reader was not asked for.
    pub rows_unmatched: i64,
    pub bad: Vec<BadRow>,
}

/// What the reader finds.
pub enum Piece {
    Chunk(Chunk),
    End,
    /// Nothing more can be read.
    Unusable(Error),
}

impl Delivery {
    /// A report without results.
    pub fn report(&self) -> BatchReport {
        BatchReport {
            department: self.department.to_string(),
            data_date: self.data_date.to_string(),
            file_name: self.file_name.clone(),
            sha256: self.uploaded.sha256.clone(),
            ..BatchReport::default()
        }
    }

    /// Starts reading. `wanted` sees every good row and says whether it may leave the reader, or
    /// why it is bad.
    pub fn rows(
        &self,
        contract: Contract,
        wanted: impl FnMut(&Row) -> Result<bool, &'static str> + Send + 'static,
    ) -> Result<mpsc::Receiver<Piece>, Error> {
        let failed = |error: std::io::Error| Error::Internal(error.into());
        let file = self.uploaded.file.try_clone().map_err(failed)?;
        let (send, pieces) = mpsc::channel(CHUNKS_AHEAD);
        let reader = std::thread::Builder::new().name("department-file".to_owned());
        let reader = reader.spawn(move || {
            let end = match read(&file, contract, wanted, &send) {
                Ok(()) => Piece::End,
                Err(error) => Piece::Unusable(error),
            };
            // Nobody listens any more when the batch was given up.
            let _ = send.blocking_send(end);
        });
        drop(reader.map_err(failed)?);
        Ok(pieces)
    }
}

fn read(
    file: &File,
    contract: Contract,
    mut wanted: impl FnMut(&Row) -> Result<bool, &'static str>,
    send: &mpsc::Sender<Piece>,
) -> Result<(), Error> {
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
        let bad = |column: &str, code: &str| BadRow {
            row: number.into(),
            column: column.to_owned(),
            code: code.to_owned(),
            reason: reason(code).to_owned(),
        };
        match layout.read(cells) {
            Ok(row) => match wanted(&row) {
                Ok(true) => chunk.rows.push((number, row)),
                Ok(false) => chunk.rows_unmatched += 1,
                Err(code) => chunk.bad.push(bad("name", code)),
            },
            Err(fault) => chunk.bad.push(bad(fault.column, fault.code)),
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

/// Adds what a chunk has brought to the report.
pub fn note(kind: &'static str, report: &mut BatchReport, chunk: &mut Chunk) {
    let refused = i64::try_from(chunk.bad.len()).unwrap_or(i64::MAX);
    upload::count(kind, chunk.rows_read, refused);
    report.rows_read += chunk.rows_read;
    report.rows_unmatched += chunk.rows_unmatched;
    report.rows_refused += refused;
    let room = BAD_ROWS_MAX.saturating_sub(report.bad_rows.len());
    report.bad_rows.extend(chunk.bad.drain(..).take(room));
}
