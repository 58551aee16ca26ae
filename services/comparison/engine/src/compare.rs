//! A comparison from beginning to end.

use std::{
    borrow::Cow,
    io::Read,
    num::NonZero,
    ops::ControlFlow,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use serde::{Deserialize, Serialize};

use crate::{
    authorised::Authorised,
    columns::{Columns, Layout},
    encoding::{Encoding, bare},
    error::Error,
    id::fold,
    input::{self, Input},
    report::{Counts, Fault, Position, Reason, Report},
    rows::Cells,
    scan::{Event, Findings, Reading, Scan, Span, What},
    table::{Piece, Pieces, Survey, Table},
};

/// Threads at most: behind that, reading is what takes the time.
const THREADS_MAX: usize = 16;
/// The largest piece: places in it are kept in 32 bits.
const PIECE_BYTES_MAX: usize = 16 << 20;

/// How many rows a person may have in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum RowsPerPerson {
    /// Any number: vehicles, houses.
    #[default]
    Any,
    /// One. The same row again is counted and not handed on; one with another value is a
    /// [`Reason::Contradiction`]. Takes 24 bytes for each person found.
    One,
}

/// How a comparison is done. None of this changes what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Threads that look at rows; the caller's is one of them. 1 to 16.
    pub threads: usize,
    /// Bytes that a thread takes at once: memory is about this for each thread, and a row or two. Up to
    /// 16 MiB.
    pub piece_bytes: usize,
    /// Faults that the report names; more are only counted.
    pub positions_max: usize,
    /// How many rows a person may have.
    pub rows_per_person: RowsPerPerson,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            threads: thread::available_parallelism().map_or(1, NonZero::get),
            // Small enough for the caches near a core; with less, threads wait for each other too often.
            piece_bytes: 512 * 1024,
            positions_max: 1000,
            rows_per_person: RowsPerPerson::Any,
        }
    }
}

/// A good row of an authorised person.
pub struct Hit<'a> {
    /// Number of the row, see [`Fault::row`].
    pub row: u64,
    /// Whose it is, see [`crate::AuthorisedBuilder::add`].
    pub person: u32,
    cells: Row<'a>,
}

/// Where the values of a row are.
pub(crate) enum Row<'a> {
    Text {
        text: &'a [u8],
        layout: &'a Layout,
        encoding: Encoding,
    },
    Fetched {
        piece: &'a dyn Piece,
        /// Which one of those that were fetched.
        at: usize,
        values: usize,
    },
}

impl<'a> Hit<'a> {
    /// A value of the row without blanks around it, by its place in [`Columns::values`] and, behind
    /// those, in [`Columns::optional`]; empty where the row has none.
    #[must_use]
    pub fn value(&self, at: usize) -> Cow<'a, str> {
        match self.cells {
            Row::Text {
                text,
                layout,
                encoding,
            } => {
                let place = layout.values.get(at).copied().flatten();
                let cell = place.and_then(|place| Cells::of(text).nth(place));
                let text = cell.and_then(|cell| cell.text(encoding));
                text.unwrap_or_default()
            }
            Row::Fetched {
                piece,
                at: row,
                values,
            } => {
                let cell = (at < values).then(|| piece.value(row, at).ok()).flatten();
                bare(cell.flatten().unwrap_or_default())
            }
        }
    }

    fn values(&self) -> usize {
        match self.cells {
            Row::Text { layout, .. } => layout.values.len(),
            Row::Fetched { values, .. } => values,
        }
    }

    /// Tells two rows with different values apart.
    fn fingerprint(&self) -> u64 {
        let mut hash = 0x9E37_79B9_7F4A_7C15;
        for at in 0..self.values() {
            for byte in self.value(at).bytes().map(u64::from).chain([256]) {
                hash = fold(hash ^ byte, 0xC2B2_AE3D_27D4_EB4F) ^ byte << 32;
            }
        }
        hash
    }
}

/// Takes in what a comparison finds, in the order of the file's rows.
///
/// Nothing of it counts until the comparison has ended well: a gzip that turns out to be damaged at its
/// end was damaged all along.
pub trait Sink: Send {
    /// A good row of an authorised person.
    fn hit(&mut self, hit: &Hit<'_>);

    /// A row that counts for nobody.
    fn fault(&mut self, _fault: &Fault) {}

    /// Everything up to a place in the file has been handed on. `Break` breaks the comparison off.
    fn advanced(&mut self, _progress: &Progress<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// How far a comparison has come.
pub struct Progress<'a> {
    state: &'a State,
}

impl Progress<'_> {
    /// Bytes behind us: of a text unpacked, of a file of columns as they lie there.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.state.offset
    }

