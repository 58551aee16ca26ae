//! What waits for the caller, the most urgent first (WF-12).

use chassis::{
    auth::Caller,
    decode::{self, Fields},
    error::Error,
    pg::{Database, Tx},
};
use chrono::NaiveDate;
use kernel::Code;
use proto::workflow::v1::{ClaimFilter, ListWorkRequest, ListWorkResponse, WorkItem};
use uuid::Uuid;

use super::{Service, list_cases::cut};
use crate::{
    acting::Acting,
    convert,
    store::work::{self, Claims, Item, Wanted},
};

const OPERATION: &str = "ListWork";

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: ListWorkRequest,
) -> Result<ListWorkResponse, Error> {
    let acting = service
        .acting(caller, &request.acting_as, OPERATION)
        .await?;
    let mut tx = service.database.read(&acting.caller).await?;
    list(&mut tx, &acting, &request).await
}

impl Service {
    /// The same in a transaction of the caller, which may have looked at other things before.
    ///
    /// # Errors
    /// See the RPC.
    pub async fn list_work_in(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        request: &ListWorkRequest,
    ) -> Result<ListWorkResponse, Error> {
        let acting = self.acting(caller, "", OPERATION).await?;
        list(tx, &acting, request).await
    }
}

async fn list(
    tx: &mut Tx,
    acting: &Acting,
    request: &ListWorkRequest,
) -> Result<ListWorkResponse, Error> {
    let input = decode(request, acting, tx.today(), tx.database())?;
    // One more than the page tells whether there is another.
    let mut items = work::page(tx, &input.wanted, input.after, input.page_size + 1).await?;
    let total_count = match request.with_total {
        true => work::count(tx, &input.wanted).await?,
        false => -1,
    };
    let last = cut(&mut items, input.page_size).map(Item::key);
    let cursors = tx.database().cursors();
    let token =
        last.map(|(rank, due, id)| cursors.page(&input.list, &format!("{rank} {due} {id}")));
    let today = tx.today();
    Ok(ListWorkResponse {
        work: items.iter().map(|item| encode(item, today)).collect(),
        next_page_token: token.unwrap_or_default(),
        total_count,
    })
}

/// A row of a queue on the wire.
pub fn encode(item: &Item, today: NaiveDate) -> WorkItem {
    let id = item.subject.to_string();
    let (case_id, lead_id) = match item.is_lead {
        true => (String::new(), id),
        false => (id, String::new()),
    };
    WorkItem {
        case_id,
        lead_id,
        household_id: item.household_id.to_string(),
        division_code: item.division_code.clone(),
        role: item.role.clone(),
        steps: item.steps.clone(),
        alarm: item.alarm(),
        due_on: convert::day(item.due()),
        claim: item.claim(today).as_ref().map(convert::claim::claim),
    }
}

struct Input {
    wanted: Wanted,
    page_size: i64,
    after: Option<(i16, NaiveDate, Uuid)>,
    /// Name of the list with its filters, for the page token.
    list: String,
}

fn decode(
    request: &ListWorkRequest,
    acting: &Acting,
    today: NaiveDate,
    database: &Database,
) -> Result<Input, Error> {
    let own = &acting.caller.principal;
    let mut f = Fields::new();
    let role = match request.role.as_str() {
        "" => Some(own.role),
        role => f.code("role", Code::parse(role).ok()),
    };
    let division = f.parse_optional("division_code", &request.division_code);
    let division = division.unwrap_or(own.scope.division);
    let claims = match ClaimFilter::try_from(request.claim) {
        Ok(ClaimFilter::Unspecified) => Some(Claims::Any),
        Ok(ClaimFilter::Mine) => Some(Claims::Of(own.subject.clone())),
        Ok(ClaimFilter::Unclaimed) => Some(Claims::None),
        Err(_) => {
            f.violation("claim", "UNKNOWN_CODE", "MINE or UNCLAIMED");
            None
        }
    };
    let (role, claims) = f.finish_with(role.zip(claims))?;
    // A wider division than the scope shows the scope.
    let division = match division.contains(&own.scope.division) {
        true => own.scope.division,
        false => division,
    };
    let list = format!(
        "work/{role}/{division}/{}/{}/{}",
        request.claim, request.overdue, request.acting_as
    );
    let page = request.page.clone().unwrap_or_default();
    let after = database.cursors().read_page(&list, &page.page_token)?;
    let after = after.map(|key| read_key(&key).ok_or(Error::CursorInvalid));
    Ok(Input {
        wanted: Wanted {
            // Whose queue it is decides whether the own part in a case matters.
            not_barring: (role == own.role).then(|| own.subject.clone()),
            role,
            division,
            claims,
            due_before: request.overdue.then_some(today),
            today,
        },
        page_size: decode::page_size(page.page_size)?,
        after: after.transpose()?,
        list,
    })
}

fn read_key(key: &str) -> Option<(i16, NaiveDate, Uuid)> {
    let mut parts = key.split(' ');
    let rank = parts.next()?.parse().ok()?;
    let due = parts.next()?.parse().ok()?;
    Some((rank, due, parts.next()?.parse().ok()?))
}
