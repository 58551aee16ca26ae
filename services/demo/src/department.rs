//! What departments deliver: a register for each of the nine items (S34) and alert batches (S24).
//!
//! The rows are those that the comparison service reads. Every register has everybody whom the
//! department knows, so most of its rows are about people whom nobody asked about; whoever
//! compares must keep none of them.

use chrono::{Days, NaiveDate};
use kernel::{ItemKind, LabourCapacity};
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};

use crate::{County, Household, Person};

/// An alert batch of a department.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlertBatch {
    /// The department.
    pub department: &'static str,
    /// Kind of its rows.
    pub row_kind: &'static str,
    /// Their columns.
    pub columns: &'static [&'static str],
}

const BATCHES: [AlertBatch; 3] = [
    AlertBatch {
        department: "medical_insurance",
        row_kind: "medical_expense",
        columns: &["id_number", "stay_oop", "ytd_oop"],
    },
    AlertBatch {
        department: "education",
        row_kind: "dropout",
        columns: &["id_number", "school", "reason"],
    },
    AlertBatch {
        department: "human_resources",
        row_kind: "job_loss",
        columns: &["id_number", "lost_on", "unpaid_months"],
    },
];

/// Alert batches, the medical insurance's first.
#[must_use]
pub const fn alert_batches() -> &'static [AlertBatch] {
    &BATCHES
}

/// The medical insurance's batch.
pub(crate) const fn hospital_stays() -> &'static AlertBatch {
    &BATCHES[0]
}

/// One stay in hospital that cost `yuan` of the patient's own.
pub(crate) fn hospital_stay(patient: &Person, yuan: i64) -> Vec<String> {
    vec![
        patient.id_number.expose().to_owned(),
        yuan.to_string(),
        yuan.to_string(),
    ]
}

/// Department that delivers an item.
#[must_use]
pub const fn department_of(item: ItemKind) -> &'static str {
    match item {
        ItemKind::HouseholdRegistration => "public_security",
        ItemKind::CommercialHousing => "housing",
        ItemKind::BusinessRegistration => "market_regulation",
        ItemKind::HousingFund => "housing_fund",
        ItemKind::BankDeposit => "banking",
        ItemKind::Insurance => "insurance",
        ItemKind::Securities => "securities",
        ItemKind::Vehicle => "traffic_police",
        ItemKind::PublicPayroll => "finance",
    }
}

/// Columns of an item's register; amounts are yuan.
#[must_use]
pub const fn item_columns(item: ItemKind) -> &'static [&'static str] {
    match item {
        ItemKind::HouseholdRegistration => &["id_number", "name", "household", "moved_in_on"],
        ItemKind::CommercialHousing => &["id_number", "name", "use", "area", "relocation"],
        ItemKind::BusinessRegistration => &["id_number", "name", "kind", "operating"],
        ItemKind::HousingFund => &["id_number", "name", "monthly_base"],
        ItemKind::BankDeposit => &["id_number", "name", "balance"],
        ItemKind::Insurance => &["id_number", "name", "kind", "yearly_premium"],
        ItemKind::Securities => &["id_number", "name", "market_value"],
        ItemKind::Vehicle => &["id_number", "name", "kind", "price", "exemption"],
        ItemKind::PublicPayroll => &["id_number", "name", "employer"],
    }
}

/// The row of somebody who has nothing that a monitored household should not have: everybody is
/// registered somewhere, and an adult has an account with little in it.
pub(crate) fn clean_item_row(item: ItemKind, person: &Person) -> Option<Vec<String>> {
    let values = match item {
        ItemKind::HouseholdRegistration => ["本县".to_owned(), "1990-01-01".to_owned()].to_vec(),
        ItemKind::BankDeposit if person.labour != LabourCapacity::None => vec!["860".to_owned()],
        _ => return None,
    };
    Some(with_person(person, values))
}

fn with_person(person: &Person, values: Vec<String>) -> Vec<String> {
    let mut row = vec![person.id_number.expose().to_owned(), person.name.clone()];
    row.extend(values);
    row
}

/// Draws what departments know of people. A generator of its own, so that a change here leaves the
/// households as they are.
pub(crate) struct Registers {
    rng: Xoshiro256PlusPlus,
    as_of: NaiveDate,
}

