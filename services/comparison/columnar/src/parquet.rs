//! Parquet.
//!
//! A piece is a row group, or a part of a large one. Its thread reads the ID numbers page by page, and then
//! the other columns at the rows that are authorised persons'.

mod pages;

use std::{borrow::Cow, sync::Arc};

use arrow_array::{
    ArrayRef, GenericByteViewArray, RecordBatch, cast::AsArray as _, types::ByteViewType,
};
use arrow_schema::{DataType, Field, Fields, Schema};
use comparison_engine::{Columns, Error, Numbers, Piece, Reason, Table};
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{
            ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
        },
    },
    basic::{Compression, Encoding},
    file::{
        FOOTER_SIZE,
        metadata::{FooterTail, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader},
        reader::ChunkReader,
    },
};

use crate::{
    cells,
    columns::{Fetched, Found},
    foreign::{damaged, fingerprint},
};

use pages::Pages;
pub use pages::{OnDisk, PAGE_BYTES_MAX, PART_BYTES_MAX};

/// What a file says of itself at its end: some hundred bytes for each column of each row group.
const METADATA_BYTES_MAX: usize = 16 << 20;
/// Rows that one thread takes at once. Most writers' row groups have fewer; of larger ones a thread unpacks
/// the page once more in which another has ended.
const PIECE_ROWS: u64 = 256 * 1024;
/// Rows that are unpacked at once: their numbers stay in a core's cache.
const ROWS_AT_ONCE: usize = 8192;
/// The same where texts are given by what they share with the one before, see [`pages`].
const PREFIXED_ROWS_AT_ONCE: usize = 64;

/// A register in Parquet.
pub struct Register<R> {
    shared: Arc<Shared<R>>,
    optional: Vec<bool>,
    /// Where the next piece begins: the row group, and the row in it.
    group: usize,
    row: u64,
}

/// What all pieces need.
struct Shared<R> {
    pages: Pages<R>,
    metadata: ArrowReaderMetadata,
    /// Rows of each row group, and bytes of the file up to its end.
    groups: Vec<Group>,
    id_number: ProjectionMask,
    /// Columns that are read of authorised persons' rows; none if the number is all that matters.
    columns: Option<ProjectionMask>,
    fetched: Fetched,
}

#[derive(Clone, Copy)]
struct Group {
    rows: u64,
    begin: u64,
    bytes: u64,
    /// Whether it has texts that are given by what they share with the one before.
    prefixed: bool,
}

impl<R: ChunkReader + 'static> Register<R> {
    /// Reads what a file says of itself.
    ///
    /// # Errors
    /// It is none, cannot be read, or has not the columns.
    pub fn open(file: R, columns: &Columns) -> Result<Self, Error> {
        let pages = Pages::of(file);
        let metadata = pages.with(false, |pages| read_metadata(pages.file()))?;
        let groups = groups(&metadata)?;
        let metadata = pages.with(false, |_| {
            let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
            let metadata = Arc::new(metadata);
            let read = ArrowReaderMetadata::try_new(Arc::clone(&metadata), options.clone())?;
            // Texts as views: a page's are checked together and not copied one by one.
            let options = options.with_schema(Arc::new(views(read.schema())));
            Ok(ArrowReaderMetadata::try_new(metadata, options)?)
        })?;
        let found = Found::find(columns, metadata.schema())?;
        let columns = found.fetched();
        check_columns(metadata.metadata(), found.id_number, &columns)?;
        let roots = |roots: &[usize]| {
            ProjectionMask::roots(metadata.parquet_schema(), roots.iter().copied())
        };
        let shared = Shared {
            pages,
            groups,
            id_number: roots(&[found.id_number]),
            columns: (!columns.is_empty()).then(|| roots(&columns)),
            fetched: found.among(&columns),
            metadata,
        };
        Ok(Self {
            shared: Arc::new(shared),
            optional: found.optional,
            group: 0,
            row: 0,
        })
    }
}

fn read_metadata(file: &impl ChunkReader) -> Result<ParquetMetaData, pages::Failure> {
    let behind = file.len().checked_sub(FOOTER_SIZE as u64);
    let behind = behind.filter(|behind| *behind >= FOOTER_SIZE as u64 / 2);
    let tail = file.get_bytes(behind.ok_or(Error::Truncated)?, FOOTER_SIZE)?;
    // A file without its end is nothing else than one that was cut.
    let tail = FooterTail::try_from(&tail[..]).map_err(|_| Error::Truncated)?;
    if tail.is_encrypted_footer() {
        let expected = "a file that is not encrypted";
        return Err(Error::Unsupported { expected }.into());
    }
    if tail.metadata_length() > METADATA_BYTES_MAX {
        let expected = "metadata of at most 16 MiB";
        return Err(Error::Unsupported { expected }.into());
    }
    let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Skip);
    Ok(reader.parse_and_finish(file)?)
}

