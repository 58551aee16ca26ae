//! Files that are cut, damaged, or of a kind that is not read.

use arrow_array::DictionaryArray;
use proptest::prelude::*;

use super::{
    rows::{Cells, table},
    *,
};
use crate::parquet::OnDisk;

fn rows(count: usize) -> Vec<Cells> {
    let row = |serial: usize| {
        let name = NAMES[serial % NAMES.len()].to_owned();
        [
            number(serial % 12),
            name,
            serial.to_string(),
            "同".to_owned(),
        ]
        .map(Some)
    };
    (0..count).map(row).collect()
}

fn one() -> Settings {
    settings(2, RowsPerPerson::Any)
}

#[test]
fn a_cut_file_is_never_an_answer() {
    for format in formats() {
        let file = table(format, &rows(300), &DataType::Utf8, 100);
        // The magic is there, so that it is known what it should be.
        let sixteenths = (1..16).map(|part| file.len() * part / 16);
        for len in sixteenths.chain(8..80).chain(file.len() - 80..file.len()) {
            let cut = compare(&file[..len], one());
            assert!(
                matches!(cut, Err(Error::Truncated)),
                "{format:?} {len} of {}: {:?}",
                file.len(),
                cut.map(|_| ())
            );
        }
        let mut longer = file.clone();
        longer.extend(b"more");
        assert!(compare(&longer, one()).is_err(), "{format:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Some bits mean nothing, or are a value. Whatever else they are is told, and nothing breaks.
    #[test]
    fn a_damaged_file_is_read_to_an_end(
        format in prop::sample::select(formats()), at_once in 1usize..30,
        bent in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        data_type in prop::sample::select(text_types()),
    ) {
        let mut file = table(format, &rows(40), &data_type, at_once);
        let len = file.len();
        for (at, byte) in bent {
            file[8 + at.index(len - 8)] = byte;
        }
        let _ = compare(&file, one());
    }

    #[test]
    fn any_bytes_are_read_to_an_end(
        bytes: Vec<u8>, magic in prop::sample::select(vec![&b"PAR1"[..], b"ARROW1\0\0\xFF\xFF\xFF\xFF", b"\xFF\xFF\xFF\xFF"]),
    ) {
        let file = [magic, &bytes, &magic[..magic.len().min(6)]].concat();
        prop_assert!(compare(&file, one()).is_err());
    }
}

#[test]
fn what_is_not_read_is_told_by_type() {
    let plain = table(
        Format::Parquet(Compression::SNAPPY),
        &rows(10),
        &DataType::Utf8,
        100,
    );
    let unsupported = |file: &[u8]| match compare(file, one()) {
        Err(Error::Unsupported { expected }) => expected,
        other => panic!("{:?}", other.map(|_| ())),
    };
    let mut encrypted = plain.clone();
    let len = encrypted.len();
    encrypted[len - 1] = b'E';
    assert_eq!(unsupported(&encrypted), "a file that is not encrypted");

    // In the metadata a codec stands behind the column's name: Snappy becomes LZO.
    let mut lzo = plain.clone();
    let names = lzo.windows(8).enumerate();
    let names = names.filter(|(_, bytes)| *bytes == b"amount\x15\x02");
    let names: Vec<usize> = names.map(|(at, _)| at).collect();
    assert_eq!(names.len(), 1);
    lzo[names[0] + 7] = 6;
    assert_eq!(unsupported(&lzo), "Snappy, gzip, Zstandard or LZ4");

    let mut endless = plain;
    endless[len - 8..len - 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(unsupported(&endless), "metadata of at most 16 MiB");
}

#[test]
fn what_is_too_large_is_not_unpacked() {
    let mut large = rows(12);
    large[8][3] = Some("x".repeat(65 << 20));
    for format in [
        Format::Plain,
        Format::Parquet(Compression::SNAPPY),
        Format::Stream(None),
        Format::Stream(Some(CompressionType::ZSTD)),
        Format::File(Some(CompressionType::LZ4_FRAME)),
    ] {
        let file = table(format, &large, &DataType::Utf8, 100);
        let told = compare(&file, one());
        let expected = matches!(told, Err(Error::Unsupported { .. }));
        assert!(expected, "{format:?} {:?}", told.map(|_| ()));
    }
    // So are pages that are too many: each is read, for each has a row of somebody's.
    for format in [Format::Plain, Format::Parquet(Compression::SNAPPY)] {
        let mut many = rows(8);
        for (row, first) in many.iter_mut().zip('a'..) {
            row[0] = Some(number(8));
            row[3] = Some(format!("{first}{}", "x".repeat(30 << 20)));
        }
        let file = table(format, &many, &DataType::Utf8, 100);
        let told = compare(&file, one());
        let expected = matches!(told, Err(Error::Unsupported { .. }));
        assert!(expected, "{format:?} {:?}", told.map(|_| ()));
    }
    // And a text that stands in the file once and in many rows.
    let keys = arrow_array::Int32Array::from(vec![0; 600]);
    let long = arrow_array::StringArray::from(vec!["x".repeat(1 << 18)]);
    let notes = DictionaryArray::try_new(keys, Arc::new(long)).expect("a dictionary");
    let cells = |text: &str| rows::texts(&vec![Some(text.to_owned()); 600], &DataType::Utf8);
    let columns: [(&str, ArrayRef); 4] = [
        ("id_number", cells(&number(8))),
        ("name", cells("联通")),
        ("amount", cells("1")),
        ("note", Arc::new(notes)),
    ];
    let file = written(Format::Parquet(Compression::UNCOMPRESSED), &columns, 600);
    assert!(file.len() < 16 << 20);
    let told = compare(&file, one());
    let expected = matches!(told, Err(Error::Unsupported { .. }));
    assert!(expected, "{:?}", told.map(|_| ()));
    // A row of an authorised person that is too long is one, as in a text.
    large[8] = [
        number(8),
        "联通".to_owned(),
        "1".to_owned(),
        "x".repeat(70 << 10),
    ]
    .map(Some);
    let file = table(Format::Plain, &large, &DataType::Utf8, 100);
    let (_, seen) = compare(&file, one()).expect("compared");
    assert!(seen.faults.contains(&(10, Reason::TooLong, Some(4), None)));
}

#[test]
fn a_file_without_rows_has_none() {
    for format in formats() {
        let file = table(format, &[], &DataType::Utf8, 100);
        let (report, seen) = compare(&file, one()).expect("compared");
        assert_eq!((report.counts.rows, seen.hits.len()), (0, 0));
        let none = written(format, &[("other", rows::texts(&[], &DataType::Utf8))], 1);
        let missing = compare(&none, one());
        assert!(matches!(missing, Err(Error::ColumnMissing { column }) if column == "id_number"));
    }
}

#[test]
fn kinds_are_told_by_the_first_bytes() {
    for format in formats() {
        let expected = match format {
            Format::Parquet(_) | Format::Plain => Kind::Parquet,
            Format::Stream(_) => Kind::ArrowStream,
            Format::File(_) => Kind::ArrowFile,
        };
        let file = table(format, &rows(1), &DataType::Utf8, 1);
        assert_eq!(Kind::of(&file[..Kind::BYTES]), expected);
    }
    assert_eq!(Kind::of(b"PARE"), Kind::Parquet);
    assert_eq!(Kind::of(b"\x1F\x8B\x08"), Kind::Gzip);
    for text in [
        &b"id_number"[..],
        b"",
        b"PAR",
        b"\xFF\xFEi\0",
        b"\xEF\xBB\xBFid",
    ] {
        assert_eq!(Kind::of(text), Kind::Text);
    }
}

#[test]
fn a_file_on_a_disk_is_read_by_all_threads() {
    let bytes = table(
        Format::Parquet(Compression::SNAPPY),
        &rows(5000),
        &DataType::Utf8,
        100,
    );
    let path = std::env::temp_dir().join(format!("comparison-columnar-{}", std::process::id()));
    std::fs::write(&path, &bytes).expect("written");
    let file = OnDisk::of(std::fs::File::open(&path).expect("there")).expect("a file");
    std::fs::remove_file(&path).expect("there");
    let (authorised, columns) = (authorised(), columns());
    let comparison = Comparison {
        authorised: &authorised,
        columns: &columns,
        settings: settings(3, RowsPerPerson::Any),
    };
    let mut seen = Seen::default();
    let table = Register::open(file, &columns).expect("open");
    let report = comparison.run_table(table, &mut seen).expect("compared");
    let in_memory = compare(&bytes, settings(1, RowsPerPerson::Any)).expect("compared");
    assert_eq!((report, seen), in_memory);
}
