//! Where in a sheet each column stands.

use kernel::IdNumber;

use super::{Cell, INCOME, IncomeColumn, REQUIRED, RISKS, value};

/// A column: its header, and where it stands if the sheet has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub header: &'static str,
    index: Option<usize>,
}

impl Column {
    fn find(headers: &[&str], header: &'static str) -> Self {
        let index = headers.iter().position(|found| *found == header);
        Self { header, index }
    }

    pub fn cell<'a>(&self, cells: &[Cell<'a>]) -> Cell<'a> {
        let cell = self.index.and_then(|index| cells.get(index));
        cell.copied().unwrap_or(Cell::Empty)
    }
}

macro_rules! columns {
    ($($field:ident: $header:ident),+ $(,)?) => {
        /// The columns of one sheet.
        #[derive(Debug, Clone)]
        pub struct Columns {
            $(pub(super) $field: Column,)+
            pub(super) risks: [Column; 5],
            /// Yearly amounts that the sheet has.
            pub(super) income: Vec<(IncomeColumn, Column)>,
        }

        impl Columns {
            fn read(headers: &[&str]) -> Self {
                let income = INCOME.into_iter().map(|income| (income, Column::find(headers, income.header)));
                Self {
                    $($field: Column::find(headers, super::$header),)+
                    risks: RISKS.map(|header| Column::find(headers, header)),
                    income: income.filter(|(_, column)| column.index.is_some()).collect(),
                }
            }
        }
    };
}

columns! {
    national_number: NATIONAL_NUMBER,
    division_code: DIVISION_CODE,
    village_group: VILLAGE_GROUP,
    formerly_registered: FORMERLY_REGISTERED,
    lifted_year: LIFTED_YEAR,
    phone: PHONE,
    address: ADDRESS,
    relocated: RELOCATED,
    relocation_site: RELOCATION_SITE,
    disaster_kind: DISASTER_KIND,
    risk_remark: RISK_REMARK,
    filled_on: FILLED_ON,
    housing_unsafe: HOUSING_UNSAFE,
    out_of_school: OUT_OF_SCHOOL,
    water_unsafe: WATER_UNSAFE,
    uninsured: UNINSURED,
    name: NAME,
    sex: SEX,
    id_kind: ID_KIND,
    id_number: ID_NUMBER,
    relation: RELATION,
    schooling: SCHOOLING,
    health: HEALTH,
    labour: LABOUR,
    resident_insurance: RESIDENT_INSURANCE,
    employee_insurance: EMPLOYEE_INSURANCE,
    dibao: DIBAO,
    tekun: TEKUN,
    registered: REGISTERED,
    resident: RESIDENT,
    shares_income: SHARES_INCOME,
}

impl Columns {
    /// Finds the columns by the cells of the header row.
    ///
    /// # Errors
    /// A code and the header that is missing or stands there twice, for each.
    pub fn find(headers: &[&str]) -> Result<Self, Vec<(&'static str, &'static str)>> {
        let headers: Vec<&str> = headers.iter().map(|header| header.trim()).collect();
        let count = |header: &str| headers.iter().filter(|found| **found == header).count();
        let missing = REQUIRED.into_iter().filter(|header| count(header) == 0);
        let known = super::HEADERS
            .into_iter()
            .chain(INCOME.iter().map(|income| income.header));
        let double = known.filter(|header| count(header) > 1);
        let faults: Vec<_> = missing
            .map(|header| ("HEADER_MISSING", header))
            .chain(double.map(|header| ("HEADER_DUPLICATE", header)))
            .collect();
        if faults.is_empty() {
            Ok(Self::read(&headers))
        } else {
            Err(faults)
        }
    }

    /// What tells households and persons apart in a row, before the row is read: 户编号 and
    /// 证件号码, each if it can be read.
    #[must_use]
    pub fn keys(&self, cells: &[Cell<'_>]) -> (Option<String>, Option<IdNumber>) {
        let household = value::text(self.national_number.cell(cells), super::WORD_CHARS_MAX);
        let person = value::id_number(self.id_number.cell(cells), true);
        (household.ok().filter(|text| !text.is_empty()), person.ok())
    }
}

/// Whether a row is the header row: it names the household number and the ID number.
#[must_use]
pub fn is_header_row(cells: &[Cell<'_>]) -> bool {
    let has = |header: &str| {
        cells
            .iter()
            .any(|cell| matches!(cell, Cell::Text(text) if text.trim() == header))
    };
    has(super::NATIONAL_NUMBER) && has(super::ID_NUMBER)
}
