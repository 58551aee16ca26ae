//! Divisions of the caller's scope, in the order of their codes.

use chassis::{
    auth::Caller,
    decode::{self, Fields},
    error::Error,
};
use kernel::DivisionCode;
use proto::households::v1::{ListDivisionsRequest, ListDivisionsResponse};

use super::{Service, list_households::cut};
use crate::{convert, store};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: ListDivisionsRequest,
) -> Result<ListDivisionsResponse, Error> {
    let mut f = Fields::new();
    let within: Option<DivisionCode> = f.parse_optional("division_code", &request.division_code);
    let day = f.date_optional("as_of", &request.as_of);
    f.finish()?;
    let day = day.unwrap_or_else(|| service.database.clock().today());
    let page = request.page.unwrap_or_default();
    let size = decode::page_size(page.page_size)?;
    let within = within.as_ref().map_or("", DivisionCode::prefix);
    let list = format!("divisions/{within}/{day}");
    let cursors = service.database.cursors();
    let after = cursors.read_page(&list, &page.page_token)?;

    let mut tx = service.database.read(caller).await?;
    let after = after.unwrap_or_default();
    let mut divisions = store::division::list(&mut tx, within, day, &after, size + 1).await?;
    let last =
        cut(&mut divisions, size).map(|division| cursors.page(&list, division.code.as_str()));
    Ok(ListDivisionsResponse {
        next_page_token: last.unwrap_or_default(),
        divisions: divisions.iter().map(convert::division).collect(),
    })
}
