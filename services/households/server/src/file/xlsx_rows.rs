//! Rows of an XLSX workbook, streamed.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
};

use calamine::{Data, DataRef, ExcelDateTime, Reader, Xlsx, XlsxError, open_workbook_from_rs};
use chrono::NaiveDate;
use households_core::sheet::{COLUMNS_MAX, Cell};
use zip::ZipArchive;

use super::{Step, Unusable, Visit};

/// All parts unpacked: ten times the largest file.
const UNPACKED_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// A part other than a worksheet is held in memory; texts of 200 000 rows are far below.
const PART_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// A workbook has some twenty parts.
const PARTS_MAX: usize = 1000;

impl From<XlsxError> for Unusable {
    fn from(_: XlsxError) -> Self {
        // What it says may quote the file.
        Self::Malformed
    }
}

/// Looks at every part before anything is held in memory: what the archive says of sizes may be a
/// lie, so it is unpacked to nowhere.
fn check_sizes(mut file: &File) -> Result<(), Unusable> {
    let broken = |_| Unusable::Malformed;
    file.seek(SeekFrom::Start(0)).map_err(broken)?;
    let archive = ZipArchive::new(BufReader::new(file));
    let mut archive = archive.map_err(|_| Unusable::Malformed)?;
    if archive.len() > PARTS_MAX {
        return Err(Unusable::UnpacksTooLarge);
    }
    let mut total = 0;
    for number in 0..archive.len() {
        let part = archive.by_index(number).map_err(|_| Unusable::Malformed)?;
        let name = part.name().map_err(|_| Unusable::Malformed)?.to_lowercase();
        if name.ends_with("vbaproject.bin") {
            return Err(Unusable::Macros);
        }
        let most = if name.starts_with("xl/worksheets/") {
            UNPACKED_BYTES_MAX
        } else {
            PART_BYTES_MAX
        };
        if part.size() > most {
            return Err(Unusable::UnpacksTooLarge);
        }
        let unpacked = io::copy(&mut part.take(most + 1), &mut io::sink());
        let unpacked = unpacked.map_err(broken)?;
        total += unpacked;
        if unpacked > most || total > UNPACKED_BYTES_MAX {
            return Err(Unusable::UnpacksTooLarge);
        }
    }
    Ok(())
}

pub(super) fn rows(mut file: &File, visit: &mut Visit<'_>) -> Result<(), Unusable> {
    check_sizes(file)?;
    file.seek(SeekFrom::Start(0))
        .map_err(|_| Unusable::Malformed)?;
    let mut workbook: Xlsx<_> = open_workbook_from_rs(BufReader::new(file))?;
    for sheet in workbook.sheet_names() {
        // Charts and the like are no worksheets; they hold no rows.
        let Ok(mut cells) = workbook.worksheet_cells_reader(&sheet) else {
            continue;
        };
        let mut row = Row::default();
        let mut step = Step::Next;
        while let Some(cell) = cells.next_cell()? {
            let (number, column) = cell.get_position();
            if Some(number) != row.number {
                step = row.finish(&sheet, visit);
                if !matches!(step, Step::Next) {
                    break;
                }
                // A sheet whose rows go backwards was not written by a spreadsheet.
                if row.number.is_some_and(|last| number < last) {
                    return Err(Unusable::Malformed);
                }
                row.number = Some(number);
            }
            row.put(column as usize, cell.get_value());
        }
        if matches!(step, Step::Next) {
            step = row.finish(&sheet, visit);
        }
        if matches!(step, Step::Stop) {
            break;
        }
    }
    Ok(())
}

/// The cells of the current row.
#[derive(Default)]
struct Row {
    /// From 0.
    number: Option<u32>,
    cells: Vec<Data>,
}

impl Row {
    fn put(&mut self, column: usize, value: &DataRef<'_>) {
        if column >= COLUMNS_MAX {
            return;
        }
        if self.cells.len() <= column {
            self.cells.resize(column + 1, Data::Empty);
        }
        self.cells[column] = value.clone().into();
    }

    fn finish(&mut self, sheet: &str, visit: &mut Visit<'_>) -> Step {
        let Some(number) = self.number else {
            return Step::Next;
        };
        let cells: Vec<Cell<'_>> = self.cells.iter().map(cell).collect();
        let step = visit(sheet, number + 1, &cells);
        drop(cells);
        self.cells.clear();
        step
    }
}

fn cell(data: &Data) -> Cell<'_> {
    match data {
        Data::Empty => Cell::Empty,
        // Whole numbers of a sheet are written as floats; what is an integer here is small.
        Data::Int(number) => Cell::Number(*number as f64),
        Data::Float(number) => Cell::Number(*number),
        Data::String(text) => Cell::Text(text),
        Data::DateTime(at) => date(at).map_or(Cell::Unreadable, Cell::Date),
        Data::DateTimeIso(text) => Cell::Text(text.split('T').next().unwrap_or(text)),
        Data::Bool(_) | Data::DurationIso(_) | Data::Error(_) => Cell::Unreadable,
    }
}

fn date(at: &ExcelDateTime) -> Option<NaiveDate> {
    if !at.is_datetime() {
        return None;
    }
    let (year, month, day, ..) = at.to_ymd_hms_milli();
    NaiveDate::from_ymd_opt(year.into(), month.into(), day.into())
}
