//! Registers as files of columns: the same answers as to a text, and typed ones to what cannot be read.

use std::sync::Arc;

use arrow_array::{ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringArray};
use arrow_ipc::writer::{FileWriter, StreamWriter};
use chassis::{error::Error, testing::new_id};
use parquet::arrow::ArrowWriter;
use proto::{
    comparison::v1::{BatchHeader, SubmitItemFileRequest, submit_item_file_request::Part},
    r#type::v1::ItemKind,
};

use crate::desk::{Desk, People, Person, header, officer};

fn deposits(desk: &Desk) -> BatchHeader {
    BatchHeader {
        item: ItemKind::BankDeposit.into(),
        ..header(desk, "banking")
    }
}

/// The columns in Parquet, as an Arrow stream and as an Arrow file.
fn files(columns: [(&str, ArrayRef); 3]) -> [Vec<u8>; 3] {
    let rows = RecordBatch::try_from_iter(columns).expect("columns");
    let schema = rows.schema();
    let mut parquet = ArrowWriter::try_new(Vec::new(), schema.clone(), None).expect("begun");
    parquet.write(&rows).expect("written");
    let mut stream = StreamWriter::try_new(Vec::new(), &schema).expect("begun");
    stream.write(&rows).expect("written");
    let mut file = FileWriter::try_new(Vec::new(), &schema).expect("begun");
    file.write(&rows).expect("written");
    [
        parquet.into_inner().expect("ended"),
        stream.into_inner().expect("ended"),
        file.into_inner().expect("ended"),
    ]
}

#[tokio::test]
async fn a_register_of_columns_has_the_answers_of_a_text() {
    let household = new_id();
    let head = Person::new("买买提·艾力", 1, household);
    let people = People(vec![head.clone()]);
    let small = head.number.to_lowercase();
    let rows = [
        (&*head.number, "买买提 • 艾力", 12_345_600),
        ("999999800101001", "王五", 100),
        (&*small, "别人", 100),
        ("999999197001010017", "王五", 100),
    ];
    let text: String = rows
        .iter()
        .map(|(id, name, fen)| format!("{id},{name},{}.{:02}\n", fen / 100, fen % 100))
        .collect();
    let ids = StringArray::from_iter_values(rows.iter().map(|row| row.0));
    let names = StringArray::from_iter_values(rows.iter().map(|row| row.1));
    let amounts = Decimal128Array::from_iter_values(rows.iter().map(|row| row.2));
    let amounts = amounts.with_precision_and_scale(18, 2).expect("fits");
    let columns: [(&str, ArrayRef); 3] = [
        ("id_number", Arc::new(ids)),
        ("name", Arc::new(names)),
        ("balance", Arc::new(amounts)),
    ];
    let text = format!("id_number,name,balance\n{text}").into_bytes();
    let mut answers = Vec::new();
    for file in std::iter::once(text).chain(files(columns)) {
        let desk = Desk::open(None).await;
        desk.authorised(new_id(), household).await;
        let report = desk.item(&officer(), &people, deposits(&desk), &file).await;
        let report = report.expect("taken in");
        desk.close().await;
        let bad = report.bad_rows.iter();
        let bad = bad.map(|bad| (bad.row, bad.column.clone(), bad.code.clone()));
        let bad: Vec<_> = bad.collect();
        answers.push((report.hits_recorded, report.rows_unmatched, bad));
    }
    assert_eq!(
        answers[0].2[0],
        (3, "id_number".to_owned(), "ID_FIFTEEN_DIGITS".to_owned())
    );
    assert_eq!(
        answers[0].2[1],
        (4, "name".to_owned(), "NAME_MISMATCH".to_owned())
    );
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );
}

#[tokio::test]
async fn columns_that_cannot_be_read_are_told_by_code() {
    let desk = Desk::open(None).await;
    let (case, household) = (new_id(), new_id());
    let people = People(vec![Person::new("赵甲", 1, household)]);
    desk.authorised(case, household).await;
    let text = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![99_999_919_700_101_001]));
    let good = [
        ("id_number", text("999999197001010017")),
        ("name", text("赵甲")),
        ("balance", text("1")),
    ];
    let mut numeric = good.clone();
    numeric[0].1 = numbers;
    let mut other = good.clone();
    other[2].0 = "amount";
    for ((good, numeric), other) in files(good)
        .into_iter()
        .zip(files(numeric))
        .zip(files(other))
    {
        let mut damaged = good.clone();
        let len = damaged.len();
        damaged[len / 2..len - 10].fill(0xA5);
        for (file, code) in [
            (&good[..len - 5], "FILE_TRUNCATED"),
            (&damaged, "MALFORMED_FILE"),
            (&numeric, "COLUMN_TYPE"),
            (&other, "HEADER_MISSING"),
        ] {
            match desk.item(&officer(), &people, deposits(&desk), file).await {
                Err(Error::Invalid(violations)) => assert_eq!(violations[0].code, code),
                other => panic!("{code}: {other:?}"),
            }
        }
    }
    let message = |part| Ok(SubmitItemFileRequest { part: Some(part) });
    let chunk = |chunk: Vec<u8>| message(Part::Chunk(chunk));
    for (rest, code) in [
        (
            vec![chunk([&b"PAR1"[..], &[0; 12], b"PARE"].concat())],
            "FILE_UNSUPPORTED",
        ),
        // A MiB a message: as many as it takes to pass the bound.
        (
            std::iter::once(chunk(b"PAR1".to_vec()))
                .chain((0..64).map(|_| chunk(vec![0; 1 << 20])))
                .collect(),
            "FILE_NEEDS_STREAM",
        ),
    ] {
        let messages = std::iter::once(message(Part::Header(deposits(&desk)))).chain(rest);
        match desk
            .item_stream(&officer(), &people, messages.collect())
            .await
        {
            Err(Error::Invalid(violations)) => assert_eq!(violations[0].code, code),
            other => panic!("{code}: {other:?}"),
        }
    }
    desk.close().await;
}
