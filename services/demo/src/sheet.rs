//! Households as the national system exports them: XLSX, and CSV in the encodings that offices use.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use chrono::NaiveDate;
use encoding_rs::{Encoding, GBK, UTF_8};
use households_core::{
    income::IncomeGroup,
    sheet::{self, HEADERS, INCOME, IncomeColumn},
};
use kernel::{Origin, Sex};
use rust_xlsxwriter::Workbook;

use crate::{Household, Person, Year};

/// Form of a sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A workbook with the headers in row 3.
    Xlsx,
    /// Text with a byte order mark, as spreadsheets save it.
    CsvUtf8Bom,
    /// Text in the encoding of older office programs.
    CsvGbk,
}

impl Form {
    /// Every form in turn.
    #[must_use]
    pub const fn of(number: usize) -> Self {
        match number % 3 {
            0 => Self::Xlsx,
            1 => Self::CsvUtf8Bom,
            _ => Self::CsvGbk,
        }
    }

    /// Ending of a file's name.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Xlsx => "xlsx",
            Self::CsvUtf8Bom | Self::CsvGbk => "csv",
        }
    }
}

/// Headers in the order of the columns.
#[must_use]
pub fn headers() -> Vec<String> {
    let income = INCOME.iter().map(|column| column.header);
    HEADERS
        .into_iter()
        .chain(income)
        .map(str::to_owned)
        .collect()
}

/// The rows of a household, one a member, the head's first. What is said of the whole household
/// stands in the head's row.
pub fn rows(household: &Household, as_of: NaiveDate) -> impl Iterator<Item = Vec<String>> + '_ {
    household
        .members
        .iter()
        .enumerate()
        .map(move |(at, member)| {
            let own = HEADERS
                .iter()
                .map(|header| member_cell(household, member, header));
            let mut row: Vec<String> = own.collect();
            row.resize(HEADERS.len() + INCOME.len(), String::new());
            if at == 0 {
                for (cell, header) in row.iter_mut().zip(HEADERS) {
                    if let Some(text) = household_cell(household, header, as_of) {
                        *cell = text;
                    }
                }
                for (cell, column) in row[HEADERS.len()..].iter_mut().zip(&INCOME) {
                    *cell = amount(&household.year, column).to_string();
                }
            }
            row
        })
}

fn member_cell(household: &Household, member: &Person, header: &str) -> String {
    let text = match header {
        sheet::NATIONAL_NUMBER => &household.number,
        sheet::DIVISION_CODE => household.division.as_str(),
        sheet::NAME => &member.name,
        sheet::SEX => match member.id_number.sex() {
            Sex::Male => "男",
            Sex::Female => "女",
        },
        sheet::ID_KIND => "居民身份证",
        sheet::ID_NUMBER => member.id_number.expose(),
        sheet::RELATION => member.relation,
        sheet::REGISTERED | sheet::RESIDENT | sheet::SHARES_INCOME => YES,
        sheet::SCHOOLING => member.schooling,
        sheet::HEALTH => member.health,
        sheet::LABOUR => sheet::labour_label(member.labour),
        sheet::RESIDENT_INSURANCE => yes(member.insured),
        sheet::EMPLOYEE_INSURANCE | sheet::TEKUN => NO,
        sheet::DIBAO => match household.year.dibao {
            0 => NO,
            _ => "农村低保",
        },
        _ => "",
    };
    text.to_owned()
}

fn household_cell(household: &Household, header: &str, as_of: NaiveDate) -> Option<String> {
    let text = match header {
        sheet::VILLAGE_GROUP => household.group.to_string(),
        sheet::FORMERLY_REGISTERED => {
            yes(household.origin == Origin::FormerlyRegistered).to_owned()
        }
        sheet::LIFTED_YEAR => household.lifted_year.map(|year| year.to_string())?,
        sheet::PHONE => household.phone.clone(),
        sheet::ADDRESS => household.address.clone(),
        sheet::RELOCATED | sheet::OUT_OF_SCHOOL => NO.to_owned(),
        sheet::HOUSING_UNSAFE => yes(household.unsafe_housing).to_owned(),
        sheet::WATER_UNSAFE => yes(household.unsafe_water).to_owned(),
        sheet::UNINSURED => yes(household.members.iter().any(|m| !m.insured)).to_owned(),
        sheet::FILLED_ON => as_of.to_string(),
        _ => {
            let at = sheet::RISKS.iter().position(|risk| *risk == header)?;
            sheet::risk_label(*household.risks.get(at)?).to_owned()
        }
    };
    Some(text)
}

