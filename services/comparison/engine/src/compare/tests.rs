//! Dirty files, compared by the fast path, by the careful one and by a reference that is plain and slow.

use std::io::{Cursor, Write as _};

use encoding_rs::GB18030;
use flate2::{Compression, write::GzEncoder};
use kernel::{IdNumber, InvalidIdNumber};
use proptest::prelude::*;

use super::*;
use crate::{ROW_BYTES_MAX, Refused};

fn number(serial: usize) -> String {
    let body = format!("99999919{:02}0101{:03}", 50 + serial / 1000, serial % 1000);
    let digits: [u8; 17] = body.as_bytes().try_into().expect("17 digits");
    format!("{body}{}", IdNumber::check_character(&digits))
}

const NAMES: [&str; 4] = ["张三", "买买提·艾力", "吕䶮", "联通"];

/// Every second one of some persons; the last one by number alone.
fn authorised() -> Authorised {
    let mut persons = Authorised::builder();
    for (at, name) in NAMES.iter().enumerate() {
        assert_eq!(persons.add(&number(2 * at), Some(name)), Ok(at as u32));
    }
    persons.add(&number(8), None).expect("a person");
    persons.build().expect("a set")
}

fn columns() -> Columns {
    Columns {
        id_number: "id".to_owned(),
        name: Some("name".to_owned()),
        values: vec!["amount".to_owned()],
        optional: Vec::new(),
    }
}

/// All that a sink gets.
#[derive(Debug, Default, Clone, PartialEq)]
struct Seen {
    hits: Vec<(u64, u32, String)>,
    faults: Vec<(u64, Reason, Option<u32>, Option<u64>)>,
    /// As text, and how much had been seen by then.
    checkpoints: Vec<(String, usize, usize)>,
    stop_at: Option<u64>,
}

impl Sink for Seen {
    fn hit(&mut self, hit: &Hit<'_>) {
        assert!(hit.row < 1 << 40);
        self.hits
            .push((hit.row, hit.person, hit.value(0).into_owned()));
    }
    fn fault(&mut self, fault: &Fault) {
        self.faults
            .push((fault.row, fault.reason, fault.person, fault.earlier));
    }
    fn advanced(&mut self, progress: &Progress<'_>) -> ControlFlow<()> {
        let checkpoint = serde_json::to_string(&progress.checkpoint()).expect("JSON");
        self.checkpoints
            .push((checkpoint, self.hits.len(), self.faults.len()));
        match self.stop_at {
            Some(bytes) if progress.bytes() >= bytes => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }
}

fn settings(threads: usize, piece_bytes: usize, rows_per_person: RowsPerPerson) -> Settings {
    Settings {
        threads,
        piece_bytes,
        positions_max: 5,
        rows_per_person,
    }
}

fn compare(file: &[u8], settings: Settings) -> Result<(Report, Seen), Error> {
    compare_by(Reading::Fast, file, settings)
}

fn compare_by(reading: Reading, file: &[u8], settings: Settings) -> Result<(Report, Seen), Error> {
    let (authorised, columns) = (authorised(), columns());
    let comparison = Comparison {
        authorised: &authorised,
        columns: &columns,
        settings,
    };
    let mut seen = Seen::default();
    let report = comparison.compare(Cursor::new(file), None, reading, &mut seen)?;
    Ok((report, seen))
}

/// The rows of a text, byte by byte.
fn rows(text: &[u8]) -> Vec<Result<Vec<Vec<u8>>, Reason>> {
    let mut rows = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let line = text[at..]
            .iter()
            .position(|b| *b == b'\n')
            .unwrap_or(text.len() - at);
        let (row, next) = match row(&text[at..]) {
            Some((_, len)) if len > ROW_BYTES_MAX => (Err(Reason::TooLong), line + 1),
            Some((cells, len)) => (Ok(cells), len + 1),
            None if line > ROW_BYTES_MAX => (Err(Reason::TooLong), line + 1),
            None => (Err(Reason::Quote), line + 1),
        };
        rows.push(row);
        at += next;
    }
    rows
}

