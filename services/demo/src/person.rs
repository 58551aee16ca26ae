//! People who do not exist: their ID numbers begin with 999999, which no office ever issued.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use kernel::{IdNumber, LabourCapacity, Sex};

/// A member of a household.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Name.
    pub name: String,
    /// A valid number that belongs to nobody.
    pub id_number: IdNumber,
    /// 与户主关系.
    pub relation: &'static str,
    /// 劳动技能.
    pub labour: LabourCapacity,
    /// 健康状况.
    pub health: &'static str,
    /// 在校生状况.
    pub schooling: &'static str,
    /// 参加基本医疗保险.
    pub insured: bool,
}

impl Person {
    /// Date of birth.
    #[must_use]
    pub fn birth_date(&self) -> NaiveDate {
        self.id_number.birth_date()
    }
}

/// Serials from here on are kept for the story's people.
pub(crate) const STORY_SERIAL: u32 = 900;

/// Gives every ID number once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Registry {
    /// Next serials, for women and men, of each day on which somebody was born.
    next: BTreeMap<NaiveDate, [u32; 2]>,
}

impl Registry {
    /// A number for somebody born on `birth_date`, or on the next earlier day that has one left:
    /// there are 449 for each day and sex.
    pub(crate) fn issue(&mut self, mut birth_date: NaiveDate, sex: Sex) -> IdNumber {
        loop {
            let next = self.next.entry(birth_date).or_insert([2, 1]);
            let serial = &mut next[usize::from(sex == Sex::Male)];
            if *serial < STORY_SERIAL {
                let id_number = id_number(birth_date, *serial);
                *serial += 2;
                return id_number;
            }
            birth_date = birth_date.pred_opt().unwrap_or(birth_date);
        }
    }
}

/// The number of area 999999 for a day of birth and a serial; odd serials are men's.
pub(crate) fn id_number(birth_date: NaiveDate, serial: u32) -> IdNumber {
    let text = format!("999999{}{serial:03}", birth_date.format("%Y%m%d"));
    let digits: [u8; 17] = text.as_bytes().try_into().unwrap_or([b'9'; 17]);
    let check = IdNumber::check_character(&digits);
    format!("{text}{check}")
        .parse()
        .unwrap_or_else(|_| unreachable!("the check character fits and the day of birth is one"))
}
