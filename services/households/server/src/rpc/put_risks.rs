//! Replaces the household's risks.

use chassis::{auth::Caller, decode::Fields, error::Error};
use households_core::{
    change,
    risk::{self, Risk},
};
use kernel::HouseholdId;
use proto::households::v1::{PutRisksRequest, PutRisksResponse};

use super::{Service, edit::Begun};
use crate::{
    convert::{self, View},
    read, store,
};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: PutRisksRequest,
) -> Result<PutRisksResponse, Error> {
    let (id, risks) = decode(&request)?;
    let request_id = std::mem::take(&mut request.request_id);
    let edit = service
        .edit(caller, "PutRisks", &request_id, &request)
        .await?;
    let mut edit = match edit {
        Begun::Fresh(edit) => edit,
        Begun::Replayed(response) => return Ok(response),
    };
    let mut household = store::household::lock(&mut edit.tx, &service.sealer, id).await?;
    let old = household.profile.clone();
    household.profile.risks = risks;
    let changes = change::of_household(&old, &household.profile);
    edit.store(&mut household, changes).await?;
    let response = PutRisksResponse {
        household: Some(convert::household(
            &household,
            View::of(caller.principal.role),
        )),
    };
    edit.finish(response).await
}

fn decode(request: &PutRisksRequest) -> Result<(HouseholdId, Vec<Risk>), Error> {
    let mut f = Fields::new();
    let household = f.parse("household_id", &request.household_id);
    let risks = read::risks(&mut f, &request.risks);
    if let Some(risks) = &risks {
        read::flaws(&mut f, risk::flaws(risks));
    }
    f.finish_with(household.zip(risks))
}
