//! Which columns of a file are read.

use serde::{Deserialize, Serialize};

use crate::{encoding::Encoding, error::Error, rows::Cells};

/// The columns that are read, by their headers. No other column is looked at, and none leaves the
/// engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// Header of the ID numbers.
    pub id_number: String,
    /// Header of the names, if rows are to have the authorised person's. Absent: by number alone.
    pub name: Option<String>,
    /// Headers of the values that are handed on with a hit, in this order.
    pub values: Vec<String>,
    /// Headers of values that a file or a row may do without; their places follow those of `values`.
    pub optional: Vec<String>,
}

/// Where the columns are, from 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Layout {
    pub id_number: usize,
    pub name: Option<usize>,
    /// Of each value; none where the file has no such column.
    pub values: Vec<Option<usize>>,
    /// Cells that a row has at least.
    pub width: usize,
    /// Cells that are looked at.
    pub end: usize,
}

/// Columns of a file at most: cells behind are not looked at.
pub const COLUMNS_MAX: usize = 1024;

impl Layout {
    /// Of a table, which finds its columns itself and hands them on in the order asked for: the number, the
    /// name, the values. Of `optional` the ones it has.
    pub(crate) fn of_table(columns: &Columns, optional: &[bool]) -> Self {
        let first = 1 + usize::from(columns.name.is_some());
        let required = columns.values.iter().map(|_| true);
        let there = required.chain(optional.iter().copied());
        let values: Vec<Option<usize>> = there
            .enumerate()
            .map(|(at, there)| there.then_some(first + at))
            .collect();
        let width = first + values.len();
        Self {
            id_number: 0,
            name: columns.name.as_ref().map(|_| 1),
            values,
            width,
            end: width,
        }
    }

    /// Finds the columns in the header row.
    pub(crate) fn find(
        columns: &Columns,
        header: &[u8],
        encoding: Encoding,
    ) -> Result<Self, Error> {
        let headers: Vec<_> = Cells::of(header)
            .take(COLUMNS_MAX)
            .map(|cell| cell.text(encoding).unwrap_or_default())
            .collect();
        let place = |name: &String| {
            let mut places = (0..headers.len()).filter(|at| headers[*at] == name.as_str());
            match (places.next(), places.next()) {
                (Some(place), None) => Ok(place),
                (None, _) => Err(Error::ColumnMissing {
                    column: name.clone(),
                }),
                (Some(_), Some(_)) => Err(Error::ColumnTwice {
                    column: name.clone(),
                }),
            }
        };
        let id_number = place(&columns.id_number)?;
        let name = columns.name.as_ref().map(place).transpose()?;
        let required: Vec<usize> = columns.values.iter().map(place).collect::<Result<_, _>>()?;
        let last = required
            .iter()
            .copied()
            .chain(name)
            .fold(id_number, usize::max);
        let optional = columns.optional.iter().map(|name| match place(name) {
            Ok(place) => Ok(Some(place)),
            Err(Error::ColumnMissing { .. }) => Ok(None),
            Err(error) => Err(error),
        });
        let values = required.into_iter().map(|place| Ok(Some(place)));
        let values = values.chain(optional).collect::<Result<Vec<_>, _>>()?;
        let end = values.iter().flatten().copied().fold(last, usize::max);
        Ok(Self {
            id_number,
            name,
            values,
            width: last + 1,
            end: end + 1,
        })
    }
}