    /// Rows behind us, by what became of them.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.state.counts
    }

    /// From here a comparison can go on, see [`Comparison::resume`]. Keep it together with all that the
    /// sink has got, and nothing that it gets later.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint(self.state.clone())
    }
}

/// Where a comparison can go on. Holds no content of any row; of a person that was found, with
/// [`RowsPerPerson::One`], the row's number and a hash of its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Checkpoint(State);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    /// Bytes up to a row's begin, as [`Progress::bytes`] has them.
    offset: u64,
    /// Number of the last row before that.
    row: u64,
    counts: Counts,
    positions: Vec<Position>,
    /// Of persons with a hit, with one row a person: who, number of the row, hash of its values.
    seen: Vec<(u32, u64, u64)>,
    encoding: Encoding,
    layout: Layout,
    persons: u64,
    rows_per_person: RowsPerPerson,
    /// What a table says that it is; none of a text.
    #[serde(default)]
    table: Option<u64>,
}

/// Compares files with authorised persons.
pub struct Comparison<'a> {
    /// Whose rows are looked for.
    pub authorised: &'a Authorised,
    /// Which columns are read.
    pub columns: &'a Columns,
    /// How.
    pub settings: Settings,
}

impl Comparison<'_> {
    /// Compares a file, plain or gzip. Blocks until its end.
    ///
    /// # Errors
    /// The file cannot be read to its end, or has not the columns; or the sink broke off.
    pub fn run(&self, file: impl Read + Send, sink: &mut impl Sink) -> Result<Report, Error> {
        self.compare(file, None, Reading::Fast, sink)
    }

    /// Goes on from a checkpoint. The file is given from its beginning; what is behind us is read over.
    ///
    /// # Errors
    /// Those of [`run`](Self::run), and that the checkpoint is of something else.
    pub fn resume(
        &self,
        checkpoint: Checkpoint,
        file: impl Read + Send,
        sink: &mut impl Sink,
    ) -> Result<Report, Error> {
        self.compare(file, Some(checkpoint.0), Reading::Fast, sink)
    }

    /// Compares a file of columns. Rows are counted as in a text, where the header is the first one, so the
    /// first row is 2; there are no blank ones.
    ///
    /// # Errors
    /// The file cannot be read to its end; or the sink broke off.
    pub fn run_table(&self, table: impl Table, sink: &mut impl Sink) -> Result<Report, Error> {
        self.compare_table(table, None, sink)
    }

    /// Goes on from a checkpoint.
    ///
    /// # Errors
    /// Those of [`run_table`](Self::run_table), and that the checkpoint is of something else.
    pub fn resume_table(
        &self,
        checkpoint: Checkpoint,
        table: impl Table,
        sink: &mut impl Sink,
    ) -> Result<Report, Error> {
        self.compare_table(table, Some(checkpoint.0), sink)
    }

    fn compare_table(
        &self,
        mut table: impl Table,
        from: Option<State>,
        sink: &mut impl Sink,
    ) -> Result<Report, Error> {
        let layout = Layout::of_table(self.columns, table.optional());
        let beginning = self.beginning(0, 1, Encoding::Utf8, layout, Some(table.fingerprint()));
        let header_rows = beginning.row;
        let state = beginning.or(from)?;
        let rows = state.row.checked_sub(header_rows);
        table.skip(rows.ok_or(Error::OtherFile)?)?;
        let survey = Survey {
            authorised: self.authorised,
            named: self.columns.name.is_some(),
            values: state.layout.values.len(),
        };
        self.work(Pieces(table), survey, state, sink)
    }

    fn compare<R: Read + Send>(
        &self,
        file: R,
        from: Option<State>,
        reading: Reading,
        sink: &mut impl Sink,
    ) -> Result<Report, Error> {
        let piece_bytes = self.settings.piece_bytes.clamp(1, PIECE_BYTES_MAX);
        let mut input = Input::open(file, self.columns, piece_bytes)?;
        let (layout, encoding) = (input.layout.clone(), input.encoding);
        let (offset, row) = (input.offset, input.header_rows);
        let beginning = self.beginning(offset, row, encoding, layout.clone(), None);
        let state = beginning.or(from)?;
        input.skip_to(state.offset)?;
        let scan = Scan {
            authorised: self.authorised,
            layout: &layout,
            encoding,
            reading,
        };
        self.work(input, scan, state, sink)
    }

    fn beginning(
        &self,
        offset: u64,
        row: u64,
        encoding: Encoding,
        layout: Layout,
        table: Option<u64>,
    ) -> State {
        State {
            offset,
            row,
            counts: Counts::default(),
            positions: Vec::new(),
            seen: Vec::new(),
            encoding,
            layout,
            persons: self.authorised.fingerprint(),
            rows_per_person: self.settings.rows_per_person,
            table,
        }
    }

    fn work<I: Source>(
        &self,
        input: I,
        look: impl Look<I::Piece>,
        state: State,
        sink: &mut impl Sink,
    ) -> Result<Report, Error> {
        let mut first_rows = vec![
            None;
            match self.settings.rows_per_person {
                RowsPerPerson::Any => 0,
                RowsPerPerson::One => self.authorised.len(),
            }
        ];
        for (person, row, fingerprint) in &state.seen {
            let place = first_rows
                .get_mut(*person as usize)
                .ok_or(Error::OtherPersons)?;
            *place = Some((*row, *fingerprint));
        }
        let work = Work {
            input: Mutex::new((0, input)),
            turns: Mutex::new(Turns {
                next: 0,
                ended: None,
                state,
                first_rows,
                positions_max: self.settings.positions_max,
                sink,
            }),
            turn: Condvar::new(),
            look,
        };
        thread::scope(|scope| {
            for _ in 1..self.settings.threads.clamp(1, THREADS_MAX) {
                // Without another thread it goes on, only more slowly.
                let _ = thread::Builder::new().spawn_scoped(scope, || work.run());
            }
            work.run();
        });
        let turns = work
            .turns
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        turns.ended.unwrap_or(Err(Error::BrokenOff))?;
        Ok(Report {
            encoding: turns.state.encoding,
            bytes: turns.state.offset,
            counts: turns.state.counts,
            positions: turns.state.positions,
        })
    }
}

