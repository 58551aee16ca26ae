//! Income entries of a household in a window, month by month.

use chassis::{auth::Caller, decode::Fields, error::Error};
use households_core::income::Entry;
use kernel::{HouseholdId, Month};
use proto::households::v1::{ListIncomeRequest, ListIncomeResponse};

use super::Service;
use crate::{convert, read, store};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: ListIncomeRequest,
) -> Result<ListIncomeResponse, Error> {
    let mut f = Fields::new();
    let household: Option<HouseholdId> = f.parse("household_id", &request.household_id);
    let months = read::months(&mut f, &request.from_month, &request.to_month);
    let (household, (from, to)) = f.finish_with(household.zip(months))?;
    let mut tx = service.database.read(caller).await?;
    if store::household::lookup(&mut tx, &service.sealer, &[household])
        .await?
        .is_empty()
    {
        return Err(Error::NotFound { what: "household" });
    }
    let mut entries = store::income::list(&mut tx, &[household], from, to).await?;
    let entries = entries.remove(&household).unwrap_or_default();
    let mut monthly: Vec<Entry> = entries
        .iter()
        .flat_map(Entry::monthly)
        .filter(|entry| (from..=to).contains(&entry.from))
        .collect();
    monthly.sort_by_key(|entry: &Entry| -> Month { entry.from });
    Ok(ListIncomeResponse {
        entries: monthly.iter().map(convert::entry).collect(),
    })
}
