//! Who changed what of a household, newest first (S57).

use chassis::{
    auth::Caller,
    decode::{self, Fields},
    error::Error,
};
use kernel::HouseholdId;
use proto::households::v1::{ListHistoryRequest, ListHistoryResponse};

use super::{Service, list_households::cut};
use crate::{
    convert::{self, View},
    store,
};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: ListHistoryRequest,
) -> Result<ListHistoryResponse, Error> {
    let mut f = Fields::new();
    let household = f.parse("household_id", &request.household_id);
    let household: HouseholdId = f.finish_with(household)?;
    let page = request.page.unwrap_or_default();
    let size = decode::page_size(page.page_size)?;
    let list = format!("history/{household}");
    let cursors = service.database.cursors();
    let before = cursors.read_page(&list, &page.page_token)?;
    let before = before.map(|id| id.parse().map_err(|_| Error::CursorInvalid));
    let before = before.transpose()?.unwrap_or(i64::MAX);

    let mut tx = service.database.read(caller).await?;
    if store::household::lookup(&mut tx, &service.sealer, &[household])
        .await?
        .is_empty()
    {
        return Err(Error::NotFound { what: "household" });
    }
    let mut changes = store::change::list(&mut tx, household, before, size + 1).await?;
    let last = cut(&mut changes, size).map(|change| cursors.page(&list, &change.id.to_string()));
    let view = View::of(caller.principal.role);
    Ok(ListHistoryResponse {
        next_page_token: last.unwrap_or_default(),
        changes: changes
            .iter()
            .map(|change| convert::recorded(change, view))
            .collect(),
    })
}
