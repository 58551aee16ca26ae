//! Where Parquet's bytes come from, and what keeps a page within bounds.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufReader, Read},
    os::unix::fs::FileExt as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use comparison_engine::Error;
use parquet::{
    errors::{ParquetError, Result},
    file::reader::{ChunkReader, Length},
};

use crate::foreign::{damaged, guarded};

/// The largest page, packed or not. It is unpacked as a whole; writers make them of a MiB, or of a row group
/// of up to a million rows.
pub const PAGE_BYTES_MAX: u64 = 32 << 20;
/// All pages of some columns at the rows that a thread takes at once, and all texts of authorised persons in
/// them. A quarter of a KiB a row; a register's columns have some ten bytes each.
pub const PART_BYTES_MAX: u64 = 64 << 20;
/// The largest page whose texts are given by what they share with the one before (DELTA_BYTE_ARRAY): each may
/// be unpacked to as many bytes as the page has. Writers of such make them of a MiB.
const PREFIXED_PAGE_BYTES_MAX: u64 = 2 << 20;
/// Headers that have been read and whose pages have not: one for each column.
const HEADERS_MAX: usize = 1024;

/// A file on a disk that several threads read at once.
pub struct OnDisk {
    file: Arc<File>,
    bytes: u64,
}

impl OnDisk {
    /// Reads from an open file.
    ///
    /// # Errors
    /// Its length cannot be told.
    pub fn of(file: File) -> io::Result<Self> {
        let bytes = file.metadata()?.len();
        let file = Arc::new(file);
        Ok(Self { file, bytes })
    }
}