impl State {
    /// This, or where a comparison of the same file with the same persons had come to.
    fn or(self, from: Option<Self>) -> Result<Self, Error> {
        let Some(state) = from else { return Ok(self) };
        let of = |state: &Self| {
            let file = (state.layout.clone(), state.encoding, state.table);
            (file, state.rows_per_person)
        };
        if of(&state) != of(&self) {
            return Err(Error::OtherFile);
        }
        if state.persons != self.persons {
            return Err(Error::OtherPersons);
        }
        Ok(state)
    }
}

/// Where pieces of a file come from.
pub(crate) trait Source: Send {
    type Piece: Default;

    /// Reads the next piece; `false` if there is none.
    fn next(&mut self, piece: &mut Self::Piece) -> Result<bool, Error>;
}

/// Finds in a piece whatever is more than an outsider's row.
pub(crate) trait Look<P>: Sync {
    fn look(&self, piece: &mut P, findings: &mut Findings) -> Result<(), Error>;

    /// Of the byte behind a piece, as [`Progress::bytes`] has it.
    fn end(&self, piece: &P) -> u64;

    /// The row that was found there.
    fn row<'p>(&'p self, piece: &'p P, span: Span) -> Option<Row<'p>>;
}

impl<R: Read + Send> Source for Input<R> {
    type Piece = input::Piece;

    fn next(&mut self, piece: &mut Self::Piece) -> Result<bool, Error> {
        self.next(piece)
    }
}

impl Look<input::Piece> for Scan<'_> {
    fn look(&self, piece: &mut input::Piece, findings: &mut Findings) -> Result<(), Error> {
        self.piece(piece, findings);
        Ok(())
    }

    fn end(&self, piece: &input::Piece) -> u64 {
        piece.end
    }

    fn row<'p>(&'p self, piece: &'p input::Piece, span: Span) -> Option<Row<'p>> {
        let text = piece.text().get(span.begin as usize..span.end as usize)?;
        let (layout, encoding) = (self.layout, self.encoding);
        Some(Row::Text {
            text,
            layout,
            encoding,
        })
    }
}

