//! What a delivery for an item is good for, whichever way it came: whom it may be compared with, what it
//! says against them, and how that is kept.

use std::collections::HashMap;

use chassis::{
    auth::Caller,
    clock::timestamp,
    decode::{Fields, codes},
    error::Error,
    pg::Tx,
};
use chrono::NaiveDate;
use comparison_core::{
    contract,
    finding::{CONTRADICTORY_ROWS, FindingKind, Rules, UNUSABLE_ROW},
    outcome::LeftOut,
    rule::in_force,
};
use futures::TryStreamExt as _;
use kernel::{BatchId, Code, HouseholdId, IdNumber, ItemKind};
use proto::{
    comparison::v1::BatchReport,
    households::v1::{GapReason, ListAuthorisedPersonsResponse},
};
use uuid::Uuid;

use crate::{
    Registry, convert,
    file::Header,
    item,
    register::What,
    store::{
        self,
        comparison::{Comparison, Source},
        hit::Hit,
    },
};

/// Households asked about at once.
const ASKED_AT_ONCE: usize = 8;

/// The item, if the caller delivers for the department that has it.
pub fn admit(caller: &Caller, header: &Header) -> Result<ItemKind, Error> {
    let mut f = Fields::new();
    let item = f.code("item", header.item);
    let item = f.finish_with(item)?;
    header.check_sender(caller)?;
    let expected = contract::of_item(item).department;
    if header.department.as_str() != expected {
        return Err(Error::invalid("department", "ITEM_DEPARTMENT", expected));
    }
    Ok(item)
}

/// Persons of a household who allow an item to be queried at this moment, and why others do not.
pub struct Allowed {
    pub persons: Vec<Person>,
    gaps: Vec<(Uuid, GapReason)>,
}

pub struct Person {
    pub id: Uuid,
    pub id_number: IdNumber,
    pub name: String,
    /// No member of the household (CMP-2).
    pub is_relative: bool,
    /// Last day of the authorisation.
    pub expires_on: Option<NaiveDate>,
}

/// Asks about the households of open comparisons.
pub async fn ask(
    registry: &impl Registry,
    households: Vec<(Uuid, HouseholdId)>,
    item: ItemKind,
) -> Result<HashMap<Uuid, Allowed>, Error> {
    let ask = |(id, household): (Uuid, HouseholdId)| async move {
        let found = registry.authorised(household).await?;
        Ok::<_, Error>((id, Allowed::of(&found, item)?))
    };
    let asks = futures::stream::iter(households.into_iter().map(|household| Ok(ask(household))));
    asks.try_buffer_unordered(ASKED_AT_ONCE).try_collect().await
}

impl Allowed {
    /// What the registry says of an item.
    pub fn of(found: &ListAuthorisedPersonsResponse, item: ItemKind) -> Result<Self, Error> {
        fn read<T: std::str::FromStr<Err: Into<anyhow::Error>>>(text: &str) -> Result<T, Error> {
            text.parse()
                .map_err(|error: T::Err| Error::Internal(error.into()))
        }
        let allow = found.persons.iter().filter(|p| {
            let mut items = p.items.iter();
            items.any(|allowed| codes::item_kind(*allowed) == Some(item))
        });
        let persons = allow.map(|person| {
            Ok(Person {
                id: read(&person.person_id)?,
                id_number: read(&person.id_number)?,
                name: person.name.clone(),
                is_relative: person.is_relative,
                expires_on: match &*person.expires_on {
                    "" => None,
                    day => Some(read(day)?),
                },
            })
        });
        let persons = persons.collect::<Result<_, Error>>()?;
        let gaps = found.gaps.iter();
        let gaps = gaps.filter(|gap| codes::item_kind(gap.item) == Some(item));
        let gaps = gaps.map(|gap| Ok((read(&gap.person_id)?, gap.reason())));
        let gaps = gaps.collect::<Result<_, Error>>()?;
        Ok(Self { persons, gaps })
    }

    /// How many of some persons are members of the household.
    fn members(&self, persons: &[Uuid]) -> usize {
        let is_relative = |id: &&Uuid| {
            let mut persons = self.persons.iter();
            persons.any(|person| person.id == **id && person.is_relative)
        };
        persons.len() - persons.iter().filter(is_relative).count()
    }
}

/// For whom an item of a comparison is compared now, and for whom not.
pub struct Persons<'a> {
    pub compared: Vec<&'a Person>,
    /// Allowed, but not in what was delivered.
    pub missing: u32,
    /// Not allowed.
    pub left_out: LeftOut,
    allowed: &'a Allowed,
}

impl<'a> Persons<'a> {
    /// Of a comparison whose item was compared for some `before`: those who are allowed now and whom the
    /// delivery is about.
    pub fn of(before: &[Uuid], allowed: &'a Allowed, is_about: impl Fn(&Person) -> bool) -> Self {
        let persons = allowed.persons.iter();
        let persons = persons.filter(|person| !before.contains(&person.id));
        let (compared, missing): (Vec<_>, Vec<_>) = persons.partition(|person| is_about(person));
        let mut left_out = LeftOut::default();
        for (_, reason) in allowed.gaps.iter().filter(|(id, _)| !before.contains(id)) {
            *match reason {
                GapReason::Withdrawn => &mut left_out.withdrawn,
                GapReason::Expired => &mut left_out.expired,
                GapReason::NotGiven | GapReason::Unspecified => &mut left_out.not_authorised,
            } += 1;
        }
        Self {
            compared,
            missing: u32::try_from(missing.len()).unwrap_or(u32::MAX),
            left_out,
            allowed,
        }
    }
}

