//! Arrow IPC, as a stream and as a file.
//!
//! A stream is read as it comes. A file says at its end where its messages are; they are those of a stream,
//! and are read as one.

mod file;

use std::{
    borrow::Cow,
    collections::HashMap,
    io::{self, ErrorKind, Read},
    ops::Range,
    sync::{Arc, OnceLock},
};

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::{Buffer, MutableBuffer};
use arrow_ipc::{
    Endianness, Message, MessageHeader, convert,
    reader::{read_dictionary, read_record_batch},
    root_as_message,
};
use arrow_schema::{Schema, SchemaRef};
use comparison_engine::{Columns, Error, Numbers, Piece, Reason, Table};

use crate::{
    cells,
    columns::{Fetched, Found},
    foreign::{damaged, fingerprint, guarded},
};

/// The largest record batch, packed or not: half a million rows of some columns are below. Threads share one, and
/// hold two while they come to the next.
pub const BATCH_BYTES_MAX: u64 = 32 << 20;
/// All dictionaries of a file together, packed or not; they are kept to its end.
pub const DICTIONARY_BYTES_MAX: u64 = 32 << 20;
/// What stands before a message's data, or at a file's end: some bytes for each column, or each batch.
const METADATA_BYTES_MAX: u64 = 16 << 20;
/// Rows that one thread takes at once. A row may take no bytes at all, and what is wrong with it does.
const PIECE_ROWS: u64 = 256 * 1024;
/// Bodies above this get more room than they need: the allocator would keep what is given back below 32 MiB,
/// in each thread.
const KEPT_BYTES_MAX: u64 = 1 << 20;
const MAPPED_BYTES: usize = 33 << 20;

pub use file::open_file;

/// A stream of record batches.
pub struct Stream<R> {
    input: Counted<R>,
    shared: Arc<Shared>,
    optional: Vec<bool>,
    dictionaries: Arc<HashMap<i64, ArrayRef>>,
    dictionary_bytes: u64,
    is_file: bool,
    /// The batch that is being handed out, and how many of its rows have been.
    batch: Option<(Arc<Batch>, u64)>,
    /// Rows that are left out yet.
    skip: u64,
    ended: bool,
}

/// What all pieces need.
struct Shared {
    schema: SchemaRef,
    id_number: [usize; 1],
    /// Columns that are read of authorised persons' rows.
    columns: Vec<usize>,
    fetched: Fetched,
}

impl<R: Read + Send> Stream<R> {
    /// Reads the beginning of a stream, up to its schema.
    ///
    /// # Errors
    /// It is none, cannot be read, or has not the columns.
    pub fn open(input: R, columns: &Columns) -> Result<Self, Error> {
        let mut input = Counted { input, bytes: 0 };
        let metadata = input.metadata()?.ok_or_else(damaged)?;
        let schema = guarded(|| {
            let message = root_as_message(&metadata).map_err(|_| damaged())?;
            schema(message.header_as_schema())
        })?;
        Self::of(input, schema, false, columns)
    }

    fn of(
        input: Counted<R>,
        schema: Schema,
        is_file: bool,
        columns: &Columns,
    ) -> Result<Self, Error> {
        let found = Found::find(columns, &schema)?;
        let columns = found.fetched();
        Ok(Self {
            input,
            shared: Arc::new(Shared {
                schema: Arc::new(schema),
                id_number: [found.id_number],
                fetched: found.among(&columns),
                columns,
            }),
            optional: found.optional,
            dictionaries: Arc::default(),
            dictionary_bytes: 0,
            is_file,
            batch: None,
            skip: 0,
            ended: false,
        })
    }

    /// The next batch, still packed.
    fn batch(&mut self) -> Result<Option<Batch>, Error> {
        loop {
            if self.ended {
                return Ok(None);
            }
            let Some(metadata) = self.input.metadata()? else {
                self.ended = true;
                // What stands behind the end would be left out.
                return self.input.is_at_end()?.then_some(None).ok_or_else(damaged);
            };
            let (kind, bytes) = guarded(|| {
                let message = root_as_message(&metadata).map_err(|_| damaged())?;
                let bytes = u64::try_from(message.bodyLength()).map_err(|_| damaged())?;
                Ok((message.header_type(), bytes))
            })?;
            match kind {
                MessageHeader::RecordBatch => {
                    let begin = self.input.bytes;
                    let body = self.input.body(bytes)?;
                    let rows = guarded(|| {
                        let message = root_as_message(&metadata).map_err(|_| damaged())?;
                        let batch = message.header_as_record_batch().ok_or_else(damaged)?;
                        unpacked(batch, &body)?;
                        u64::try_from(batch.length()).map_err(|_| damaged())
                    })?;
                    return Ok(Some(Batch {
                        shared: Arc::clone(&self.shared),
                        dictionaries: Arc::clone(&self.dictionaries),
                        metadata,
                        body,
                        rows,
                        bytes: begin..self.input.bytes,
                        numbers: OnceLock::new(),
                        columns: OnceLock::new(),
                    }));
                }
                MessageHeader::DictionaryBatch => {
                    let body = self.input.body(bytes)?;
                    self.dictionary(&metadata, &body)?;
                }
                _ => return Err(damaged()),
            }
        }
    }

