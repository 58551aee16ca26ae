//! One monitoring record for a calendar month (S47). A month that has passed is recorded late and
//! stays missed.

use chassis::{auth::Caller, decode::Fields, error::Error, pg::Tx};
use chrono::NaiveDate;
use kernel::{CaseId, Month};
use measures_core::{Command, Manner, Monitoring, Stage};
use proto::measures::v1::{RecordMonitoringRequest, RecordMonitoringResponse};

use super::{Service, change::Change};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: RecordMonitoringRequest,
) -> Result<RecordMonitoringResponse, Error> {
    let (case, input) = decode(&request, service.database.clock().today())?;
    if let Some(monitoring) = &mut request.monitoring {
        // Who recorded it and when is not the client's to say.
        monitoring.recorded_by.clear();
        monitoring.recorded_at = None;
    }
    let change = Change {
        operation: "RecordMonitoring",
        request_id: std::mem::take(&mut request.request_id),
        request,
        case,
        ready: |plan| plan.stage != Stage::Preparing,
    };
    let command = |tx: &Tx| {
        Command::RecordMonitoring(Monitoring {
            month: input.month,
            visited_on: input.visited_on,
            manner: input.manner,
            finding: input.finding,
            worse: input.worse,
            recorded_by: tx.principal().subject.clone(),
            recorded_at: tx.now(),
        })
    };
    let encode = |plan| RecordMonitoringResponse { plan: Some(plan) };
    service.change(caller, change, command, encode).await
}

struct Input {
    month: Month,
    visited_on: NaiveDate,
    manner: Manner,
    finding: String,
    worse: bool,
}

fn decode(request: &RecordMonitoringRequest, today: NaiveDate) -> Result<(CaseId, Input), Error> {
    let mut f = Fields::new();
    let case = f.parse("case_id", &request.case_id);
    let given = request.monitoring.clone().unwrap_or_default();
    let input = f.within("monitoring", |f| {
        let month = f.month("month", &given.month);
        let visited_on = f.past_date("visited_on", &given.visited_on, today);
        let manner = f.code("manner", given.manner.parse().ok());
        let finding = f.text("finding", &given.finding, 2000);
        Some(Input {
            month: month?,
            visited_on: visited_on?,
            manner: manner?,
            finding: finding?,
            worse: given.worse,
        })
    });
    let decoded = (|| Some((case?, input?)))();
    f.finish_with(decoded)
}
