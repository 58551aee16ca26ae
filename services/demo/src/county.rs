//! The county: its divisions, notice places and monitoring line.

use chrono::{Datelike, NaiveDate};
use kernel::{DivisionCode, Money, NoticePlaceKind};

use crate::population::Households;

/// A synthetic county. The same values give the same county, byte by byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct County {
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// 1 to 99.
    pub townships: u32,
    /// Villages in all, at least one for each township, at most 99 in each.
    pub villages: u32,
    /// Households in all.
    pub households: u32,
    /// The day that the data is of.
    pub as_of: NaiveDate,
}

/// A division.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Division {
    /// Its code.
    pub code: DivisionCode,
    /// Its name.
    pub name: String,
    /// Names of a village's groups, in the order of their numbers.
    pub groups: Vec<String>,
}

/// A place where notices hang (S30).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticePlace {
    /// The village.
    pub division: DivisionCode,
    /// What it is.
    pub kind: NoticePlaceKind,
    /// What it is called.
    pub name: String,
    /// Households living there.
    pub household_count: u32,
}

/// The monitoring line of the county.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitoringLine {
    /// The county.
    pub division: DivisionCode,
    /// First day.
    pub effective_from: NaiveDate,
    /// Yuan per person and year.
    pub amount: Money,
    /// Where it is written.
    pub legal_basis: &'static str,
}

/// The line that the golden scenarios use.
pub const LINE_YUAN: i64 = 8_700;

const TOWNSHIPS: [&str; 10] = [
    "青石", "河湾", "柳林", "高坪", "白水", "龙泉", "大坝", "梅岭", "新塘", "石桥",
];
const VILLAGES: [&str; 12] = [
    "东沟", "西岭", "上坪", "下湾", "桃园", "杨庄", "井坡", "马家", "双河", "松林", "红岩", "小寨",
];

impl County {
    /// The county of `backstop up --demo`: 3 townships, 12 villages, 2 000 households.
    #[must_use]
    pub const fn demo(as_of: NaiveDate) -> Self {
        Self {
            seed: 1,
            townships: 3,
            villages: 12,
            households: 2_000,
            as_of,
        }
    }

    /// County, townships and villages, each after the one that it lies in.
    #[must_use]
    pub fn divisions(&self) -> Vec<Division> {
        let mut divisions = vec![division(0, 0, "示范县".to_owned())];
        let mut number = 0;
        for township in 1..=self.townships {
            let name = numbered(&TOWNSHIPS, township, "镇");
            divisions.push(division(township, 0, name));
            for village in 1..=self.villages_of(township) {
                number += 1;
                let mut village = division(township, village, numbered(&VILLAGES, number, "村"));
                village.groups = (1..=GROUPS).map(|group| format!("{group}组")).collect();
                divisions.push(village);
            }
        }
        divisions
    }

    /// Codes of the villages, in order.
    #[must_use]
    pub fn villages(&self) -> Vec<DivisionCode> {
        (1..=self.townships)
            .flat_map(|t| (1..=self.villages_of(t)).map(move |v| code(t, v)))
            .collect()
    }

    fn villages_of(&self, township: u32) -> u32 {
        let extra = u32::from(township <= self.villages % self.townships);
        self.villages / self.townships + extra
    }

    /// A committee in every village, a concentration in every second, one of them too small to need
    /// notices, and a relocation site in every fifth.
    #[must_use]
    pub fn notice_places(&self) -> Vec<NoticePlace> {
        let mut places = Vec::new();
        for (at, division) in (0u32..).zip(self.villages()) {
            let mut place = |kind, name: &str, household_count| {
                places.push(NoticePlace {
                    division,
                    kind,
                    name: name.to_owned(),
                    household_count,
                });
            };
            place(NoticePlaceKind::Committee, "村委会公示栏", 0);
            if at % 2 == 0 {
                // S30 asks for a notice from 20 households on.
                let households = if at % 4 == 2 { 12 } else { 24 + at };
                place(
                    NoticePlaceKind::Concentration,
                    "集中居住点公示栏",
                    households,
                );
            }
            if at % 5 == 3 {
                place(NoticePlaceKind::RelocationSite, "易地搬迁安置点公示栏", 60);
            }
        }
        places
    }

    /// The line, in force since the beginning of the year before last, so that every window of
    /// twelve months that somebody looks at has one.
    #[must_use]
    pub fn monitoring_line(&self) -> MonitoringLine {
        let year = self.as_of.year() - 2;
        MonitoringLine {
            division: code(0, 0),
            effective_from: NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or_default(),
            amount: Money::from_yuan(LINE_YUAN),
            legal_basis: "示范县防止返贫监测收入线(演示数据)",
        }
    }

    /// The households, village by village.
    #[must_use]
    pub fn households(&self) -> Households {
        Households::new(self)
    }
}

/// Groups of each village.
pub(crate) const GROUPS: u32 = 4;

fn division(township: u32, village: u32, name: String) -> Division {
    Division {
        code: code(township, village),
        name,
        groups: Vec::new(),
    }
}

/// A code under 999999, which is nobody's county.
fn code(township: u32, village: u32) -> DivisionCode {
    let text = format!("999999{township:03}{village:03}");
    // Up to 99 townships of up to 99 villages there is always such a code.
    text.parse().unwrap_or_else(|_| code(0, 0))
}

fn numbered(names: &[&str], number: u32, suffix: &str) -> String {
    let at = (number - 1) as usize;
    let round = at / names.len();
    let again = if round == 0 {
        String::new()
    } else {
        (round + 1).to_string()
    };
    format!("{}{again}{suffix}", names[at % names.len()])
}
