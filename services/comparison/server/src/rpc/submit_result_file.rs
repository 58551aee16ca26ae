//! Takes what a department that looks up for itself has answered: each answer by the token of its
//! question, once, while the person still allows it (S18, CMP-4, CMP-5). Only while what happens is on the
//! record (SEC-3).

use std::collections::HashMap;

use chassis::{auth::Caller, error::Error};
use comparison_core::answer::{AnswerForm, Told, form_of};
use kernel::{BatchId, Code};
use proto::comparison::v1::{BatchReport, SubmitResultFileRequest, SubmitResultFileResponse};
use tokio_stream::Stream;
use tonic::{Status, Streaming};
use uuid::Uuid;

use super::Service;
use crate::{
    Registry,
    answers::{self, Answers, Expected},
    evidence, file,
    intake::{Allowed, Batch, Changes, Person, Persons, admit, ask, rules},
    register::{ROWS_PER_PERSON_MAX, What},
    store::{self, query::State},
};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    stream: Streaming<SubmitResultFileRequest>,
) -> Result<SubmitResultFileResponse, Error> {
    let registry = service.registry.clone();
    let report = service
        .submit_result_from(caller, stream, &registry)
        .await?;
    Ok(SubmitResultFileResponse {
        report: Some(report),
    })
}

impl Service {
    /// Takes the file that `messages` bring; `registry` knows who still allows it.
    ///
    /// # Errors
    /// See the RPC.
    pub async fn submit_result_from(
        &self,
        caller: &Caller,
        messages: impl Stream<Item = Result<SubmitResultFileRequest, Status>> + Unpin,
        registry: &impl Registry,
    ) -> Result<BatchReport, Error> {
        let _turn = self.turn().await?;
        let today = self.database.clock().today();
        let mut parts = file::parts(messages);
        let header = file::header(&mut parts, today).await?;
        let item = admit(caller, &header)?;
        evidence::check(&self.ledger).await?;
        let uploaded = file::receive(&mut parts).await?;

        let mut tx = self.database.read(caller).await?;
        let (sha256, department) = (&uploaded.sha256, header.department.as_str());
        let known = store::batch::same_file(&mut tx, sha256, department, item.as_str()).await?;
        if let Some(report) = known {
            // Its tokens have been used by itself.
            return Ok(report);
        }
        drop(tx);
        let expected = Expected {
            department: header.department.clone(),
            item,
            now: self.database.clock().now(),
        };
        let answers = answers::read(&uploaded, expected, self.queries.clone()).await?;
        let mut tx = self.database.read(caller).await?;
        let states = store::query::states(&mut tx, &ids(&answers)).await?;
        let comparisons: Vec<Uuid> = states.values().map(|state| state.comparison).collect();
        let households = store::comparison::households(&mut tx, &comparisons).await?;
        drop(tx);
        // A connection is not held while others are asked.
        let allowed = ask(registry, households, item).await?;
        let batch = Batch {
            id: BatchId(self.database.clock().new_id()),
            data_date: header.data_date,
            item,
        };
        let report = header.report(&uploaded.sha256);
        self.record_answers(caller, &batch, &allowed, answers, report)
            .await
    }

    /// Stores what was answered, all that counts of it or nothing.
    async fn record_answers(
        &self,
        caller: &Caller,
        batch: &Batch,
        allowed: &HashMap<Uuid, Allowed>,
        mut answers: Answers,
        mut report: BatchReport,
    ) -> Result<BatchReport, Error> {
        let mut tx = self.database.begin(caller).await?;
        let rules = rules(&mut tx, batch.item).await?;
        let comparisons: Vec<Uuid> = allowed.keys().copied().collect();
        let mut open = HashMap::new();
        for comparison in store::comparison::lock_open(&mut tx, &comparisons).await? {
            if !comparison.has(batch.item) {
                let before = comparison.compared(batch.item);
                open.insert(comparison.id, (comparison, before));
            }
        }
        // Under the lock: another file may have answered meanwhile.
        let states = store::query::states(&mut tx, &ids(&answers)).await?;
        let mut found: HashMap<(Uuid, Uuid), Found> = HashMap::new();
        let mut answered = Vec::new();
        for answer in std::mem::take(&mut answers.answers) {
            let state = states.get(&answer.query.id);
            let is_open = |state: &&State| {
                let before = open.get(&state.comparison).map(|(_, before)| before);
                before.is_some_and(|before| !before.contains(&state.person))
            };
            let checked = match state.filter(is_open) {
                _ if state.is_some_and(|state| state.is_answered) => Err("TOKEN_ANSWERED"),
                None => Err("TOKEN_CLOSED"),
                Some(state) => {
                    let allowed = allowed.get(&state.comparison);
                    let persons = allowed.map_or(&[][..], |allowed| &allowed.persons);
                    let still = persons
                        .iter()
                        .any(|p| p.id == state.person && p.id_number == answer.id_number);
                    still.then_some(*state).ok_or("TOKEN_NOT_AUTHORISED")
                }
            };
            let state = match checked {
                Ok(state) => state,
                Err(code) => {
                    answers.refuse(answer.row, "token", code);
                    continue;
                }
            };
            answered.push(answer.query.id);
            let found = found.entry((state.comparison, state.person)).or_default();
            if let Err(code) = found.add(answer.row, answer.told, form_of(batch.item)) {
                answers.refuse(answer.row, "found", code);
            }
        }
        let mut changes = Changes::default();
        for (id, (comparison, before)) in open {
            let Some(allowed) = allowed.get(&id) else {
                continue;
            };
            let is_answered = |person: &Person| found.contains_key(&(id, person.id));
            let mut persons = Persons::of(&before, allowed, is_answered);
            persons.left_out.unanswered = persons.missing;
            let found = |person: &Person| {
                let found = found.get(&(id, person.id)).into_iter();
                let rows = found.flat_map(|found| &found.rows);
                rows.map(|(row, what)| (*row, what)).collect()
            };
            batch.receive(&rules, comparison, &persons, found, &tx, &mut changes);
        }
        store::query::answer(&mut tx, &answered, batch.id).await?;
        answers.note(&mut report);
        batch.keep(&mut tx, caller, &changes, &mut report).await?;
        tx.commit().await?;
        Ok(report)
    }
}

/// What is answered of a person.
#[derive(Default)]
struct Found {
    /// The first row, and whether it says that there is something.
    first: Option<(i64, bool)>,
    rows: Vec<(i64, What)>,
}

impl Found {
    /// Adds an answer. Things there may be many of, where they are told one by one; a second answer of
    /// another kind contradicts the first, and a person has to look.
    fn add(&mut self, row: i64, told: Option<Told>, form: AnswerForm) -> Result<(), &'static str> {
        let (earlier, is_something) = *self.first.get_or_insert((row, told.is_some()));
        if earlier != row && !(is_something && told.is_some() && form == AnswerForm::Rows) {
            self.rows.push((row, What::Contradiction { earlier }));
            return Err("CONTRADICTORY_ROWS");
        }
        if self.rows.len() >= ROWS_PER_PERSON_MAX.into() {
            return Err("TOO_MANY_ROWS");
        }
        self.rows.extend(told.map(|told| (row, What::Told(told))));
        Ok(())
    }
}

fn ids(answers: &Answers) -> Vec<Uuid> {
    let mut ids: Vec<Uuid> = answers.answers.iter().map(|a| a.query.id).collect();
    // A person with many things has many rows.
    ids.sort_unstable();
    ids.dedup();
    ids
}
