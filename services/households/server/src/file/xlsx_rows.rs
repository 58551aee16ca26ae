//! Rows of an XLSX workbook, streamed.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
};

use calamine::{Data, DataRef, ExcelDateTime, Reader, Xlsx, XlsxError, open_workbook_from_rs};
use chrono::NaiveDate;
use households_core::sheet::{COLUMNS_MAX, Cell};
use quick_xml::events::Event;
use tokio::sync::{Semaphore, SemaphorePermit};
use zip::ZipArchive;

use super::{Step, Unusable, Visit};

const MIB: u64 = 1024 * 1024;
/// All parts unpacked: ten times the largest file.
const UNPACKED_BYTES_MAX: u64 = 512 * MIB;
/// A workbook has some twenty parts.
const PARTS_MAX: usize = 1000;
/// The texts of a workbook are held in memory as long as it is read. Those of 200 000 rows, four of them in each
/// that no other has, take some 100 MiB.
const ROOM_MIB: usize = 112;
/// What a text takes beside its letters: its place in a list that grows by doubling, and the allocator's.
const TEXT_BYTES: u64 = 80;
/// Formats and the like are held as well, each in less than three times its length.
const OTHER_TIMES: u64 = 3;

/// Room for the texts of all workbooks that are read at once: small ones do not wait for each other, and many
/// large ones do.
static ROOM: Semaphore = Semaphore::const_new(ROOM_MIB);

impl From<XlsxError> for Unusable {
    fn from(_: XlsxError) -> Self {
        // What it says may quote the file.
        Self::Malformed
    }
}

/// Looks at every part before anything is held in memory: what the archive says of sizes may be a
/// lie, so it is unpacked to nowhere. Then waits until there is room for what will be held, and keeps it.
pub(super) fn room(file: &File) -> Result<SemaphorePermit<'static>, Unusable> {
    let held_mib = held(file)?.div_ceil(MIB);
    let held_mib = u32::try_from(held_mib).map_err(|_| Unusable::UnpacksTooLarge)?;
    if held_mib as usize > ROOM_MIB {
        return Err(Unusable::UnpacksTooLarge);
    }
    let room = futures::executor::block_on(ROOM.acquire_many(held_mib));
    // It is never closed.
    room.map_err(|_| Unusable::Malformed)
}

/// Bytes that are held in memory while the workbook is read.
fn held(mut file: &File) -> Result<u64, Unusable> {
    let broken = |_| Unusable::Malformed;
    file.seek(SeekFrom::Start(0)).map_err(broken)?;
    let archive = ZipArchive::new(BufReader::new(file));
    let mut archive = archive.map_err(|_| Unusable::Malformed)?;
    if archive.len() > PARTS_MAX {
        return Err(Unusable::UnpacksTooLarge);
    }
    let (mut total, mut held) = (0, 0);
    for number in 0..archive.len() {
        let part = archive.by_index(number).map_err(|_| Unusable::Malformed)?;
        let name = part.name().map_err(|_| Unusable::Malformed)?.to_lowercase();
        if name.ends_with("vbaproject.bin") {
            return Err(Unusable::Macros);
        }
        let left = UNPACKED_BYTES_MAX - total;
        if part.size() > left {
            return Err(Unusable::UnpacksTooLarge);
        }
        let mut part = part.take(left + 1);
        let has_texts = name.ends_with("sharedstrings.xml");
        let texts = match has_texts {
            true => texts(BufReader::new(&mut part))?,
            false => 0,
        };
        // What is no XML any more has to be unpacked all the same.
        io::copy(&mut part, &mut io::sink()).map_err(broken)?;
        let unpacked = left + 1 - part.limit();
        if unpacked > left {
            return Err(Unusable::UnpacksTooLarge);
        }
        total += unpacked;
        // Worksheets are streamed, and pictures are passed over.
        let is_streamed = name.contains("/worksheets/sheet");
        let is_read = name.ends_with(".xml") || name.ends_with(".rels");
        held += match (has_texts, is_read && !is_streamed) {
            (true, _) => unpacked + texts * TEXT_BYTES,
            (false, true) => unpacked * OTHER_TIMES,
            (false, false) => 0,
        };
    }
    Ok(held)
}

/// How many texts a part has.
fn texts(part: impl BufRead) -> Result<u64, Unusable> {
    let mut reader = quick_xml::Reader::from_reader(part);
    let (mut texts, mut buffer) = (0, Vec::new());
    loop {
        match reader.read_event_into(&mut buffer) {
            Ok(Event::Start(tag) | Event::Empty(tag)) if tag.local_name().as_ref() == "si" => {
                texts += 1;
            }
            Ok(Event::Eof) => return Ok(texts),
            Ok(_) => {}
            Err(_) => return Err(Unusable::Malformed),
        }
        buffer.clear();
    }
}

pub(super) fn rows(mut file: &File, visit: &mut Visit<'_>) -> Result<(), Unusable> {
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    /// A workbook with these parts.
    fn workbook(parts: &[(&str, String)]) -> File {
        let file = tempfile::tempfile().expect("a file");
        let mut archive = ZipWriter::new(file);
        for (name, text) in parts {
            let options = SimpleFileOptions::default();
            archive.start_file(*name, options).expect("a part");
            archive.write_all(text.as_bytes()).expect("written");
        }
        archive.finish().expect("an archive")
    }

    fn texts(number: usize, text: &str) -> (&'static str, String) {
        let texts = format!("<si><t>{text}</t></si>").repeat(number);
        ("xl/sharedStrings.xml", format!("<sst>{texts}</sst>"))
    }

    #[test]
    fn what_is_held_is_known_before_it_is() {
        let sheet = |bytes: usize| ("xl/worksheets/sheet1.xml", " ".repeat(bytes));
        let mib = |parts: &[_]| held(&workbook(parts)).map(|bytes| bytes.div_ceil(MIB));
        assert_eq!(mib(&[sheet(100_000_000)]), Ok(0));
        assert_eq!(
            mib(&[("xl/media/image1.jpeg", " ".repeat(9_000_000))]),
            Ok(0)
        );
        assert_eq!(mib(&[("xl/styles.xml", " ".repeat(3_000_000))]), Ok(9));
        assert_eq!(mib(&[texts(100_000, "张大山")]), Ok(11));
        // 800 000 texts of a file with 200 000 rows go in.
        assert!(mib(&[texts(800_000, "某某村一组")]).is_ok_and(|mib| mib <= 112));
    }

    #[test]
    fn little_that_would_be_much_is_refused_and_gives_its_room_back() {
        // Ten megabytes, packed in some kilobytes, that would be a hundred and sixty.
        let many = workbook(&[("xl/sharedStrings.xml", "<si/>".repeat(2_000_000))]);
        assert!(matches!(room(&many), Err(Unusable::UnpacksTooLarge)));
        let half = workbook(&[("xl/sharedStrings.xml", "<si/>".repeat(800_000))]);
        for _ in 0..3 {
            let kept = room(&half).expect("room");
            assert!(kept.num_permits() > ROOM_MIB / 2);
        }
        let macros = workbook(&[("xl/vbaProject.bin", String::new())]);
        assert!(matches!(room(&macros), Err(Unusable::Macros)));
    }
}
