//! Takes a department's alert batch: rows that a rule hits become alerts and, through the feed,
//! leads (S24, DET-6 to DET-9).

use std::collections::HashSet;

use chassis::{auth::Caller, clock::timestamp, decode::codes, error::Error, upload::Uploaded};
use comparison_core::{
    alert::Rules,
    contract::{self, Contract},
    row::Row,
    rule::in_force,
};
use kernel::BatchId;
use proto::{
    comparison::v1::{Alert, BatchReport, SubmitAlertBatchRequest, SubmitAlertBatchResponse},
    households::v1::FoundPerson,
};
use tokio_stream::Stream;
use tonic::{Status, Streaming};
use uuid::Uuid;

use super::Service;
use crate::{
    Registry,
    file::{self, Header, Piece},
    item,
    store::{self, alert::Raise},
};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    stream: Streaming<SubmitAlertBatchRequest>,
) -> Result<SubmitAlertBatchResponse, Error> {
    let registry = service.registry.clone();
    let report = service
        .submit_alerts_from(caller, stream, &registry)
        .await?;
    Ok(SubmitAlertBatchResponse {
        report: Some(report),
    })
}

impl Service {
    /// Takes the batch that `messages` bring; `registry` knows whose rows they are.
    ///
    /// # Errors
    /// See the RPC.
    pub async fn submit_alerts_from(
        &self,
        caller: &Caller,
        messages: impl Stream<Item = Result<SubmitAlertBatchRequest, Status>> + Unpin,
        registry: &impl Registry,
    ) -> Result<BatchReport, Error> {
        let _turn = self.turn().await?;
        let today = self.database.clock().today();
        let mut parts = file::parts(messages);
        let header = file::header(&mut parts, today).await?;
        let contract = admit(caller, &header)?;
        let uploaded = file::receive(&mut parts).await?;
        let mut tx = self.database.read(caller).await?;
        let (sha256, department) = (&uploaded.sha256, header.department.as_str());
        let known = store::batch::same_file(&mut tx, sha256, department, contract.row_kind).await?;
        if let Some(report) = known {
            return Ok(report);
        }
        let rules = store::alert_rule::list(&mut tx).await?;
        drop(tx);
        let rules = Rules::compile(in_force(&rules, today), contract)
            .map_err(|error| Error::Internal(error.into()))?;
        let batch = Batch {
            id: BatchId(self.database.clock().new_id()),
            header,
            uploaded,
        };
        self.take_in(caller, &batch, contract, &rules, registry)
            .await
    }

    async fn take_in(
        &self,
        caller: &Caller,
        batch: &Batch,
        contract: Contract,
        rules: &Rules,
        registry: &impl Registry,
    ) -> Result<BatchReport, Error> {
        let mut report = batch.header.report(&batch.uploaded.sha256);
        report.batch_id = batch.id.to_string();
        let mut pieces = file::rows(&batch.uploaded, contract)?;
        loop {
            let mut chunk = match pieces.recv().await {
                Some(Piece::Chunk(chunk)) => chunk,
                Some(Piece::End) => break,
                Some(Piece::Unusable(error)) => return Err(error),
                None => return Err(Error::Internal(anyhow::anyhow!("the reader stopped"))),
            };
            // No database connection is held while the registry looks up.
            let persons = registry.lookup(&chunk.rows).await?;
            let found = find(caller, &chunk.rows, &persons, rules, &contract);
            report.rows_unmatched += found.unmatched;
            let raised = self.raise(caller, batch, found.hits).await?;
            report.alerts_raised += raised.0;
            report.alerts_suppressed += raised.1;
            file::note("alerts", &mut report, &mut chunk);
        }
        let mut tx = self.database.begin(caller).await?;
        report.finished_at = Some(timestamp(tx.now()));
        let division = caller.principal.scope.division;
        store::batch::insert(&mut tx, batch.id, division, contract.row_kind, &report).await?;
        tx.commit().await?;
        Ok(report)
    }