/// Cells of the first row and its length without the line end.
fn row(text: &[u8]) -> Option<(Vec<Vec<u8>>, usize)> {
    let (mut cells, mut cell, mut at) = (Vec::new(), Vec::new(), 0);
    let mut quoted = false;
    let mut begins = true;
    loop {
        let byte = text.get(at).copied();
        at += 1;
        let ends = matches!(
            &text[(at - 1).min(text.len())..],
            [b'\r', b'\n', ..] | [b'\r'] | []
        );
        match byte {
            Some(b'"') if begins => quoted = true,
            Some(b'"') if quoted && text.get(at) == Some(&b'"') => {
                at += 1;
                cell.push(b'"');
            }
            Some(b'"') if quoted => {
                quoted = false;
                let rest = &text[at..];
                if !matches!(rest, [] | [b',' | b'\n', ..] | [b'\r', b'\n', ..] | [b'\r']) {
                    return None;
                }
            }
            None if quoted => return None,
            Some(byte) if quoted => cell.push(byte),
            Some(b',') => {
                cells.push(std::mem::take(&mut cell));
                begins = true;
                continue;
            }
            Some(b'\n') | None => {
                cells.push(cell);
                return Some((cells, at - 1));
            }
            Some(b'\r') if ends => {}
            Some(byte) => cell.push(byte),
        }
        begins = false;
    }
}

/// Whose row it is (nobody's: `u32::MAX`) and its value, or what is wrong with it.
type Verdict = Result<(u32, String), (Reason, Option<u32>)>;

fn judge(
    cells: &[Vec<u8>],
    encoding: Encoding,
    width: usize,
    places: [usize; 3],
) -> Option<Verdict> {
    let text = |at: usize| -> Result<Option<String>, Reason> {
        let Some(cell) = cells.get(at) else {
            return Ok(None);
        };
        let decoded = match encoding {
            Encoding::Utf8 => String::from_utf8(cell.clone()).ok(),
            Encoding::Open if std::str::from_utf8(cell).is_ok() => {
                String::from_utf8(cell.clone()).ok()
            }
            _ => GB18030
                .decode_without_bom_handling_and_without_replacement(cell)
                .map(|t| t.into_owned()),
        };
        let bare = |c: char| c.is_whitespace() || c == '\u{feff}';
        decoded
            .map(|text| Some(text.trim_matches(bare).to_owned()))
            .ok_or(Reason::Unreadable)
    };
    if (0..cells.len()).all(|at| text(at) == Ok(Some(String::new()))) {
        return None;
    }
    let id = match text(places[0]) {
        Err(reason) => return Some(Err((reason, None))),
        Ok(None) => return Some(Err((Reason::Columns, None))),
        Ok(Some(text)) => text,
    };
    if let Err(error) = id.parse::<IdNumber>() {
        let reason = match error {
            InvalidIdNumber::FifteenDigits => Reason::FifteenDigits,
            InvalidIdNumber::Length if id.is_empty() => Reason::Missing,
            InvalidIdNumber::Length => Reason::Length,
            InvalidIdNumber::Characters => Reason::Characters,
            InvalidIdNumber::CheckDigit => Reason::CheckDigit,
            InvalidIdNumber::SpreadsheetFloat => Reason::SpreadsheetFloat,
            InvalidIdNumber::BirthDate => {
                let narrow: String = id
                    .chars()
                    .map(|c| match c as u32 {
                        wide @ 0xFF00..0xFF60 => char::from_u32(wide - 0xFEE0).expect("ASCII"),
                        _ => c,
                    })
                    .collect();
                let digits = narrow.as_bytes()[..17].try_into().expect("17");
                let check = IdNumber::check_character(digits);
                if narrow.to_uppercase().ends_with(check) {
                    return Some(Ok((u32::MAX, String::new())));
                }
                Reason::CheckDigit
            }
        };
        return Some(Err((reason, None)));
    }
    let id: IdNumber = id.parse().expect("parsed before");
    let Some(person) = (0..5u32).find(|at| number(2 * *at as usize) == id.expose()) else {
        return Some(Ok((u32::MAX, String::new())));
    };
    let fault = |reason| Some(Err((reason, Some(person))));
    if cells.iter().any(|cell| cell.contains(&0)) {
        return fault(Reason::Nul);
    }
    for at in [places[1], places[2]] {
        if text(at).is_err() {
            return fault(Reason::Unreadable);
        }
    }
    if cells.len() < width {
        return fault(Reason::Columns);
    }
    let name = text(places[1]).expect("text").expect("there");
    let registered = NAMES.get(person as usize);
    if registered.is_some() && name.is_empty() {
        return fault(Reason::Missing);
    }
    let bare = |name: &str| name.replace(['·', '•', ' '], "").replace('呂', "吕");
    if registered.is_some_and(|registered| bare(registered) != bare(&name)) {
        return fault(Reason::NameMismatch);
    }
    Some(Ok((person, text(places[2]).expect("text").expect("there"))))
}

