//! Data contracts: which columns a department delivers (S24, S34, DET-6).

use kernel::ItemKind;

use crate::column::{Column, Kind};

/// What a file of a department looks like. Headers in the first row, in any order; further columns
/// are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contract {
    /// The department that delivers.
    pub department: &'static str,
    /// Kind of the rows.
    pub row_kind: &'static str,
    /// The columns.
    pub columns: &'static [Column],
    /// Whether a person has one row at most: two that differ contradict each other.
    pub one_row: bool,
}

impl Contract {
    /// The columns that say something of a person: neither ID number nor name.
    pub fn values(&self) -> impl Iterator<Item = &'static Column> {
        let columns = self.columns.iter();
        columns.filter(|column| !matches!(column.kind, Kind::IdNumber | Kind::Name))
    }

    /// Whether rows have names.
    #[must_use]
    pub fn is_named(&self) -> bool {
        self.columns.iter().any(|column| column.kind == Kind::Name)
    }
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column {
        name,
        kind,
        optional: false,
    }
}

const fn optional(name: &'static str, kind: Kind) -> Column {
    Column {
        name,
        kind,
        optional: true,
    }
}

const ID: Column = column("id_number", Kind::IdNumber);
const NAME: Column = column("name", Kind::Name);

/// Alert batches.
pub const ALERTS: [Contract; 6] = [
    Contract {
        department: "medical_insurance",
        row_kind: "medical_expense",
        columns: &[
            ID,
            // Own part of one stay in hospital, and of the year so far.
            column("stay_oop", Kind::Money),
            column("ytd_oop", Kind::Money),
        ],
        one_row: false,
    },
    Contract {
        department: "education",
        row_kind: "dropout",
        columns: &[
            ID,
            column("school", Kind::Text),
            optional("reason", Kind::Text),
        ],
        one_row: false,
    },
    Contract {
        department: "human_resources",
        row_kind: "job_loss",
        columns: &[
            ID,
            column("lost_on", Kind::Date),
            optional("unpaid_months", Kind::Number),
        ],
        one_row: false,
    },
    Contract {
        department: "disabled_persons",
        row_kind: "disability",
        columns: &[
            ID,
            column("category", Kind::Word),
            column("level", Kind::Number),
        ],
        one_row: false,
    },
    Contract {
        department: "housing",
        row_kind: "house_grade",
        columns: &[ID, column("grade", Kind::Word)],
        one_row: false,
    },
    Contract {
        department: "traffic_police",
        row_kind: "accident",
        columns: &[
            ID,
            column("happened_on", Kind::Date),
            column("result", Kind::Word),
        ],
        one_row: false,
    },
];

/// The contract of a kind of alert rows.
#[must_use]
pub fn of_alerts(row_kind: &str) -> Option<&'static Contract> {
    ALERTS.iter().find(|contract| contract.row_kind == row_kind)
}

/// The contract of an item's register. A row is one thing that a person has; who has nothing has no
/// row.
#[must_use]
pub const fn of_item(item: ItemKind) -> Contract {
    let (department, columns): (_, &'static [Column]) = match item {
        ItemKind::HouseholdRegistration => (
            "public_security",
            const {
                &[
                    ID,
                    NAME,
                    optional("household", Kind::Text),
                    optional("moved_in_on", Kind::Date),
                ]
            },
        ),
        ItemKind::CommercialHousing => (
            "housing",
            const {
                &[
                    ID,
                    NAME,
                    column("use", Kind::Word),
                    optional("area", Kind::Number),
                    optional("relocation", Kind::Flag),
                ]
            },
        ),
        ItemKind::BusinessRegistration => (
            "market_regulation",
            const {
                &[
                    ID,
                    NAME,
                    column("kind", Kind::Word),
                    column("operating", Kind::Flag),
                ]
            },
        ),
        ItemKind::HousingFund => (
            "housing_fund",
            const { &[ID, NAME, column("monthly_base", Kind::Money)] },
        ),
        ItemKind::BankDeposit => (
            "banking",
            const { &[ID, NAME, column("balance", Kind::Money)] },
        ),
        ItemKind::Insurance => (
            "insurance",
            const {
                &[
                    ID,
                    NAME,
                    column("kind", Kind::Word),
                    optional("yearly_premium", Kind::Money),
                ]
            },
        ),
        ItemKind::Securities => (
            "securities",
            const { &[ID, NAME, column("market_value", Kind::Money)] },
        ),
        ItemKind::Vehicle => (
            "traffic_police",
            const {
                &[
                    ID,
                    NAME,
                    column("kind", Kind::Word),
                    optional("price", Kind::Money),
                    optional("exemption", Kind::Word),
                ]
            },
        ),
        ItemKind::PublicPayroll => (
            "finance",
            const { &[ID, NAME, optional("employer", Kind::Text)] },
        ),
    };
    // Somebody is registered once, has one fund account and is on one payroll; things there may be many of.
    let one_row = matches!(
        item,
        ItemKind::HouseholdRegistration | ItemKind::HousingFund | ItemKind::PublicPayroll
    );
    Contract {
        department,
        row_kind: "item",
        columns,
        one_row,
    }
}

#[cfg(test)]
mod tests {
    use kernel::{Code, Department};

    use super::*;

    #[test]
    fn every_contract_begins_with_the_id_number_and_names_a_department() {
        let items = ItemKind::ALL.iter().map(|item| of_item(*item));
        for contract in ALERTS.into_iter().chain(items) {
            assert_eq!(contract.columns[0], ID, "{}", contract.row_kind);
            contract
                .department
                .parse::<Department>()
                .expect("a department");
            let mut names: Vec<&str> = contract.columns.iter().map(|c| c.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), contract.columns.len());
        }
    }
}
