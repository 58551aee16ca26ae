//! Names the responsible person of a case, or hands over to another (S36, MEA-1).

use chassis::{auth::Caller, decode::Fields, error::Error};
use chrono::NaiveDate;
use kernel::CaseId;
use measures_core::{Command, Responsible};
use proto::measures::v1::{AssignResponsibleRequest, AssignResponsibleResponse};

use super::{
    Service,
    change::{Change, is_there},
};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: AssignResponsibleRequest,
) -> Result<AssignResponsibleResponse, Error> {
    let (case, next) = decode(&request, service.database.clock().today())?;
    let change = Change {
        operation: "AssignResponsible",
        request_id: std::mem::take(&mut request.request_id),
        request,
        case,
        ready: is_there,
    };
    let command = |_: &_| Command::AssignResponsible(next);
    let encode = |plan| AssignResponsibleResponse { plan: Some(plan) };
    service.change(caller, change, command, encode).await
}

fn decode(
    request: &AssignResponsibleRequest,
    today: NaiveDate,
) -> Result<(CaseId, Responsible), Error> {
    let mut f = Fields::new();
    let case = f.parse("case_id", &request.case_id);
    let account = f.text("account", &request.account, 100);
    let unit = f.text("unit", &request.unit, 100);
    let from = f.past_date("from", &request.from, today);
    let note = f.text_optional("hand_over_note", &request.hand_over_note, 500);
    let decoded = (|| {
        let next = Responsible {
            account: account?,
            unit: unit?,
            from: from?,
            to: None,
            hand_over_note: note?,
        };
        Some((case?, next))
    })();
    f.finish_with(decoded)
}
