//! Takes a department's file for one of the nine items and compares it with the authorised persons
//! of open comparisons, and with no one else (S34, S36). Whether somebody allows it is asked twice: before
//! the file is read and before anything of it is kept (S18, CMP-4). Only while what happens is on the
//! record (SEC-3).

use std::collections::{HashMap, HashSet};

use chassis::{auth::Caller, bucket::Files, error::Error};
use comparison_core::{contract, outcome::LeftOut};
use comparison_engine::Authorised;
use kernel::{BatchId, Code, Department, IdNumber};
use proto::comparison::v1::{BatchReport, SubmitItemFileRequest, SubmitItemFileResponse};
use tokio_stream::Stream;
use tonic::{Status, Streaming};
use uuid::Uuid;

use super::Service;
use crate::{
    Registry, evidence, file,
    intake::{Allowed, Batch, Changes, Person, Persons, admit, ask, rules},
    register::{self, Compared, Found},
    store::{self, comparison::Lacking},
};

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
        let _turn = self.turn().await?;
        let today = self.database.clock().today();
        let mut parts = file::parts(messages);
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
        let persons = asked.set()?;
        let mut compared = match &header.object_key {
            None => register::compare(&mut parts, contract, persons).await?,
            Some(key) => {
                let files = self.registers_of(&header.department, key)?;
                let mut parts = file::stored(files, key).await?;
                register::compare(&mut parts, contract, persons).await?
            }
        };

        let mut tx = self.database.read(caller).await?;
        let (sha256, department) = (&compared.sha256, header.department.as_str());
        let known = store::batch::same_file(&mut tx, sha256, department, item.as_str()).await?;
        drop(tx);
        let allowed = ask(registry, households(), item).await?;
        // The same file again is compared only with those who came since.
        let same = |lacking: &Lacking| {
            allowed.get(&lacking.id).is_none_or(|allowed| {
                let persons = asked.persons_of(lacking.id, &lacking.compared, allowed);
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
        };
        self.record(caller, &batch, &asked, &allowed, compared, report)
            .await
    }

    /// The county's store of registers, for a key of the department's own.
    fn registers_of(&self, department: &Department, key: &str) -> Result<&Files, Error> {
        let own = key.strip_prefix(department.as_str());
        if !own.is_some_and(|rest| rest.starts_with('/')) {
            let expected = format!("{department}/…");
            return Err(Error::invalid("object_key", "OWN_DEPARTMENT", &expected));
        }
        let nowhere = || {
            Error::invalid(
                "object_key",
                "NO_STORE",
                "a county with a store of registers",
            )
        };
        self.registers.as_ref().ok_or_else(nowhere)
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
        let rules = rules(&mut tx, batch.item).await?;
        let ids: Vec<Uuid> = allowed.keys().copied().collect();
        let mut changes = Changes::default();
        for comparison in store::comparison::lock_open(&mut tx, &ids).await? {
            let Some(allowed) = allowed.get(&comparison.id) else {
                continue;
            };
            if comparison.has(batch.item) {
                continue;
            }
            let before = comparison.compared(batch.item);
            let persons = asked.persons_of(comparison.id, &before, allowed);
            let found = |person: &Person| {
                let rows = found.get(&person.id_number).into_iter().flatten();
                rows.map(|found| (found.row, &found.what)).collect()
            };
            batch.receive(&rules, comparison, &persons, found, &tx, &mut changes);
        }
        batch.keep(&mut tx, caller, &changes, &mut report).await?;
        tx.commit().await?;
        Ok(report)
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

    fn set(&self) -> Result<Authorised, Error> {
        // Numbers have been checked and are there once; what the engine refuses is a fault in here.
        let refused = |error: comparison_engine::Refused| Error::Internal(error.into());
        let mut set = Authorised::builder();
        for (number, name) in &self.numbers {
            set.add(number.expose(), Some(name)).map_err(refused)?;
        }
        set.build().map_err(refused)
    }

    /// Who was allowed when the file began and is allowed now that it has ended.
    fn persons_of<'a>(
        &self,
        comparison: Uuid,
        before: &[Uuid],
        allowed: &'a Allowed,
    ) -> Persons<'a> {
        let mut persons = Persons::of(before, allowed, |person| {
            let key = (comparison, person.id, person.id_number);
            self.persons.contains(&key)
        });
        // They allowed it while the file was being read.
        let left_out: &mut LeftOut = &mut persons.left_out;
        left_out.not_authorised += persons.missing;
        persons
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
