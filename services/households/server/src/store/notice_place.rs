//! Places where notices hang.

use chassis::{
    error::{Error, constraint},
    pg::Tx,
};
use chrono::NaiveDate;
use households_core::notice_place::NoticePlace;
use kernel::{DivisionCode, NoticePlaceId};
use uuid::Uuid;

use super::{code, division, text};

struct Row {
    id: Uuid,
    division_code: String,
    kind: String,
    name: String,
    household_count: i32,
    valid_from: NaiveDate,
    valid_to: Option<NaiveDate>,
}

impl TryFrom<Row> for NoticePlace {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self, Error> {
        const TABLE: &str = "notice_places";
        Ok(Self {
            id: NoticePlaceId(row.id),
            division: division(TABLE, &row.division_code)?,
            kind: code(TABLE, "kind", &row.kind)?,
            name: row.name,
            household_count: row.household_count.unsigned_abs(),
            valid_from: row.valid_from,
            valid_to: row.valid_to,
        })
    }
}

/// A village has some ten places.
const MOST: i64 = 1000;

/// Places of a village, also those of the past.
pub async fn list(tx: &mut Tx, village: DivisionCode) -> Result<Vec<NoticePlace>, Error> {
    let rows = sqlx::query_as!(
        Row,
        "select id, division_code, kind, name, household_count, valid_from, valid_to
         from households.notice_places where division_code = $1
         order by kind, id limit $2",
        village.as_str(),
        MOST,
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter().map(NoticePlace::try_from).collect()
}

/// Relocation sites of the caller's scope that exist on `day`.
pub async fn relocation_sites(tx: &mut Tx, day: NaiveDate) -> Result<Vec<NoticePlace>, Error> {
    // A county has some hundred (REG-15).
    let rows = sqlx::query_as!(
        Row,
        "select id, division_code, kind, name, household_count, valid_from, valid_to
         from households.notice_places
         where kind = 'RELOCATION_SITE' and valid_from <= $1
           and (valid_to is null or valid_to >= $1)
         order by division_code, id limit 10000",
        day,
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter().map(NoticePlace::try_from).collect()
}

/// Whether there is such a relocation site in scope on `day`.
pub async fn is_relocation_site(
    tx: &mut Tx,
    id: NoticePlaceId,
    day: NaiveDate,
) -> Result<bool, Error> {
    let found = sqlx::query_scalar!(
        r#"select exists (
               select from households.notice_places
               where id = $1 and kind = 'RELOCATION_SITE' and valid_from <= $2
                 and (valid_to is null or valid_to >= $2)
           ) as "exists!""#,
        id.0,
        day,
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(found)
}

/// Adds a place.
pub async fn insert(tx: &mut Tx, place: &NoticePlace) -> Result<(), Error> {
    sqlx::query!(
        "insert into households.notice_places
             (id, division_code, kind, name, household_count, valid_from, valid_to)
         values ($1, $2, $3, $4, $5, $6, $7)",
        place.id.0,
        place.division.as_str(),
        text(place.kind),
        place.name,
        i32::try_from(place.household_count).unwrap_or(i32::MAX),
        place.valid_from,
        place.valid_to,
    )
    .execute(&mut **tx)
    .await
    .map_err(committee)?;
    Ok(())
}

/// Changes a place; its village stays.
pub async fn update(tx: &mut Tx, place: &NoticePlace) -> Result<(), Error> {
    let done = sqlx::query!(
        "update households.notice_places
         set kind = $3, name = $4, household_count = $5, valid_from = $6, valid_to = $7
         where id = $1 and division_code = $2",
        place.id.0,
        place.division.as_str(),
        text(place.kind),
        place.name,
        i32::try_from(place.household_count).unwrap_or(i32::MAX),
        place.valid_from,
        place.valid_to,
    )
    .execute(&mut **tx)
    .await
    .map_err(committee)?;
    match done.rows_affected() {
        0 => Err(Error::NotFound {
            what: "notice place",
        }),
        _ => Ok(()),
    }
}

fn committee(error: sqlx::Error) -> Error {
    match constraint(&error) {
        Some("notice_places_committee") => Error::invalid(
            "place.kind",
            "SECOND_COMMITTEE",
            "one committee in a village; end the other one first",
        ),
        _ => error.into(),
    }
}
