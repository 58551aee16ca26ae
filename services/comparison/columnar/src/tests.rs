//! Files of columns beside texts of the same rows, and files that are wrong in all ways.

mod rows;
mod types;
mod wrong;

use std::{io::Cursor, ops::ControlFlow, sync::Arc};

use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::{
    CompressionType,
    writer::{FileWriter, IpcWriteOptions, StreamWriter},
};
use arrow_schema::DataType;
use bytes::Bytes;
use comparison_engine::{
    Authorised, Checkpoint, Columns, Comparison, Error, Fault, Hit, Progress, Reason, Report,
    RowsPerPerson, Settings, Sink,
};
use kernel::IdNumber;
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};

use crate::{
    Kind,
    arrow::{Stream, open_file},
    parquet::Register,
};

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
        persons.add(&number(2 * at), Some(name)).expect("a person");
    }
    persons.add(&number(8), None).expect("a person");
    persons.build().expect("a set")
}

fn columns() -> Columns {
    Columns {
        id_number: "id_number".to_owned(),
        name: Some("name".to_owned()),
        values: vec!["amount".to_owned()],
        optional: vec!["note".to_owned()],
    }
}

fn settings(threads: usize, rows_per_person: RowsPerPerson) -> Settings {
    Settings {
        threads,
        piece_bytes: 200,
        positions_max: 5,
        rows_per_person,
    }
}

/// All that a sink gets.
#[derive(Debug, Default, Clone, PartialEq)]
struct Seen {
    hits: Vec<(u64, u32, [String; 2])>,
    faults: Vec<(u64, Reason, Option<u32>, Option<u64>)>,
    /// And how much had been seen by then.
    checkpoints: Vec<(Checkpoint, usize, usize)>,
}

impl Sink for Seen {
    fn hit(&mut self, hit: &Hit<'_>) {
        let values = [0, 1].map(|at| hit.value(at).into_owned());
        self.hits.push((hit.row, hit.person, values));
    }
    fn fault(&mut self, fault: &Fault) {
        let Fault {
            row,
            reason,
            person,
            earlier,
        } = *fault;
        self.faults.push((row, reason, person, earlier));
    }
    fn advanced(&mut self, progress: &Progress<'_>) -> ControlFlow<()> {
        let checkpoint = (progress.checkpoint(), self.hits.len(), self.faults.len());
        self.checkpoints.push(checkpoint);
        ControlFlow::Continue(())
    }
}

/// Compares whatever it is, from a checkpoint if there is one.
fn compare_from(
    from: Option<Checkpoint>,
    file: &[u8],
    columns: &Columns,
    settings: Settings,
) -> Result<(Report, Seen), Error> {
    let authorised = authorised();
    let comparison = Comparison {
        authorised: &authorised,
        columns,
        settings,
    };
    let mut seen = Seen::default();
    let sink = &mut seen;
    let report = match Kind::of(file) {
        Kind::Text | Kind::Gzip => match from {
            None => comparison.run(Cursor::new(file), sink),
            Some(from) => comparison.resume(from, Cursor::new(file), sink),
        },
        Kind::ArrowStream => {
            let table = Stream::open(Cursor::new(file), columns)?;
            match from {
                None => comparison.run_table(table, sink),
                Some(from) => comparison.resume_table(from, table, sink),
            }
        }
        Kind::ArrowFile => {
            let table = open_file(Bytes::copy_from_slice(file), columns)?;
            match from {
                None => comparison.run_table(table, sink),
                Some(from) => comparison.resume_table(from, table, sink),
            }
        }
        Kind::Parquet => {
            let table = Register::open(Bytes::copy_from_slice(file), columns)?;
            match from {
                None => comparison.run_table(table, sink),
                Some(from) => comparison.resume_table(from, table, sink),
            }
        }
    }?;
    Ok((report, seen))
}

fn compare(file: &[u8], settings: Settings) -> Result<(Report, Seen), Error> {
    compare_from(None, file, &columns(), settings)
}

/// The formats that are written here.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Format {
    Parquet(Compression),
    /// Pages without a dictionary, of the second kind.
    Plain,
    Stream(Option<CompressionType>),
    File(Option<CompressionType>),
}

fn formats() -> Vec<Format> {
    let zstd = Compression::ZSTD(ZstdLevel::default());
    let gzip = Compression::GZIP(Default::default());
    let packed = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::LZ4_RAW,
        zstd,
        gzip,
    ];
    let ipc = [
        None,
        Some(CompressionType::LZ4_FRAME),
        Some(CompressionType::ZSTD),
    ];
    let packed = packed.map(Format::Parquet).into_iter();
    packed
        .chain([Format::Plain])
        .chain(ipc.map(Format::Stream))
        .chain(ipc.map(Format::File))
        .collect()
}

/// Writes columns, in batches (of Parquet row groups) of so many rows.
fn written(format: Format, columns: &[(&str, ArrayRef)], rows_at_once: usize) -> Vec<u8> {
    let all = RecordBatch::try_from_iter_with_nullable(
        columns
            .iter()
            .map(|(name, array)| (*name, Arc::clone(array), true)),
    );
    let all = all.expect("columns of one length");
    let begins = (0..all.num_rows()).step_by(rows_at_once.max(1));
    let batches = begins.map(|begin| {
        let rows = rows_at_once.min(all.num_rows() - begin);
        all.slice(begin, rows)
    });
    let batches: Vec<RecordBatch> = batches.collect();
    let schema = all.schema();
    let options = |packed| {
        let options = IpcWriteOptions::default();
        options.try_with_compression(packed).expect("an option")
    };
    match format {
        Format::Parquet(_) | Format::Plain => {
            let properties = WriterProperties::builder()
                .set_max_row_group_row_count(Some(rows_at_once.max(1)))
                .set_data_page_row_count_limit(7)
                .set_write_batch_size(7);
            let properties = match format {
                Format::Parquet(packed) => properties.set_compression(packed),
                _ => properties
                    .set_dictionary_enabled(false)
                    .set_writer_version(parquet::file::properties::WriterVersion::PARQUET_2_0),
            };
            let mut writer =
                ArrowWriter::try_new(Vec::new(), schema, Some(properties.build())).expect("begun");
            for batch in &batches {
                writer.write(batch).expect("written");
            }
            writer.into_inner().expect("ended")
        }
        Format::Stream(packed) => {
            let mut writer =
                StreamWriter::try_new_with_options(Vec::new(), &schema, options(packed))
                    .expect("begun");
            for batch in &batches {
                writer.write(batch).expect("written");
            }
            writer.finish().expect("ended");
            writer.into_inner().expect("bytes")
        }
        Format::File(packed) => {
            let mut writer = FileWriter::try_new_with_options(Vec::new(), &schema, options(packed))
                .expect("begun");
            for batch in &batches {
                writer.write(batch).expect("written");
            }
            writer.finish().expect("ended");
            writer.into_inner().expect("bytes")
        }
    }
}

/// The types that texts come in.
fn text_types() -> Vec<DataType> {
    let dictionary = |key, value| DataType::Dictionary(Box::new(key), Box::new(value));
    vec![
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::Binary,
        DataType::LargeBinary,
        DataType::BinaryView,
        dictionary(DataType::Int32, DataType::Utf8),
        dictionary(DataType::UInt16, DataType::LargeUtf8),
    ]
}
