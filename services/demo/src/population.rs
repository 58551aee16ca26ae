//! Households: who lives together, what they earn and spend, what threatens them.

use chrono::{Days, Months, NaiveDate};
use households_core::sheet;
use kernel::{DivisionCode, LabourCapacity, Origin, RiskType, Sex};
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus, seq::IndexedRandom};

use crate::{
    County,
    county::{GROUPS, LINE_YUAN},
    name,
    person::{Person, Registry},
};

/// A household with everything that the national sheet tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Household {
    /// 户编号: the village and a running number.
    pub number: String,
    /// The village.
    pub division: DivisionCode,
    /// Village group, from 1.
    pub group: u32,
    /// Formerly registered or general.
    pub origin: Origin,
    /// Year lifted out of poverty, for a formerly registered one.
    pub lifted_year: Option<i32>,
    /// Telephone; the prefix 100 is no mobile network's.
    pub phone: String,
    /// Address.
    pub address: String,
    /// The head first.
    pub members: Vec<Person>,
    /// Twelve months of money.
    pub year: Year,
    /// What threatens it.
    pub risks: Vec<RiskType>,
    /// 是否住房出现安全问题.
    pub unsafe_housing: bool,
    /// 是否饮水出现安全问题.
    pub unsafe_water: bool,
}

/// Income and expenditure of twelve months, in yuan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Year {
    /// 务工收入.
    pub wage: i64,
    /// 种植收入.
    pub planting: i64,
    /// 养殖收入.
    pub breeding: i64,
    /// 种植支出.
    pub planting_cost: i64,
    /// 养殖支出.
    pub breeding_cost: i64,
    /// 土地流转收入.
    pub land: i64,
    /// 养老金.
    pub pension: i64,
    /// 低保金.
    pub dibao: i64,
    /// 理赔收入.
    pub payout: i64,
    /// 合规自付支出.
    pub out_of_pocket: i64,
}

impl Year {
    /// 年纯收入.
    #[must_use]
    pub const fn net(&self) -> i64 {
        self.wage + self.planting + self.breeding - self.planting_cost - self.breeding_cost
            + self.land
            + self.pension
            + self.dibao
    }

    /// The reference amount: with payouts, without what illness took.
    #[must_use]
    pub const fn reference(&self) -> i64 {
        self.net() + self.payout - self.out_of_pocket
    }
}

impl Household {
    /// The head.
    #[must_use]
    pub fn head(&self) -> &Person {
        &self.members[0]
    }
}

/// The households of a county, village by village, one at a time.
#[derive(Debug, Clone)]
pub struct Households {
    rng: Xoshiro256PlusPlus,
    registry: Registry,
    villages: Vec<DivisionCode>,
    /// Households of each village; the first ones have one more each.
    each: u32,
    more: u32,
    as_of: NaiveDate,
    village: usize,
    /// Households given of the current village.
    given: u32,
}

impl Households {
    pub(crate) fn new(county: &County) -> Self {
        let villages = county.villages();
        Self {
            rng: Xoshiro256PlusPlus::seed_from_u64(county.seed),
            registry: Registry::default(),
            each: county.households / county.villages,
            more: county.households % county.villages,
            villages,
            as_of: county.as_of,
            village: 0,
            given: 0,
        }
    }
}

impl Iterator for Households {
    type Item = Household;

    fn next(&mut self) -> Option<Household> {
        loop {
            let division = *self.villages.get(self.village)?;
            let own = self.each + u32::from(self.village < self.more as usize);
            if self.given < own {
                self.given += 1;
                return Some(self.household(division, self.given));
            }
            self.village += 1;
            self.given = 0;
        }
    }
}

/// Sizes of households with their weights: 3.3 persons on average.
const SIZES: [(usize, u32); 6] = [(1, 8), (2, 22), (3, 25), (4, 25), (5, 14), (6, 6)];

impl Households {
    fn household(&mut self, division: DivisionCode, running: u32) -> Household {
        let members = self.members();
        let heads = i64::try_from(members.len()).unwrap_or(i64::MAX);
        let year = self.year(&members, heads);
        // About one household in six was registered as poor.
        let formerly = self.rng.random_ratio(1, 6);
        let risks = self.risks(&members, &year, heads);
        let group = self.rng.random_range(1..=GROUPS);
        Household {
            number: format!("{division}{running:05}"),
            division,
            group,
            origin: if formerly {
                Origin::FormerlyRegistered
            } else {
                Origin::General
            },
            lifted_year: formerly.then(|| self.rng.random_range(2014..=2020)),
            phone: format!("100{:08}", self.rng.random_range(0..100_000_000)),
            address: format!("{group}组{}号", self.rng.random_range(1..200)),
            members,
            unsafe_housing: risks.contains(&RiskType::Housing),
            unsafe_water: risks.contains(&RiskType::Water),
            year,
            risks,
        }
    }