impl Registers {
    pub(crate) fn new(county: &County) -> Self {
        Self {
            rng: Xoshiro256PlusPlus::seed_from_u64(county.seed ^ 0x5EED),
            as_of: county.as_of,
        }
    }

    /// What an item's register says of a person, if it has the person.
    pub(crate) fn item_row(&mut self, item: ItemKind, person: &Person) -> Option<Vec<String>> {
        let adult = person.labour != LabourCapacity::None;
        let in_thousand = match item {
            ItemKind::HouseholdRegistration => 1000,
            ItemKind::BankDeposit if adult => 900,
            ItemKind::Vehicle if adult => 120,
            ItemKind::Insurance if adult => 60,
            ItemKind::HousingFund if adult => 50,
            ItemKind::CommercialHousing | ItemKind::BusinessRegistration if adult => 30,
            ItemKind::Securities if adult => 20,
            ItemKind::PublicPayroll if adult => 15,
            _ => 0,
        };
        if !self.rng.random_ratio(in_thousand, 1000) {
            return None;
        }
        Some(with_person(person, self.item_values(item)))
    }

    fn item_values(&mut self, item: ItemKind) -> Vec<String> {
        let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
        let rng = &mut self.rng;
        match item {
            ItemKind::HouseholdRegistration => {
                let on = self.as_of - Days::new(rng.random_range(400..12_000));
                vec!["本县".to_owned(), on.to_string()]
            }
            ItemKind::CommercialHousing => vec![
                pick(rng, &["住宅", "商铺"]),
                rng.random_range(60..140).to_string(),
                yes(rng.random_ratio(1, 5)),
            ],
            ItemKind::BusinessRegistration => {
                vec![pick(rng, &["个体户", "公司"]), yes(rng.random_ratio(2, 3))]
            }
            ItemKind::HousingFund => vec![rng.random_range(2_000..8_000).to_string()],
            ItemKind::BankDeposit => vec![low(rng, 80_000).to_string()],
            ItemKind::Insurance => vec![
                pick(rng, &["意外险", "养老险", "投资型保险"]),
                low(rng, 12_000).to_string(),
            ],
            ItemKind::Securities => vec![low(rng, 60_000).to_string()],
            ItemKind::Vehicle => vec![
                pick(rng, &["小型汽车", "三轮摩托车", "农用车"]),
                low(rng, 120_000).to_string(),
                String::new(),
            ],
            ItemKind::PublicPayroll => vec![pick(rng, &["中心小学", "卫生院", "镇政府"])],
        }
    }

    /// What a department's batch says of a person, if anything happened.
    pub(crate) fn alert_row(
        &mut self,
        batch: &AlertBatch,
        household: &Household,
        person: &Person,
    ) -> Option<Vec<String>> {
        let id_number = person.id_number.expose().to_owned();
        let rng = &mut self.rng;
        match batch.row_kind {
            "medical_expense" => {
                // A settlement for every third person; who spent most of the household's bill is ill.
                let own = household.year.out_of_pocket;
                let ill = own > 0 && (person.health.contains('病') || household.head() == person);
                let stay = if ill { own } else { low(rng, 3_000) };
                let settled = ill || rng.random_ratio(1, 3);
                let year_to_date = stay + low(rng, 1_000);
                settled.then(|| vec![id_number, stay.to_string(), year_to_date.to_string()])
            }
            "dropout" => {
                let at_school = ["小学", "初中"].contains(&person.schooling);
                let dropped = at_school && rng.random_ratio(1, 250);
                let reason = pick(rng, &["厌学", "因病", "随迁未报到"]);
                dropped.then(|| vec![id_number, "中心学校".to_owned(), reason])
            }
            _ => {
                let lost = person.labour.can_work() && rng.random_ratio(1, 80);
                let on = self.as_of - Days::new(rng.random_range(1..60));
                let unpaid = rng.random_range(0..4).to_string();
                lost.then(|| vec![id_number, on.to_string(), unpaid])
            }
        }
    }
}

fn pick(rng: &mut Xoshiro256PlusPlus, texts: &[&str]) -> String {
    texts[rng.random_range(0..texts.len())].to_owned()
}

/// An amount below `most`, mostly far below.
fn low(rng: &mut Xoshiro256PlusPlus, most: i64) -> i64 {
    let share = rng.random::<f64>();
    (share * share * share * most as f64) as i64
}
