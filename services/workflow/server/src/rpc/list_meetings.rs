//! Appraisal meetings of the caller's scope, newest first.

use chassis::{
    auth::Caller,
    decode::{self, Fields},
    error::Error,
};
use kernel::DivisionCode;
use proto::workflow::v1::{ListMeetingsRequest, ListMeetingsResponse};

use super::{Service, list_cases::cut};
use crate::store::meeting;

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: ListMeetingsRequest,
) -> Result<ListMeetingsResponse, Error> {
    let mut f = Fields::new();
    let division: Option<DivisionCode> = f.parse_optional("division_code", &request.division_code);
    f.finish()?;
    let page = request.page.unwrap_or_default();
    let page_size = decode::page_size(page.page_size)?;
    let cursors = service.database.cursors();
    let list = format!("meetings/{}", request.division_code);
    let after = cursors.read_page(&list, &page.page_token)?;
    let after = after.map(|id| id.parse().map_err(|_| Error::CursorInvalid));

    let mut tx = service.database.read(caller).await?;
    // One more than the page tells whether there is another.
    let meetings = meeting::list(
        &mut tx,
        division.as_ref(),
        after.transpose()?,
        page_size + 1,
    );
    let mut meetings = meetings.await?;
    drop(tx);
    let last = cut(&mut meetings, page_size).map(|meeting| meeting.id.as_str());
    let next_page_token = last.map(|id| cursors.page(&list, id)).unwrap_or_default();
    Ok(ListMeetingsResponse {
        meetings,
        next_page_token,
    })
}
