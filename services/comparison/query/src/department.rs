//! A department's side: looks up in its own register whom it was asked about, and writes as much of it
//! as the item's form tells. Nothing of anybody else leaves the engine.

use std::{
    collections::{HashMap, HashSet},
    io::{Read, Write},
};

use comparison_core::{
    answer::{self, Held},
    contract,
};
use comparison_engine::{Authorised, Comparison, Fault, Hit, Reason, Settings, Sink};
use kernel::{IdNumber, ItemKind};

use crate::{
    register,
    request::{Checked, Refused},
};

/// Rows of a person that are told: nobody has more cars or companies.
const ROWS_PER_PERSON_MAX: usize = 50;

/// What an answered request came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// Questions answered with something.
    pub found: usize,
    /// Questions answered with nothing.
    pub nothing: usize,
    /// Questions left open, for a row of the person is no good: silence would look like nothing.
    pub open: usize,
    /// Rows of the register.
    pub rows_read: u64,
    /// Those rows, by position and reason.
    pub faults: Vec<Refused>,
}

/// A register that cannot be compared, or a result that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The register.
    #[error("the register {0}")]
    Register(#[from] comparison_engine::Error),
    /// The result.
    #[error("the result cannot be written: {0}")]
    Result(#[from] csv::Error),
}

/// Answers questions about `item` from the register `file` into a result file.
///
/// # Errors
/// The register cannot be compared to its end, or the result cannot be written.
pub fn answer(
    item: ItemKind,
    questions: &[Checked],
    file: impl Read + Send,
    result: impl Write,
) -> Result<Answered, Failed> {
    let mut places: HashMap<IdNumber, u32> = HashMap::new();
    let mut persons = Authorised::builder();
    for checked in questions {
        let question = &checked.question;
        if places.contains_key(&question.id_number) {
            continue;
        }
        // A checked number is one, and there are no more of them than rows of a request.
        if let Ok(place) = persons.add(question.id_number.expose(), Some(&question.name)) {
            places.insert(question.id_number, place);
        }
    }
    let Ok(persons) = persons.build() else {
        unreachable!("numbers are added once");
    };
    let contract = contract::of_item(item);
    let (columns, cells) = register::columns(&contract);
    let mut found = Found {
        cells,
        held: HashMap::new(),
        open: HashSet::new(),
        faults: Vec::new(),
    };
    let comparison = Comparison {
        authorised: &persons,
        columns: &columns,
        settings: Settings {
            rows_per_person: register::rows_per_person(&contract),
            ..Settings::default()
        },
    };
    let report = comparison.run(file, &mut found)?;

    let mut answered = Answered {
        rows_read: report.counts.rows,
        ..Answered::default()
    };
    let mut csv = csv::Writer::from_writer(result);
    csv.write_record(answer::columns(item))?;
    let nothing = Held::new();
    for checked in questions {
        let question = &checked.question;
        let place = places.get(&question.id_number).copied().unwrap_or(u32::MAX);
        if found.open.contains(&place) {
            answered.open += 1;
            continue;
        }
        let held = found.held.get(&place);
        let rows = held.map_or(&[][..], |rows| rows);
        let cells: Held = rows.iter().map(|(_, cells)| cells.clone()).collect();
        let held = if cells.is_empty() { &nothing } else { &cells };
        let number = question.id_number.expose();
        match answer::write(item, &question.token, question.case, number, held) {
            Ok(records) => {
                for record in records {
                    csv.write_record(record)?;
                }
                if held.is_empty() {
                    answered.nothing += 1;
                } else {
                    answered.found += 1;
                }
            }
            Err(fault) => {
                let row = rows.first().map_or(0, |(row, _)| *row);
                found.refuse(place, row, fault.column, fault.code);
                answered.open += 1;
            }
        }
    }
    csv.flush().map_err(csv::Error::from)?;
    answered.faults = found.faults;
    Ok(answered)
}

/// What is found of those asked about.
struct Found {
    /// Of each value of the contract its place in a hit.
    cells: Vec<usize>,
    /// By person, their rows' numbers and cells.
    held: HashMap<u32, Vec<(u64, Vec<String>)>>,
    /// Persons who cannot be answered for.
    open: HashSet<u32>,
    faults: Vec<Refused>,
}

impl Found {
    fn refuse(&mut self, person: u32, row: u64, column: &'static str, code: &'static str) {
        self.open.insert(person);
        self.faults.push(Refused { row, column, code });
    }
}

impl Sink for Found {
    fn hit(&mut self, hit: &Hit<'_>) {
        let rows = self.held.entry(hit.person).or_default();
        if rows.len() == ROWS_PER_PERSON_MAX {
            self.refuse(hit.person, hit.row, "", "TOO_MANY_ROWS");
            return;
        }
        let cells = self.cells.iter().map(|at| hit.value(*at).into_owned());
        rows.push((hit.row, cells.collect()));
    }

    fn fault(&mut self, fault: &Fault) {
        let Some(person) = fault.person else { return };
        let (column, code) = match fault.reason {
            Reason::NameMismatch => ("name", "NAME_MISMATCH"),
            Reason::Missing => ("name", "REQUIRED"),
            Reason::Contradiction => ("", "CONTRADICTORY_ROWS"),
            _ => ("", "UNREADABLE"),
        };
        self.refuse(person, fault.row, column, code);
    }
}
