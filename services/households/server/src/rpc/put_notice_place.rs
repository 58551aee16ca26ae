//! Creates or changes a notice place (S30).

use chassis::{
    auth::Caller,
    decode::{Fields, codes},
    error::Error,
};
use households_core::notice_place::NoticePlace;
use kernel::{DivisionCode, DivisionLevel, NoticePlaceId};
use proto::households::v1::{self as wire, PutNoticePlaceRequest, PutNoticePlaceResponse};

use super::{Service, edit::Begun};
use crate::{convert, read::NAME_CHARS_MAX, store};

/// A village has some hundred households; more is a typing error.
const HOUSEHOLDS_MAX: u32 = 100_000;

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: PutNoticePlaceRequest,
) -> Result<PutNoticePlaceResponse, Error> {
    let given = request.place.clone().unwrap_or_default();
    let fresh = NoticePlaceId(service.database.clock().new_id());
    let place = decode(&given, fresh)?;
    let request_id = std::mem::take(&mut request.request_id);
    let edit = service
        .edit(caller, "PutNoticePlace", &request_id, &request)
        .await?;
    let mut edit = match edit {
        Begun::Fresh(edit) => edit,
        Begun::Replayed(response) => return Ok(response),
    };
    if !store::division::exists(&mut edit.tx, place.division).await? {
        return Err(Error::NotFound { what: "division" });
    }
    if given.id.is_empty() {
        store::notice_place::insert(&mut edit.tx, &place).await?;
    } else {
        store::notice_place::update(&mut edit.tx, &place).await?;
    }
    edit.finish(PutNoticePlaceResponse {
        place: Some(convert::notice_place(&place)),
    })
    .await
}

fn decode(given: &wire::NoticePlace, fresh: NoticePlaceId) -> Result<NoticePlace, Error> {
    let mut f = Fields::new();
    let place = f.within("place", |f| {
        let id = f.parse_optional("id", &given.id);
        let division: Option<DivisionCode> = f.parse("division_code", &given.division_code);
        if division.is_some_and(|division| division.level() != DivisionLevel::Village) {
            f.violation("division_code", "VILLAGE", "the code of a village");
        }
        let kind = f.code("kind", codes::notice_place_kind(given.kind));
        let name = f.text("name", &given.name, NAME_CHARS_MAX);
        let count = u32::try_from(given.household_count).ok();
        let household_count = count.filter(|count| *count <= HOUSEHOLDS_MAX);
        if household_count.is_none() {
            f.violation("household_count", "COUNT", "0 to 100 000");
        }
        let valid_from = f.date("valid_from", &given.valid_from);
        let valid_to = f.date_optional("valid_to", &given.valid_to);
        if valid_to < valid_from && valid_to.is_some() {
            f.violation("valid_to", "BEFORE_START", "valid_from or later");
        }
        Some(NoticePlace {
            id: id.unwrap_or(fresh),
            division: division?,
            kind: kind?,
            name: name?,
            household_count: household_count?,
            valid_from: valid_from?,
            valid_to,
        })
    });
    f.finish_with(place)
}
