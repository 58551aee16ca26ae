//! Takes a department's file for one of the nine items and compares it with the authorised persons
//! of open comparisons, and with no one else (S34, S36). Whether somebody allows it is asked twice: before
//! the file is read and before anything of it is kept (S18, CMP-4). Only while what happens is on the
//! record (SEC-3).

use std::collections::{HashMap, HashSet};

use chassis::{
    auth::Caller,
    clock::timestamp,
    decode::{Fields, codes},
    error::Error,
};
use chrono::NaiveDate;
use comparison_core::{
    contract::{self, Contract},
    finding::{CONTRADICTORY_ROWS, FindingKind, Rules, UNUSABLE_ROW},
    outcome::LeftOut,
    rule::in_force,
};
use comparison_engine::Authorised;
use futures::TryStreamExt as _;
use kernel::{BatchId, Code, HouseholdId, IdNumber, ItemKind};
use proto::{
    comparison::v1::{
        BatchReport, SubmitItemFileRequest, SubmitItemFileResponse,
        submit_item_file_request::Part as WirePart,
    },
    households::v1::{GapReason, ListAuthorisedPersonsResponse},
};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Status, Streaming};
use uuid::Uuid;

use super::Service;
use crate::{
    Registry, convert, evidence,
    file::{self, Header, Part},
    item,
    register::{self, Compared, Found, What},
    store::{
        self,
        comparison::{Lacking, Source},
        hit::Hit,
    },
};

/// Households asked about at once.
const ASKED_AT_ONCE: usize = 8;

pub async fn handle(
    service: &Service,
    caller: &Caller,
    stream: Streaming<SubmitItemFileRequest>,
) -> Result<SubmitItemFileResponse, Error> {
    let registry = service.registry.clone();
    let report = service.submit_item_from(caller, stream, &registry).await?;
    Ok(SubmitItemFileResponse {
        report: Some(report),
    })
}

impl Service {
    /// Takes the file that `messages` bring; `registry` knows who may be compared.
    ///
    /// # Errors
    /// See the RPC.
    pub async fn submit_item_from(
        &self,
        caller: &Caller,
        messages: impl Stream<Item = Result<SubmitItemFileRequest, Status>> + Unpin,
        registry: &impl Registry,
    ) -> Result<BatchReport, Error> {
        let closed = |_| Error::Unavailable { what: "intake" };
        let _permit = self.files.acquire().await.map_err(closed)?;
        let today = self.database.clock().today();
        let mut parts = messages.map(|message| message.map(|message| message.part.map(part)));
        let header = file::header(&mut parts, today).await?;
        let item = admit(caller, &header)?;
        evidence::check(&self.ledger).await?;

        let mut tx = self.database.read(caller).await?;
        let lacking = store::comparison::lacking(&mut tx, item).await?;
        drop(tx);
        let households = || lacking.iter().map(|l| (l.id, l.household)).collect();
        // A connection is not held while others are asked.
        let allowed = ask(registry, households(), item).await?;
        let asked = Asked::of(&lacking, &allowed);
        let contract = contract::of_item(item);
        let mut compared = register::compare(&mut parts, contract, asked.set()?).await?;

        let mut tx = self.database.read(caller).await?;
        let (sha256, department) = (&compared.sha256, header.department.as_str());
        let known = store::batch::same_file(&mut tx, sha256, department, item.as_str()).await?;
        drop(tx);
        let allowed = ask(registry, households(), item).await?;
        // The same file again is compared only with those who came since.
        let same = |lacking: &Lacking| {
            allowed.get(&lacking.id).is_none_or(|allowed| {
                let persons =
                    Persons::of(&lacking.compared, allowed, asked.of_comparison(lacking.id));
                persons.compared.is_empty() && persons.left_out == lacking.left_out
            })
        };
        if let (Some(report), true) = (known, lacking.iter().all(same)) {
            return Ok(report);
        }
        let mut report = header.report(&compared.sha256);
        compared.note(&mut report);
        let batch = Batch {
            id: BatchId(self.database.clock().new_id()),
            data_date: header.data_date,
            item,
            contract,
        };
        self.record(caller, &batch, &asked, &allowed, compared, report)
            .await
    }

