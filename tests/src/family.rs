//! Families that stories are about.

use std::sync::atomic::{AtomicU32, Ordering};

use kernel::{Code, IdNumber, ItemKind, Month, Role};
use serde_json::{Value, json};

use crate::{Sandbox, county::VILLAGE};

/// Months of the ledger that are filled in: the window of twelve, and six before it that show how
/// income stood (T14).
const MONTHS: u32 = 24;

/// Numbers for ID numbers that nobody else in the process has.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// What a story needs of a family. Money in yuan.
#[derive(Debug, Clone)]
pub struct Family {
    /// Name of the head.
    pub head: &'static str,
    /// Where it lives.
    pub village: &'static str,
    /// FORMERLY_REGISTERED or GENERAL.
    pub origin: &'static str,
    /// Members, the head included.
    pub size: usize,
    /// Whether anybody can work.
    pub labour: bool,
    /// Wages of the twelve months.
    pub wages: u32,
    /// Compliant out-of-pocket expenses of the twelve months.
    pub out_of_pocket: u32,
    /// Type of its risk.
    pub risk: &'static str,
}

impl Default for Family {
    /// The family of scenario 1: an expensive illness on an income that would do.
    fn default() -> Self {
        Self {
            head: "张大山",
            village: VILLAGE,
            origin: "GENERAL",
            size: 5,
            labour: true,
            wages: 80_400,
            out_of_pocket: 50_000,
            risk: "ILLNESS",
        }
    }
}

/// A family that is in the registry.
#[derive(Debug, Clone)]
pub struct Registered {
    /// Node id of the household.
    pub id: String,
    /// Where it lives.
    pub village: &'static str,
    /// Person ids, head first.
    pub persons: Vec<String>,
    /// ID numbers in the same order.
    pub id_numbers: Vec<String>,
    /// Type of its risk.
    pub risk: &'static str,
}

/// An ID number of nobody, of somebody born on a day of 1980, in June as long as there are any.
#[must_use]
pub fn id_number() -> String {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let (days, serial) = (number / 999, 1 + number % 999);
    let (month, day) = (1 + (5 + days / 28) % 12, 1 + days % 28);
    let digits = format!("9999991980{month:02}{day:02}{serial:03}");
    let bytes: &[u8; 17] = digits.as_bytes().try_into().expect("17 digits");
    format!("{digits}{}", IdNumber::check_character(bytes))
}

impl Family {
    /// Registers the family with members, income, guarantees and risk.
    ///
    /// # Panics
    /// Something is refused.
    pub async fn register(&self, sandbox: &Sandbox) -> Registered {
        let family = self.register_bare(sandbox).await;
        family
            .record_income(sandbox, self.wages, self.out_of_pocket)
            .await;
        family.record_guarantees(sandbox).await;
        let cadre = sandbox.client(Role::VillageCadre, self.village);
        let risks = json!({ "householdId": family.id, "risks": [{ "type": self.risk }] });
        cadre.accepted("putRisks", risks, "household { id }").await;
        family
    }

    /// Registers the family with its members, and nothing else.
    ///
    /// # Panics
    /// Something is refused.
    pub async fn register_bare(&self, sandbox: &Sandbox) -> Registered {
        let cadre = sandbox.client(Role::VillageCadre, self.village);
        let capacity = if self.labour { "ORDINARY" } else { "NONE" };
        let health = if self.risk == "ILLNESS" {
            "患有大病"
        } else {
            "健康"
        };
        let id_numbers: Vec<String> = (0..self.size).map(|_| id_number()).collect();
        let members: Vec<Value> = (0..self.size)
            .map(|index| {
                let name = if index == 0 {
                    self.head.to_owned()
                } else {
                    format!("家人{index}")
                };
                json!({
                    "name": name, "idNumber": id_numbers[index], "isHead": index == 0,
                    "relation": if index == 0 { "户主" } else { "其他" },
                    "registered": true, "resident": true, "sharesIncome": true,
                    "labourCapacity": capacity, "health": health, "schooling": "非在校生",
                    "medicallyInsured": true, "socialSecurity": !self.labour,
                })
            })
            .collect();
        let household = json!({
            "divisionCode": self.village, "groupNumber": 1, "origin": self.origin,
            "liftedYear": if self.origin == "FORMERLY_REGISTERED" { 2018 } else { 0 },
            "phone": "13800000000", "address": "一组 1 号",
        });
        let payload = cadre
            .accepted(
                "createHousehold",
                json!({ "household": household, "members": members }),
                "household { id members { personId } }",
            )
            .await;
        let id = payload["household"]["id"]
            .as_str()
            .expect("an id")
            .to_owned();
        let persons = payload["household"]["members"]
            .as_array()
            .expect("members")
            .iter();
        let persons: Vec<String> = persons
            .map(|member| member["personId"].as_str().expect("an id").to_owned())
            .collect();
        Registered {
            id,
            village: self.village,
            persons,
            id_numbers,
            risk: self.risk,
        }
    }
}

