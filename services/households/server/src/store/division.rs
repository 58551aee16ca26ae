//! Divisions and their village groups.

use chassis::{error::Error, pg::Tx};
use chrono::NaiveDate;
use kernel::DivisionCode;
use serde::{Deserialize, Serialize};
use sqlx::types::Json;

use super::division;

/// A division.
#[derive(Debug, Clone)]
pub struct Division {
    pub code: DivisionCode,
    pub name: String,
    pub valid_from: NaiveDate,
    pub valid_to: Option<NaiveDate>,
    pub groups: Vec<Group>,
    /// The village that it is part of now.
    pub merged_into: Option<DivisionCode>,
}

/// A village group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Group {
    pub number: u32,
    pub name: String,
}

struct Row {
    code: String,
    name: String,
    valid_from: NaiveDate,
    valid_to: Option<NaiveDate>,
    groups: Json<Vec<Group>>,
    merged_into: Option<String>,
}

impl TryFrom<Row> for Division {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self, Error> {
        Ok(Self {
            code: division("divisions", &row.code)?,
            name: row.name,
            valid_from: row.valid_from,
            valid_to: row.valid_to,
            groups: row.groups.0,
            merged_into: row
                .merged_into
                .map(|code| division("divisions", &code))
                .transpose()?,
        })
    }
}

/// Divisions within `within` that were valid on `day`, after the code `after`.
pub async fn list(
    tx: &mut Tx,
    within: &str,
    day: NaiveDate,
    after: &str,
    most: i64,
) -> Result<Vec<Division>, Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"select code, name, valid_from, valid_to, groups as "groups: Json<Vec<Group>>",
                  merged_into
           from households.divisions
           where code ^@ $1 and code > $2
             and valid_from <= $3 and (valid_to is null or valid_to >= $3)
           order by code limit $4"#,
        within,
        after,
        day,
        most,
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter().map(Division::try_from).collect()
}

/// A division in scope, if it is valid on `day` and part of no other.
pub async fn lookup(
    tx: &mut Tx,
    code: DivisionCode,
    day: NaiveDate,
) -> Result<Option<Division>, Error> {
    let row = sqlx::query_as!(
        Row,
        r#"select code, name, valid_from, valid_to, groups as "groups: Json<Vec<Group>>",
                  merged_into
           from households.divisions
           where code = $1 and valid_from <= $2 and (valid_to is null or valid_to >= $2)
             and merged_into is null"#,
        code.as_str(),
        day,
    )
    .fetch_optional(&mut **tx)
    .await?;
    row.map(Division::try_from).transpose()
}

/// A division in scope, whenever it is valid, held against other writers.
pub async fn lock(tx: &mut Tx, code: DivisionCode) -> Result<Option<Division>, Error> {
    let row = sqlx::query_as!(
        Row,
        r#"select code, name, valid_from, valid_to, groups as "groups: Json<Vec<Group>>",
                  merged_into
           from households.divisions where code = $1 for update"#,
        code.as_str(),
    )
    .fetch_optional(&mut **tx)
    .await?;
    row.map(Division::try_from).transpose()
}

/// Whether there is such a division in scope, be it one of the past or of the future.
pub async fn exists(tx: &mut Tx, code: DivisionCode) -> Result<bool, Error> {
    let found = sqlx::query_scalar!(
        r#"select exists (select from households.divisions where code = $1) as "exists!""#,
        code.as_str(),
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(found)
}

/// Creates or changes.
pub async fn put(tx: &mut Tx, division: &Division) -> Result<(), Error> {
    sqlx::query!(
        "insert into households.divisions (code, name, valid_from, valid_to, groups)
         values ($1, $2, $3, $4, $5)
         on conflict (code) do update
         set name = excluded.name, valid_from = excluded.valid_from, valid_to = excluded.valid_to,
             groups = excluded.groups",
        division.code.as_str(),
        division.name,
        division.valid_from,
        division.valid_to,
        Json(&division.groups) as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
