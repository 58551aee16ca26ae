//! The household of the person with an ID number, found by its keyed hash.

use chassis::{auth::Caller, decode::Fields, error::Error};
use proto::households::v1::{FindHouseholdRequest, FindHouseholdResponse};

use super::Service;
use crate::{
    convert::{self, View},
    store,
};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: FindHouseholdRequest,
) -> Result<FindHouseholdResponse, Error> {
    let mut f = Fields::new();
    let number = f.id_number("id_number", &request.id_number);
    let number = f.finish_with(number)?;
    let mut tx = service.database.read(caller).await?;
    let found = store::member::find(&mut tx, &[service.sealer.lookup(&number)]).await?;
    let not_found = Error::NotFound { what: "household" };
    let Some(found) = found.first() else {
        return Err(not_found);
    };
    let households = store::household::lookup(&mut tx, &service.sealer, &[found.household]).await?;
    let household = households.first().ok_or(not_found)?;
    Ok(FindHouseholdResponse {
        household: Some(convert::household(
            household,
            View::of(caller.principal.role),
        )),
        person_id: found.person.to_string(),
    })
}