    fn dictionary(&mut self, metadata: &[u8], body: &Buffer) -> Result<(), Error> {
        guarded(|| {
            let message = root_as_message(metadata).map_err(|_| damaged())?;
            let batch = message.header_as_dictionary_batch().ok_or_else(damaged)?;
            let unpacked = unpacked(batch.data().ok_or_else(damaged)?, body)?;
            self.dictionary_bytes += unpacked.max(body.len() as u64);
            if self.dictionary_bytes > DICTIONARY_BYTES_MAX {
                let expected = "dictionaries of at most 32 MiB";
                return Err(Error::Unsupported { expected });
            }
            // Batches that are being looked at keep the ones they came with.
            let dictionaries = Arc::make_mut(&mut self.dictionaries);
            let (schema, version) = (&self.shared.schema, message.version());
            read_dictionary(body, batch, schema, dictionaries, &version).map_err(|_| damaged())
        })
    }
}

fn schema(schema: Option<arrow_ipc::Schema<'_>>) -> Result<Schema, Error> {
    let schema = schema.ok_or_else(damaged)?;
    if schema.endianness() != Endianness::Little {
        let expected = "little endian";
        return Err(Error::Unsupported { expected });
    }
    convert::try_fb_to_schema(schema).map_err(|_| damaged())
}

/// Bytes that a batch takes, all columns unpacked, if its buffers are where they should be.
fn unpacked(batch: arrow_ipc::RecordBatch<'_>, body: &Buffer) -> Result<u64, Error> {
    let buffers = batch.buffers().ok_or_else(damaged)?;
    let is_packed = batch.compression().is_some();
    let mut sum = 0u64;
    for buffer in buffers {
        let range = |at: i64| usize::try_from(at).ok();
        let bytes = range(buffer.offset())
            .zip(range(buffer.length()))
            .and_then(|(begin, len)| body.get(begin..begin.checked_add(len)?))
            .ok_or_else(damaged)?;
        let len = bytes.first_chunk().filter(|_| is_packed);
        let len = len.and_then(|len| u64::try_from(i64::from_le_bytes(*len)).ok());
        sum = sum.saturating_add(len.unwrap_or(bytes.len() as u64));
    }
    if sum > BATCH_BYTES_MAX {
        return Err(too_large());
    }
    Ok(sum)
}

fn too_large() -> Error {
    Error::Unsupported {
        expected: "record batches of at most 32 MiB",
    }
}

impl<R: Read + Send> Table for Stream<R> {
    type Piece = Part;

    fn optional(&self) -> &[bool] {
        &self.optional
    }

    fn fingerprint(&self) -> u64 {
        let fields = self.shared.schema.fields().iter();
        let names = fields.flat_map(|field| field.name().bytes().map(u64::from).chain([256]));
        fingerprint([1 + u64::from(self.is_file)].into_iter().chain(names))
    }

    fn skip(&mut self, rows: u64) -> Result<(), Error> {
        self.skip = rows;
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Part>, Error> {
        loop {
            if let Some((batch, begin)) = &mut self.batch {
                let rows = (batch.rows - *begin).min(PIECE_ROWS);
                if rows > 0 {
                    *begin += rows;
                    return Ok(Some(Part {
                        batch: Arc::clone(batch),
                        begin: *begin - rows,
                        rows,
                        wanted: Vec::new(),
                    }));
                }
            }
            // What it holds is given back before more is read.
            self.batch = None;
            let Some(batch) = self.batch()? else {
                // Else there are fewer rows than when the checkpoint was made.
                let is_read = self.skip == 0;
                return is_read.then_some(None).ok_or(Error::OtherFile);
            };
            let begin = self.skip.min(batch.rows);
            self.skip -= begin;
            self.batch = Some((Arc::new(batch), begin));
        }
    }
}

/// A record batch. Whichever thread needs columns first unpacks them for all.
struct Batch {
    shared: Arc<Shared>,
    dictionaries: Arc<HashMap<i64, ArrayRef>>,
    metadata: Vec<u8>,
    body: Buffer,
    rows: u64,
    /// Where its body is in the file.
    bytes: Range<u64>,
    /// `None` if it is damaged.
    numbers: OnceLock<Option<RecordBatch>>,
    columns: OnceLock<Option<RecordBatch>>,
}

impl Batch {
    /// Unpacks some columns.
    fn unpack(&self, columns: &[usize]) -> Option<RecordBatch> {
        let unpacked = guarded(|| {
            let message: Message<'_> = root_as_message(&self.metadata).map_err(|_| damaged())?;
            let batch = message.header_as_record_batch().ok_or_else(damaged)?;
            let schema = Arc::clone(&self.shared.schema);
            let version = message.version();
            let batch = read_record_batch(
                &self.body,
                batch,
                schema,
                &self.dictionaries,
                Some(columns),
                &version,
            );
            batch.map_err(|_| damaged())
        });
        let is_whole = |batch: &RecordBatch| batch.num_rows() as u64 == self.rows;
        unpacked.ok().filter(is_whole)
    }

