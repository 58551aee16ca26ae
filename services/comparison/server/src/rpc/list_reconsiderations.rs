//! Decisions that rest on a wrong file, to be looked at again (CMP-11).

use chassis::{
    auth::Caller,
    decode::{self, Fields},
    error::Error,
};
use kernel::DivisionCode;
use proto::comparison::v1::{ListReconsiderationsRequest, ListReconsiderationsResponse};

use super::Service;
use crate::{convert, store};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: ListReconsiderationsRequest,
) -> Result<ListReconsiderationsResponse, Error> {
    let mut f = Fields::new();
    let division: Option<DivisionCode> = f.parse_optional("division_code", &request.division_code);
    f.finish()?;
    let page = request.page.clone().unwrap_or_default();
    let size = decode::page_size(page.page_size)?;
    let list = format!(
        "reconsiderations/{}/{}",
        request.division_code, request.with_closed
    );
    let after = super::after(&service.database, &list, &page.page_token)?;
    let within = division.as_ref().map_or("", |division| division.prefix());
    let mut tx = service.database.read(caller).await?;
    // One more than the page tells whether there is another.
    let entries =
        store::reconsideration::list(&mut tx, within, request.with_closed, after, size + 1);
    let mut entries = entries.await?;
    drop(tx);
    let has_more = entries.len() as i64 > size;
    entries.truncate(usize::try_from(size).unwrap_or_default());
    let last = entries.last().filter(|_| has_more);
    let cursors = service.database.cursors();
    Ok(ListReconsiderationsResponse {
        next_page_token: last
            .map(|last| cursors.page(&list, &last.id.to_string()))
            .unwrap_or_default(),
        reconsiderations: entries.iter().map(convert::reconsideration).collect(),
    })
}
