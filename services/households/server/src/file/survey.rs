//! The first reading of a file: where its columns are, and what only the whole file can tell.

use std::{
    collections::HashSet,
    fs::File,
    hash::{BuildHasher, RandomState},
};

use households_core::sheet::{Cell, Columns, HEADER_ROW_MAX, ROWS_MAX, is_header_row};

use super::{Format, Step, Unusable, rows};

/// What the first reading found. Keys are kept as hashes: 200 000 of them stay small.
pub(super) struct Survey {
    pub sheet: String,
    pub columns: Columns,
    pub header_row: u32,
    hasher: RandomState,
    apart: HashSet<u64>,
    doubled: HashSet<u64>,
}

impl Survey {
    /// Whether the household's rows do not follow each other.
    pub fn is_apart(&self, household: &str) -> bool {
        self.apart.contains(&self.hasher.hash_one(household))
    }

    /// Whether the person's ID number stands in several rows.
    pub fn is_doubled(&self, person: &str) -> bool {
        self.doubled.contains(&self.hasher.hash_one(person))
    }
}

#[derive(Default)]
struct State {
    sheet: String,
    header: Option<(u32, Columns)>,
    unusable: Option<Unusable>,
    rows: u32,
    hasher: RandomState,
    current: Option<u64>,
    households: HashSet<u64>,
    persons: HashSet<u64>,
    apart: HashSet<u64>,
    doubled: HashSet<u64>,
}

impl State {
    fn row(&mut self, sheet: &str, number: u32, cells: &[Cell<'_>]) -> Step {
        if self.sheet != sheet {
            if self.header.is_some() {
                return Step::Stop;
            }
            sheet.clone_into(&mut self.sheet);
        }
        let Some((_, columns)) = &self.header else {
            return self.before_header(number, cells);
        };
        if cells.iter().all(Cell::is_empty) {
            return Step::Next;
        }
        let (household, person) = columns.keys(cells);
        self.rows += 1;
        if self.rows > ROWS_MAX {
            self.unusable = Some(Unusable::TooManyRows);
            return Step::Stop;
        }
        let household = household.map(|number| self.hasher.hash_one(number.as_str()));
        if household != self.current {
            self.current = household;
            if let Some(household) = household
                && !self.households.insert(household)
            {
                self.apart.insert(household);
            }
        }
        if let Some(person) = person {
            let person = self.hasher.hash_one(person.expose());
            if !self.persons.insert(person) {
                self.doubled.insert(person);
            }
        }
        Step::Next
    }

    fn before_header(&mut self, number: u32, cells: &[Cell<'_>]) -> Step {
        if number > HEADER_ROW_MAX {
            return Step::NextSheet;
        }
        if !is_header_row(cells) {
            return Step::Next;
        }
        let text = |cell: &Cell<'_>| match cell {
            Cell::Text(text) => (*text).to_owned(),
            _ => String::new(),
        };
        let headers: Vec<String> = cells.iter().map(text).collect();
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        match Columns::find(&headers) {
            Ok(columns) => {
                self.header = Some((number, columns));
                Step::Next
            }
            Err(faults) => {
                self.unusable = Some(Unusable::Headers(faults));
                Step::Stop
            }
        }
    }
}

pub(super) fn survey(file: &File, format: Format) -> Result<Survey, Unusable> {
    let mut state = State::default();
    rows(file, format, &mut |sheet, number, cells| {
        state.row(sheet, number, cells)
    })?;
    if let Some(unusable) = state.unusable {
        return Err(unusable);
    }
    let (header_row, columns) = state.header.ok_or(Unusable::NoHeaders)?;
    Ok(Survey {
        sheet: state.sheet,
        columns,
        header_row,
        hasher: state.hasher,
        apart: state.apart,
        doubled: state.doubled,
    })
}
