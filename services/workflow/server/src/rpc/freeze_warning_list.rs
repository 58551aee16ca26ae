//! Freezes the warning list of a village and month as a new version, and lists every verified case
//! on it (S26, T4). A case that was listed before stays on the list of its month.

use chassis::{
    auth::Caller,
    decode::Fields,
    error::Error,
    pg::{Claim, Tx},
};
use kernel::{DivisionCode, DivisionLevel, Month};
use proto::workflow::v1::{FreezeWarningListRequest, FreezeWarningListResponse, WarningList};
use workflow_core::{Command, Facts, Move, decide};

use super::Service;
use crate::{
    acting::Acting,
    record::{self, Told},
    store::{
        self,
        warning_list::{self, List},
    },
};

const OPERATION: &str = "FreezeWarningList";

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: FreezeWarningListRequest,
) -> Result<FreezeWarningListResponse, Error> {
    let (division, month) = decode(&request, Month::of(service.database.clock().today()))?;
    let acting = service
        .acting(caller, &request.acting_as, OPERATION)
        .await?;
    if !acting.caller.principal.scope.sees(&division, None) {
        return Err(Error::NotFound { what: "division" });
    }
    let request_id = std::mem::take(&mut request.request_id);
    let mut tx = service.database.begin(&acting.caller).await?;
    if let Claim::Replayed(response) = tx.claim(OPERATION, &request_id, &request).await? {
        return Ok(response);
    }
    let list = freeze(&mut tx, &acting, &division, month).await?;
    let response = FreezeWarningListResponse {
        list: Some(encode(&division, month, list)),
    };
    tx.remember(&response).await?;
    tx.commit().await?;
    Ok(response)
}

fn decode(
    request: &FreezeWarningListRequest,
    this_month: Month,
) -> Result<(DivisionCode, Month), Error> {
    let mut f = Fields::new();
    let division: Option<DivisionCode> = f.parse("division_code", &request.division_code);
    if division.is_some_and(|division| division.level() != DivisionLevel::Village) {
        f.violation("division_code", "VILLAGE", "the code of a village");
    }
    let month = f.month("month", &request.month);
    // Who is listed was verified by now: a list can be made late, not early.
    if month.is_some_and(|month| month > this_month) {
        f.violation("month", "MONTH_IN_FUTURE", this_month);
    }
    f.finish_with(division.zip(month))
}

async fn freeze(
    tx: &mut Tx,
    acting: &Acting,
    division: &DivisionCode,
    month: Month,
) -> Result<List, Error> {
    let earlier = warning_list::lookup(tx, division, month, 0).await?;
    let (version, mut case_ids) = earlier.map_or((0, Vec::new()), |l| (l.version, l.case_ids));
    let waiting = store::case::lock_before(tx, division, Move::ListForWarning).await?;
    let (actor, today) = (acting.actor(), tx.today());
    for mut file in waiting {
        let facts = Facts::default();
        let decision = decide(&file.case, Command::ListForWarning, &facts, &actor, today)?;
        let told = Told {
            rules: decision.rules,
            deputy: acting.deputy,
            ..Told::default()
        };
        record::event(tx, &mut file, &decision.event, told).await?;
        case_ids.push(file.id.0);
    }
    let list = List {
        version: version + 1,
        frozen_on: today,
        case_ids,
    };
    warning_list::insert(tx, division, month, &list).await?;
    Ok(list)
}

/// A frozen list on the wire.
pub fn encode(division: &DivisionCode, month: Month, list: List) -> WarningList {
    WarningList {
        division_code: division.to_string(),
        month: month.to_string(),
        version: list.version,
        frozen_on: list.frozen_on.to_string(),
        case_ids: list.case_ids.iter().map(ToString::to_string).collect(),
    }
}