impl Length for OnDisk {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for OnDisk {
    type T = BufReader<Onwards>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        let file = Arc::clone(&self.file);
        // It reads headers of pages, which are short.
        Ok(BufReader::with_capacity(256, Onwards { file, at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }
}

/// A file from somewhere on. Threads share the file and not where they are in it.
pub struct Onwards {
    file: Arc<File>,
    at: u64,
}

impl Read for Onwards {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// What the library is given for a file. It makes room for as many bytes as a page says that it has: so
/// that is looked at first.
pub(crate) struct Pages<R> {
    file: Arc<R>,
    call: Arc<Mutex<Call>>,
}

/// One call of the library.
#[derive(Default)]
struct Call {
    /// What went wrong in here meanwhile.
    failure: Option<Error>,
    /// Of pages of values, and of dictionaries: these may be read long after they were passed over.
    headers: [VecDeque<PageHeader>; 2],
    /// Bytes of all pages that were read, unpacked.
    unpacked: u64,
    /// Whether the file says that there are texts given by what they share.
    prefixed: bool,
}

/// A header of a page that the library has read, or is reading.
#[derive(Clone, Copy)]
struct PageHeader {
    begin: u64,
    /// As far as it has been read: the page begins behind it.
    end: u64,
    /// Bytes of the page.
    unpacked: u64,
}

/// Ours, or the library's.
pub(crate) enum Failure {
    Ours(Error),
    Library(ParquetError),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl From<ParquetError> for Failure {
    fn from(error: ParquetError) -> Self {
        Self::Library(error)
    }
}

impl From<arrow_schema::ArrowError> for Failure {
    fn from(_: arrow_schema::ArrowError) -> Self {
        // Nearly always one of the other kind, as a sentence.
        Self::Library(ParquetError::ArrowError(String::new()))
    }
}

impl<R: ChunkReader> Pages<R> {
    pub(crate) fn of(file: R) -> Self {
        Self {
            file: Arc::new(file),
            call: Arc::default(),
        }
    }

    pub(crate) fn file(&self) -> &R {
        &self.file
    }

    /// Calls the library with the file, which says at its end whether texts are `prefixed`.
    pub(crate) fn with<T>(
        &self,
        prefixed: bool,
        run: impl FnOnce(Self) -> std::result::Result<T, Failure>,
    ) -> std::result::Result<T, Error> {
        let call = Call {
            prefixed,
            ..Call::default()
        };
        let call = Arc::new(Mutex::new(call));
        let pages = Self {
            file: Arc::clone(&self.file),
            call: Arc::clone(&call),
        };
        guarded(|| {
            run(pages).map_err(|failed| match failed {
                Failure::Ours(error) => error,
                Failure::Library(error) => {
                    let failure = locked(&call).failure.take();
                    failure.or(read(error)).unwrap_or_else(damaged)
                }
            })
        })
    }

    /// Keeps what went wrong beside the library, which would make a sentence of it.
    fn note<T>(&self, failure: Option<Error>) -> Result<T> {
        locked(&self.call).failure = failure;
        Err(ParquetError::General("the file".to_owned()))
    }
}

fn locked(call: &Mutex<Call>) -> MutexGuard<'_, Call> {
    call.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Call {
    /// Counts a page that is about to be read; its header ends where it begins.
    fn page(&mut self, begin: u64, packed: u64) -> std::result::Result<(), Error> {
        let header = self.headers.iter_mut().find_map(|headers| {
            let at = headers.iter().rposition(|header| header.end == begin)?;
            headers.remove(at)
        });
        self.unpacked += header.ok_or_else(damaged)?.unpacked.max(packed);
        if packed > PAGE_BYTES_MAX {
            return Err(too_large());
        }
        if self.unpacked > PART_BYTES_MAX {
            let expected = "pages of at most 64 MiB for 262144 rows";
            return Err(Error::Unsupported { expected });
        }
        Ok(())
    }
}

/// A disk or a network that failed; nothing if it was the file that is wrong.
fn read(error: ParquetError) -> Option<Error> {
    let ParquetError::External(error) = error else {
        return None;
    };
    let error = error.downcast::<io::Error>().ok()?;
    (error.kind() != io::ErrorKind::UnexpectedEof).then_some(Error::Read(*error))
}

impl<R: ChunkReader> Length for Pages<R> {
    fn len(&self) -> u64 {
        self.file.len()
    }
}

impl<R: ChunkReader> ChunkReader for Pages<R> {
    type T = Header<R::T>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(Header {
            rest: self.file.get_read(start).or_else(|e| self.note(read(e)))?,
            begin: start,
            head: None,
            call: Arc::clone(&self.call),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let counted = locked(&self.call).page(start, length as u64);
        counted.or_else(|error| self.note(Some(error)))?;
        let bytes = self.file.get_bytes(start, length);
        bytes.or_else(|error| self.note(read(error)))
    }
}

fn too_large() -> Error {
    Error::Unsupported {
        expected: "pages of at most 32 MiB",
    }
}

/// Reads the header of a page, which begins with its kind and its two sizes.
pub(crate) struct Header<T> {
    rest: T,
    begin: u64,
    /// The beginning once it has been looked at, and how much of it the library has taken.
    head: Option<(Vec<u8>, usize)>,
    call: Arc<Mutex<Call>>,
}

/// Up to eight fields of a byte and a number of up to five, and one byte between.
const HEAD_BYTES: u64 = 49;

impl<T: Read> Read for Header<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.checked(buffer).map_err(|error| {
            locked(&self.call).failure = Some(error);
            io::ErrorKind::Other.into()
        })
    }
}

impl<T: Read> Header<T> {
    fn checked(&mut self, buffer: &mut [u8]) -> std::result::Result<usize, Error> {
        if self.head.is_none() {
            let mut head = Vec::with_capacity(HEAD_BYTES as usize);
            let read = self.rest.by_ref().take(HEAD_BYTES).read_to_end(&mut head);
            read.map_err(Error::Read)?;
            let Said {
                kind,
                unpacked,
                encoding,
            } = said(&head).ok_or_else(damaged)?;
            if unpacked > PAGE_BYTES_MAX {
                return Err(too_large());
            }
            let mut call = locked(&self.call);
            match encoding {
                DELTA_BYTE_ARRAY if !call.prefixed => return Err(damaged()),
                DELTA_BYTE_ARRAY if unpacked > PREFIXED_PAGE_BYTES_MAX => {
                    let expected = "pages of at most 2 MiB where texts share their beginnings";
                    return Err(Error::Unsupported { expected });
                }
                _ => {}
            }
            let headers = &mut call.headers[usize::from(kind == DICTIONARY_PAGE)];
            // Those of pages that were passed over are never asked for.
            if headers.len() == HEADERS_MAX {
                headers.pop_front();
            }
            headers.push_back(PageHeader {
                begin: self.begin,
                end: self.begin,
                unpacked,
            });
            self.head = Some((head, 0));
        }
        let read = match &mut self.head {
            Some((head, taken)) if *taken < head.len() => {
                let read = (&head[*taken..]).read(buffer).map_err(Error::Read)?;
                *taken += read;
                read
            }
            _ => self.rest.read(buffer).map_err(Error::Read)?,
        };
        let mut call = locked(&self.call);
        let mut headers = call
            .headers
            .iter_mut()
            .flat_map(|headers| headers.iter_mut().rev());
        if let Some(header) = headers.find(|header| header.begin == self.begin) {
            header.end += read as u64;
        }
        Ok(read)
    }
}

/// An encoding.
const DELTA_BYTE_ARRAY: u64 = 7;

/// What the header of a page says.
#[derive(Debug, PartialEq)]
struct Said {
    kind: u64,
    unpacked: u64,
    encoding: u64,
}

const DICTIONARY_PAGE: u64 = 2;
const DATA_PAGE_V2: u64 = 3;

fn said(mut head: &[u8]) -> Option<Said> {
    let head = &mut head;
    let kind = positive(field(head)?)?;
    let unpacked = positive(field(head)?)?;
    field(head)?;
    // A checksum may stand before what the kind of page has.
    if head.first()? & 0xF == 5 {
        number(head)?;
    }
    if head.first()? & 0xF != 12 {
        return None;
    }
    *head = &head[1..];
    // How many values there are; of a page of the second kind how many of them are none, and how many rows.
    let before = if kind == DATA_PAGE_V2 { 3 } else { 1 };
    for _ in 0..before {
        field(head)?;
    }
    let encoding = positive(field(head)?)?;
    Some(Said {
        kind,
        unpacked,
        encoding,
    })
}

/// The next field. In Thrift's compact protocol one is its distance from the one before and its type (5 for
/// 32 bits, 12 for what has fields of its own), then seven bits a byte, the sign lowest.
fn field(head: &mut &[u8]) -> Option<u64> {
    (*head.first()? == 0x15).then(|| number(head)).flatten()
}

fn number(head: &mut &[u8]) -> Option<u64> {
    let rest = head.get(1..)?;
    let len = rest.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let (number, rest) = rest.split_at_checked(len)?;
    *head = rest;
    let number = number.iter().rev();
    let number = number.fold(0u64, |sum, byte| sum << 7 | u64::from(byte & 0x7F));
    (len <= 5).then_some(number)
}

fn positive(number: u64) -> Option<u64> {
    (number & 1 == 0).then_some(number >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_told_before_the_library_reads_them() {
        // A plain data page of 300 bytes, 200 packed, of 3 values; with a checksum; and of the second kind.
        let plain = [
            0x15, 0, 0x15, 0xD8, 4, 0x15, 0x90, 3, 0x2C, 0x15, 6, 0x15, 0,
        ];
        let found = |kind, unpacked, encoding| {
            Some(Said {
                kind,
                unpacked,
                encoding,
            })
        };
        assert_eq!(said(&plain), found(0, 300, 0));
        let checked = [&plain[..8], &[0x15, 0, 0x1C], &plain[9..]].concat();
        assert_eq!(said(&checked), found(0, 300, 0));
        let second = [
            &[0x15, 6][..],
            &plain[2..8],
            &[0x5C, 0x15, 6, 0x15, 0, 0x15, 6, 0x15, 14],
        ];
        assert_eq!(said(&second.concat()), found(3, 300, DELTA_BYTE_ARRAY));
        let most = [&[0x15, 0, 0x15, 0xFE, 0xFF, 0xFF, 0xFF, 0x0F], &plain[5..]].concat();
        assert_eq!(said(&most), found(0, i32::MAX as u64, 0));
        for (at, byte) in [(3, 1), (2, 0x25), (8, 0x25), (0, 0)] {
            let mut bad = plain;
            bad[at] = byte;
            assert_eq!(said(&bad), None, "{at}");
        }
        assert!((0..plain.len()).all(|len| said(&plain[..len]).is_none()));
    }
}