    /// Stores what is due and tells of it; how many were, and how many were held back.
    async fn raise(
        &self,
        caller: &Caller,
        batch: &Batch,
        hits: Vec<Hit>,
    ) -> Result<(i64, i64), Error> {
        if hits.is_empty() {
            return Ok((0, 0));
        }
        let all = i64::try_from(hits.len()).unwrap_or(i64::MAX);
        // Two rows of one person in a file are one alert of a rule.
        let mut seen = HashSet::new();
        let first = |hit: &Hit| seen.insert((hit.raise.rule_id.clone(), hit.raise.person));
        let hits: Vec<Hit> = hits.into_iter().filter(first).collect();
        let raises: Vec<Raise> = hits.iter().map(|hit| hit.raise.clone()).collect();
        let mut tx = self.database.begin(caller).await?;
        let mut due = store::alert::raise(&mut tx, &raises, batch.header.data_date).await?;
        let mut raised = 0;
        for Hit { raise, mut alert } in hits {
            if !due.remove(&(raise.rule_id, raise.person)) {
                continue;
            }
            let id = self.database.clock().new_id();
            alert.id = id.to_string();
            alert.department = batch.header.department.to_string();
            alert.data_date = batch.header.data_date.to_string();
            alert.batch_id = batch.id.to_string();
            alert.raised_at = Some(timestamp(tx.now()));
            item::alert(
                &mut tx,
                id,
                raise.division,
                &batch.header.department,
                &alert,
            );
            raised += 1;
        }
        tx.commit().await?;
        Ok((raised, all - raised))
    }
}

/// The contract of the batch, if the caller delivers for its department.
fn admit(caller: &Caller, header: &Header) -> Result<Contract, Error> {
    header.check_sender(caller)?;
    contract::of_alerts(&header.row_kind)
        .filter(|contract| contract.department == header.department.as_str())
        .copied()
        .ok_or_else(|| {
            let kinds = contract::ALERTS
                .iter()
                .map(|c| format!("{} {}", c.department, c.row_kind));
            let kinds: Vec<String> = kinds.collect();
            Error::invalid(
                "row_kind",
                "ROW_KIND",
                &format!("one of {}", kinds.join(", ")),
            )
        })
}

/// A batch on its way in.
struct Batch {
    id: BatchId,
    header: Header,
    uploaded: Uploaded,
}

struct Hit {
    raise: Raise,
    /// Without what all of a batch have in common.
    alert: Alert,
}

#[derive(Default)]
struct Found {
    hits: Vec<Hit>,
    unmatched: i64,
}

/// What the rules say of rows. Persons whom the caller's division does not see are nobody here.
fn find(
    caller: &Caller,
    rows: &[(u32, Row)],
    persons: &[FoundPerson],
    rules: &Rules,
    contract: &Contract,
) -> Found {
    let mut found = Found::default();
    for ((_, row), person) in rows.iter().zip(persons) {
        let read = (|| {
            let id: Uuid = person.person_id.parse().ok()?;
            let division = person.division_code.parse().ok()?;
            let class = codes::subject_class(person.subject_class)?;
            let seen = caller.principal.scope.division.contains(&division);
            seen.then_some((id, division, class))
        })();
        let Some((id, division, class)) = read else {
            found.unmatched += 1;
            continue;
        };
        found
            .hits
            .extend(rules.hits(&row.values, class).map(|rule| Hit {
                raise: Raise {
                    rule_id: rule.head.rule_id.clone(),
                    person: id,
                    division,
                    suppress_days: rule.suppress_days,
                },
                alert: Alert {
                    rule_id: rule.head.rule_id.clone(),
                    rule_version: i32::try_from(rule.head.version).unwrap_or(i32::MAX),
                    division_code: person.division_code.clone(),
                    household_id: person.household_id.clone(),
                    person_id: person.person_id.clone(),
                    severity: codes::severity_to_proto(rule.severity),
                    subject_class: person.subject_class,
                    risk: codes::risk_type_to_proto(rule.risk),
                    evidence: row.values.evidence(contract),
                    ..Alert::default()
                },
            }));
    }
    found
}
