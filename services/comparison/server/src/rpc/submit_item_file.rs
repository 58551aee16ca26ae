//! Takes a department's file for one of the nine items and compares it with the authorised persons
//! of open comparisons, and with no one else (S34, S36, CMP-4). Only while what happens is on the record
//! (SEC-3).

use std::collections::HashMap;

use chassis::{
    auth::Caller,
    decode::{Fields, codes},
    error::Error,
};
use comparison_core::{contract, finding::Rules, row::Row};
use futures::TryStreamExt as _;
use kernel::{BatchId, Code, Department, IdNumber, ItemKind};
use proto::comparison::v1::{
    BatchReport, SubmitItemFileRequest, SubmitItemFileResponse,
    submit_item_file_request::Part as WirePart,
};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Status, Streaming};
use uuid::Uuid;

use super::Service;
use crate::{
    Registry, convert, evidence,
    file::{self, Delivery, Part, Piece},
    item, rules,
    store::{
        self,
        comparison::{Lacking, Received},
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
        let parts = messages.map(|message| message.map(|message| message.part.map(part)));
        let delivery = file::receive(parts, today).await?;
        let item = admit(caller, &delivery)?;
        evidence::check(&self.ledger).await?;

        let mut tx = self.database.read(caller).await?;
        let (sha256, department) = (&delivery.uploaded.sha256, delivery.department.as_str());
        let known = store::batch::same_file(&mut tx, sha256, department, item.as_str()).await?;
        let lacking = store::comparison::lacking(&mut tx, item).await?;
        drop(tx);
        // The same file again is compared only with those who came since.
        if let (Some(report), true) = (known, lacking.is_empty()) {
            return Ok(report);
        }
        let asked = authorised(registry, lacking, item).await?;
        let (report, found) = self.compare(&delivery, item, &asked).await?;
        self.record(caller, &delivery, item, asked, found, report)
            .await
    }

    /// Streams the file past the persons asked about. Nobody else's row leaves the reader.
    async fn compare(
        &self,
        delivery: &Delivery,
        item: ItemKind,
        asked: &[Asked],
    ) -> Result<(BatchReport, Vec<Hit>), Error> {
        let contract = contract::of_item(item);
        let rules = Rules::compile(&rules::COMPARISON, item);
        let rules = rules.map_err(|error| Error::Internal(error.into()))?;
        let persons = asked.iter().flat_map(|asked| &asked.persons);
        let names: HashMap<IdNumber, String> = persons
            .map(|person| (person.id_number, person.name.clone()))
            .collect();
        let mut by_number: HashMap<IdNumber, Vec<(usize, Uuid)>> = HashMap::new();
        for (at, asked) in asked.iter().enumerate() {
            for person in &asked.persons {
                by_number
                    .entry(person.id_number)
                    .or_default()
                    .push((at, person.id));
            }
        }
        let mut pieces =
            delivery.rows(contract, move |row: &Row| match names.get(&row.id_number) {
                None => Ok(false),
                Some(name) if row.is_named(name) => Ok(true),
                Some(_) => Err("NAME_MISMATCH"),
            })?;
        let mut report = delivery.report();
        let mut hits = Vec::new();
        loop {
            let mut chunk = match pieces.recv().await {
                Some(Piece::Chunk(chunk)) => chunk,
                Some(Piece::End) => return Ok((report, hits)),
                Some(Piece::Unusable(error)) => return Err(error),
                None => return Err(Error::Internal(anyhow::anyhow!("the reader stopped"))),
            };
            for (number, row) in &chunk.rows {
                for (at, person) in by_number.get(&row.id_number).into_iter().flatten() {
                    let asked = &asked[*at];
                    let members = i64::try_from(asked.persons.len()).unwrap_or(1);
                    hits.extend(rules.hits(row, members).map(|rule| Hit {
                        id: self.database.clock().new_id(),
                        comparison: asked.comparison,
                        item,
                        rule_id: rule.rule_id.clone(),
                        rule_version: i32::try_from(rule.version).unwrap_or(i32::MAX),
                        kind: rule.kind,
                        person: *person,
                        evidence: row.evidence(&contract),
                        data_date: delivery.data_date,
                        batch: Uuid::nil(),
                        row: i64::from(*number),
                        explanation: String::new(),
                        explanation_sha256: String::new(),
                        outcome: None,
                        decided_by: String::new(),
                        decided_reason: String::new(),
                        decided_on: None,
                    }));
                }
            }
            file::note("items", &mut report, &mut chunk);
        }
    }

    /// Stores what was found. A comparison that got the item meanwhile keeps what it has.
    async fn record(
        &self,
        caller: &Caller,
        delivery: &Delivery,
        item: ItemKind,
        asked: Vec<Asked>,
        found: Vec<Hit>,
        mut report: BatchReport,
    ) -> Result<BatchReport, Error> {
        let batch = BatchId(self.database.clock().new_id());
        report.batch_id = batch.to_string();
        let mut by_comparison: HashMap<Uuid, Vec<Hit>> = HashMap::new();
        for hit in found {
            by_comparison.entry(hit.comparison).or_default().push(hit);
        }
        for asked in asked.iter().filter(|asked| !asked.persons.is_empty()) {
            let mut tx = self.database.begin(caller).await?;
            let Some(mut comparison) = store::comparison::lock(&mut tx, asked.comparison).await?
            else {
                continue;
            };
            let known = comparison
                .received
                .iter()
                .any(|received| received.item == item);
            if known || comparison.completed_at.is_some() {
                continue;
            }
            let received = Received {
                item,
                data_date: delivery.data_date,
                batch: batch.0,
            };
            for mut hit in by_comparison.remove(&comparison.id).unwrap_or_default() {
                hit.batch = batch.0;
                store::hit::insert(&mut tx, &hit, comparison.division).await?;
                comparison.hits.push(hit);
                report.hits_recorded += 1;
            }
            comparison.received.push(received.clone());
            let complete = convert::outcome(&comparison).is_complete();
            comparison.completed_at = complete.then(|| tx.now());
            let persons = i32::try_from(asked.persons.len()).unwrap_or(i32::MAX);
            let completed_at = comparison.completed_at;
            store::comparison::receive(&mut tx, &comparison, &received, persons, completed_at)
                .await?;
            if complete {
                let facts = convert::case_facts(&comparison);
                let (id, division) = (comparison.case.0, comparison.division);
                item::comparison(&mut tx, item::COMPARISON_COMPLETED, id, division, &facts);
            }
            tx.commit().await?;
        }
        let mut tx = self.database.begin(caller).await?;
        report.finished_at = Some(convert::timestamp(tx.now()));
        let division = caller.principal.scope.division;
        store::batch::insert(&mut tx, batch, division, item.as_str(), &report).await?;
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
fn admit(caller: &Caller, delivery: &Delivery) -> Result<ItemKind, Error> {
    let mut f = Fields::new();
    let item = f.code("item", delivery.item);
    let item = f.finish_with(item)?;
    let own: Option<&Department> = caller.principal.scope.department.as_ref();
    if own.is_some_and(|own| *own != delivery.department) {
        return Err(Error::invalid(
            "department",
            "OWN_DEPARTMENT",
            "your own department",
        ));
    }
    let expected = contract::of_item(item).department;
    if delivery.department.as_str() != expected {
        return Err(Error::invalid("department", "ITEM_DEPARTMENT", expected));
    }
    Ok(item)
}

/// A comparison and whom it asks about.
struct Asked {
    comparison: Uuid,
    persons: Vec<Person>,
}

struct Person {
    id: Uuid,
    id_number: IdNumber,
    name: String,
}

/// The persons of open comparisons who allow an item to be queried at this moment.
async fn authorised(
    registry: &impl Registry,
    lacking: Vec<Lacking>,
    item: ItemKind,
) -> Result<Vec<Asked>, Error> {
    let ask = |lacking: Lacking| async move {
        let persons = registry.authorised(lacking.household).await?;
        let allow = persons.into_iter().filter(|p| {
            p.items
                .iter()
                .any(|allowed| codes::item_kind(*allowed) == Some(item))
        });
        let persons = allow.filter_map(|person| {
            Some(Person {
                id: person.person_id.parse().ok()?,
                id_number: person.id_number.parse().ok()?,
                name: person.name,
            })
        });
        Ok::<_, Error>(Asked {
            comparison: lacking.id,
            persons: persons.collect(),
        })
    };
    let asks = futures::stream::iter(lacking.into_iter().map(|lacking| Ok(ask(lacking))));
    asks.try_buffer_unordered(ASKED_AT_ONCE).try_collect().await
}
