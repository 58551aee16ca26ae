//! The same rows as a text, in Parquet and in Arrow.

use arrow_array::{
    BinaryArray, BinaryViewArray, DictionaryArray, LargeBinaryArray, LargeStringArray, StringArray,
    StringViewArray, UInt16Array, types::Int32Type,
};
use proptest::prelude::*;

use super::*;

/// A column of texts in one of [`text_types`].
pub(super) fn texts(cells: &[Option<String>], data_type: &DataType) -> ArrayRef {
    use DataType as D;
    let texts: Vec<Option<&str>> = cells.iter().map(Option::as_deref).collect();
    let bytes: Vec<Option<&[u8]>> = texts.iter().map(|t| t.map(str::as_bytes)).collect();
    match data_type {
        D::Utf8 => Arc::new(StringArray::from(texts)),
        D::LargeUtf8 => Arc::new(LargeStringArray::from(texts)),
        D::Utf8View => Arc::new(StringViewArray::from(texts)),
        D::Binary => Arc::new(BinaryArray::from(bytes)),
        D::LargeBinary => Arc::new(LargeBinaryArray::from(bytes)),
        D::BinaryView => Arc::new(BinaryViewArray::from(bytes)),
        D::Dictionary(key, _) if **key == D::Int32 => {
            let array: DictionaryArray<Int32Type> = texts.into_iter().collect();
            Arc::new(array)
        }
        D::Dictionary(..) => {
            // Each row has an entry of its own.
            let keys = texts
                .iter()
                .zip(0u16..)
                .map(|(text, key)| text.map(|_| key));
            let keys: UInt16Array = keys.collect();
            let values = LargeStringArray::from_iter_values(texts.iter().map(|t| t.unwrap_or("")));
            Arc::new(DictionaryArray::try_new(keys, Arc::new(values)).expect("a dictionary"))
        }
        other => panic!("{other} is no text"),
    }
}

const HEADERS: [&str; 4] = ["id_number", "name", "amount", "note"];

/// Cells of id_number, name, amount and note.
pub(super) type Cells = [Option<String>; 4];

fn id() -> impl Strategy<Value = String> {
    let id = (0usize..12).prop_map(number);
    let wide = |id: String| {
        let wide = id.chars().map(|c| char::from_u32(c as u32 + 0xFEE0));
        wide.map(|c| c.expect("wide")).collect()
    };
    prop_oneof![
        8 => id.clone(),
        1 => id.clone().prop_map(|id| id.to_lowercase()),
        1 => id.clone().prop_map(|id| format!(" {id}\t")),
        1 => id.clone().prop_map(|id| id[..15].to_owned()),
        1 => id.clone().prop_map(wide),
        1 => (id, 0usize..18, "[0-9Xx\0\r.年 \"]").prop_map(|(mut id, at, with)| {
            id.replace_range(at..=at, &with);
            id
        }),
        1 => Just("9.99999E+17".to_owned()),
        1 => "[ab\0\r 一　é]{0,3}",
        1 => Just("\u{feff}".to_owned()),
    ]
}

fn row() -> impl Strategy<Value = Cells> {
    let name = prop_oneof![
        8 => prop::sample::select(&NAMES[..]).prop_map(str::to_owned),
        1 => Just("呂䶮".to_owned()),
        1 => Just("买买提 • 艾力".to_owned()),
        1 => "[ab\0\n\" 一　é]{0,3}",
    ];
    let amount = prop_oneof![4 => "[0-2]", 1 => "[ab\0, \"\n]{0,3}"];
    let note = prop_oneof![2 => Just("同".to_owned()), 1 => "[x ]{0,20}"];
    (
        prop::option::weighted(0.95, id()),
        prop::option::weighted(0.9, name),
        prop::option::weighted(0.9, amount),
        prop::option::weighted(0.5, note),
    )
        .prop_map(|(id, name, amount, note)| [id, name, amount, note])
}

/// As a text; a further column says something in every row, so that none is blank.
fn text(rows: &[Cells]) -> Vec<u8> {
    let mut text = format!("{},other\n", HEADERS.join(","));
    for row in rows {
        for cell in row {
            let cell = cell.as_deref().unwrap_or_default();
            text += &format!("\"{}\",", cell.replace('"', "\"\""));
        }
        text += "x\n";
    }
    text.into_bytes()
}

pub(super) fn table(
    format: Format,
    rows: &[Cells],
    data_type: &DataType,
    rows_at_once: usize,
) -> Vec<u8> {
    let column = |at: usize| {
        let cells: Vec<_> = rows.iter().map(|row| row[at].clone()).collect();
        texts(&cells, data_type)
    };
    // In another order, and with a column that nobody asks for.
    let columns = [
        ("other", column(3)),
        ("note", column(3)),
        ("name", column(1)),
        (" id_number ", column(0)),
        ("amount", column(2)),
    ];
    written(format, &columns, rows_at_once)
}

