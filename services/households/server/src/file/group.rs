//! The second reading of a file: rows become households. A household with a bad row is refused as a
//! whole.

use std::fs::File;

use chrono::NaiveDate;
use households_core::{
    member::MEMBERS_MAX,
    sheet::{Cell, Fault, ID_NUMBER, NATIONAL_NUMBER, Row, SheetHousehold, assemble, read_row},
};

use super::{Format, Step, Unusable, rows, survey::Survey};

/// Households, and what was refused between them.
#[derive(Debug, Default)]
pub struct Batch {
    pub households: Vec<SheetHousehold>,
    pub rows_read: u64,
    /// Rows of households that do not go in.
    pub rows_refused: u64,
    /// What is wrong with them.
    pub faults: Vec<Fault>,
}

/// Rows with the same household number that follow each other.
#[derive(Default)]
struct Group {
    key: Option<String>,
    size: u64,
    rows: Vec<Row>,
    faults: Vec<Fault>,
}

struct Grouping<'a> {
    survey: &'a Survey,
    today: NaiveDate,
    group: Group,
    batch: Batch,
}

impl Grouping<'_> {
    fn row(&mut self, number: u32, cells: &[Cell<'_>]) {
        let (key, person) = self.survey.columns.keys(cells);
        if self.group.key != key || key.is_none() {
            self.close();
            if let Some(key) = key.as_deref().filter(|key| self.survey.is_apart(key)) {
                let _ = key;
                self.group.faults.push(Fault {
                    row: number,
                    column: NATIONAL_NUMBER,
                    code: "ROWS_APART",
                });
            }
            self.group.key = key;
        }
        self.group.size += 1;
        if person.is_some_and(|person| self.survey.is_doubled(person.expose())) {
            self.group.faults.push(Fault {
                row: number,
                column: ID_NUMBER,
                code: "DUPLICATE_IN_FILE",
            });
        }
        match read_row(&self.survey.columns, number, cells, self.today) {
            // One more than may be is enough to know that there are too many.
            Ok(row) if self.group.rows.len() <= MEMBERS_MAX => self.group.rows.push(row),
            Ok(_) => {}
            Err(faults) => self.group.faults.extend(faults),
        }
    }

    fn close(&mut self) {
        let group = std::mem::take(&mut self.group);
        if group.size == 0 {
            return;
        }
        self.batch.rows_read += group.size;
        if !group.faults.is_empty() {
            self.batch.refuse(group.size, group.faults);
            return;
        }
        match assemble(group.rows) {
            Ok(household) => self.batch.accept(household),
            Err(fault) => self.batch.refuse(group.size, [fault]),
        }
    }
}

/// Hands out batches until `send` answers false.
pub(super) fn households(
    file: &File,
    format: Format,
    survey: &Survey,
    today: NaiveDate,
    send: &mut dyn FnMut(Batch) -> bool,
) -> Result<(), Unusable> {
    let mut grouping = Grouping {
        survey,
        today,
        group: Group::default(),
        batch: Batch::default(),
    };
    let mut open = true;
    rows(file, format, &mut |sheet, number, cells| {
        if sheet != survey.sheet {
            return Step::NextSheet;
        }
        if number <= survey.header_row || cells.iter().all(Cell::is_empty) {
            return Step::Next;
        }
        grouping.row(number, cells);
        if grouping.batch.is_full() {
            open = send(std::mem::take(&mut grouping.batch));
        }
        if open { Step::Next } else { Step::Stop }
    })?;
    grouping.close();
    if open && grouping.batch.rows_read > 0 {
        send(grouping.batch);
    }
    Ok(())
}