fn reference(text: &[u8], encoding: Encoding, one: bool, places: [usize; 3]) -> Seen {
    let mut seen = Seen::default();
    let width = places.iter().max().expect("three") + 1;
    for (row, at) in rows(text).into_iter().zip(1..).skip(1) {
        let found = match row {
            Ok(cells) => judge(&cells, encoding, width, places),
            Err(reason) => Some(Err((reason, None))),
        };
        match found {
            None | Some(Ok((u32::MAX, _))) => {}
            Some(Err((reason, person))) => seen.faults.push((at, reason, person, None)),
            Some(Ok((person, value))) => {
                let first = seen
                    .hits
                    .iter()
                    .find(|(_, earlier, _)| one && *earlier == person);
                match first {
                    Some((_, _, earlier)) if *earlier == value => {}
                    Some((row, ..)) => {
                        let fault = (at, Reason::Contradiction, Some(person), Some(*row));
                        seen.faults.push(fault);
                    }
                    None => seen.hits.push((at, person, value)),
                }
            }
        }
    }
    seen
}

fn cell() -> impl Strategy<Value = String> {
    let id = (0usize..12).prop_map(number);
    prop_oneof![
        6 => id.clone(),
        1 => id.clone().prop_map(|id| id.to_lowercase()),
        1 => id.clone().prop_map(|id| format!(" {id}\t")),
        1 => id.clone().prop_map(|id| id[..15].to_owned()),
        1 => id.clone().prop_map(|id| id.chars().map(|c| char::from_u32(c as u32 + 0xFEE0).expect("wide")).collect()),
        1 => (id, 0usize..18, "[0-9Xx\0\r.年 ]").prop_map(|(mut id, at, with)| { id.replace_range(at..=at, &with); id }),
        1 => Just("9.99999E+17".to_owned()),
        3 => prop::sample::select(&NAMES[..]).prop_map(str::to_owned),
        1 => Just("呂䶮".to_owned()),
        1 => Just("买买提 • 艾力".to_owned()),
        2 => "[0-9]{1,3}",
        2 => "[ab\0\r 一　é]{0,3}",
        1 => Just(String::new()),
    ]
}

fn dirty_row() -> impl Strategy<Value = String> {
    let quoted = |(cell, quote, inner): (String, u8, bool)| match (quote, inner) {
        (0, false) => format!("\"{cell}\""),
        (0, true) => format!("\"{cell}\n\"\"\""),
        (1, _) => format!("\"{cell}"),
        (2, _) => format!("{cell}\""),
        _ => cell,
    };
    let cells = prop::collection::vec((cell(), 0u8..14, any::<bool>()).prop_map(quoted), 0..5);
    let good = (0usize..12, prop::sample::select(&NAMES[..]), 0u8..3);
    let good = good.prop_map(|(serial, name, amount)| {
        vec![number(serial), name.to_owned(), amount.to_string()]
    });
    let end = prop::sample::select(&["\n", "\n", "\r\n"][..]);
    (prop_oneof![cells, good], end).prop_map(|(cells, end)| cells.join(",") + end)
}

#[derive(Debug, Clone)]
struct File {
    text: Vec<u8>,
    encoding: Encoding,
    places: [usize; 3],
}