fn rows_per_person(one: bool) -> RowsPerPerson {
    if one {
        RowsPerPerson::One
    } else {
        RowsPerPerson::Any
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn columns_have_the_verdicts_of_a_text(
        rows in prop::collection::vec(row(), 0..60), threads in 1usize..4, one: bool,
        data_type in prop::sample::select(text_types()), at_once in 1usize..70,
    ) {
        let settings = settings(threads, rows_per_person(one));
        let (text_report, mut expected) = compare(&text(&rows), settings).expect("compared");
        expected.checkpoints.clear();
        for format in formats() {
            let file = table(format, &rows, &data_type, at_once);
            let (report, mut seen) = compare(&file, settings)
                .map_err(|error| TestCaseError::fail(format!("{format:?} {data_type}: {error}")))?;
            seen.checkpoints.clear();
            prop_assert_eq!(&seen, &expected, "{:?} {}", format, data_type);
            prop_assert_eq!(&report.counts, &text_report.counts);
            prop_assert_eq!(&report.positions, &text_report.positions);
        }
    }

    #[test]
    fn a_comparison_goes_on_from_every_checkpoint(
        rows in prop::collection::vec(row(), 1..40), one: bool, at_once in 1usize..20,
        format in prop::sample::select(formats()),
    ) {
        let settings = settings(2, rows_per_person(one));
        let file = table(format, &rows, &DataType::Utf8, at_once);
        let (report, seen) = compare(&file, settings).expect("compared");
        for (checkpoint, hits, faults) in &seen.checkpoints {
            let checkpoint = serde_json::to_string(checkpoint).expect("JSON");
            let checkpoint = serde_json::from_str(&checkpoint).expect("a checkpoint");
            let (again, rest) = compare_from(Some(checkpoint), &file, &columns(), settings)
                .map_err(|error| TestCaseError::fail(format!("{format:?}: {error}")))?;
            prop_assert_eq!(&again, &report);
            prop_assert_eq!(&rest.hits, &seen.hits[*hits..]);
            prop_assert_eq!(&rest.faults, &seen.faults[*faults..]);
        }
    }
}

#[test]
fn large_row_groups_and_batches_are_shared_by_threads() {
    let rows: Vec<Cells> = (0..300_000)
        .map(|row| {
            let cell = |text: &str| Some(text.to_owned());
            // One in seven rows; the last one too.
            let serial = if row % 7 == 6 || row == 299_999 {
                8
            } else {
                row % 900 + 21
            };
            [
                Some(number(serial)),
                cell("甲"),
                Some(row.to_string()),
                None,
            ]
        })
        .collect();
    let expected = (0..300_000).filter(|row| row % 7 == 6 || *row == 299_999);
    let expected: Vec<_> = expected.map(|row| (row + 2, row.to_string())).collect();
    for format in [Format::Parquet(Compression::SNAPPY), Format::Stream(None)] {
        let file = table(format, &rows, &DataType::Utf8, rows.len());
        let settings = settings(2, RowsPerPerson::Any);
        let (report, seen) = compare(&file, settings).expect("compared");
        assert_eq!(seen.checkpoints.len(), 2, "pieces");
        assert_eq!(report.counts.rows, 300_000);
        assert_eq!(report.counts.outsiders(), 300_000 - 42_857 - 1);
        let found = seen.hits.iter();
        let found = found.map(|(row, _, [amount, _])| (*row, amount.clone()));
        assert!(found.eq(expected.iter().cloned()));
        // From within, too.
        let from = seen.checkpoints[0].0.clone();
        let (again, rest) = compare_from(Some(from), &file, &columns(), settings).expect("resumed");
        assert_eq!(
            (&again, &rest.hits[..]),
            (&report, &seen.hits[seen.checkpoints[0].1..])
        );
    }
}

#[test]
fn a_checkpoint_is_for_its_own_file() {
    let row = |serial| [Some(number(serial)), None, Some("1".to_owned()), None];
    let rows: Vec<Cells> = (8..16).map(row).collect();
    let settings = settings(1, RowsPerPerson::Any);
    let files: Vec<_> = [Format::Plain, Format::Stream(None), Format::File(None)]
        .into_iter()
        .map(|format| table(format, &rows, &DataType::Utf8, 3))
        .chain([
            text(&rows),
            table(Format::Plain, &rows[..5], &DataType::Utf8, 3),
        ])
        .chain([table(Format::Stream(None), &rows[..1], &DataType::Utf8, 3)])
        .collect();
    for (at, file) in files.iter().take(3).enumerate() {
        let (_, seen) = compare(file, settings).expect("compared");
        let checkpoint = &seen.checkpoints.last().expect("one").0;
        for (other, file) in files.iter().enumerate() {
            let resumed = compare_from(Some(checkpoint.clone()), file, &columns(), settings);
            match resumed {
                Ok(_) => assert_eq!(at, other),
                Err(error) => assert!(matches!(error, Error::OtherFile) && at != other, "{error}"),
            }
        }
    }
}

#[test]
fn nothing_of_others_leaves_nor_columns_that_nobody_asked_for() {
    let rows: Vec<Cells> = (0..400)
        .map(|serial| {
            let id = match serial % 4 {
                0 => number(serial),
                1 => number(serial).to_lowercase() + " ",
                2 => number(serial)[..15].to_owned(),
                _ => number(serial).replace("01", "10"),
            };
            let name = ["MARKED", "张三", "MARKED\n"][serial % 3];
            let amount = if serial < 10 { "1" } else { "MARKED" };
            let note = if serial < 10 { "2" } else { "MARKED" };
            [id, name.to_owned(), amount.to_owned(), note.to_owned()].map(Some)
        })
        .collect();
    for format in formats() {
        let file = table(format, &rows, &DataType::Utf8, 50);
        let (report, mut seen) = compare(&file, settings(2, RowsPerPerson::One)).expect("compared");
        let counts = &report.counts;
        assert!(counts.hits > 0 && counts.outsiders() > 0 && counts.faults() > 0);
        let checkpoints = serde_json::to_string(&seen.checkpoints).expect("JSON");
        seen.checkpoints.clear();
        let left = format!("{report:?} {seen:?} {checkpoints}");
        assert!(
            !left.contains("MARKED") && !left.contains("999999"),
            "{left}"
        );
    }
}
