//! The household of the walkthrough: five people, an income of 80 400 yuan, and an illness that
//! took 50 000 (golden scenario 1: net 16 080 a head is above the line of 8 700, 6 080 is not).

use chrono::{Datelike, Days, NaiveDate};
use kernel::{Code, DivisionCode, ItemKind, LabourCapacity, Origin, RiskType};

use crate::{
    Household, Person, Year, department,
    person::{STORY_SERIAL, id_number},
    sheet,
};

/// The story's household and the files that concern it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// The household; its members' ID numbers are no other run's.
    pub household: Household,
    /// The household as a national-format CSV sheet (UTF-8).
    pub sheet: StoryFile,
    /// Clean files of the nine items: the household has nothing that it should not have.
    pub items: Vec<(ItemKind, StoryFile)>,
    /// The stay in hospital, as the medical insurance tells of it.
    pub alert: StoryFile,
    /// The day that everything is of.
    pub as_of: NaiveDate,
}

/// A small file in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoryFile {
    /// Its name.
    pub name: String,
    /// Department that delivers it; empty for the sheet.
    pub department: &'static str,
    /// Kind of the rows of an alert batch; empty otherwise.
    pub row_kind: &'static str,
    /// CSV, UTF-8.
    pub content: String,
}

/// Where the household lives: it has a concentration of more than 20 households (S30).
const VILLAGE: &str = "999999001001";
/// Days of birth of a member, one a run, before the next serials are used.
const BIRTHDAYS: u32 = 364;
/// Runs whose numbers do not meet: 49 serials of each sex on each day.
const RUNS: u32 = 49 * BIRTHDAYS;

impl Story {
    /// The story of run number `run`, told on the day `as_of`.
    ///
    /// # Errors
    /// A row cannot be written as CSV.
    pub fn new(run: u32, as_of: NaiveDate) -> anyhow::Result<Self> {
        let household = household(run % RUNS, as_of)?;
        let mut content = sheet::csv_line(&sheet::headers())?;
        for row in sheet::rows(&household, as_of) {
            content.push_str(&sheet::csv_line(&row)?);
        }
        let sheet = StoryFile {
            name: format!("story-{run}.csv"),
            department: "",
            row_kind: "",
            content,
        };
        let items = ItemKind::ALL
            .iter()
            .map(|item| Ok((*item, item_file(*item, &household)?)));
        Ok(Self {
            sheet,
            items: items.collect::<anyhow::Result<_>>()?,
            alert: alert_file(&household)?,
            household,
            as_of,
        })
    }
}

fn household(run: u32, as_of: NaiveDate) -> anyhow::Result<Household> {
    let division: DivisionCode = VILLAGE.parse()?;
    // From the beginning of a year on, not back from `as_of`: two runs on different days must not
    // meet on one day of birth.
    let person = |name: &str, relation, age: i32, male: bool, labour, health, schooling| {
        let year = NaiveDate::from_ymd_opt(as_of.year() - age, 1, 1).unwrap_or(as_of);
        let born = year + Days::new(u64::from(run % BIRTHDAYS));
        let serial = STORY_SERIAL + 2 * (run / BIRTHDAYS) + u32::from(male);
        Person {
            name: name.to_owned(),
            id_number: id_number(born, serial),
            relation,
            labour,
            health,
            schooling,
            insured: true,
        }
    };
    use LabourCapacity::{Lost, None, Ordinary};
    let members = vec![
        person("张建国", "户主", 46, true, Ordinary, "健康", "非在校生"),
        person("李秀兰", "配偶", 44, false, Lost, "患有大病", "非在校生"),
        person("张强", "之子", 20, true, Ordinary, "健康", "非在校生"),
        person("张小梅", "之女", 12, false, None, "健康", "初中"),
        person("王桂英", "之母", 71, false, Lost, "长期慢性病", "非在校生"),
    ];
    Ok(Household {
        number: format!("{division}{:05}", 50_000 + run),
        division,
        group: 2,
        origin: Origin::General,
        lifted_year: Option::None,
        phone: format!("100{run:08}"),
        address: "2组18号".to_owned(),
        members,
        year: Year {
            wage: 66_000,
            planting: 18_000,
            planting_cost: 6_000,
            pension: 2_400,
            out_of_pocket: 50_000,
            ..Year::default()
        },
        risks: vec![RiskType::Illness],
        unsafe_housing: false,
        unsafe_water: false,
    })
}

fn item_file(item: ItemKind, household: &Household) -> anyhow::Result<StoryFile> {
    let columns = department::item_columns(item);
    let mut content = line(columns)?;
    for member in &household.members {
        if let Some(row) = department::clean_item_row(item, member) {
            content.push_str(&sheet::csv_line(&row)?);
        }
    }
    Ok(StoryFile {
        name: format!("story-{}.csv", item.as_str().to_lowercase()),
        department: department::department_of(item),
        row_kind: "",
        content,
    })
}

fn alert_file(household: &Household) -> anyhow::Result<StoryFile> {
    let patient = &household.members[1];
    let batch = department::hospital_stays();
    let mut content = line(batch.columns)?;
    let row = department::hospital_stay(patient, household.year.out_of_pocket);
    content.push_str(&sheet::csv_line(&row)?);
    Ok(StoryFile {
        name: "story-hospital.csv".to_owned(),
        department: batch.department,
        row_kind: batch.row_kind,
        content,
    })
}

fn line(columns: &[&str]) -> anyhow::Result<String> {
    let columns: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
    sheet::csv_line(&columns)
}