fn file() -> impl Strategy<Value = File> {
    let header = prop::sample::select(
        &[
            ("id,name,amount", [0, 1, 2]),
            ("\"id\", name ,amount,\"一\n\"", [0, 1, 2]),
            ("amount,name,id\r", [2, 1, 0]),
            ("名,name,amount,id", [3, 1, 2]),
            ("\"一\n\",name,amount,id", [3, 1, 2]),
        ][..],
    );
    let rows = prop::collection::vec(dirty_row(), 0..30).prop_map(|rows| rows.concat());
    (
        header,
        rows,
        0u8..3,
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    )
        .prop_map(|((header, places), rows, encoding, bent)| {
            let text = format!("{header}\n{rows}");
            let head = if encoding == 1 { 3 } else { 0 } + header.len() + 1;
            let mut text = match encoding {
                0 => text.into_bytes(),
                1 => format!("\u{feff}{text}").into_bytes(),
                _ => GB18030.encode(&text).0.into_owned(),
            };
            for (at, byte) in bent {
                if text.len() > head + 3 {
                    let at = head + at.index(text.len() - head);
                    text[at] = byte;
                }
            }
            let told = if encoding == 1 {
                Encoding::Utf8
            } else {
                Encoding::of(&text)
            };
            File {
                text,
                encoding: told,
                places,
            }
        })
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(text).expect("packed");
    packer.finish().expect("packed")
}

proptest! {
    #[test]
    fn all_paths_agree_with_the_reference(
        file in file(), piece in 1usize..300, threads in 1usize..4, one: bool, packed: bool,
    ) {
        let rows = if one { RowsPerPerson::One } else { RowsPerPerson::Any };
        let settings = settings(threads, piece, rows);
        let bytes = if packed { gzip(&file.text) } else { file.text.clone() };
        let (report, mut seen) = compare(&bytes, settings).expect("compared");
        seen.checkpoints.clear();
        let expected = reference(
            file.text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&file.text), file.encoding, one, file.places,
        );
        prop_assert_eq!(&seen, &expected);
        prop_assert_eq!(report.bytes, file.text.len() as u64);
        prop_assert_eq!(report.counts.hits, seen.hits.len() as u64);
        prop_assert_eq!(report.counts.faults(), seen.faults.len() as u64);
        let positions = report.positions.iter().map(|p| (p.row, p.reason));
        let first: Vec<_> = seen.faults.iter().take(5).map(|fault| (fault.0, fault.1)).collect();
        prop_assert_eq!(positions.collect::<Vec<_>>(), first);
        let (careful_report, mut careful) = compare_by(Reading::Careful, &bytes, settings).expect("compared");
        careful.checkpoints.clear();
        prop_assert_eq!((careful_report, careful), (report, seen));
    }

    #[test]
    fn a_comparison_goes_on_from_every_checkpoint(file in file(), piece in 1usize..100, one: bool) {
        let rows = if one { RowsPerPerson::One } else { RowsPerPerson::Any };
        let (report, seen) = compare(&file.text, settings(2, piece, rows)).expect("compared");
        let (authorised, columns) = (authorised(), columns());
        for (checkpoint, hits, faults) in &seen.checkpoints {
            let comparison = Comparison {
                authorised: &authorised, columns: &columns, settings: settings(1, piece + 7, rows),
            };
            let checkpoint = serde_json::from_str(checkpoint).expect("a checkpoint");
            let mut rest = Seen::default();
            let again = comparison.resume(checkpoint, Cursor::new(&file.text), &mut rest).expect("resumed");
            prop_assert_eq!(&again, &report);
            prop_assert_eq!(&rest.hits, &seen.hits[*hits..]);
            prop_assert_eq!(&rest.faults, &seen.faults[*faults..]);
        }
    }

    #[test]
    fn a_cut_gzip_is_never_an_answer(file in file(), at: prop::sample::Index, flip in 1u8..) {
        let mut bytes = gzip(&file.text);
        let at = 2 + at.index(bytes.len() - 2);
        let cut = compare(&bytes[..at], settings(2, 64, RowsPerPerson::Any));
        prop_assert!(matches!(cut, Err(Error::Truncated)), "{:?}", cut.map(|_| ()));
        // Some bits mean nothing; with the others wrong there is no answer, with those the same one.
        let whole = compare(&bytes, settings(2, 64, RowsPerPerson::Any)).expect("compared");
        bytes[at.max(10)] ^= flip;
        if let Ok(found) = compare(&bytes, settings(2, 64, RowsPerPerson::Any)) {
            prop_assert_eq!(found, whole);
        }
    }

    #[test]
    fn any_bytes_are_read_to_an_end(bytes: Vec<u8>, piece in 1usize..50) {
        let mut text = b"id,name,amount\n".to_vec();
        text.extend(bytes);
        prop_assert!(compare(&text, settings(2, piece, RowsPerPerson::One)).is_ok());
    }
}

