//! Adds a measure against a risk to the plan, and sets the planned elimination date (S36, S46).

use chassis::{
    auth::Caller,
    decode::{Fields, codes},
    error::Error,
};
use kernel::{CaseId, MeasureId};
use measures_core::{Command, Planned};
use proto::measures::v1::{PlanMeasureRequest, PlanMeasureResponse};

use super::{
    Service,
    change::{Change, is_there},
};
use crate::convert;

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: PlanMeasureRequest,
) -> Result<PlanMeasureResponse, Error> {
    let (case, planned) = decode(&request, service.database.clock().new_id().into())?;
    let change = Change {
        operation: "PlanMeasure",
        request_id: std::mem::take(&mut request.request_id),
        request,
        case,
        ready: is_there,
    };
    let command = |_: &_| Command::PlanMeasure(planned);
    let encode = |plan| PlanMeasureResponse { plan: Some(plan) };
    service.change(caller, change, command, encode).await
}

fn decode(request: &PlanMeasureRequest, id: MeasureId) -> Result<(CaseId, Planned), Error> {
    let mut f = Fields::new();
    let case = f.parse("case_id", &request.case_id);
    let kind = f.code("kind", convert::measure_kind(request.kind));
    let risk = f.code("risk", codes::risk_type(request.risk));
    let description = f.text("description", &request.description, 500);
    let department = f.text_optional("department", &request.department, 40);
    let due_on = f.date("due_on", &request.due_on);
    let elimination_on = f.date_optional("planned_elimination_on", &request.planned_elimination_on);
    let decoded = (|| {
        let planned = Planned {
            id,
            kind: kind?,
            risk: risk?,
            description: description?,
            department: department?,
            due_on: due_on?,
            planned_elimination_on: elimination_on,
        };
        Some((case?, planned))
    })();
    f.finish_with(decoded)
}
