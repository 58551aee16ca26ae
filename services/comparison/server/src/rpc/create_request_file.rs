//! Questions to a department that looks up for itself: about every person of an open comparison who
//! allows it at this moment and was not compared yet, each with a token (S18, CMP-4, CMP-5). Asked twice
//! for the same, it gives the same tokens. Only while what happens is on the record (SEC-3).

use std::{
    collections::{HashMap, HashSet},
    pin::Pin,
};

use chassis::{
    auth::Caller,
    decode::{Fields, codes},
    error::Error,
};
use chrono::{DateTime, Days, TimeDelta, Utc};
use comparison_core::contract;
use comparison_query::{
    request::{Question, ROWS_MAX, Writer},
    token::Query,
};
use futures::{Stream, stream};
use kernel::{Department, ItemKind};
use proto::comparison::v1::{CreateRequestFileRequest, CreateRequestFileResponse};
use tonic::Status;
use uuid::Uuid;

use super::Service;
use crate::{
    Registry, evidence,
    file::check_department,
    intake::{Allowed, Person, ask},
    store::{self, comparison::Lacking, query::Asked},
};

const RPC: &str = "CreateRequestFile";
/// Days for an answer: the five working days of a comparison, a holiday, and a second try.
const ANSWER_DAYS: u64 = 15;
/// Bytes of a message.
const CHUNK_BYTES: usize = 64 * 1024;

/// A file in pieces.
pub type Content = Pin<Box<dyn Stream<Item = Result<CreateRequestFileResponse, Status>> + Send>>;

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: CreateRequestFileRequest,
) -> Result<Content, Error> {
    let registry = service.registry.clone();
    let file = service.request_file(caller, &request, &registry).await?;
    let count = file.len().div_ceil(CHUNK_BYTES);
    let chunks = (0..count).map(move |at| {
        let from = at * CHUNK_BYTES;
        let until = file.len().min(from + CHUNK_BYTES);
        let chunk = file[from..until].to_vec();
        Ok(CreateRequestFileResponse { chunk })
    });
    Ok(Box::pin(stream::iter(chunks)))
}

impl Service {
    /// The file; `registry` knows who may be asked about.
    ///
    /// # Errors
    /// See the RPC.
    pub async fn request_file(
        &self,
        caller: &Caller,
        request: &CreateRequestFileRequest,
        registry: &impl Registry,
    ) -> Result<Vec<u8>, Error> {
        let mut f = Fields::new();
        let item = f.code("item", codes::item_kind(request.item));
        let item = f.finish_with(item)?;
        let department: Result<Department, _> = contract::of_item(item).department.parse();
        let department = department.map_err(|error| Error::Internal(error.into()))?;
        check_department(caller, &department)?;
        evidence::check(&self.ledger).await?;

        let mut tx = self.database.read(caller).await?;
        let lacking = store::comparison::lacking(&mut tx, item).await?;
        drop(tx);
        let households = lacking.iter().map(|l| (l.id, l.household)).collect();
        let allowed = ask(registry, households, item).await?;

        let mut tx = self.database.begin(caller).await?;
        // Two files at once would put two questions.
        let ids: Vec<Uuid> = lacking.iter().map(|lacking| lacking.id).collect();
        let open = store::comparison::lock_open_ids(&mut tx, &ids).await?;
        let known = store::query::open(&mut tx, item, &open).await?;
        let open: HashSet<Uuid> = open.into_iter().collect();
        let lacking: Vec<&Lacking> = lacking.iter().filter(|l| open.contains(&l.id)).collect();
        let now = tx.now();
        let (mut put, mut questions) = (Vec::new(), Vec::new());
        for lacking in &lacking {
            for person in persons(lacking, &allowed) {
                let asked = known.get(&(lacking.id, person.id)).copied();
                // As short as the authorisation: it may have changed since.
                let asked =
                    asked.filter(|asked| asked.expires_at <= expires_at(person, asked.asked_at));
                let asked = asked.unwrap_or_else(|| {
                    let asked = Asked {
                        id: self.database.clock().new_id(),
                        comparison: lacking.id,
                        division: lacking.division,
                        person: person.id,
                        asked_at: now,
                        expires_at: expires_at(person, now),
                    };
                    put.push(asked);
                    asked
                });
                questions.push(self.question(&department, item, lacking, person, &asked)?);
            }
        }
        if questions.len() > ROWS_MAX {
            return Err(Error::TooLarge {
                limit: format!("{ROWS_MAX} persons"),
            });
        }
        store::query::put(&mut tx, item, &put).await?;
        tx.commit().await?;
        let shown = lacking
            .iter()
            .filter(|lacking| persons(lacking, &allowed).next().is_some());
        let shown = shown.map(|l| (l.household.to_string(), l.division.to_string()));
        self.log.record(caller, RPC, shown.collect()).await?;
        write(&questions).map_err(Error::Internal)
    }

    fn question(
        &self,
        department: &Department,
        item: ItemKind,
        lacking: &Lacking,
        person: &Person,
        asked: &Asked,
    ) -> Result<Question, Error> {
        let query = Query::about(
            &person.id_number,
            asked.id,
            department.clone(),
            item,
            lacking.case.0,
            asked.asked_at,
            asked.expires_at,
        );
        let token = self.queries.signer.sign(&query);
        Ok(Question {
            token: token.map_err(|error| Error::Internal(error.into()))?,
            case: lacking.case.0,
            id_number: person.id_number,
            name: person.name.clone(),
        })
    }
}

/// Persons of a comparison to be asked about.
fn persons<'a>(
    lacking: &Lacking,
    allowed: &'a HashMap<Uuid, Allowed>,
) -> impl Iterator<Item = &'a Person> {
    let compared = lacking.compared.clone();
    let persons = allowed.get(&lacking.id).into_iter();
    let persons = persons.flat_map(|allowed| &allowed.persons);
    persons.filter(move |person| !compared.contains(&person.id))
}

/// When a question put at some time is too old: after the days for an answer, or with the authorisation.
/// Tokens count seconds.
fn expires_at(person: &Person, asked_at: DateTime<Utc>) -> DateTime<Utc> {
    let days = asked_at + Days::new(ANSWER_DAYS);
    let ends = person.expires_on.map(kernel::day_end);
    let soonest = asked_at + TimeDelta::seconds(1);
    ends.map_or(days, |end| days.min(end)).max(soonest)
}

fn write(questions: &[Question]) -> anyhow::Result<Vec<u8>> {
    let mut writer = Writer::new(Vec::new())?;
    for question in questions {
        writer.write(question)?;
    }
    Ok(writer.finish()?)
}