#[test]
fn a_row_that_is_too_long_is_left_out_and_not_kept() {
    let long = "x".repeat(3 * ROW_BYTES_MAX);
    let good = format!("{},张三,7\n", number(0));
    for text in [
        format!("id,name,amount\n{long}\n{good}"),
        format!("id,name,amount\n{},\"{long}\n{good}", number(0)),
        format!("id,name,amount\n{},\"a\nb{long}\n{good}", number(0)),
        format!("id,name,amount\n{good}{},{long}", number(1)),
    ] {
        let mut all = Vec::new();
        for piece in [1000, ROW_BYTES_MAX, 1 << 20] {
            let (_, mut seen) =
                compare(text.as_bytes(), settings(2, piece, RowsPerPerson::Any)).expect("compared");
            let last: u64 = seen.checkpoints.pop().map_or(0, |_| text.len() as u64);
            assert_eq!(last, text.len() as u64);
            seen.checkpoints.clear();
            assert_eq!(seen.hits.len(), 1);
            all.push(seen);
        }
        let expected = reference(text.as_bytes(), Encoding::Utf8, false, [0, 1, 2]);
        assert!(
            all.iter().all(|seen| *seen == expected),
            "{all:?} {expected:?}"
        );
    }
}

#[test]
fn what_cannot_be_compared_is_told_by_type() {
    let fails = |bytes: &[u8]| {
        let compared = compare(bytes, settings(2, 64, RowsPerPerson::Any));
        compared.map(|_| ()).expect_err("no comparison")
    };
    assert!(matches!(fails(b""), Error::NoHeader));
    assert!(matches!(fails(b"\n\n ,\n"), Error::NoHeader));
    assert!(matches!(fails(b"\xFF\xFEi\0d\0"), Error::Utf16));
    assert!(matches!(fails(b"id,amount\n"), Error::ColumnMissing { column } if column == "name"));
    assert!(
        matches!(fails(b"id,amount,name,id\n"), Error::ColumnTwice { column } if column == "id")
    );
    let mut trailed = gzip(b"id,name,amount\n");
    trailed.extend(b"more");
    assert!(matches!(
        fails(&trailed),
        Error::Damaged(_) | Error::Truncated
    ));
    // Two gzips in one file are one text.
    let mut two = gzip(b"id,name,amount\n");
    two.extend(gzip(format!("{},张三,1\n", number(0)).as_bytes()));
    let (report, _) = compare(&two, settings(2, 64, RowsPerPerson::Any)).expect("compared");
    assert_eq!(report.counts.hits, 1);
}

#[test]
fn a_checkpoint_is_for_its_own_file_and_persons() {
    let text = format!("id,name,amount\n{},张三,1\n", number(0)).repeat(1);
    let (_, seen) =
        compare(text.as_bytes(), settings(1, 64, RowsPerPerson::Any)).expect("compared");
    let checkpoint =
        || serde_json::from_str(&seen.checkpoints.last().expect("one").0).expect("JSON");
    let (persons, columns) = (authorised(), columns());
    let mut others = Authorised::builder();
    others.add(&number(1), None).expect("a person");
    let others = others.build().expect("a set");
    let resume = |authorised, file: &[u8]| {
        let settings = settings(1, 64, RowsPerPerson::Any);
        let comparison = Comparison {
            authorised,
            columns: &columns,
            settings,
        };
        comparison.resume(checkpoint(), Cursor::new(file), &mut Seen::default())
    };
    assert!(resume(&persons, text.as_bytes()).is_ok());
    assert!(matches!(
        resume(&others, text.as_bytes()),
        Err(Error::OtherPersons)
    ));
    assert!(matches!(
        resume(&persons, &text.as_bytes()[..20]),
        Err(Error::OtherFile)
    ));
    assert!(matches!(
        resume(&persons, b"name,id,amount\n"),
        Err(Error::OtherFile)
    ));
}

