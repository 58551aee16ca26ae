//! A county as files on disk, written in one pass over its households.

use std::{
    fs::{self, File},
    io::BufWriter,
    path::{Path, PathBuf},
};

use chrono::NaiveDate;
use kernel::{Code, DivisionCode, ItemKind};

use crate::{
    County, Household,
    department::{self, AlertBatch, Registers},
    sheet::{self, Form, Sheet},
};

/// Rows of a sheet before another is begun: half of what an import takes.
const SHEET_ROWS: usize = 100_000;

/// Everything that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// `code,name,groups`.
    pub divisions: PathBuf,
    /// `division_code,kind,name,household_count`.
    pub notice_places: PathBuf,
    /// Sheets of households, one a township and more for a large one, in every form in turn.
    pub sheets: Vec<PathBuf>,
    /// A file of each of the nine items.
    pub items: Vec<ItemFile>,
    /// Alert batches.
    pub alerts: Vec<AlertFile>,
}

/// A department's file for an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemFile {
    /// The item.
    pub item: ItemKind,
    /// Department that delivers it.
    pub department: &'static str,
    /// Day that the data is of.
    pub data_date: NaiveDate,
    /// Where it is.
    pub path: PathBuf,
}

/// A department's alert batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertFile {
    /// Department that delivers it.
    pub department: &'static str,
    /// Kind of its rows.
    pub row_kind: &'static str,
    /// Day that the data is of.
    pub data_date: NaiveDate,
    /// Where it is.
    pub path: PathBuf,
}

/// Writes `county` into `folder`, which is created.
///
/// # Errors
/// The folder cannot be written.
pub fn write(county: &County, folder: &Path) -> anyhow::Result<Files> {
    fs::create_dir_all(folder)?;
    let divisions = write_divisions(county, folder)?;
    let notice_places = write_notice_places(county, folder)?;

    let mut sheets = Sheets::new(county, folder);
    let mut registers = Registers::new(county);
    let mut items = Vec::new();
    for item in ItemKind::ALL {
        let name = format!("item-{}.csv", item.as_str().to_lowercase());
        items.push(Table::create(
            folder.join(name),
            department::item_columns(*item),
        )?);
    }
    let mut alerts = Vec::new();
    for batch in department::alert_batches() {
        let name = format!("alert-{}-{}.csv", batch.department, batch.row_kind);
        alerts.push(Table::create(folder.join(name), batch.columns)?);
    }
    for household in county.households() {
        sheets.write(&household)?;
        for member in &household.members {
            for (item, table) in ItemKind::ALL.iter().zip(&mut items) {
                table.write(registers.item_row(*item, member))?;
            }
            for (batch, table) in department::alert_batches().iter().zip(&mut alerts) {
                table.write(registers.alert_row(batch, &household, member))?;
            }
        }
    }
    Ok(Files {
        divisions,
        notice_places,
        sheets: sheets.finish()?,
        items: finish_items(county, items)?,
        alerts: finish_alerts(county, alerts)?,
    })
}

fn finish_items(county: &County, tables: Vec<Table>) -> anyhow::Result<Vec<ItemFile>> {
    let tables = ItemKind::ALL.iter().zip(tables);
    let files = tables.map(|(item, table)| {
        Ok(ItemFile {
            item: *item,
            department: department::department_of(*item),
            data_date: county.as_of,
            path: table.finish()?,
        })
    });
    files.collect()
}

fn finish_alerts(county: &County, tables: Vec<Table>) -> anyhow::Result<Vec<AlertFile>> {
    let tables = department::alert_batches().iter().zip(tables);
    let files = tables.map(|(batch, table): (&AlertBatch, Table)| {
        Ok(AlertFile {
            department: batch.department,
            row_kind: batch.row_kind,
            data_date: county.as_of,
            path: table.finish()?,
        })
    });
    files.collect()
}

fn write_divisions(county: &County, folder: &Path) -> anyhow::Result<PathBuf> {
    let mut table = Table::create(folder.join("divisions.csv"), &["code", "name", "groups"])?;
    for division in county.divisions() {
        let groups = division.groups.join(" ");
        table.write(Some(vec![division.code.to_string(), division.name, groups]))?;
    }
    table.finish()
}

fn write_notice_places(county: &County, folder: &Path) -> anyhow::Result<PathBuf> {
    let columns = ["division_code", "kind", "name", "household_count"];
    let mut table = Table::create(folder.join("notice-places.csv"), &columns)?;
    for place in county.notice_places() {
        table.write(Some(vec![
            place.division.to_string(),
            place.kind.to_string(),
            place.name,
            place.household_count.to_string(),
        ]))?;
    }
    table.finish()
}

/// A CSV file with its header.
struct Table {
    path: PathBuf,
    writer: csv::Writer<BufWriter<File>>,
}

impl Table {
    fn create(path: PathBuf, columns: &[&str]) -> anyhow::Result<Self> {
        let mut writer = csv::Writer::from_writer(BufWriter::new(File::create(&path)?));
        writer.write_record(columns)?;
        Ok(Self { path, writer })
    }

    fn write(&mut self, row: Option<Vec<String>>) -> anyhow::Result<()> {
        if let Some(row) = row {
            self.writer.write_record(row)?;
        }
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<PathBuf> {
        self.writer.flush()?;
        Ok(self.path)
    }
}

/// The sheets of households: a new one for every township, and whenever one is long enough.
struct Sheets<'a> {
    county: &'a County,
    folder: &'a Path,
    open: Option<(Sheet, DivisionCode, usize)>,
    done: Vec<PathBuf>,
}

impl<'a> Sheets<'a> {
    const fn new(county: &'a County, folder: &'a Path) -> Self {
        Self {
            county,
            folder,
            open: None,
            done: Vec::new(),
        }
    }

    fn write(&mut self, household: &Household) -> anyhow::Result<()> {
        let township = household.division.parent().unwrap_or(household.division);
        let (mut sheet, of, mut rows) = match self.open.take() {
            Some((sheet, of, rows)) if of == township && rows < SHEET_ROWS => (sheet, of, rows),
            other => {
                self.close(other)?;
                (self.begin()?, township, 0)
            }
        };
        for row in sheet::rows(household, self.county.as_of) {
            sheet.write(&row)?;
            rows += 1;
        }
        self.open = Some((sheet, of, rows));
        Ok(())
    }

    fn begin(&self) -> anyhow::Result<Sheet> {
        let (number, form) = (self.done.len(), Form::of(self.done.len()));
        let name = format!("households-{:03}.{}", number + 1, form.extension());
        Sheet::create(&self.folder.join(name), form)
    }

    fn close(&mut self, open: Option<(Sheet, DivisionCode, usize)>) -> anyhow::Result<()> {
        if let Some((sheet, ..)) = open {
            self.done.push(sheet.finish()?);
        }
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<Vec<PathBuf>> {
        let open = self.open.take();
        self.close(open)?;
        Ok(self.done)
    }
}