/// The rules in force today for an item's rows.
pub async fn rules(tx: &mut Tx, item: ItemKind) -> Result<Rules, Error> {
    let rules = store::comparison_rule::list(tx).await?;
    let rules = Rules::compile(&in_force(&rules, tx.today()), item);
    rules.map_err(|error| Error::Internal(error.into()))
}

/// A delivery that has come.
pub struct Batch {
    pub id: BatchId,
    pub data_date: NaiveDate,
    pub item: ItemKind,
}

/// What deliveries change, until it is kept: all of it or nothing.
#[derive(Default)]
pub struct Changes {
    changed: Vec<Comparison>,
    hits: Vec<(kernel::DivisionCode, Hit)>,
}

impl Batch {
    /// Notes for whom a comparison's item is compared now and what is found of them.
    pub fn receive<'f>(
        &self,
        rules: &Rules,
        mut comparison: Comparison,
        persons: &Persons<'_>,
        found: impl Fn(&Person) -> Vec<(i64, &'f What)>,
        tx: &Tx,
        changes: &mut Changes,
    ) {
        let mut compared = comparison.compared(self.item);
        compared.extend(persons.compared.iter().map(|person| person.id));
        if compared.is_empty() && persons.left_out.persons() == 0 {
            // There is nothing to be said of anybody.
            return;
        }
        let members = i64::try_from(persons.allowed.members(&compared)).unwrap_or(i64::MAX);
        for person in &persons.compared {
            for (row, what) in found(person) {
                for of_row in self.judge(rules, row, what, person.is_relative, members) {
                    let hit = Hit {
                        id: tx.database().clock().new_id(),
                        comparison: comparison.id,
                        person: person.id,
                        kind: comparison.purpose.worth(of_row.kind),
                        ..of_row
                    };
                    comparison.hits.push(hit.clone());
                    changes.hits.push((comparison.division, hit));
                }
            }
        }
        let source = Source {
            id: self.id.0,
            data_date: self.data_date,
            compared: persons.compared.iter().map(|person| person.id).collect(),
            check: None,
        };
        comparison.receive(self.item, source, persons.left_out);
        let complete = convert::outcome(&comparison).is_complete();
        comparison.completed_at = complete.then(|| tx.now());
        changes.changed.push(comparison);
    }

    /// Keeps it all, tells of comparisons that are complete now, and files the report.
    pub async fn keep(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        changes: &Changes,
        report: &mut BatchReport,
    ) -> Result<(), Error> {
        store::hit::insert(tx, &changes.hits).await?;
        store::comparison::receive(tx, &changes.changed, self.item).await?;
        let complete = changes.changed.iter().filter(|c| c.completed_at.is_some());
        for comparison in complete {
            item::completed(tx, comparison);
        }
        report.batch_id = self.id.to_string();
        report.hits_recorded = i64::try_from(changes.hits.len()).unwrap_or(i64::MAX);
        report.finished_at = Some(timestamp(tx.now()));
        let division = caller.principal.scope.division;
        store::batch::insert(tx, self.id, division, self.item.as_str(), report).await
    }

    /// What a row says against its person, but for who and in which comparison that is.
    fn judge(
        &self,
        rules: &Rules,
        row: i64,
        what: &What,
        is_relative: bool,
        members: i64,
    ) -> Vec<Hit> {
        let hit = |rule_id: &str, kind, evidence| Hit {
            id: Uuid::nil(),
            comparison: Uuid::nil(),
            item: self.item,
            rule_id: rule_id.to_owned(),
            rule_version: 1,
            kind,
            person: Uuid::nil(),
            evidence,
            data_date: self.data_date,
            batch: self.id.0,
            row,
            explanation: String::new(),
            explanation_sha256: String::new(),
            outcome: None,
            decided_by: String::new(),
            decided_reason: String::new(),
            decided_on: None,
            threshold: 0,
            unit: String::new(),
            superseded: false,
        };
        let review = |rule_id, evidence| vec![hit(rule_id, FindingKind::Review, vec![evidence])];
        match what {
            What::Contradiction { earlier } => {
                review(CONTRADICTORY_ROWS, format!("earlier_row={earlier}"))
            }
            What::Unusable(code) => review(UNUSABLE_ROW, format!("fault={code}")),
            What::Told(told) => {
                let hits = rules.judge(told, is_relative, members).into_iter();
                let hits = hits.map(|(rule, kind)| {
                    let head = &rule.head;
                    Hit {
                        rule_version: i32::try_from(head.version).unwrap_or(i32::MAX),
                        threshold: head.threshold,
                        unit: head.unit.clone(),
                        ..hit(&head.rule_id, kind, told.evidence.clone())
                    }
                });
                hits.collect()
            }
        }
    }
}