#[test]
fn a_sink_can_break_off_and_even_panic() {
    struct Panics;
    impl Sink for Panics {
        fn hit(&mut self, _: &Hit<'_>) {
            panic!("a sink that is broken");
        }
    }
    let mut text = "id,name,amount\n".to_owned();
    for serial in 0..200 {
        text += &format!("{},张三,1\n", number(serial));
    }
    let (authorised, columns) = (authorised(), columns());
    let settings = settings(3, 64, RowsPerPerson::Any);
    let comparison = Comparison {
        authorised: &authorised,
        columns: &columns,
        settings,
    };
    let mut stops = Seen {
        stop_at: Some(500),
        ..Seen::default()
    };
    let ended = comparison.run(Cursor::new(&text), &mut stops);
    assert!(matches!(ended, Err(Error::BrokenOff)));
    let panics = std::panic::catch_unwind(|| comparison.run(Cursor::new(&text), &mut Panics));
    assert!(panics.is_err());
}

#[test]
fn persons_are_refused_by_place() {
    let mut persons = Authorised::builder();
    persons.add(&number(1), None).expect("a person");
    assert_eq!(
        persons.add("1", None),
        Err(Refused::Number {
            person: 1,
            reason: Reason::Length
        })
    );
    persons.add(&number(2), Some("")).expect("a person");
    persons
        .add(&number(1).to_lowercase(), Some("张三"))
        .expect("a person");
    assert_eq!(
        persons.build().map(|_| ()),
        Err(Refused::Twice { person: 2 })
    );
    assert!(Authorised::builder().build().expect("nobody").is_empty());
}

#[test]
fn nothing_of_others_leaves_nor_columns_that_nobody_asked_for() {
    let mut text = "id,name,amount,note\n".to_owned();
    for serial in 0..400 {
        // Some of them bad in every way, and some with an authorised person's name.
        let id = match serial % 4 {
            0 => number(serial),
            1 => number(serial).to_lowercase() + " ",
            2 => number(serial)[..15].to_owned(),
            _ => number(serial).replace("01", "10"),
        };
        let name = ["MARKED", "张三", "\"MARKED\n\""][serial % 3];
        let amount = if serial < 10 { "1" } else { "MARKED" };
        text += &format!("{id},{name},{amount},MARKED\n");
    }
    for rows in [RowsPerPerson::Any, RowsPerPerson::One] {
        let (report, seen) = compare(text.as_bytes(), settings(2, 200, rows)).expect("compared");
        assert!(
            report.counts.hits > 0 && report.counts.outsiders() > 0 && report.counts.faults() > 0
        );
        let left = format!("{report:?} {seen:?}");
        assert!(
            !left.contains("MARKED") && !left.contains("999999"),
            "{left}"
        );
    }
}

#[test]
fn a_file_or_a_row_may_do_without_an_optional_column() {
    struct Values(Vec<[String; 3]>);
    impl Sink for Values {
        fn hit(&mut self, hit: &Hit<'_>) {
            self.0.push([0, 1, 2].map(|at| hit.value(at).into_owned()));
        }
    }
    let columns = Columns {
        optional: vec!["absent".to_owned(), "note".to_owned()],
        ..columns()
    };
    let authorised = authorised();
    let comparison = Comparison {
        authorised: &authorised,
        columns: &columns,
        settings: settings(1, 100, RowsPerPerson::Any),
    };
    let compare = |file: String| {
        let mut values = Values(Vec::new());
        let report = comparison.run(Cursor::new(file), &mut values);
        report.map(|report| (report.counts.faults(), values.0))
    };
    let number = number(8);
    let file = format!("id,name,amount,note\n{number},甲,1,x\n{number},甲,2\n{number},甲\n");
    let (faults, values) = compare(file).expect("compared");
    assert_eq!(faults, 1, "the amount is required");
    assert_eq!(values, [["1", "", "x"], ["2", "", ""]]);
    let twice = compare("id,note,name,amount,note\n".to_owned());
    assert!(matches!(twice, Err(Error::ColumnTwice { .. })));
}
