//! What the engine is told of an item's register: the same at a department as in the county's service.

use comparison_core::contract::Contract;
use comparison_engine::{Columns, RowsPerPerson};

/// The columns to read, and of each value of the contract its place in a hit.
#[must_use]
pub fn columns(contract: &Contract) -> (Columns, Vec<usize>) {
    let named = |optional| {
        let columns = contract.values().filter(move |c| c.optional == optional);
        columns.map(|column| column.name.to_owned())
    };
    let columns = Columns {
        id_number: "id_number".to_owned(),
        name: contract.is_named().then(|| "name".to_owned()),
        values: named(false).collect(),
        optional: named(true).collect(),
    };
    // A hit has the values that have to be there, then the others.
    let order: Vec<&String> = columns.values.iter().chain(&columns.optional).collect();
    let place = |name: &str| order.iter().position(|header| *header == name);
    let places = contract.values().filter_map(|column| place(column.name));
    let places = places.collect();
    (columns, places)
}

/// How many rows a person may have.
#[must_use]
pub const fn rows_per_person(contract: &Contract) -> RowsPerPerson {
    if contract.one_row {
        RowsPerPerson::One
    } else {
        RowsPerPerson::Any
    }
}
