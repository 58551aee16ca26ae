//! Columns of types that hold a value, and of types that do not.

use arrow_array::{
    BooleanArray, Date32Array, Date64Array, Decimal32Array, Decimal64Array, Decimal128Array,
    Decimal256Array, Float32Array, Float64Array, Int8Array, Int64Array, ListArray, NullArray,
    StructArray, TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
    TimestampSecondArray, UInt64Array, types::Int32Type,
};
use arrow_buffer::i256;
use arrow_schema::Field;

use super::{rows::texts, *};

/// Persons 8 and then nobody, with no name.
fn people(rows: usize) -> Vec<Option<String>> {
    (0..rows).map(|row| Some(number(8 + row))).collect()
}

/// The value of person 8 in the first row.
fn value(format: Format, array: ArrayRef) -> Result<String, Error> {
    let rows = array.len();
    let ids = texts(&people(rows), &DataType::Utf8);
    let names = texts(&vec![None; rows], &DataType::Utf8);
    let columns = [("id_number", ids), ("name", names), ("amount", array)];
    let file = written(format, &columns, 100);
    let (_, seen) = compare(&file, settings(1, RowsPerPerson::Any))?;
    assert_eq!(seen.hits.len(), 1);
    Ok(seen.hits[0].2[0].clone())
}

#[test]
fn values_read_as_they_would_stand_in_a_text() {
    let day = 20_696; // 2026-08-31
    let second = i64::from(day) * 86_400;
    let values: Vec<(ArrayRef, &str)> = vec![
        (Arc::new(BooleanArray::from(vec![true])), "是"),
        (Arc::new(BooleanArray::from(vec![false])), "否"),
        (Arc::new(Int8Array::from(vec![-7])), "-7"),
        (Arc::new(Int64Array::from(vec![12_345])), "12345"),
        (
            Arc::new(UInt64Array::from(vec![u64::MAX])),
            "18446744073709551615",
        ),
        (Arc::new(Float32Array::from(vec![1234.56])), "1234.56"),
        (Arc::new(Float64Array::from(vec![1234.5])), "1234.5"),
        (Arc::new(Float64Array::from(vec![1e15])), "1000000000000000"),
        (Arc::new(Float64Array::from(vec![f64::NAN])), "NaN"),
        (decimal(123_450, 2), "1234.50"),
        (decimal(1_234_500, 4), "123.45"),
        (decimal(12_345_000, 4), "1234.50"),
        (decimal(12_345, 4), "1.2345"),
        (decimal(-5, 2), "-0.05"),
        (decimal(1_200, 2), "12.00"),
        (decimal(1_200, 0), "1200"),
        (
            Arc::new(
                Decimal32Array::from(vec![150])
                    .with_precision_and_scale(5, 1)
                    .expect("fits"),
            ),
            "15.0",
        ),
        (
            Arc::new(
                Decimal64Array::from(vec![155])
                    .with_precision_and_scale(9, 1)
                    .expect("fits"),
            ),
            "15.5",
        ),
        (
            Arc::new(
                Decimal256Array::from(vec![i256::from(155)])
                    .with_precision_and_scale(50, 2)
                    .expect("fits"),
            ),
            "1.55",
        ),
        (Arc::new(Date32Array::from(vec![day])), "2026-08-31"),
        (
            Arc::new(TimestampMillisecondArray::from(vec![second * 1000])),
            "2026-08-31",
        ),
        (
            Arc::new(TimestampMicrosecondArray::from(vec![second * 1_000_000])),
            "2026-08-31",
        ),
        (
            Arc::new(TimestampNanosecondArray::from(vec![second * 1_000_000_000])),
            "2026-08-31",
        ),
        (
            Arc::new(TimestampMillisecondArray::from(vec![second * 1000 + 1000])),
            "2026-08-31 00:00:01",
        ),
        (Arc::new(NullArray::new(1)), ""),
        (Arc::new(Int64Array::from(vec![None])), ""),
        (texts(&[Some(" 三 ".to_owned())], &DataType::Utf8), "三"),
    ];
    for format in [
        Format::Plain,
        Format::Parquet(Compression::SNAPPY),
        Format::Stream(None),
    ] {
        for (array, expected) in &values {
            let found = value(format, Arc::clone(array));
            let found = found.unwrap_or_else(|error| panic!("{} {error}", array.data_type()));
            assert_eq!(found, *expected, "{format:?} {}", array.data_type());
        }
    }
    // These Parquet does not tell apart.
    let date = Arc::new(Date64Array::from(vec![second * 1000]));
    assert_eq!(
        value(Format::Stream(None), date).expect("a day"),
        "2026-08-31"
    );
    let seconds = Arc::new(TimestampSecondArray::from(vec![second]));
    assert_eq!(
        value(Format::Stream(None), seconds).expect("a day"),
        "2026-08-31"
    );
}

