//! An Arrow file: where its messages are stands at its end, and they are not always where a stream has them.

use std::{
    io::{self, Chain, Cursor, ErrorKind, Read},
    ops::Range,
};

use arrow_ipc::{Block, root_as_footer};
use comparison_engine::{Columns, Error};
use parquet::{errors::ParquetError, file::reader::ChunkReader};

use super::{Counted, METADATA_BYTES_MAX, Stream, schema};
use crate::foreign::{damaged, guarded};

const MAGIC: &[u8; 6] = b"ARROW1";
/// Length of the footer, and the magic behind it.
const TAIL_BYTES: usize = 10;
/// What a stream ends with.
const END: &[u8; 8] = b"\xFF\xFF\xFF\xFF\0\0\0\0";
/// Bytes of a file that are read at once.
const BLOCK_BYTES: u64 = 1 << 20;

/// The messages of a file, one after the other.
pub type Messages<R> = Chain<Blocks<R>, Cursor<&'static [u8]>>;

/// Reads what a file says of itself, and its messages as a stream.
///
/// # Errors
/// It is none, cannot be read, or has not the columns.
pub fn open_file<R: ChunkReader>(file: R, columns: &Columns) -> Result<Stream<Messages<R>>, Error> {
    let len = file.len();
    let tail = len.checked_sub(TAIL_BYTES as u64).ok_or(Error::Truncated)?;
    let bytes = file.get_bytes(tail, TAIL_BYTES).map_err(read)?;
    let (footer_len, magic) = bytes.split_first_chunk().ok_or(Error::Truncated)?;
    // A file without its end is nothing else than one that was cut.
    if magic != MAGIC {
        return Err(Error::Truncated);
    }
    let footer_len = u64::from(u32::from_le_bytes(*footer_len));
    if footer_len > METADATA_BYTES_MAX {
        let expected = "a footer of at most 16 MiB";
        return Err(Error::Unsupported { expected });
    }
    let begin = tail.checked_sub(footer_len).ok_or_else(damaged)?;
    let footer = file.get_bytes(begin, footer_len as usize).map_err(read)?;
    let (schema, blocks) = guarded(|| {
        let footer = root_as_footer(&footer).map_err(|_| damaged())?;
        let dictionaries = footer.dictionaries().into_iter().flatten();
        let batches = footer.recordBatches().into_iter().flatten();
        let blocks = dictionaries.chain(batches).map(|block| range(block, begin));
        let blocks: Vec<Range<u64>> = blocks.collect::<Result<_, _>>()?;
        Ok((schema(footer.schema())?, blocks))
    })?;
    let blocks = Blocks {
        file,
        blocks: blocks.into_iter(),
        at: 0..0,
    };
    let input = Counted {
        input: blocks.chain(Cursor::new(&END[..])),
        bytes: 0,
    };
    Stream::of(input, schema, true, columns)
}

/// Where a message is; none is behind `end`.
fn range(block: &Block, end: u64) -> Result<Range<u64>, Error> {
    let size = |size: i64| u64::try_from(size).ok();
    let len = size(block.metaDataLength().into()).zip(size(block.bodyLength()));
    let range = size(block.offset())
        .zip(len)
        .and_then(|(begin, (metadata, body))| {
            let end = begin.checked_add(metadata)?.checked_add(body)?;
            Some(begin..end)
        });
    range.filter(|range| range.end <= end).ok_or_else(damaged)
}

fn read(error: ParquetError) -> Error {
    match io_error(error) {
        error if error.kind() == ErrorKind::UnexpectedEof => damaged(),
        error => Error::Read(error),
    }
}

fn io_error(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(_) => ErrorKind::Other.into(),
        },
        // There are fewer bytes than the file said.
        _ => ErrorKind::UnexpectedEof.into(),
    }
}

/// Reads parts of a file.
pub struct Blocks<R> {
    file: R,
    blocks: std::vec::IntoIter<Range<u64>>,
    /// What is left of the one that is being read.
    at: Range<u64>,
}

impl<R: ChunkReader> Read for Blocks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at.is_empty() {
            let Some(block) = self.blocks.next() else {
                return Ok(0);
            };
            self.at = block;
        }
        let len = (self.at.end - self.at.start).min(BLOCK_BYTES);
        let len = buffer.len().min(len as usize);
        let bytes = self.file.get_bytes(self.at.start, len).map_err(io_error)?;
        buffer[..len].copy_from_slice(&bytes);
        self.at.start += len as u64;
        Ok(len)
    }
}
