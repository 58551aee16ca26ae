//! Households of the caller's scope, by division and household number.

use chassis::{
    auth::Caller,
    decode::{self, Fields, codes},
    error::Error,
    pg::Database,
};
use kernel::DivisionCode;
use proto::households::v1::{ListHouseholdsRequest, ListHouseholdsResponse};

use super::Service;
use crate::{
    convert::{self, View},
    read::NAME_CHARS_MAX,
    store::household::{self, Filter, Place},
};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: ListHouseholdsRequest,
) -> Result<ListHouseholdsResponse, Error> {
    let input = decode(&request, &service.database)?;
    let mut tx = service.database.read(caller).await?;
    let (filter, sealer) = (&input.filter, &service.sealer);
    // One more than the page tells whether there is another.
    let most = input.page_size + 1;
    let mut households = household::list(&mut tx, sealer, filter, &input.after, most).await?;
    let total_count = match request.with_total {
        true => household::count(&mut tx, filter).await?,
        false => -1,
    };
    drop(tx);
    let next_page_token = match cut(&mut households, input.page_size) {
        Some(last) => {
            let profile = &last.profile;
            let place = (
                profile.division.to_string(),
                &profile.national_number,
                last.id.0,
            );
            let place = serde_json::to_string(&place).map_err(|e| Error::Internal(e.into()))?;
            service.database.cursors().page(&input.list, &place)
        }
        None => String::new(),
    };
    let view = View::of(caller.principal.role);
    Ok(ListHouseholdsResponse {
        households: households
            .iter()
            .map(|h| convert::household(h, view))
            .collect(),
        next_page_token,
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
    filter: Filter,
    page_size: i64,
    after: Place,
    /// Name of the list with its filters, for the page token.
    list: String,
}

fn decode(request: &ListHouseholdsRequest, database: &Database) -> Result<Input, Error> {
    let mut f = Fields::new();
    let within: Option<DivisionCode> = f.parse_optional("division_code", &request.division_code);
    let name = &request.head_name_contains;
    let name = f.text_optional("head_name_contains", name, NAME_CHARS_MAX);
    let name = name.unwrap_or_default();
    // One character is in every tenth name.
    if name.chars().count() == 1 {
        f.violation("head_name_contains", "TOO_SHORT", "at least 2 characters");
    }
    let filter = Filter {
        within: within.as_ref().map_or("", DivisionCode::prefix).to_owned(),
        subject_class: codes::subject_class(request.subject_class),
        head_name_contains: name,
    };
    if filter.subject_class.is_none() && request.subject_class != 0 {
        f.code("subject_class", filter.subject_class);
    }
    f.finish()?;
    let page = request.page.clone().unwrap_or_default();
    let list = format!(
        "households/{}/{}/{}",
        filter.within, request.subject_class, filter.head_name_contains
    );
    let after = database.cursors().read_page(&list, &page.page_token)?;
    let after = after.map(|place| serde_json::from_str(&place).map_err(|_| Error::CursorInvalid));
    Ok(Input {
        filter,
        page_size: decode::page_size(page.page_size)?,
        after: after.transpose()?.unwrap_or_default(),
        list,
    })
}