fn groups(metadata: &ParquetMetaData) -> Result<Vec<Group>, Error> {
    let mut begin = 0u64;
    let groups = metadata.row_groups().iter().map(|group| {
        let size = |size: i64| u64::try_from(size).map_err(|_| damaged());
        let bytes = size(group.compressed_size())?;
        let mut encodings = group.columns().iter().flat_map(|column| column.encodings());
        let group = Group {
            rows: size(group.num_rows())?,
            begin,
            bytes,
            prefixed: encodings.any(|encoding| encoding == Encoding::DELTA_BYTE_ARRAY),
        };
        begin = begin.checked_add(bytes).ok_or_else(damaged)?;
        Ok(group)
    });
    groups.collect()
}

/// The schema with texts and bytes as views.
fn views(schema: &Schema) -> Schema {
    let fields = schema.fields().iter().map(|field| {
        let view = match field.data_type() {
            DataType::Utf8 => DataType::Utf8View,
            DataType::Binary => DataType::BinaryView,
            other => other.clone(),
        };
        Field::clone(field).with_data_type(view)
    });
    Schema::new(fields.collect::<Fields>())
}

/// Whether the columns that are read are packed as they are read here.
fn check_columns(
    metadata: &ParquetMetaData,
    id_number: usize,
    columns: &[usize],
) -> Result<(), Error> {
    let schema = metadata.file_metadata().schema_descr();
    let is_read = |leaf: &usize| {
        let root = schema.get_column_root_idx(*leaf);
        root == id_number || columns.contains(&root)
    };
    let leaves: Vec<usize> = (0..schema.num_columns()).filter(is_read).collect();
    for group in metadata.row_groups() {
        for leaf in &leaves {
            let column = group.columns().get(*leaf).ok_or_else(damaged)?;
            let expected = match column.compression() {
                _ if column.file_path().is_some() => "all columns in one file",
                Compression::UNCOMPRESSED
                | Compression::SNAPPY
                | Compression::GZIP(_)
                | Compression::ZSTD(_)
                | Compression::LZ4
                | Compression::LZ4_RAW => continue,
                _ => "Snappy, gzip, Zstandard or LZ4",
            };
            return Err(Error::Unsupported { expected });
        }
    }
    Ok(())
}

impl<R: ChunkReader + 'static> Table for Register<R> {
    type Piece = Part<R>;

    fn optional(&self) -> &[bool] {
        &self.optional
    }

    fn fingerprint(&self) -> u64 {
        let groups = self.shared.groups.iter();
        fingerprint(
            [3].into_iter()
                .chain(groups.flat_map(|group| [group.rows, group.bytes])),
        )
    }

    fn skip(&mut self, rows: u64) -> Result<(), Error> {
        self.row = rows;
        while let Some(group) = self.shared.groups.get(self.group) {
            if self.row < group.rows {
                return Ok(());
            }
            self.row -= group.rows;
            self.group += 1;
        }
        (self.row == 0).then_some(()).ok_or(Error::OtherFile)
    }

    fn next(&mut self) -> Result<Option<Part<R>>, Error> {
        loop {
            let Some(group) = self.shared.groups.get(self.group) else {
                return Ok(None);
            };
            let rows = (group.rows - self.row).min(PIECE_ROWS);
            if rows == 0 {
                (self.group, self.row) = (self.group + 1, 0);
                continue;
            }
            let begin = self.row;
            self.row += rows;
            let part = u128::from(group.bytes) * u128::from(self.row) / u128::from(group.rows);
            let index = |row: u64| usize::try_from(row).map_err(|_| damaged());
            return Ok(Some(Part {
                shared: Arc::clone(&self.shared),
                group: self.group,
                begin: index(begin)?,
                rows: index(rows)?,
                all: index(group.rows)?,
                end: group.begin + part as u64,
                fetched: Vec::new(),
                ends: Vec::new(),
            }));
        }
    }
}

/// Some rows of a row group.
pub struct Part<R> {
    shared: Arc<Shared<R>>,
    group: usize,
    /// The first row, and how many; of so many that the row group has.
    begin: usize,
    rows: usize,
    all: usize,
    end: u64,
    /// Columns of authorised persons' rows.
    fetched: Vec<Vec<ArrayRef>>,
    /// Of each of those, the place behind its last row.
    ends: Vec<usize>,
}

