//! Leads of the caller's scope, newest first.

use chassis::{
    auth::Caller,
    decode::{self, Fields, codes},
    error::Error,
    pg::Database,
};
use kernel::LeadId;
use proto::workflow::v1::{ListLeadsRequest, ListLeadsResponse};

use super::{Service, list_cases::cut};
use crate::{
    convert,
    store::lead::{self, Wanted},
};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: ListLeadsRequest,
) -> Result<ListLeadsResponse, Error> {
    let input = decode(&request, &service.database)?;
    let mut tx = service.database.read(caller).await?;
    // One more than the page tells whether there is another.
    let mut leads = lead::list(&mut tx, &input.wanted, input.after, input.page_size + 1).await?;
    drop(tx);
    let last = cut(&mut leads, input.page_size).map(|lead| lead.id.as_str());
    let next_page_token = last.map(|id| service.database.cursors().page(&input.list, id));
    Ok(ListLeadsResponse {
        next_page_token: next_page_token.unwrap_or_default(),
        leads,
    })
}

struct Input {
    wanted: Wanted,
    page_size: i64,
    after: Option<LeadId>,
    /// Name of the list with its filters, for the page token.
    list: String,
}

fn decode(request: &ListLeadsRequest, database: &Database) -> Result<Input, Error> {
    let mut f = Fields::new();
    let wanted = Wanted {
        division: f.parse_optional("division_code", &request.division_code),
        state: convert::lead_state(request.state),
        channel: codes::lead_channel(request.channel),
        household: f.parse_optional("household_id", &request.household_id),
    };
    f.finish()?;
    let page = request.page.clone().unwrap_or_default();
    let list = format!(
        "leads/{}/{}/{}/{}",
        request.division_code, request.state, request.channel, request.household_id
    );
    let after = database.cursors().read_page(&list, &page.page_token)?;
    let after = after.map(|id| id.parse().map_err(|_| Error::CursorInvalid));
    Ok(Input {
        wanted,
        page_size: decode::page_size(page.page_size)?,
        after: after.transpose()?,
        list,
    })
}
