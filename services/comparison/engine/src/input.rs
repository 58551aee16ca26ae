//! A file as a stream of pieces: unpacked, its header read, every piece whole rows.

use std::io::{self, Chain, Cursor, ErrorKind, Read};

use flate2::read::MultiGzDecoder;
use memchr::memchr;

use crate::{
    columns::{Columns, Layout},
    encoding::{Encoding, UTF8_MARK, UTF16_MARKS},
    error::Error,
    report::Reason,
    rows::{self, Cells, Odd, ROW_BYTES_MAX},
};

/// What is read before the header is looked for and the encoding is told.
const BEGINNING_BYTES: usize = 64 * 1024;
const GZIP_MAGIC: &[u8] = b"\x1F\x8B";

/// Reads until `buffer` is full or there is no more.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

type Peeked<R> = Chain<Cursor<Vec<u8>>, R>;

enum Text<R> {
    Plain(Peeked<R>),
    Gzip(Box<MultiGzDecoder<Peeked<R>>>),
}

impl<R: Read> Text<R> {
    fn open(mut input: R) -> Result<Self, Error> {
        let mut magic = vec![0; GZIP_MAGIC.len()];
        let len = fill(&mut input, &mut magic).map_err(Error::Read)?;
        magic.truncate(len);
        let packed = magic == GZIP_MAGIC;
        let input = Cursor::new(magic).chain(input);
        Ok(if packed {
            Self::Gzip(Box::new(MultiGzDecoder::new(input)))
        } else {
            Self::Plain(input)
        })
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        match self {
            Self::Plain(input) => fill(input, buffer).map_err(Error::Read),
            Self::Gzip(input) => fill(input, buffer).map_err(|error| match error.kind() {
                ErrorKind::UnexpectedEof => Error::Truncated,
                ErrorKind::InvalidInput | ErrorKind::InvalidData => Error::Damaged(error),
                _ => Error::Read(error),
            }),
        }
    }
}

/// Whole rows of a file.
#[derive(Default)]
pub(crate) struct Piece {
    /// Only the first `len` bytes are of the piece: the buffer is used again and again.
    buffer: Vec<u8>,
    len: usize,
    /// Rows that are no lines, in order.
    pub odd: Vec<Odd>,
    /// Of the byte behind it, in the text.
    pub end: u64,
}

impl Piece {
    pub(crate) fn text(&self) -> &[u8] {
        &self.buffer[..self.len]
    }
}

/// Where reading goes on.
pub(crate) struct Input<R> {
    text: Text<R>,
    /// There is no more to come than is carried.
    ended: bool,
    /// What has been read and was in no piece yet; begins with a row.
    carried: Vec<u8>,
    /// Of the first carried byte, in the text.
    pub offset: u64,
    piece_bytes: usize,
    pub encoding: Encoding,
    pub layout: Layout,
    /// Rows up to the header, with it.
    pub header_rows: u64,
}

impl<R: Read> Input<R> {
    /// Reads the beginning of a file, up to its header.
    pub(crate) fn open(input: R, columns: &Columns, piece_bytes: usize) -> Result<Self, Error> {
        let mut text = Text::open(input)?;
        let mut beginning = vec![0; BEGINNING_BYTES + ROW_BYTES_MAX];
        let len = text.fill(&mut beginning)?;
        let ended = len < beginning.len();
        beginning.truncate(len);
        if UTF16_MARKS.iter().any(|mark| beginning.starts_with(mark)) {
            return Err(Error::Utf16);
        }
        let marked = beginning.starts_with(UTF8_MARK);
        let mark_bytes = if marked { UTF8_MARK.len() } else { 0 };
        beginning.drain(..mark_bytes);
        let encoding = if marked {
            Encoding::Utf8
        } else {
            Encoding::of(&beginning)
        };
        let mut odd = Vec::new();
        let whole = rows::cut(&beginning, ended, &mut odd);
        let mut at = 0;
        let mut header_rows = 0;
        loop {
            if at >= whole {
                return Err(Error::NoHeader);
            }
            header_rows += 1;
            let row = odd
                .iter()
                .find(|odd| (odd.begin as usize..odd.next as usize).contains(&at));
            let (end, next) = match row {
                Some(Odd { fault: Some(_), .. }) => return Err(Error::NoHeader),
                Some(odd) => (odd.end as usize, odd.next as usize),
                None => match memchr(b'\n', &beginning[at..whole]) {
                    Some(newline) => (at + newline, at + newline + 1),
                    None => (whole, whole),
                },
            };
            let header = &beginning[at..end];
            at = next;
            if !is_blank(header, encoding) {
                let layout = Layout::find(columns, header, encoding)?;
                let carried = beginning.split_off(at);
                let offset = (mark_bytes + at) as u64;
                return Ok(Self {
                    text,
                    ended,
                    carried,
                    offset,
                    piece_bytes,
                    encoding,
                    layout,
                    header_rows,
                });
            }
        }
    }

