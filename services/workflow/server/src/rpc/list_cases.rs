//! Cases of the caller's scope, newest first.

use chassis::{
    auth::Caller,
    decode::{self, Fields},
    error::Error,
    pg::Database,
};
use kernel::{CaseId, Code};
use proto::workflow::v1::{ListCasesRequest, ListCasesResponse};
use workflow_core::CaseState;

use super::Service;
use crate::{
    convert,
    store::case::{self, Wanted},
};

/// Every state once.
const STATES_MAX: usize = CaseState::ALL.len();

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: ListCasesRequest,
) -> Result<ListCasesResponse, Error> {
    let input = decode(&request, &service.database)?;
    let mut tx = service.database.read(caller).await?;
    // One more than the page tells whether there is another.
    let mut cases = case::list(&mut tx, &input.wanted, input.after, input.page_size + 1).await?;
    let total_count = match request.with_total {
        true => case::count(&mut tx, &input.wanted).await?,
        false => -1,
    };
    drop(tx);
    let last = cut(&mut cases, input.page_size).map(|case| case.id.as_str());
    let next_page_token = last.map(|id| service.database.cursors().page(&input.list, id));
    Ok(ListCasesResponse {
        next_page_token: next_page_token.unwrap_or_default(),
        cases,
        total_count,
    })
}

/// Cuts what was read to the page; the last element when there are more.
pub fn cut<T>(rows: &mut Vec<T>, page_size: i64) -> Option<&T> {
    let size = usize::try_from(page_size).unwrap_or_default();
    let has_more = rows.len() > size;
    rows.truncate(size);
    rows.last().filter(|_| has_more)
}

struct Input {
    wanted: Wanted,
    page_size: i64,
    after: Option<CaseId>,
    /// Name of the list with its filters, for the page token.
    list: String,
}

fn decode(request: &ListCasesRequest, database: &Database) -> Result<Input, Error> {
    let mut f = Fields::new();
    f.at_most("states", request.states.len(), STATES_MAX);
    let states = request.states.iter().take(STATES_MAX).enumerate();
    let states = states
        .filter_map(|(at, state)| f.code(&format!("states[{at}]"), convert::case_state(*state)))
        .collect();
    let wanted = Wanted {
        division: f.parse_optional("division_code", &request.division_code),
        states,
        household: f.parse_optional("household_id", &request.household_id),
        due_until: f.date_optional("due_until", &request.due_until),
        alarm: convert::alarm(request.alarm),
        last_chance_until: f.date_optional("last_chance_until", &request.last_chance_until),
        overridden: request.overridden,
    };
    if request.alarm != 0 && wanted.alarm.is_none() {
        f.violation("alarm", "UNKNOWN_CODE", "WARNING, ORANGE or RED");
    }
    f.finish()?;
    let page = request.page.clone().unwrap_or_default();
    let list = format!(
        "cases/{}/{:?}/{}/{}/{}/{}/{}",
        request.division_code,
        request.states,
        request.household_id,
        request.due_until,
        request.alarm,
        request.last_chance_until,
        request.overridden
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