/// Kinds of the ledger that the households here have.
fn amount(year: &Year, column: &IncomeColumn) -> i64 {
    match (column.group, column.kind) {
        (IncomeGroup::Wage, "务工") => year.wage,
        (IncomeGroup::BusinessIncome, "种植") => year.planting,
        (IncomeGroup::BusinessIncome, "养殖") => year.breeding,
        (IncomeGroup::BusinessExpenditure, "种植") => year.planting_cost,
        (IncomeGroup::BusinessExpenditure, "养殖") => year.breeding_cost,
        (IncomeGroup::Property, "土地流转") => year.land,
        (IncomeGroup::Transfer, "养老金") => year.pension,
        (IncomeGroup::Transfer, "低保金") => year.dibao,
        (IncomeGroup::InsurancePayout, _) => year.payout,
        (IncomeGroup::CompliantOop, _) => year.out_of_pocket,
        _ => 0,
    }
}

const YES: &str = "是";
const NO: &str = "否";

const fn yes(condition: bool) -> &'static str {
    if condition { YES } else { NO }
}

/// A sheet that is being written, row by row.
pub struct Sheet {
    path: PathBuf,
    out: Out,
}

enum Out {
    /// The workbook and its next row. Rows wait in a temporary file, not in memory.
    Xlsx(Box<Workbook>, u32),
    Csv(BufWriter<File>, &'static Encoding),
}

impl Sheet {
    /// Begins a sheet with its headers.
    pub fn create(path: &Path, form: Form) -> anyhow::Result<Self> {
        let csv = |encoding| anyhow::Ok(Out::Csv(BufWriter::new(File::create(path)?), encoding));
        let out = match form {
            Form::Xlsx => {
                let mut workbook = Box::new(Workbook::new());
                let worksheet = workbook.add_worksheet_with_constant_memory()?;
                worksheet.set_name(sheet::SHEET_NAME)?;
                worksheet.write_string(0, 0, "防止返贫监测对象信息采集表(演示数据)")?;
                worksheet.write_string(1, 0, "证件号码均以999999开头,不对应任何真实人员")?;
                Out::Xlsx(workbook, sheet::HEADER_ROW - 1)
            }
            Form::CsvUtf8Bom => csv(UTF_8)?,
            Form::CsvGbk => csv(GBK)?,
        };
        let mut sheet = Self {
            path: path.to_owned(),
            out,
        };
        if let Out::Csv(file, encoding) = &mut sheet.out
            && *encoding == UTF_8
        {
            file.write_all("\u{feff}".as_bytes())?;
        }
        sheet.write(&headers())?;
        Ok(sheet)
    }

    /// Writes a row.
    pub fn write(&mut self, row: &[String]) -> anyhow::Result<()> {
        match &mut self.out {
            Out::Xlsx(workbook, at) => {
                let worksheet = workbook.worksheet_from_index(0)?;
                for (column, cell) in (0u16..).zip(row) {
                    // Only amounts are numbers: an ID number as one would lose its last digits.
                    let amount = usize::from(column) >= HEADERS.len();
                    match cell.parse::<u32>() {
                        Ok(number) if amount => worksheet.write_number(*at, column, number)?,
                        _ if cell.is_empty() => continue,
                        _ => worksheet.write_string(*at, column, cell)?,
                    };
                }
                *at += 1;
            }
            Out::Csv(file, encoding) => {
                let line = csv_line(row)?;
                file.write_all(&encoding.encode(&line).0)?;
            }
        }
        Ok(())
    }

    /// Ends the sheet.
    pub fn finish(self) -> anyhow::Result<PathBuf> {
        match self.out {
            Out::Xlsx(mut workbook, _) => workbook.save(&self.path)?,
            Out::Csv(mut file, _) => file.flush()?,
        }
        Ok(self.path)
    }
}

/// One line of CSV, with its end.
pub fn csv_line(row: &[String]) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(row)?;
    Ok(String::from_utf8(writer.into_inner()?)?)
}