    /// Goes on behind the first `offset` bytes of text.
    pub(crate) fn skip_to(&mut self, offset: u64) -> Result<(), Error> {
        let mut left = offset.checked_sub(self.offset).ok_or(Error::OtherFile)?;
        let mut block = vec![0; self.piece_bytes.max(1)];
        while left > self.carried.len() as u64 {
            left -= self.carried.len() as u64;
            let read = self.text.fill(&mut block)?;
            self.ended |= read < block.len();
            if read == 0 {
                return Err(Error::OtherFile);
            }
            self.carried.clear();
            self.carried.extend_from_slice(&block[..read]);
        }
        self.carried.drain(..left as usize);
        self.offset = offset;
        Ok(())
    }

    /// Reads the next piece; `false` if there is none.
    pub(crate) fn next(&mut self, piece: &mut Piece) -> Result<bool, Error> {
        let mut filled = self.carried.len();
        let mut wanted = self.piece_bytes.max(1);
        loop {
            if piece.buffer.len() < filled + wanted {
                piece.buffer.resize(filled + wanted, 0);
            }
            piece.buffer[..self.carried.len()].copy_from_slice(&self.carried);
            while !self.ended && filled < self.carried.len() + wanted {
                let room = &mut piece.buffer[filled..self.carried.len() + wanted];
                let len = room.len();
                let read = self.text.fill(room)?;
                self.ended = read < len;
                filled += read;
            }
            piece.odd.clear();
            let text = &piece.buffer[..filled];
            let end = rows::cut(text, self.ended, &mut piece.odd);
            if end > 0 || self.ended {
                self.carried.clear();
                self.carried.extend_from_slice(&text[end..]);
                self.offset += end as u64;
                (piece.len, piece.end) = (end, self.offset);
                return Ok(end > 0);
            }
            if filled > ROW_BYTES_MAX && memchr(b'\n', text).is_none() {
                self.skip_line(filled)?;
                let end = filled as u32;
                let fault = Some(Reason::TooLong);
                piece.odd.push(Odd {
                    begin: 0,
                    end,
                    next: end,
                    fault,
                });
                (piece.len, piece.end) = (filled, self.offset);
                return Ok(true);
            }
            wanted += self.piece_bytes.max(1);
        }
    }

    /// Drops what is left of a line of which `read` bytes have been read.
    fn skip_line(&mut self, read: usize) -> Result<(), Error> {
        self.offset += read as u64;
        self.carried.resize(self.piece_bytes.max(1), 0);
        loop {
            let read = self.text.fill(&mut self.carried)?;
            self.ended = read < self.carried.len();
            let line = memchr(b'\n', &self.carried[..read]).map(|newline| newline + 1);
            self.offset += line.unwrap_or(read) as u64;
            if line.is_some() || self.ended {
                self.carried.truncate(read);
                self.carried.drain(..line.unwrap_or(read));
                return Ok(());
            }
        }
    }
}

/// Whether there is nothing in a row.
pub(crate) fn is_blank(row: &[u8], encoding: Encoding) -> bool {
    Cells::of(row).all(|cell| cell.text(encoding).is_some_and(|text| text.is_empty()))
}
