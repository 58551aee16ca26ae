//! Closes one risk of the case: gone, with the reason (S39, S46).

use chassis::{
    auth::Caller,
    decode::{Fields, codes},
    error::Error,
};
use chrono::NaiveDate;
use kernel::CaseId;
use measures_core::{ClosedRisk, Command};
use proto::measures::v1::{CloseRiskRequest, CloseRiskResponse};

use super::{
    Service,
    change::{Change, is_there},
};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: CloseRiskRequest,
) -> Result<CloseRiskResponse, Error> {
    let (case, closed) = decode(&request, service.database.clock().today())?;
    let change = Change {
        operation: "CloseRisk",
        request_id: std::mem::take(&mut request.request_id),
        request,
        case,
        ready: is_there,
    };
    let command = |_: &_| Command::CloseRisk(closed);
    let encode = |plan| CloseRiskResponse { plan: Some(plan) };
    service.change(caller, change, command, encode).await
}

fn decode(request: &CloseRiskRequest, today: NaiveDate) -> Result<(CaseId, ClosedRisk), Error> {
    let mut f = Fields::new();
    let case = f.parse("case_id", &request.case_id);
    let given = request.closed.clone().unwrap_or_default();
    let closed = f.within("closed", |f| {
        let risk = f.code("risk", codes::risk_type(given.risk));
        let closed_on = f.past_date("closed_on", &given.closed_on, today);
        let reason = f.text("reason", &given.reason, 500);
        Some(ClosedRisk {
            risk: risk?,
            closed_on: closed_on?,
            reason: reason?,
        })
    });
    let decoded = (|| Some((case?, closed?)))();
    f.finish_with(decoded)
}