    /// Stores what was found, all of it or nothing. A comparison that is complete meanwhile keeps what
    /// it has, and so does an item for persons whom another file was compared with.
    async fn record(
        &self,
        caller: &Caller,
        batch: &Batch,
        asked: &Asked,
        allowed: &HashMap<Uuid, Allowed>,
        compared: Compared,
        mut report: BatchReport,
    ) -> Result<BatchReport, Error> {
        let found = asked.by_number(&compared.found);
        let mut tx = self.database.begin(caller).await?;
        let rules = store::comparison_rule::list(&mut tx).await?;
        let rules = Rules::compile(&in_force(&rules, tx.today()), batch.item);
        let rules = rules.map_err(|error| Error::Internal(error.into()))?;
        let ids: Vec<Uuid> = allowed.keys().copied().collect();
        let (mut changed, mut hits) = (Vec::new(), Vec::new());
        for mut comparison in store::comparison::lock_open(&mut tx, &ids).await? {
            let Some(allowed) = allowed.get(&comparison.id) else {
                continue;
            };
            if comparison.has(batch.item) {
                continue;
            }
            let compared = comparison.compared(batch.item);
            let before = compared.len();
            let persons = Persons::of(&compared, allowed, asked.of_comparison(comparison.id));
            if before + persons.compared.len() == 0 && persons.left_out.persons() == 0 {
                // There is nothing to be said of anybody.
                continue;
            }
            let members = before + persons.compared.len();
            let members = i64::try_from(members).unwrap_or(i64::MAX);
            for person in &persons.compared {
                for found in found.get(&person.id_number).into_iter().flatten() {
                    for of_row in batch.judge(&rules, found, members) {
                        let hit = Hit {
                            id: self.database.clock().new_id(),
                            comparison: comparison.id,
                            person: person.id,
                            kind: comparison.purpose.worth(of_row.kind),
                            ..of_row
                        };
                        comparison.hits.push(hit.clone());
                        hits.push((comparison.division, hit));
                    }
                }
            }
            let source = Source {
                id: batch.id.0,
                data_date: batch.data_date,
                compared: persons.compared.iter().map(|person| person.id).collect(),
                check: None,
            };
            comparison.receive(batch.item, source, persons.left_out);
            let complete = convert::outcome(&comparison).is_complete();
            comparison.completed_at = complete.then(|| tx.now());
            changed.push(comparison);
        }
        store::hit::insert(&mut tx, &hits).await?;
        store::comparison::receive(&mut tx, &changed, batch.item).await?;
        let complete = changed.iter().filter(|c| c.completed_at.is_some());
        for comparison in complete {
            item::completed(&mut tx, comparison);
        }
        report.batch_id = batch.id.to_string();
        report.hits_recorded = i64::try_from(hits.len()).unwrap_or(i64::MAX);
        report.finished_at = Some(timestamp(tx.now()));
        let division = caller.principal.scope.division;
        store::batch::insert(&mut tx, batch.id, division, batch.item.as_str(), &report).await?;
        tx.commit().await?;
        Ok(report)
    }
}

fn part(part: WirePart) -> Part {
    match part {
        WirePart::Header(header) => Part::Header(header),
        WirePart::Chunk(chunk) => Part::Chunk(chunk),
    }
}

/// The item, if the caller delivers for the department that has it.
fn admit(caller: &Caller, header: &Header) -> Result<ItemKind, Error> {
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
    persons: Vec<Person>,
    gaps: Vec<(Uuid, GapReason)>,
}

pub struct Person {
    pub id: Uuid,
    id_number: IdNumber,
    name: String,
}

/// Asks about the households of open comparisons.
async fn ask(
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
            })
        });
        let persons = persons.collect::<Result<_, Error>>()?;
        let gaps = found.gaps.iter();
        let gaps = gaps.filter(|gap| codes::item_kind(gap.item) == Some(item));
        let gaps = gaps.map(|gap| Ok((read(&gap.person_id)?, gap.reason())));
        let gaps = gaps.collect::<Result<_, Error>>()?;
        Ok(Self { persons, gaps })
    }
}

/// Whom a file is compared with.
struct Asked {
    /// In the order of their places; somebody may be in two households.
    numbers: Vec<(IdNumber, String)>,
    /// By comparison, who may be compared when the file begins.
    persons: HashSet<(Uuid, Uuid, IdNumber)>,
}

