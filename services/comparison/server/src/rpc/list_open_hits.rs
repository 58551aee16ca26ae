//! What a person has to look at: hits that nobody has decided, those of re-checks among them (CMP-6,
//! CMP-9).

use chassis::{
    auth::Caller,
    decode::{self, Fields},
    error::Error,
    pg::Database,
};
use comparison_core::recheck::Purpose;
use kernel::{Code as _, DivisionCode};
use proto::comparison::v1::{ListOpenHitsRequest, ListOpenHitsResponse};
use uuid::Uuid;

use super::Service;
use crate::{
    convert,
    store::hit::{self, Undecided},
};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: ListOpenHitsRequest,
) -> Result<ListOpenHitsResponse, Error> {
    let input = decode(&request, &service.database)?;
    let mut tx = service.database.read(caller).await?;
    let wanted = Undecided {
        within: input
            .division
            .map_or(String::new(), |d| d.prefix().to_owned()),
        purpose: input.purpose,
        after: input.after,
        // One more than the page tells whether there is another.
        most: input.page_size + 1,
    };
    let mut hits = hit::undecided(&mut tx, &wanted).await?;
    drop(tx);
    let has_more = hits.len() as i64 > input.page_size;
    hits.truncate(usize::try_from(input.page_size).unwrap_or_default());
    let last = hits.last().filter(|_| has_more);
    let cursors = service.database.cursors();
    Ok(ListOpenHitsResponse {
        next_page_token: last
            .map(|last| cursors.page(&input.list, &last.hit.id.to_string()))
            .unwrap_or_default(),
        hits: hits.iter().map(convert::open_hit).collect(),
    })
}

struct Input {
    division: Option<DivisionCode>,
    purpose: Option<Purpose>,
    page_size: i64,
    after: Uuid,
    /// Name of the list with its filters, for the page token.
    list: String,
}

fn decode(request: &ListOpenHitsRequest, database: &Database) -> Result<Input, Error> {
    let mut f = Fields::new();
    let division = f.parse_optional("division_code", &request.division_code);
    f.finish()?;
    let purpose = convert::read_purpose(request.purpose());
    let page = request.page.clone().unwrap_or_default();
    let of = purpose.map_or("", Purpose::as_str);
    let list = format!("open_hits/{}/{of}", request.division_code);
    Ok(Input {
        division,
        purpose,
        page_size: decode::page_size(page.page_size)?,
        after: super::after(database, &list, &page.page_token)?,
        list,
    })
}
