//! Takes a department's alert batch: rows that a rule hits become alerts and, through the feed,
//! leads (S24, DET-6 to DET-9).

use std::collections::HashSet;

use chassis::{auth::Caller, decode::codes, error::Error};
use comparison_core::{
    alert::{self, Rules},
    contract::{self, Contract},
    row::Row,
};
use kernel::BatchId;
use proto::{
    comparison::v1::{
        Alert, BatchReport, SubmitAlertBatchRequest, SubmitAlertBatchResponse,
        submit_alert_batch_request::Part as WirePart,
    },
    households::v1::FoundPerson,
};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Status, Streaming};
use uuid::Uuid;

use super::Service;
use crate::{
    Registry, convert,
    file::{self, Delivery, Part, Piece},
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
        let closed = |_| Error::Unavailable { what: "intake" };
        let _permit = self.files.acquire().await.map_err(closed)?;
        let today = self.database.clock().today();
        let parts = messages.map(|message| message.map(|message| message.part.map(part)));
        let delivery = file::receive(parts, today).await?;
        let contract = admit(caller, &delivery)?;
        let mut tx = self.database.read(caller).await?;
        let (sha256, department) = (&delivery.uploaded.sha256, delivery.department.as_str());
        let known = store::batch::same_file(&mut tx, sha256, department, contract.row_kind).await?;
        if let Some(report) = known {
            return Ok(report);
        }
        let rules = store::rule::list(&mut tx).await?;
        drop(tx);
        let rules = Rules::compile(alert::in_force(&rules, today), contract)
            .map_err(|error| Error::Internal(error.into()))?;
        self.take_in(caller, &delivery, contract, &rules, registry)
            .await
    }

    async fn take_in(
        &self,
        caller: &Caller,
        delivery: &Delivery,
        contract: Contract,
        rules: &Rules,
        registry: &impl Registry,
    ) -> Result<BatchReport, Error> {
        let batch = BatchId(self.database.clock().new_id());
        let mut report = delivery.report();
        report.batch_id = batch.to_string();
        let mut pieces = delivery.rows(contract, |_| Ok(true))?;
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
            let raised = self.raise(caller, delivery, batch, found.hits).await?;
            report.alerts_raised += raised.0;
            report.alerts_suppressed += raised.1;
            file::note("alerts", &mut report, &mut chunk);
        }
        let mut tx = self.database.begin(caller).await?;
        report.finished_at = Some(convert::timestamp(tx.now()));
        let division = caller.principal.scope.division;
        store::batch::insert(&mut tx, batch, division, contract.row_kind, &report).await?;
        tx.commit().await?;
        Ok(report)
    }

    /// Stores what is due and tells of it; how many were, and how many were held back.
    async fn raise(
        &self,
        caller: &Caller,
        delivery: &Delivery,
        batch: BatchId,
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
        let mut due = store::alert::raise(&mut tx, &raises, delivery.data_date).await?;
        let mut raised = 0;
        for Hit { raise, mut alert } in hits {
            if !due.remove(&(raise.rule_id, raise.person)) {
                continue;
            }
            let id = self.database.clock().new_id();
            alert.id = id.to_string();
            alert.department = delivery.department.to_string();
            alert.data_date = delivery.data_date.to_string();
            alert.batch_id = batch.to_string();
            alert.raised_at = Some(convert::timestamp(tx.now()));
            item::alert(&mut tx, id, raise.division, &delivery.department, &alert);
            raised += 1;
        }
        tx.commit().await?;
        Ok((raised, all - raised))
    }
}

fn part(part: WirePart) -> Part {
    match part {
        WirePart::Header(header) => Part::Header(header),
        WirePart::Chunk(chunk) => Part::Chunk(chunk),
    }
}

/// The contract of the batch, if the caller delivers for its department.
fn admit(caller: &Caller, delivery: &Delivery) -> Result<Contract, Error> {
    let own = caller.principal.scope.department.as_ref();
    if own.is_some_and(|own| *own != delivery.department) {
        return Err(Error::invalid(
            "department",
            "OWN_DEPARTMENT",
            "your own department",
        ));
    }
    contract::of_alerts(&delivery.row_kind)
        .filter(|contract| contract.department == delivery.department.as_str())
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
        found.hits.extend(rules.hits(row, class).map(|rule| Hit {
            raise: Raise {
                rule_id: rule.rule_id.clone(),
                person: id,
                division,
                suppress_days: rule.suppress_days,
            },
            alert: Alert {
                rule_id: rule.rule_id.clone(),
                rule_version: i32::try_from(rule.version).unwrap_or(i32::MAX),
                division_code: person.division_code.clone(),
                household_id: person.household_id.clone(),
                person_id: person.person_id.clone(),
                severity: codes::severity_to_proto(rule.severity),
                subject_class: person.subject_class,
                risk: codes::risk_type_to_proto(rule.risk),
                evidence: row.evidence(contract),
                ..Alert::default()
            },
        }));
    }
    found
}
