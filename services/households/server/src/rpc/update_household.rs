//! Changes a household's own fields.

use chassis::{auth::Caller, decode::Fields, error::Error};
use households_core::{change, household::Profile};
use kernel::HouseholdId;
use proto::households::v1::{UpdateHouseholdRequest, UpdateHouseholdResponse};

use super::{
    Service,
    edit::{self, Begun},
};
use crate::{
    convert::{self, View},
    read, store,
};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: UpdateHouseholdRequest,
) -> Result<UpdateHouseholdResponse, Error> {
    let given = request.household.clone().unwrap_or_default();
    let mut f = Fields::new();
    let id = f.parse("household.id", &given.id);
    let id: HouseholdId = f.finish_with(id)?;
    let request_id = std::mem::take(&mut request.request_id);
    let edit = service
        .edit(caller, "UpdateHousehold", &request_id, &request)
        .await?;
    let mut edit = match edit {
        Begun::Fresh(edit) => edit,
        Begun::Replayed(response) => return Ok(response),
    };
    let mut household = edit.lock(id, given.version).await?;
    let old = household.profile.clone();
    let mut f = Fields::new();
    let profile = f.within("household", |f| {
        read::profile(f, &given, Some(old.division), Some(old.risks.clone()))
    });
    let profile: Profile = f.finish_with(profile)?;
    edit::check_references(&mut edit.tx, &profile).await?;
    let changes = change::of_household(&old, &profile);
    let was = std::mem::replace(&mut household.profile, profile).origin;
    if was != household.profile.origin {
        let members = store::member::of_household(&mut edit.tx, &service.sealer, id).await?;
        household.settle(&members);
    }
    edit.store(&mut household, changes).await?;
    let response = UpdateHouseholdResponse {
        household: Some(convert::household(
            &household,
            View::of(caller.principal.role),
        )),
    };
    edit.finish(response).await
}
