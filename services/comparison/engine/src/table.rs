//! The seam for files of columns: their ID numbers are looked at where they lie, and of the other columns
//! nothing but the rows of authorised persons.

use std::borrow::Cow;

use memchr::memchr;

use crate::{
    authorised::Authorised,
    compare::{Look, Row, Source},
    encoding::bare,
    error::Error,
    id::Number,
    report::Reason,
    rows::ROW_BYTES_MAX,
    scan::{Event, Findings, Span, What},
    sieve::Candidate,
};

/// A file of columns, of which those in [`Columns`](crate::Columns) have been found.
pub trait Table: Send {
    /// Some rows of it.
    type Piece: Piece;

    /// Of each of [`Columns::optional`](crate::Columns::optional) whether the file has it.
    fn optional(&self) -> &[bool];

    /// Tells the file from others with the same columns, as far as its beginning or its end can.
    fn fingerprint(&self) -> u64;

    /// Leaves out the first `rows` rows.
    ///
    /// # Errors
    /// [`Error::OtherFile`] if there are fewer; the file cannot be read.
    fn skip(&mut self, rows: u64) -> Result<(), Error>;

    /// The next rows, `None` behind the last one. One thread at a time is in here: what takes time belongs
    /// into the piece.
    ///
    /// # Errors
    /// The file cannot be read.
    fn next(&mut self) -> Result<Option<Self::Piece>, Error>;
}

/// Some rows of a [`Table`] that one thread looks at.
pub trait Piece: Send {
    /// Bytes of the file up to the end of the piece.
    fn end(&self) -> u64;

    /// Hands on the ID number of each row.
    ///
    /// # Errors
    /// The file cannot be read.
    fn numbers(&mut self, numbers: &mut Numbers<'_>) -> Result<(), Error>;

    /// Reads names and values of these rows, counted from 0 and in order: authorised persons'.
    ///
    /// # Errors
    /// The file cannot be read.
    fn fetch(&mut self, rows: &[u32]) -> Result<(), Error>;

    /// The name in one of the fetched rows, by its place among them; `None` where there is none.
    ///
    /// # Errors
    /// It is no text.
    fn name(&self, at: usize) -> Result<Option<Cow<'_, str>>, Reason>;

    /// A value of one of the fetched rows, as it would stand in a text; `column` is its place in
    /// [`Columns::values`](crate::Columns::values) and, behind those, in `optional`.
    ///
    /// # Errors
    /// It is no text.
    fn value(&self, at: usize, column: usize) -> Result<Option<Cow<'_, str>>, Reason>;
}

/// Takes in the ID numbers of a piece. Of an outsider's nothing is left.
pub struct Numbers<'a> {
    authorised: &'a Authorised,
    findings: &'a mut Findings,
}

impl Numbers<'_> {
    /// The number of the next row, as it stands there; `None` where there is none.
    #[inline]
    pub fn push(&mut self, cell: Option<&[u8]>) {
        let clean = cell
            .and_then(|cell| cell.try_into().ok())
            .and_then(Number::clean);
        match clean {
            Some(number) => self.good(number),
            None => self.with_care(cell.unwrap_or_default()),
        }
        self.findings.rows += 1;
    }

    #[inline]
    fn good(&mut self, number: Number) {
        let candidate = Candidate {
            hash: number.hash(),
            row: self.findings.rows,
            what: number,
        };
        self.findings.numbers.push(candidate, self.authorised);
    }

    #[cold]
    fn with_care(&mut self, cell: &[u8]) {
        let number = match Number::near(cell) {
            Some(number) => Ok(number),
            None => str::from_utf8(cell)
                .map_err(|_| Reason::Unreadable)
                .and_then(|text| Number::read(&bare(Cow::Borrowed(text)))),
        };
        match number {
            Ok(number) => self.good(number),
            Err(reason) => self.findings.note(What::Fault {
                person: None,
                reason,
            }),
        }
    }
}

/// The pieces of a table as the threads take them.
pub(crate) struct Pieces<T>(pub T);

impl<T: Table> Source for Pieces<T> {
    type Piece = Option<T::Piece>;

    fn next(&mut self, piece: &mut Self::Piece) -> Result<bool, Error> {
        // What the one before holds is given back before more is read.
        *piece = None;
        *piece = self.0.next()?;
        Ok(piece.is_some())
    }
}

/// Looks for authorised persons in the pieces of a table.
pub(crate) struct Survey<'a> {
    pub authorised: &'a Authorised,
    pub named: bool,
    /// How many there are, optional ones too.
    pub values: usize,
}

impl<P: Piece> Look<Option<P>> for Survey<'_> {
    fn look(&self, piece: &mut Option<P>, findings: &mut Findings) -> Result<(), Error> {
        findings.clear();
        let Some(piece) = piece else { return Ok(()) };
        let authorised = self.authorised;
        piece.numbers(&mut Numbers {
            authorised,
            findings,
        })?;
        let Findings {
            events, numbers, ..
        } = findings;
        let (mut rows, mut persons) = (Vec::new(), Vec::new());
        for (candidate, place) in numbers.finish(authorised) {
            if let Some(person) = authorised.person(candidate.what, place) {
                rows.push(candidate.row);
                persons.push(person);
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        piece.fetch(&rows)?;
        for (at, (row, person)) in rows.into_iter().zip(persons).enumerate() {
            let (begin, end) = (at as u32, at as u32 + 1);
            let what = What::of(person, Span { begin, end }, self.judge(piece, at, person));
            events.push(Event { row, what });
        }
        // Faults are there already: two sorted runs.
        events.sort_by_key(|event| event.row);
        Ok(())
    }

    fn end(&self, piece: &Option<P>) -> u64 {
        piece.as_ref().map_or(0, Piece::end)
    }

    fn row<'p>(&'p self, piece: &'p Option<P>, span: Span) -> Option<Row<'p>> {
        let (piece, at) = (piece.as_ref()?, span.begin as usize);
        let values = self.values;
        Some(Row::Fetched { piece, at, values })
    }
}

impl Survey<'_> {
    /// Whether an authorised person's row is good. What is worst in a text is worst here.
    fn judge(&self, piece: &impl Piece, at: usize, person: u32) -> Result<(), Reason> {
        let (mut bytes, mut nul, mut unreadable) = (0, false, false);
        let mut read = |cell: Result<Option<Cow<'_, str>>, Reason>| match cell {
            Ok(cell) => {
                let text = bare(cell.unwrap_or_default()).into_owned();
                bytes += text.len();
                nul |= memchr(0, text.as_bytes()).is_some();
                text
            }
            Err(_) => {
                unreadable = true;
                String::new()
            }
        };
        let mut named = Ok(());
        if self.named {
            named = self.authorised.check_name(person, &read(piece.name(at)));
        }
        for column in 0..self.values {
            read(piece.value(at, column));
        }
        match () {
            () if bytes > ROW_BYTES_MAX => Err(Reason::TooLong),
            () if nul => Err(Reason::Nul),
            () if unreadable => Err(Reason::Unreadable),
            () => named,
        }
    }
}