impl Registered {
    /// Fills the months up to the last full one in: wages spread over the newest twelve, the
    /// out-of-pocket expenses in the newest.
    ///
    /// # Panics
    /// It is refused.
    pub async fn record_income(&self, sandbox: &Sandbox, wages: u32, out_of_pocket: u32) {
        let newest = Month::of(sandbox.today()).minus(1);
        let entry = |month: Month, group: &str, kind: &str, yuan: u32| {
            json!({
                "month": month.to_string(), "group": group, "kind": kind,
                "amount": format!("{yuan}.00"), "source": "VISITED",
            })
        };
        let mut entries: Vec<Value> = (0..MONTHS)
            .map(|back| entry(newest.minus(back), "WAGE", "务工", wages / 12))
            .collect();
        if out_of_pocket > 0 {
            entries.push(entry(newest, "COMPLIANT_OOP", "医疗", out_of_pocket));
        }
        let input = json!({
            "householdId": self.id, "fromMonth": newest.minus(MONTHS - 1).to_string(),
            "toMonth": newest.to_string(), "entries": entries, "complete": true,
        });
        let cadre = sandbox.client(Role::VillageCadre, self.village);
        cadre
            .accepted("recordIncome", input, "assessment { netPc }")
            .await;
    }

    /// Finds everything safe (S07).
    ///
    /// # Panics
    /// It is refused.
    pub async fn record_guarantees(&self, sandbox: &Sandbox) {
        let all = [
            "FOOD",
            "CLOTHING",
            "COMPULSORY_EDUCATION",
            "BASIC_MEDICAL_CARE",
            "SAFE_HOUSING",
            "SAFE_WATER",
        ];
        let today = sandbox.today().to_string();
        let findings: Vec<Value> = all
            .iter()
            .map(|g| json!({ "guarantee": g, "status": "SAFE", "checkedOn": today }))
            .collect();
        let input = json!({ "householdId": self.id, "findings": findings });
        let cadre = sandbox.client(Role::VillageCadre, self.village);
        cadre
            .accepted("recordGuarantees", input, "assessment { guaranteesSafe }")
            .await;
    }

    /// Has every adult sign for all nine items (S18).
    ///
    /// # Panics
    /// It is refused.
    pub async fn authorise(&self, sandbox: &Sandbox, by_fingerprint: bool) {
        let cadre = sandbox.client(Role::VillageCadre, self.village);
        for person in &self.persons {
            let authorisation = json!({
                "householdId": self.id, "personId": person, "signedByPersonId": person,
                "items": ItemKind::ALL.iter().map(|item| item.as_str()).collect::<Vec<_>>(), "purpose": "monitoring", "textVersion": "2026-1",
                "signedOn": sandbox.today().to_string(),
                "expiresOn": (sandbox.today() + chrono::Duration::days(730)).to_string(),
                "evidenceSha256": EVIDENCE, "byFingerprint": by_fingerprint,
            });
            cadre
                .accepted("grantAuthorisation", authorisation, "authorisation { id }")
                .await;
        }
    }
}

/// A paper that stands for every form, scan and photo; every village of the county has it.
pub const PAPER: &[u8] = b"%PDF-1.4\n% a paper of the tests\n";
/// Its hash, by which commands name it.
pub const EVIDENCE: &str = "63d792f085121fa6b2968117b8bd618e72299e2579e8f50a45212732827f1d9f";
