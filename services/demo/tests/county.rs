//! A county is the same from the same seed, of the size that was asked for, and readable by the
//! program that imports it.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::Path,
};

use calamine::{Data, Reader, Xlsx, open_workbook};
use chrono::NaiveDate;
use demo::{County, LINE_YUAN, Story, write};
use encoding_rs::{GBK, UTF_8};
use households_core::sheet::{Cell, Columns, HEADER_ROW, HEADERS, assemble, read_row};
use kernel::{Code, DivisionLevel, ItemKind, NoticePlaceKind};

fn today() -> NaiveDate {
    "2026-08-31".parse().expect("a day")
}

fn small() -> County {
    County {
        households: 300,
        ..County::demo(today())
    }
}

/// Rows of a sheet, the headers first.
fn read_sheet(path: &Path) -> Vec<Vec<String>> {
    if path.extension().is_some_and(|ending| ending == "xlsx") {
        let mut workbook: Xlsx<_> = open_workbook(path).expect("a workbook");
        let range = workbook
            .worksheet_range_at(0)
            .expect("a sheet")
            .expect("readable");
        let text = |cell: &Data| match cell {
            Data::Float(number) => number.to_string(),
            other => other.to_string(),
        };
        let skipped = HEADER_ROW as usize - 1;
        return range
            .rows()
            .skip(skipped)
            .map(|row| row.iter().map(text).collect())
            .collect();
    }
    let bytes = fs::read(path).expect("a file");
    let encoding = if bytes.starts_with(b"\xEF\xBB\xBF") {
        UTF_8
    } else {
        GBK
    };
    let (text, _, damaged) = encoding.decode(&bytes);
    assert!(!damaged);
    read_csv(&text)
}

fn read_csv(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(text.as_bytes());
    let records = reader.records().map(|record| record.expect("a record"));
    records
        .map(|record| record.iter().map(str::to_owned).collect())
        .collect()
}

/// Households and persons that the importer's own rules read from the rows.
fn import(rows: &[Vec<String>]) -> (usize, usize) {
    let headers: Vec<&str> = rows[0].iter().map(String::as_str).collect();
    let columns = Columns::find(&headers).expect("the headers");
    let mut households = BTreeMap::<String, Vec<_>>::new();
    for (number, row) in (2u32..).zip(&rows[1..]) {
        let cells: Vec<Cell<'_>> = row.iter().map(|cell| Cell::Text(cell)).collect();
        let row = read_row(&columns, number, &cells, today()).expect("a good row");
        households
            .entry(row.household.clone())
            .or_default()
            .push(row);
    }
    let count = households.len();
    let persons = households
        .into_values()
        .map(|rows| assemble(rows).expect("a household").members.len());
    (count, persons.sum())
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let written = || {
        let folder = tempfile::tempdir().expect("a folder");
        let files = write(&small(), folder.path()).expect("written");
        let alerts = files.alerts.into_iter().map(|file| file.path);
        let items = files.items.into_iter().map(|file| file.path);
        let csv = files
            .sheets
            .into_iter()
            .filter(|path| path.extension().is_some_and(|e| e == "csv"));
        let all = csv
            .chain(items)
            .chain(alerts)
            .chain([files.divisions, files.notice_places]);
        all.map(|path| fs::read(path).expect("a file"))
            .collect::<Vec<_>>()
    };
    assert_eq!(written(), written());
    let other = County { seed: 2, ..small() };
    assert!(small().households().ne(other.households()));
}

#[test]
fn id_numbers_are_unique_and_belong_to_nobody() {
    let county = County {
        households: 20_000,
        ..County::demo(today())
    };
    let mut seen = HashSet::new();
    for household in county.households() {
        for member in &household.members {
            assert!(member.id_number.is_pseudo());
            assert!(member.birth_date() < today());
            assert!(seen.insert(member.id_number));
        }
    }
    for run in [0, 1, 2, 363, 364, 365, 5_000] {
        // Told on another day each time, as the walkthrough is.
        let on = today() + chrono::Days::new(u64::from(run % 9));
        let story = Story::new(run, on).expect("a story");
        for member in &story.household.members {
            assert!(seen.insert(member.id_number), "run {run}");
        }
    }
}

#[test]
fn the_demo_county_looks_like_a_county() {
    let county = County::demo(today());
    let divisions = county.divisions();
    let of_level = |level| divisions.iter().filter(|d| d.code.level() == level).count();
    assert_eq!(of_level(DivisionLevel::Township), 3);
    assert_eq!(of_level(DivisionLevel::Village), 12);
    let places = county.notice_places();
    let story_village = &county.villages()[0];
    let large = places.iter().find(|place| {
        place.division == *story_village && place.kind == NoticePlaceKind::Concentration
    });
    assert!(large.expect("a concentration").household_count >= 20);

    let households: Vec<_> = county.households().collect();
    assert_eq!(households.len(), 2_000);
    let persons: usize = households.iter().map(|h| h.members.len()).sum();
    assert!((6_300..6_900).contains(&persons), "{persons}");
    let line = |heads: usize| LINE_YUAN * i64::try_from(heads).expect("few");
    let below = households
        .iter()
        .filter(|h| h.year.net() < line(h.members.len()))
        .count();
    assert!((20..160).contains(&below), "{below} below the line");
    let shocked = households.iter().filter(|h| {
        h.year.net() >= line(h.members.len()) && h.year.reference() < line(h.members.len())
    });
    assert!(shocked.count() > 5);
    assert!(
        households
            .iter()
            .all(|h| h.year.wage >= 0 && h.year.dibao >= 0)
    );
    for pair in households.windows(2) {
        assert!(pair[0].number < pair[1].number);
    }
}

#[test]
fn every_sheet_is_read_by_the_importer_without_a_fault() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = write(&small(), folder.path()).expect("written");
    assert_eq!(files.sheets.len(), 3, "one of each form");
    let (mut households, mut persons) = (0, 0);
    for sheet in &files.sheets {
        let rows = read_sheet(sheet);
        assert_eq!(rows[0][..HEADERS.len()], HEADERS);
        let (more_households, more_persons) = import(&rows);
        households += more_households;
        persons += more_persons;
    }
    let expected: usize = small().households().map(|h| h.members.len()).sum();
    assert_eq!((households, persons), (300, expected));
    assert_eq!(files.items.len(), ItemKind::ALL.len());
    for file in &files.items {
        let rows = read_csv(&fs::read_to_string(&file.path).expect("a file"));
        assert!(rows.len() > 1, "{} is empty", file.item);
    }
}

#[test]
fn the_story_is_the_golden_scenario() {
    let story = Story::new(7, today()).expect("a story");
    let year = story.household.year;
    assert_eq!(story.household.members.len(), 5);
    assert_eq!((year.net(), year.out_of_pocket), (80_400, 50_000));
    assert_eq!((year.net() / 5, year.reference() / 5), (16_080, 6_080));
    assert_eq!(import(&read_csv(&story.sheet.content)), (1, 5));
    assert_eq!(story.items.len(), 9);
    assert_eq!(read_csv(&story.alert.content).len(), 2);
}