    fn members(&mut self) -> Vec<Person> {
        let size = SIZES.choose_weighted(&mut self.rng, |(_, weight)| *weight);
        let size = size.map_or(3, |(size, _)| *size);
        let surname = name::surname(&mut self.rng);
        let head_age = match size {
            1 | 2 => self.rng.random_range(45..85),
            _ => self.rng.random_range(28..55),
        };
        let head_sex = match size {
            1 if self.rng.random_ratio(2, 5) => Sex::Female,
            _ => Sex::Male,
        };
        let mut members = vec![self.person(surname, sheet::HEAD, head_age, head_sex)];
        if size > 1 {
            let married_into = name::surname(&mut self.rng);
            let age = head_age - self.rng.random_range(0..4);
            members.push(self.person(married_into, sheet::SPOUSE, age, Sex::Female));
        }
        // Two children at most, then parents.
        for _ in 2..size.min(4) {
            let oldest = (head_age - 22).min(26);
            let age = self.rng.random_range(0..=oldest);
            let (sex, relation) = if self.rng.random_ratio(1, 2) {
                (Sex::Male, "之子")
            } else {
                (Sex::Female, "之女")
            };
            members.push(self.person(surname, relation, age, sex));
        }
        if size > 4 {
            let of_mother = name::surname(&mut self.rng);
            let age = head_age + self.rng.random_range(22..32);
            members.push(self.person(of_mother, "之母", age, Sex::Female));
        }
        if size > 5 {
            let age = head_age + self.rng.random_range(23..34);
            members.push(self.person(surname, "之父", age, Sex::Male));
        }
        members
    }

    fn person(&mut self, surname: &str, relation: &'static str, age: u32, sex: Sex) -> Person {
        let birthday = self.as_of.checked_sub_months(Months::new(age * 12));
        let born = birthday.unwrap_or(self.as_of) - Days::new(self.rng.random_range(1..365));
        let disabled = self.rng.random_ratio(1, 30);
        let ill = self.rng.random_ratio(1 + age / 10, 60);
        Person {
            name: format!("{surname}{}", name::given(&mut self.rng, sex)),
            id_number: self.registry.issue(born, sex),
            relation,
            labour: labour(age, disabled, self.rng.random_ratio(1, 6)),
            health: match (disabled, ill) {
                (true, _) => "残疾",
                (false, true) => "长期慢性病",
                (false, false) => "健康",
            },
            schooling: schooling(age),
            insured: !self.rng.random_ratio(1, 50),
        }
    }

    /// Money that adds up: the net income is drawn first and then split.
    fn year(&mut self, members: &[Person], heads: i64) -> Year {
        let workers = members.iter().filter(|m| m.labour.can_work()).count();
        let per_head = match self.rng.random_range(0..1000) {
            // Without labour a household lives on what others pay.
            _ if workers == 0 => self.rng.random_range(6_000..13_000),
            // A small share lies below the line, a small one just above.
            0..20 => self.rng.random_range(4_500..LINE_YUAN),
            20..60 => self.rng.random_range(LINE_YUAN..LINE_YUAN + 1_500),
            // The smaller of two draws: most earn modestly, a few well.
            _ => {
                let one = self.rng.random_range(10_000..36_000);
                one.min(self.rng.random_range(10_000..36_000))
            }
        };
        let net = per_head * heads;
        let old = members
            .iter()
            .filter(|m| m.labour == LabourCapacity::Lost)
            .count();
        let mut year = Year {
            pension: 1_800 * i64::try_from(old).unwrap_or(0),
            ..Year::default()
        };
        let rest = net - year.pension;
        if workers == 0 {
            year.land = rest / 10;
            year.dibao = rest - year.land;
        } else {
            year.land = rest * self.rng.random_range(0..8) / 100;
            let farming = rest * self.rng.random_range(10..45) / 100;
            year.planting_cost = farming / 3;
            year.breeding_cost = farming / 5;
            year.planting = farming / 2 + year.planting_cost;
            year.breeding = farming - farming / 2 + year.breeding_cost;
            year.wage = rest - year.land - farming;
        }
        year.out_of_pocket = match self.rng.random_range(0..100) {
            // A stay in hospital that nobody had saved for.
            0..2 => self.rng.random_range(25_000..90_000),
            2..30 => self.rng.random_range(500..6_000),
            _ => 0,
        };
        if year.out_of_pocket > 25_000 && self.rng.random_ratio(1, 3) {
            year.payout = year.out_of_pocket / 5;
        }
        year
    }

    fn risks(&mut self, members: &[Person], year: &Year, heads: i64) -> Vec<RiskType> {
        let mut risks = Vec::new();
        if year.out_of_pocket >= 25_000 {
            risks.push(RiskType::Illness);
        }
        if year.net() < LINE_YUAN * heads && members.iter().any(|m| m.health == "残疾") {
            risks.push(RiskType::Disability);
        }
        if year.net() < LINE_YUAN * heads && !members.iter().any(|m| m.labour.can_work()) {
            risks.push(RiskType::LabourShortage);
        }
        if self.rng.random_ratio(1, 150) {
            risks.push(RiskType::Housing);
        }
        if self.rng.random_ratio(1, 300) {
            risks.push(RiskType::Water);
        }
        risks
    }
}

const fn labour(age: u32, disabled: bool, skilled: bool) -> LabourCapacity {
    match (age, disabled, skilled) {
        (0..16, ..) => LabourCapacity::None,
        (70.., ..) | (16..60, true, false) => LabourCapacity::Lost,
        (60.., ..) | (_, true, true) => LabourCapacity::Weak,
        (_, false, true) => LabourCapacity::Skilled,
        (_, false, false) => LabourCapacity::Ordinary,
    }
}

const fn schooling(age: u32) -> &'static str {
    match age {
        0..3 => "非在校生",
        3..6 => "学前教育",
        6..12 => "小学",
        12..15 => "初中",
        15..18 => "普通高中",
        18..22 => "本科",
        _ => "非在校生",
    }
}