impl Asked {
    /// Everybody who is allowed and was not compared before.
    fn of(lacking: &[Lacking], allowed: &HashMap<Uuid, Allowed>) -> Self {
        let (mut numbers, mut persons) = (HashMap::new(), HashSet::new());
        for lacking in lacking {
            let allowed = allowed.get(&lacking.id).into_iter();
            let allowed = allowed.flat_map(|allowed| &allowed.persons);
            for person in allowed.filter(|person| !lacking.compared.contains(&person.id)) {
                let name = || person.name.clone();
                numbers.entry(person.id_number).or_insert_with(name);
                persons.insert((lacking.id, person.id, person.id_number));
            }
        }
        let numbers = numbers.into_iter().collect();
        Self { numbers, persons }
    }

    /// Whether a person of a comparison was asked about.
    fn of_comparison(&self, comparison: Uuid) -> impl Fn(&Person) -> bool {
        move |person| {
            let key = (comparison, person.id, person.id_number);
            self.persons.contains(&key)
        }
    }

    fn set(&self) -> Result<Authorised, Error> {
        // Numbers have been checked and are there once; what the engine refuses is a fault in here.
        let refused = |error: comparison_engine::Refused| Error::Internal(error.into());
        let mut set = Authorised::builder();
        for (number, name) in &self.numbers {
            set.add(number.expose(), Some(name)).map_err(refused)?;
        }
        set.build().map_err(refused)
    }

    fn by_number<'a>(&self, found: &'a [Found]) -> HashMap<IdNumber, Vec<&'a Found>> {
        let mut by_number: HashMap<IdNumber, Vec<&Found>> = HashMap::new();
        for found in found {
            if let Some((number, _)) = self.numbers.get(found.person as usize) {
                by_number.entry(*number).or_default().push(found);
            }
        }
        by_number
    }
}

/// A file that has been compared.
struct Batch {
    id: BatchId,
    data_date: NaiveDate,
    item: ItemKind,
    contract: Contract,
}

/// For whom an item of a comparison is compared now, and for whom not.
pub struct Persons<'a> {
    pub compared: Vec<&'a Person>,
    pub left_out: LeftOut,
}

impl<'a> Persons<'a> {
    /// Of a comparison whose item was compared for some `before`: who was allowed when the file began, if
    /// there is one, and is allowed now.
    pub fn of(before: &[Uuid], allowed: &'a Allowed, asked: impl Fn(&Person) -> bool) -> Self {
        let (mut compared, mut left_out) = (Vec::new(), LeftOut::default());
        for person in &allowed.persons {
            if before.contains(&person.id) {
                continue;
            }
            if asked(person) {
                compared.push(person);
            } else {
                // Allowed while the file was being read.
                left_out.not_authorised += 1;
            }
        }
        for (_, reason) in allowed.gaps.iter().filter(|(id, _)| !before.contains(id)) {
            *match reason {
                GapReason::Withdrawn => &mut left_out.withdrawn,
                GapReason::Expired => &mut left_out.expired,
                GapReason::NotGiven | GapReason::Unspecified => &mut left_out.not_authorised,
            } += 1;
        }
        Self { compared, left_out }
    }
}

impl Batch {
    /// What a row says against its person, but for who and in which comparison that is.
    fn judge(&self, rules: &Rules, found: &Found, members: i64) -> Vec<Hit> {
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
            row: found.row,
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
        match &found.what {
            What::Contradiction { earlier } => {
                review(CONTRADICTORY_ROWS, format!("earlier_row={earlier}"))
            }
            What::Unusable(code) => review(UNUSABLE_ROW, format!("fault={code}")),
            What::Values(values) => {
                let hits = rules.hits(values, members).map(|rule| {
                    let head = &rule.head;
                    let evidence = values.evidence(&self.contract);
                    Hit {
                        rule_version: i32::try_from(head.version).unwrap_or(i32::MAX),
                        threshold: head.threshold,
                        unit: head.unit.clone(),
                        ..hit(&head.rule_id, rule.kind, evidence)
                    }
                });
                hits.collect()
            }
        }
    }
}
