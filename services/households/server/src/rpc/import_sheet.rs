//! Takes a national-format sheet as a stream. Good rows go in, bad rows are reported.

use std::ops::ControlFlow;

use chassis::{
    auth::Caller,
    clock::timestamp,
    decode::Fields,
    error::Error,
    pg::Claim,
    upload::{self, Upload, Uploaded, incomplete},
};
use households_core::sheet::{Fault, SHEET_NAME, reason};
use kernel::BatchId;
use proto::households::v1::{
    ImportReport, ImportSheetRequest, ImportSheetResponse, RowError, import_sheet_request::Part,
};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Status, Streaming};

use super::Service;
use crate::{
    file::{self, Format, Piece},
    import::{self, Register},
    store,
};

const OPERATION: &str = "ImportSheet";
/// Errors that a report holds: more are not worth reading.
const ERRORS_MAX: usize = 1000;
/// Batches read ahead of the database.
const BATCHES_AHEAD: usize = 2;

pub async fn handle(
    service: &Service,
    caller: &Caller,
    stream: Streaming<ImportSheetRequest>,
) -> Result<ImportSheetResponse, Error> {
    let report = service.import_sheet_from(caller, stream).await?;
    Ok(ImportSheetResponse {
        report: Some(report),
    })
}

impl Service {
    /// Imports the sheet that `messages` bring.
    ///
    /// # Errors
    /// See the RPC.
    pub async fn import_sheet_from(
        &self,
        caller: &Caller,
        mut messages: impl Stream<Item = Result<ImportSheetRequest, Status>> + Unpin,
    ) -> Result<ImportReport, Error> {
        let closed = |_| Error::Unavailable { what: "import" };
        let _permit = self.imports.acquire().await.map_err(closed)?;
        let sheet = receive(&mut messages).await?;
        // The claim covers the name and the content, not the bytes' chunks.
        let identity = ImportReport {
            file_name: sheet.file_name.clone(),
            sha256: sheet.uploaded.sha256.clone(),
            ..ImportReport::default()
        };
        let division = caller.principal.scope.division;
        let mut tx = self.database.begin(caller).await?;
        let claim = tx
            .claim::<ImportReport>(OPERATION, &sheet.request_id, &identity)
            .await?;
        let known = match claim {
            Claim::Replayed(report) => Some(report),
            Claim::Fresh => {
                store::import::lookup_whole(&mut tx, &sheet.uploaded.sha256, division).await?
            }
        };
        drop(tx);
        if let Some(report) = known {
            return Ok(report);
        }
        let mut report = read(self, caller, &sheet).await?;

        let mut tx = self.database.begin(caller).await?;
        // Somebody who sent the same meanwhile has done the same work: every household went in once.
        let claim = tx
            .claim::<ImportReport>(OPERATION, &sheet.request_id, &identity)
            .await?;
        if let Claim::Replayed(report) = claim {
            return Ok(report);
        }
        let batch = BatchId(self.database.clock().new_id());
        let now = tx.now();
        report.batch_id = batch.to_string();
        report.finished_at = Some(timestamp(now));
        store::import::insert(&mut tx, batch, division, &report, now).await?;
        tx.remember(&report).await?;
        tx.commit().await?;
        Ok(report)
    }
}

struct Sheet {
    request_id: String,
    file_name: String,
    format: Format,
    uploaded: Uploaded,
}

/// Writes the stream to a file of bounded size.
async fn receive(
    messages: &mut (impl Stream<Item = Result<ImportSheetRequest, Status>> + Unpin),
) -> Result<Sheet, Error> {
    let first = messages.try_next().await.map_err(|_| incomplete())?;
    let Some(Part::Header(header)) = first.and_then(|message| message.part) else {
        return Err(incomplete());
    };
    let mut f = Fields::new();
    let name = f.text("file_name", &header.file_name, 200);
    let format = name.as_deref().and_then(Format::of);
    if name.is_some() && format.is_none() {
        f.violation(
            "file_name",
            "FILE_KIND",
            "a name that ends in .xlsx or .csv",
        );
    }
    let (file_name, format) = f.finish_with(name.zip(format))?;
    let mut upload = Upload::begin()?;
    while let Some(message) = messages.try_next().await.map_err(|_| incomplete())? {
        let Some(Part::Chunk(chunk)) = message.part else {
            return Err(incomplete());
        };
        upload.write(&chunk)?;
    }
    Ok(Sheet {
        request_id: header.request_id,
        file_name,
        format,
        uploaded: upload.finish(),
    })
}

/// Brings the file's households in, batch by batch: a thread reads ahead while the database writes.
async fn read(service: &Service, caller: &Caller, sheet: &Sheet) -> Result<ImportReport, Error> {
    let register = Register::load(&service.database, caller).await?;
    let today = service.database.clock().today();
    let failed = |error: std::io::Error| Error::Internal(error.into());
    let (file, format) = (
        sheet.uploaded.file.try_clone().map_err(failed)?,
        sheet.format,
    );
    let (send, mut pieces) = tokio::sync::mpsc::channel(BATCHES_AHEAD);
    let reader = std::thread::Builder::new().name("import".to_owned());
    let reader = reader.spawn(move || {
        file::read(&file, format, today, |piece| {
            match send.blocking_send(piece) {
                Ok(()) => ControlFlow::Continue(()),
                // The import was given up.
                Err(_) => ControlFlow::Break(()),
            }
        });
    });
    // It ends with the channel: nobody has to wait for it.
    drop(reader.map_err(failed)?);
    let mut report = ImportReport {
        file_name: sheet.file_name.clone(),
        sha256: sheet.uploaded.sha256.clone(),
        ..ImportReport::default()
    };
    let mut sheet_name = SHEET_NAME.to_owned();
    while let Some(piece) = pieces.recv().await {
        match piece {
            Piece::Sheet(name) => sheet_name = name,
            Piece::Unusable(unusable) => return Err(unusable.into()),
            Piece::End => return Ok(report),
            Piece::Batch(batch) => {
                let (database, sealer) = (&service.database, &service.sealer);
                let households = &batch.households;
                let applied =
                    import::apply(database, caller, sealer, &register, households).await?;
                let refused = i64::try_from(batch.rows_refused).unwrap_or(i64::MAX);
                let read = i64::try_from(batch.rows_read).unwrap_or(i64::MAX);
                upload::count("households", read, refused + applied.rows_refused);
                report.rows_read += read;
                report.households_created += applied.created;
                report.households_updated += applied.updated;
                report.households_unchanged += applied.unchanged;
                report.rows_refused += refused + applied.rows_refused;
                note(&mut report, &sheet_name, &batch.faults);
                note(&mut report, &sheet_name, &applied.faults);
            }
        }
    }
    // The reader ended without an end: it has panicked.
    Err(Error::Internal(anyhow::anyhow!(
        "the file's reader stopped"
    )))
}

fn note(report: &mut ImportReport, sheet: &str, faults: &[Fault]) {
    let room = ERRORS_MAX.saturating_sub(report.errors.len());
    let errors = faults.iter().take(room).map(|fault| RowError {
        sheet: sheet.to_owned(),
        row: fault.row.into(),
        column: fault.column.to_owned(),
        code: fault.code.to_owned(),
        reason: reason(fault.code).to_owned(),
    });
    report.errors.extend(errors);
    report.errors.sort_by_key(|error| error.row);
}