    fn columns(&self) -> Option<&RecordBatch> {
        let unpacked = self
            .columns
            .get_or_init(|| self.unpack(&self.shared.columns));
        unpacked.as_ref()
    }
}

/// Some rows of a record batch.
pub struct Part {
    batch: Arc<Batch>,
    begin: u64,
    rows: u64,
    wanted: Vec<u32>,
}

impl Part {
    fn cell(&self, at: usize, column: Option<usize>) -> Result<Option<Cow<'_, str>>, Reason> {
        let array = self.batch.columns().zip(column);
        let array = array.and_then(|(batch, column)| batch.columns().get(column));
        match (array, self.wanted.get(at)) {
            (Some(array), Some(row)) => cells::cell(array, self.begin as usize + *row as usize),
            _ => Ok(None),
        }
    }
}

impl Piece for Part {
    fn end(&self) -> u64 {
        let Range { start, end } = self.batch.bytes;
        let part = u128::from(end - start) * u128::from(self.begin + self.rows);
        start + (part / u128::from(self.batch.rows)) as u64
    }

    fn numbers(&mut self, numbers: &mut Numbers<'_>) -> Result<(), Error> {
        let batch = &self.batch;
        let unpack = || batch.unpack(&batch.shared.id_number);
        let unpacked = batch.numbers.get_or_init(unpack).as_ref();
        let array = unpacked.and_then(|batch| batch.columns().first());
        let array = array.ok_or_else(damaged)?;
        guarded(|| {
            let array = array.slice(self.begin as usize, self.rows as usize);
            cells::numbers(&array, numbers);
            Ok(())
        })
    }

    fn fetch(&mut self, rows: &[u32]) -> Result<(), Error> {
        self.batch.columns().ok_or_else(damaged)?;
        self.wanted = rows.to_vec();
        Ok(())
    }

    fn name(&self, at: usize) -> Result<Option<Cow<'_, str>>, Reason> {
        self.cell(at, self.batch.shared.fetched.name)
    }

    fn value(&self, at: usize, column: usize) -> Result<Option<Cow<'_, str>>, Reason> {
        let values = &self.batch.shared.fetched.values;
        self.cell(at, values.get(column).copied().flatten())
    }
}

/// What is read, and how much of it there was.
struct Counted<R> {
    input: R,
    bytes: u64,
}

impl<R: Read> Counted<R> {
    fn exact(&mut self, buffer: &mut [u8]) -> Result<(), Error> {
        self.input
            .read_exact(buffer)
            .map_err(|error: io::Error| match error.kind() {
                ErrorKind::UnexpectedEof => Error::Truncated,
                _ => Error::Read(error),
            })?;
        self.bytes += buffer.len() as u64;
        Ok(())
    }

    /// What stands before a message's data; `None` at the end.
    fn metadata(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let mut continued = [0; 4];
        self.exact(&mut continued)?;
        if continued != [0xFF; 4] {
            return Err(damaged());
        }
        let mut len = [0; 4];
        self.exact(&mut len)?;
        let len = u64::from(u32::from_le_bytes(len));
        if len == 0 {
            return Ok(None);
        }
        if len > METADATA_BYTES_MAX {
            return Err(damaged());
        }
        let mut metadata = vec![0; len as usize];
        self.exact(&mut metadata)?;
        Ok(Some(metadata))
    }

    fn body(&mut self, bytes: u64) -> Result<Buffer, Error> {
        if bytes > BATCH_BYTES_MAX {
            return Err(too_large());
        }
        let room = if bytes > KEPT_BYTES_MAX {
            MAPPED_BYTES
        } else {
            bytes as usize
        };
        // Where arrays may lie without being copied.
        let mut body = MutableBuffer::with_capacity(room);
        body.resize(bytes as usize, 0);
        self.exact(body.as_slice_mut())?;
        Ok(body.into())
    }

    fn is_at_end(&mut self) -> Result<bool, Error> {
        let mut rest = Vec::new();
        let read = self.input.by_ref().take(1).read_to_end(&mut rest);
        read.map(|read| read == 0).map_err(Error::Read)
    }
}