impl<R: ChunkReader + 'static> Part<R> {
    /// Unpacks some columns at some rows, of which there are `rows`.
    fn read(
        &self,
        columns: &ProjectionMask,
        selection: RowSelection,
        rows: usize,
        mut visit: impl FnMut(RecordBatch) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let shared = &self.shared;
        let prefixed = shared.groups[self.group].prefixed;
        let read = shared.pages.with(prefixed, |pages| {
            let metadata = shared.metadata.clone();
            let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(pages, metadata)
                .with_row_groups(vec![self.group])
                .with_projection(columns.clone())
                .with_row_selection(selection)
                .with_batch_size(if prefixed {
                    PREFIXED_ROWS_AT_ONCE
                } else {
                    ROWS_AT_ONCE
                })
                .build()?;
            let mut read = 0;
            for batch in reader {
                let batch = batch?;
                read += batch.num_rows();
                visit(batch)?;
            }
            Ok(read)
        })?;
        // A column that ends early would pass for the end of the rows.
        (read == rows).then_some(()).ok_or_else(damaged)
    }

    fn cell(&self, at: usize, column: Option<usize>) -> Result<Option<Cow<'_, str>>, Reason> {
        let batch = self.ends.partition_point(|end| *end <= at);
        let begin = batch.checked_sub(1).map_or(0, |before| self.ends[before]);
        let array = self.fetched.get(batch).zip(column);
        match array.and_then(|(arrays, column)| arrays.get(column)) {
            Some(array) => cells::cell(array, at - begin),
            None => Ok(None),
        }
    }
}

/// An array without the pages that its texts lie in, if that takes no more bytes than are `left`.
fn kept(array: &ArrayRef, left: &mut usize) -> Result<ArrayRef, Error> {
    fn compact<T: ByteViewType>(
        views: &GenericByteViewArray<T>,
        left: &mut usize,
    ) -> Result<ArrayRef, Error> {
        // A text may stand in a page once and in many rows.
        let expected = "texts of at most 64 MiB for 262144 rows";
        let bytes: usize = views.lengths().map(|len| len as usize).sum();
        let rest = left.checked_sub(bytes);
        *left = rest.ok_or(Error::Unsupported { expected })?;
        Ok(Arc::new(views.gc()))
    }
    match (array.as_string_view_opt(), array.as_binary_view_opt()) {
        (Some(texts), _) => compact(texts, left),
        (_, Some(texts)) => compact(texts, left),
        _ => Ok(Arc::clone(array)),
    }
}

impl<R: ChunkReader + 'static> Piece for Part<R> {
    fn end(&self) -> u64 {
        self.end
    }

    fn numbers(&mut self, numbers: &mut Numbers<'_>) -> Result<(), Error> {
        let rows = self.begin..self.begin + self.rows;
        let selection = RowSelection::from_consecutive_ranges([rows].into_iter(), self.all);
        self.read(&self.shared.id_number, selection, self.rows, |batch| {
            for array in batch.columns() {
                cells::numbers(array, numbers);
            }
            Ok(())
        })
    }

    fn fetch(&mut self, rows: &[u32]) -> Result<(), Error> {
        let Some(columns) = &self.shared.columns else {
            return Ok(());
        };
        let ranges = rows.iter().map(|row| {
            let row = self.begin + *row as usize;
            row..row + 1
        });
        let selection = RowSelection::from_consecutive_ranges(ranges, self.all);
        let (mut fetched, mut ends, mut end) = (Vec::new(), Vec::new(), 0);
        let mut left = PART_BYTES_MAX as usize;
        self.read(columns, selection, rows.len(), |batch| {
            end += batch.num_rows();
            ends.push(end);
            let arrays = batch.columns().iter().map(|array| kept(array, &mut left));
            fetched.push(arrays.collect::<Result<_, _>>()?);
            Ok(())
        })?;
        (self.fetched, self.ends) = (fetched, ends);
        Ok(())
    }

    fn name(&self, at: usize) -> Result<Option<Cow<'_, str>>, Reason> {
        self.cell(at, self.shared.fetched.name)
    }

    fn value(&self, at: usize, column: usize) -> Result<Option<Cow<'_, str>>, Reason> {
        let column = self.shared.fetched.values.get(column).copied().flatten();
        self.cell(at, column)
    }
}