fn decimal(value: i128, scale: i8) -> ArrayRef {
    let array = Decimal128Array::from(vec![value]);
    Arc::new(array.with_precision_and_scale(20, scale).expect("fits"))
}

#[test]
fn a_type_that_cannot_be_what_it_should_is_told_by_its_column() {
    let rows = 1;
    let good = |name| {
        texts(
            &if name == "id_number" {
                people(rows)
            } else {
                vec![None; rows]
            },
            &DataType::Utf8,
        )
    };
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1)])]);
    let field = Arc::new(Field::new("a", DataType::Int64, true));
    let structure = StructArray::from(vec![(
        field,
        Arc::new(Int64Array::from(vec![1])) as ArrayRef,
    )]);
    let zoned = TimestampMicrosecondArray::from(vec![0]).with_timezone("UTC");
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![99_999_919_700_101_001]));
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![9.99e17]));
    let bad: Vec<(&str, ArrayRef)> = vec![
        ("id_number", Arc::clone(&numbers)),
        ("id_number", Arc::clone(&floats)),
        ("name", numbers),
        ("amount", Arc::new(list.clone())),
        ("id_number", Arc::new(list)),
        ("note", Arc::new(structure)),
        ("amount", Arc::new(zoned)),
        ("name", Arc::new(BooleanArray::from(vec![true]))),
    ];
    for format in [Format::Plain, Format::Stream(None), Format::File(None)] {
        for (column, array) in &bad {
            let columns = ["id_number", "name", "amount", "note"].map(|name| {
                let array = if name == *column {
                    Arc::clone(array)
                } else {
                    good(name)
                };
                (name, array)
            });
            let file = written(format, &columns, 100);
            match compare(&file, settings(1, RowsPerPerson::Any)) {
                Err(Error::ColumnType { column: told, .. }) => assert_eq!(told, *column),
                other => panic!("{column} {}: {:?}", array.data_type(), other.map(|_| ())),
            }
        }
    }
}

#[test]
fn columns_are_there_once_or_not_at_all() {
    let without = |columns: &[&'static str]| -> Vec<(&'static str, ArrayRef)> {
        let array = |name: &&'static str| (*name, texts(&people(2), &DataType::Utf8));
        columns.iter().map(array).collect()
    };
    for format in [Format::Plain, Format::Stream(None), Format::File(None)] {
        let compare = |columns: &[&'static str]| {
            let file = written(format, &without(columns), 100);
            compare(&file, settings(1, RowsPerPerson::Any))
                .map(|(report, seen)| (report, seen.hits))
        };
        for missing in ["id_number", "name", "amount"] {
            let there: Vec<_> = ["id_number", "name", "amount"]
                .into_iter()
                .filter(|name| *name != missing)
                .collect();
            let found = compare(&there);
            assert!(matches!(found, Err(Error::ColumnMissing { column }) if column == missing));
        }
        for twice in ["id_number", "name", "amount", "note"] {
            let found = compare(&["id_number", "name", "amount", "note", twice]);
            assert!(
                matches!(found, Err(Error::ColumnTwice { column }) if column == twice),
                "{format:?} {twice}"
            );
        }
        let (report, hits) = compare(&["id_number", "name", "amount"]).expect("no note is needed");
        assert_eq!((report.counts.rows, hits[0].2[1].as_str()), (2, ""));
    }
}

#[test]
fn bytes_that_are_no_text_cost_their_row() {
    let ids = [
        number(8).into_bytes(),
        b"\xFF".to_vec(),
        number(8).into_bytes(),
    ];
    let ids: ArrayRef = Arc::new(arrow_array::BinaryArray::from_iter_values(ids));
    let amounts: ArrayRef = Arc::new(arrow_array::BinaryArray::from_iter_values([
        &b"1"[..],
        b"1",
        b"\xFF",
    ]));
    let names = texts(&vec![None; 3], &DataType::Utf8);
    for format in formats() {
        let columns = [
            ("id_number", Arc::clone(&ids)),
            ("name", Arc::clone(&names)),
            ("amount", Arc::clone(&amounts)),
        ];
        let file = written(format, &columns, 2);
        let (_, seen) = compare(&file, settings(1, RowsPerPerson::Any)).expect("compared");
        assert_eq!(seen.hits.len(), 1);
        let expected = [
            (3, Reason::Unreadable, None, None),
            (4, Reason::Unreadable, Some(4), None),
        ];
        assert_eq!(seen.faults, expected);
    }
}