/// What the threads share. Each takes the next piece of the input, looks at it by itself, and waits for
/// its turn to hand on what it has found: so there are never more pieces in memory than threads, and
/// rows arrive in order.
struct Work<'a, I, L, S> {
    /// Number of the next piece, and where it comes from.
    input: Mutex<(u64, I)>,
    turns: Mutex<Turns<'a, S>>,
    turn: Condvar,
    look: L,
}

struct Turns<'a, S> {
    /// Number of the piece that is next.
    next: u64,
    ended: Option<Result<(), Error>>,
    state: State,
    /// By person: number of the first row and hash of its values. Empty if any number will do.
    first_rows: Vec<Option<(u64, u64)>>,
    positions_max: usize,
    sink: &'a mut S,
}

impl<'a, I: Source, L: Look<I::Piece>, S: Sink> Work<'a, I, L, S> {
    fn run(&self) {
        let _end = EndOnPanic(self);
        let (mut piece, mut findings) = (I::Piece::default(), Findings::default());
        loop {
            let (number, more) = {
                let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
                let number = input.0;
                input.0 += 1;
                (number, input.1.next(&mut piece))
            };
            let looked = match more {
                Ok(true) => self.look.look(&mut piece, &mut findings).map(|()| true),
                ended => ended,
            };
            let mut turns = self.turns();
            while turns.next != number && turns.ended.is_none() {
                turns = self
                    .turn
                    .wait(turns)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            if turns.ended.is_some() {
                return;
            }
            turns.ended = match looked {
                Ok(true) => turns
                    .hand_on(&self.look, &piece, &findings)
                    .is_break()
                    .then_some(Err(Error::BrokenOff)),
                Ok(false) => Some(Ok(())),
                Err(error) => Some(Err(error)),
            };
            turns.next += 1;
            let ended = turns.ended.is_some();
            drop(turns);
            self.turn.notify_all();
            if ended {
                return;
            }
        }
    }

    fn turns(&self) -> MutexGuard<'_, Turns<'a, S>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A sink that panics must not leave the other threads waiting.
struct EndOnPanic<'a, 'b, I: Source, L: Look<I::Piece>, S: Sink>(&'a Work<'b, I, L, S>);

impl<I: Source, L: Look<I::Piece>, S: Sink> Drop for EndOnPanic<'_, '_, I, L, S> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.turns().ended = Some(Err(Error::BrokenOff));
            self.0.turn.notify_all();
        }
    }
}

impl<S: Sink> Turns<'_, S> {
    fn hand_on<P>(
        &mut self,
        look: &impl Look<P>,
        piece: &P,
        findings: &Findings,
    ) -> ControlFlow<()> {
        for event in &findings.events {
            self.event(look, piece, event);
        }
        let state = &mut self.state;
        state.row += u64::from(findings.rows);
        state.counts.rows += u64::from(findings.rows - findings.blank_rows);
        state.offset = look.end(piece);
        self.sink.advanced(&Progress { state })
    }

    fn event<P>(&mut self, look: &impl Look<P>, piece: &P, event: &Event) {
        let row = self.state.row + 1 + u64::from(event.row);
        let fault = match event.what {
            What::Fault { person, reason } => Fault {
                row,
                reason,
                person,
                earlier: None,
            },
            What::Hit { person, span } => {
                // It was found there.
                let Some(cells) = look.row(piece, span) else {
                    return;
                };
                let hit = Hit { row, person, cells };
                match self
                    .first_rows
                    .get_mut(person as usize)
                    .map(|first| (hit.fingerprint(), first))
                {
                    Some((fingerprint, Some((earlier, first)))) => {
                        if *first == fingerprint {
                            self.state.counts.repeats += 1;
                            return;
                        }
                        let (reason, earlier) = (Reason::Contradiction, Some(*earlier));
                        Fault {
                            row,
                            reason,
                            person: Some(person),
                            earlier,
                        }
                    }
                    first => {
                        if let Some((fingerprint, first)) = first {
                            *first = Some((row, fingerprint));
                            self.state.seen.push((person, row, fingerprint));
                        }
                        self.state.counts.hits += 1;
                        self.sink.hit(&hit);
                        return;
                    }
                }
            }
        };
        *self.state.counts.faults.entry(fault.reason).or_default() += 1;
        if self.state.positions.len() < self.positions_max {
            self.state.positions.push(Position {
                row,
                reason: fault.reason,
            });
        }
        self.sink.fault(&fault);
    }
}

#[cfg(test)]
mod tests;
