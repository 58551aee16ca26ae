//! Where Parquet's bytes come from, and what keeps a page within bounds.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    os::unix::fs::FileExt as _,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use comparison_engine::Error;
use parquet::{
    errors::{ParquetError, Result},
    file::reader::{ChunkReader, Length},
};

use crate::foreign::{damaged, guarded};

/// The largest page, packed or not. It is unpacked as a whole; writers make them of a MiB, or of a row group
/// of some hundred thousand rows.
pub const PAGE_BYTES_MAX: u64 = 64 << 20;

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
    type T = BufReader<From>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        let file = Arc::clone(&self.file);
        // It reads headers of pages, which are short.
        Ok(BufReader::with_capacity(256, From { file, at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }
}

/// A file from somewhere on. Threads share the file and not where they are in it.
pub struct From {
    file: Arc<File>,
    at: u64,
}

impl Read for From {
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
    /// What went wrong in here while the library was called.
    failure: Arc<Mutex<Option<Error>>>,
}

/// Ours, or the library's.
pub(crate) enum Failure {
    Ours(Error),
    Library(ParquetError),
}

impl std::convert::From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl std::convert::From<ParquetError> for Failure {
    fn from(error: ParquetError) -> Self {
        Self::Library(error)
    }
}

impl std::convert::From<arrow_schema::ArrowError> for Failure {
    fn from(_: arrow_schema::ArrowError) -> Self {
        // Nearly always one of the other kind, as a sentence.
        Self::Library(ParquetError::ArrowError(String::new()))
    }
}

impl<R: ChunkReader> Pages<R> {
    pub(crate) fn of(file: R) -> Self {
        Self {
            file: Arc::new(file),
            failure: Arc::default(),
        }
    }

    pub(crate) fn file(&self) -> &R {
        &self.file
    }

    /// Calls the library with the file.
    pub(crate) fn with<T>(
        &self,
        call: impl FnOnce(Self) -> std::result::Result<T, Failure>,
    ) -> std::result::Result<T, Error> {
        let failure = Arc::default();
        let pages = Self {
            file: Arc::clone(&self.file),
            failure: Arc::clone(&failure),
        };
        guarded(|| {
            call(pages).map_err(|failed| match failed {
                Failure::Ours(error) => error,
                Failure::Library(error) => {
                    let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
                    failure.take().or(read(error)).unwrap_or_else(damaged)
                }
            })
        })
    }

    /// Keeps what went wrong beside the library, which would make a sentence of it.
    fn note<T>(&self, failure: Option<Error>) -> Result<T> {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
        Err(ParquetError::General("the file".to_owned()))
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
            head: None,
            failure: Arc::clone(&self.failure),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        // The page is packed, or never was.
        if length as u64 > PAGE_BYTES_MAX {
            return self.note(Some(too_large()));
        }
        let bytes = self.file.get_bytes(start, length);
        bytes.or_else(|error| self.note(read(error)))
    }
}

fn too_large() -> Error {
    Error::Unsupported {
        expected: "pages of at most 64 MiB",
    }
}

/// Reads the header of a page, which begins with its kind and its two sizes.
pub(crate) struct Header<T> {
    rest: T,
    /// The beginning once it has been looked at, and how much of it the library has taken.
    head: Option<(Vec<u8>, usize)>,
    failure: Arc<Mutex<Option<Error>>>,
}

/// Three fields of a byte and a number of up to five.
const HEAD_BYTES: u64 = 18;

impl<T: Read> Read for Header<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.checked(buffer).map_err(|error| {
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
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
            match unpacked(&head) {
                Some(..=PAGE_BYTES_MAX) => self.head = Some((head, 0)),
                Some(_) => return Err(too_large()),
                None => return Err(damaged()),
            }
        }
        match &mut self.head {
            Some((head, taken)) if *taken < head.len() => {
                let read = (&head[*taken..]).read(buffer).map_err(Error::Read)?;
                *taken += read;
                Ok(read)
            }
            _ => self.rest.read(buffer).map_err(Error::Read),
        }
    }
}

/// How large a page with this header is unpacked. In Thrift's compact protocol a field is its distance from
/// the one before and its type (here 1, and 5 for 32 bits), then seven bits a byte, the sign lowest.
fn unpacked(mut head: &[u8]) -> Option<u64> {
    let mut field = || {
        let (kind, rest) = head.split_first()?;
        let len = rest.iter().position(|byte| byte & 0x80 == 0)? + 1;
        let (number, rest) = rest.split_at_checked(len)?;
        head = rest;
        let number = number.iter().rev();
        let number = number.fold(0u64, |sum, byte| sum << 7 | u64::from(byte & 0x7F));
        (*kind == 0x15 && len <= 5 && number & 1 == 0).then_some(number >> 1)
    };
    field()?;
    field()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_pages_are_read_before_the_library_does() {
        // A data page of 300 bytes, 200 packed.
        assert_eq!(
            unpacked(&[0x15, 0, 0x15, 0xD8, 4, 0x15, 0x90, 3]),
            Some(300)
        );
        let most = [0x15, 0, 0x15, 0xFE, 0xFF, 0xFF, 0xFF, 0x0F];
        assert_eq!(unpacked(&most), Some(i32::MAX as u64));
        assert_eq!(unpacked(&[0x15, 0, 0x15, 1]), None, "negative");
        assert_eq!(unpacked(&[0x15, 0, 0x25, 2]), None, "another field");
        assert_eq!(unpacked(&[0x15, 0, 0x15, 0xD8]), None, "cut");
        assert_eq!(unpacked(&[]), None);
    }
}
