//! Rows of a CSV file in UTF-8, with or without a mark, or in GB18030 (GBK): what offices export.

use std::{
    borrow::Cow,
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    ops::ControlFlow,
};

use csv::{ByteRecord, Terminator};
use encoding_rs::GB18030;
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Gb18030,
}

const BLOCK_BYTES: usize = 64 * 1024;

/// Cells of a row that are looked at: no form has more columns.
pub const COLUMNS_MAX: usize = 256;

/// A cell, trimmed of what is no part of its text; `None` where its bytes are no text.
pub type Cell<'a> = Option<&'a str>;

/// Visits every row that has anything in it, with its number as a spreadsheet counts, from 1, until
/// `visit` breaks. Reads the file from its beginning; blocks.
///
/// # Errors
/// The file cannot be read.
pub fn visit(
    mut file: &File,
    visit: &mut dyn FnMut(u32, &[Cell<'_>]) -> ControlFlow<()>,
) -> io::Result<()> {
    let encoding = detect(file)?;
    file.seek(SeekFrom::Start(0))?;
    // In GB18030 the bytes of comma, quote and line end are never part of a longer character, so
    // records can be split before they are decoded.
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        // With the default, whether a record's \r\n was counted depends on what follows.
        .terminator(Terminator::Any(b'\n'))
        .from_reader(BufReader::with_capacity(BLOCK_BYTES, file).chain(&b"\n"[..]));
    let mut record = ByteRecord::new();
    // Lines within cells: a spreadsheet counts rows.
    let mut inner_lines = 0;
    while reader.read_byte_record(&mut record)? {
        let inner = record.as_slice().iter().filter(|byte| **byte == b'\n');
        inner_lines += u64::try_from(inner.count()).unwrap_or(u64::MAX);
        // The record has ended, so the reader is on the line after it.
        let row = reader.position().line().saturating_sub(1 + inner_lines);
        let row = u32::try_from(row).unwrap_or(u32::MAX);
        let texts: Vec<Option<Cow<'_, str>>> = record
            .iter()
            .take(COLUMNS_MAX)
            .map(|field| decode(field, encoding))
            .collect();
        let cells: Vec<Cell<'_>> = texts.iter().map(|text| text.as_deref().map(bare)).collect();
        if cells.iter().any(|cell| *cell != Some("")) && visit(row, &cells).is_break() {
            break;
        }
    }
    Ok(())
}

fn bare(text: &str) -> &str {
    text.trim_start_matches('\u{feff}').trim_end_matches('\r')
}

fn decode(field: &[u8], encoding: Encoding) -> Option<Cow<'_, str>> {
    if encoding == Encoding::Utf8 || field.is_ascii() {
        return std::str::from_utf8(field).ok().map(Cow::Borrowed);
    }
    let (text, bad) = GB18030.decode_without_bom_handling(field);
    (!bad).then_some(text)
}

/// UTF-8 when all of the file is, else GB18030: real text in that is hardly ever valid UTF-8.
fn detect(mut file: &File) -> io::Result<Encoding> {
    file.seek(SeekFrom::Start(0))?;
    let mut block = vec![0; BLOCK_BYTES];
    // Bytes of a character that a block cut off.
    let mut kept = 0;
    loop {
        let read = file.read(&mut block[kept..])?;
        let filled = kept + read;
        match std::str::from_utf8(&block[..filled]) {
            Ok(_) => kept = 0,
            // Nothing wrong but that the end is missing, and there is more to come.
            Err(error) if error.error_len().is_none() && read > 0 => {
                let valid = error.valid_up_to();
                block.copy_within(valid..filled, 0);
                kept = filled - valid;
            }
            Err(_) => return Ok(Encoding::Gb18030),
        }
        if read == 0 {
            return Ok(Encoding::Utf8);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn encoding_of(bytes: &[u8]) -> Encoding {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(bytes).expect("written");
        detect(&file).expect("read")
    }

    #[test]
    fn encodings_are_told_apart_across_blocks() {
        let long = "户编号,姓名,测".repeat(20_000);
        assert_eq!(encoding_of(long.as_bytes()), Encoding::Utf8);
        assert_eq!(
            encoding_of(format!("\u{feff}{long}").as_bytes()),
            Encoding::Utf8
        );
        let (gbk, _, _) = GB18030.encode(&long);
        assert_eq!(encoding_of(&gbk), Encoding::Gb18030);
        let cut = &long.as_bytes()[..long.len() - 1];
        assert_eq!(encoding_of(cut), Encoding::Gb18030);
        assert_eq!(encoding_of(b""), Encoding::Utf8);
    }

    #[test]
    fn rows_are_counted_as_a_spreadsheet_does() {
        for text in [
            "a,b\r\n\r\n\"c\nd\",\"e\"\r\nf,\r\n",
            "\u{feff}a,b\n\n\"c\nd\",e\nf,",
        ] {
            let mut file = tempfile::tempfile().expect("a file");
            file.write_all(text.as_bytes()).expect("written");
            let mut found = Vec::new();
            let read = visit(&file, &mut |number, cells| {
                found.push(format!("{number} {}", cells.len()));
                found.extend(cells.iter().map(|cell| cell.unwrap_or("?").to_owned()));
                ControlFlow::Continue(())
            });
            read.expect("readable");
            assert_eq!(found.join("|"), "1 2|a|b|3 2|c\nd|e|4 2|f|", "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes: Vec<u8>) {
            let mut file = tempfile::tempfile().expect("a file");
            file.write_all(&bytes).expect("written");
            let mut seen = 0;
            let _ = visit(&file, &mut |_, cells| {
                seen += cells.len();
                ControlFlow::Continue(())
            });
        }
    }
}
