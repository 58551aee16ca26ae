//! Rows of a CSV file as cells of a sheet without a name.

use std::{fs::File, ops::ControlFlow};

use chassis::csv_rows;
use households_core::sheet::Cell;

use super::{Step, Unusable, Visit};

pub(super) fn rows(file: &File, visit: &mut Visit<'_>) -> Result<(), Unusable> {
    let read = csv_rows::visit(file, &mut |number, texts| {
        let cells: Vec<Cell<'_>> = texts.iter().map(cell).collect();
        match visit("", number, &cells) {
            Step::Next => ControlFlow::Continue(()),
            Step::NextSheet | Step::Stop => ControlFlow::Break(()),
        }
    });
    read.map_err(|_| Unusable::Malformed)
}

const fn cell<'a>(text: &csv_rows::Cell<'a>) -> Cell<'a> {
    match *text {
        None => Cell::Unreadable,
        Some(text) if text.is_empty() => Cell::Empty,
        Some(text) => Cell::Text(text),
    }
}
