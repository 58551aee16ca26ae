//! Places where notices hang in a village (S30), those of the past too.

use chassis::{auth::Caller, decode::Fields, error::Error};
use kernel::DivisionCode;
use proto::households::v1::{ListNoticePlacesRequest, ListNoticePlacesResponse};

use super::Service;
use crate::{convert, store};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: ListNoticePlacesRequest,
) -> Result<ListNoticePlacesResponse, Error> {
    let mut f = Fields::new();
    let village = f.parse("division_code", &request.division_code);
    let village: DivisionCode = f.finish_with(village)?;
    let mut tx = service.database.read(caller).await?;
    if !store::division::exists(&mut tx, village).await? {
        return Err(Error::NotFound { what: "division" });
    }
    let places = store::notice_place::list(&mut tx, village).await?;
    Ok(ListNoticePlacesResponse {
        places: places.iter().map(convert::notice_place).collect(),
    })
}
