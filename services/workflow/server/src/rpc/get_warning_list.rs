//! The newest version, or a given one, of a warning list.

use chassis::{auth::Caller, decode::Fields, error::Error};
use kernel::{DivisionCode, Month};
use proto::workflow::v1::{GetWarningListRequest, GetWarningListResponse};

use super::{Service, freeze_warning_list::encode};
use crate::store::warning_list;

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: GetWarningListRequest,
) -> Result<GetWarningListResponse, Error> {
    let (division, month) = decode(&request)?;
    let mut tx = service.database.read(caller).await?;
    let list = warning_list::lookup(&mut tx, &division, month, request.version).await?;
    let list = list.ok_or(Error::NotFound {
        what: "warning list",
    })?;
    Ok(GetWarningListResponse {
        list: Some(encode(&division, month, list)),
    })
}

fn decode(request: &GetWarningListRequest) -> Result<(DivisionCode, Month), Error> {
    let mut f = Fields::new();
    let division = f.parse("division_code", &request.division_code);
    let month = f.month("month", &request.month);
    if request.version < 0 {
        f.violation("version", "COUNT", "0 for the newest, else a version");
    }
    f.finish_with(division.zip(month))
}
