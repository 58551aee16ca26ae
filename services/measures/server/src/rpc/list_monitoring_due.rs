//! Which cases are to be monitored in a month, which are done, which were missed (S47).

use chassis::{
    auth::Caller,
    decode::{self, Fields},
    error::Error,
    pg::Database,
};
use chrono::NaiveDate;
use kernel::{DivisionCode, Month};
use measures_core::{is_in_time, was_due};
use proto::measures::v1::{ListMonitoringDueRequest, ListMonitoringDueResponse, MonitoringDue};

use super::Service;
use crate::store::due::{self, After, Row};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: ListMonitoringDueRequest,
) -> Result<ListMonitoringDueResponse, Error> {
    let input = decode(&request, &service.database)?;
    let mut tx = service.database.read(caller).await?;
    let today = tx.today();
    // One more than the page tells whether there is another.
    let most = input.page_size + 1;
    let mut rows = due::list(&mut tx, input.division, input.month, input.after, most).await?;
    drop(tx);
    let has_more = rows.len() as i64 > input.page_size;
    rows.truncate(usize::try_from(input.page_size).unwrap_or_default());
    let next_page_token = match rows.last() {
        Some(last) if has_more => {
            let key = format!("{}|{}", last.division_code, last.case_id);
            service.database.cursors().page(&input.list, &key)
        }
        _ => String::new(),
    };
    let due = rows.into_iter().map(|row| encode(row, input.month, today));
    Ok(ListMonitoringDueResponse {
        due: due.collect(),
        next_page_token,
    })
}

struct Input {
    division: Option<DivisionCode>,
    month: Month,
    page_size: i64,
    after: Option<After>,
    /// Name of the list with its filters, for the page token.
    list: String,
}

fn decode(request: &ListMonitoringDueRequest, database: &Database) -> Result<Input, Error> {
    let mut f = Fields::new();
    let division: Option<DivisionCode> = f.parse_optional("division_code", &request.division_code);
    let month = f.month("month", &request.month);
    let month = f.finish_with(month)?;
    let page = request.page.clone().unwrap_or_default();
    let list = format!("monitoring_due/{}/{month}", request.division_code);
    let after = database.cursors().read_page(&list, &page.page_token)?;
    let after = after.map(|key| after_key(&key)).transpose()?;
    Ok(Input {
        division,
        month,
        page_size: decode::page_size(page.page_size)?,
        after,
        list,
    })
}

fn after_key(key: &str) -> Result<After, Error> {
    let (division, case) = key.split_once('|').ok_or(Error::CursorInvalid)?;
    Ok(After {
        division: division.to_owned(),
        case: case.parse().map_err(|_| Error::CursorInvalid)?,
    })
}

fn encode(row: Row, month: Month, today: NaiveDate) -> MonitoringDue {
    let in_time = row.recorded_at.is_some_and(|at| is_in_time(month, at));
    MonitoringDue {
        case_id: row.case_id.to_string(),
        household_id: row.household_id.to_string(),
        division_code: row.division_code,
        month: month.to_string(),
        responsible_account: row.responsible_account,
        done: row.recorded_at.is_some(),
        missed: !in_time && was_due(row.enrolled_on, month, today),
    }
}
