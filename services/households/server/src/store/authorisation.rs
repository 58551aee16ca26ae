//! Query authorisations.

use chassis::{error::Error, pg::Tx};
use chrono::NaiveDate;
use households_core::authorisation::Authorisation;
use kernel::{AuthorisationId, DivisionCode, HouseholdId, PersonId};
use uuid::Uuid;

use super::{code, division, text};

struct Row {
    id: Uuid,
    household_id: Uuid,
    division_code: String,
    person_id: Uuid,
    signed_by_person_id: Uuid,
    items: Vec<String>,
    purpose: String,
    text_version: String,
    signed_on: NaiveDate,
    expires_on: NaiveDate,
    withdrawn_on: Option<NaiveDate>,
    evidence_sha256: String,
    by_fingerprint: bool,
}

const TABLE: &str = "authorisations";

/// An authorisation and the household that it belongs to.
#[derive(Debug, Clone)]
pub struct Stored {
    pub household: HouseholdId,
    pub division: DivisionCode,
    pub authorisation: Authorisation,
}

impl TryFrom<Row> for Stored {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self, Error> {
        let items = row.items.iter().map(|item| code(TABLE, "items", item));
        Ok(Self {
            household: HouseholdId(row.household_id),
            division: division(TABLE, &row.division_code)?,
            authorisation: Authorisation {
                id: AuthorisationId(row.id),
                person: PersonId(row.person_id),
                signed_by: PersonId(row.signed_by_person_id),
                items: items.collect::<Result<_, _>>()?,
                purpose: row.purpose,
                text_version: row.text_version,
                signed_on: row.signed_on,
                expires_on: row.expires_on,
                withdrawn_on: row.withdrawn_on,
                evidence_sha256: row.evidence_sha256,
                by_fingerprint: row.by_fingerprint,
            },
        })
    }
}

/// Fifty members who sign every year for ten years.
const MOST: i64 = 500;

/// Authorisations of a household, newest first.
pub async fn list(tx: &mut Tx, household: HouseholdId) -> Result<Vec<Stored>, Error> {
    let rows = sqlx::query_as!(
        Row,
        "select id, household_id, division_code, person_id, signed_by_person_id, items, purpose,
                text_version, signed_on, expires_on, withdrawn_on, evidence_sha256, by_fingerprint
         from households.authorisations where household_id = $1 order by id desc limit $2",
        household.0,
        MOST,
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter().map(Stored::try_from).collect()
}

/// One that nobody else can change until this transaction ends.
pub async fn lock(tx: &mut Tx, id: AuthorisationId) -> Result<Stored, Error> {
    let row = sqlx::query_as!(
        Row,
        "select id, household_id, division_code, person_id, signed_by_person_id, items, purpose,
                text_version, signed_on, expires_on, withdrawn_on, evidence_sha256, by_fingerprint
         from households.authorisations where id = $1 for update",
        id.0,
    )
    .fetch_optional(&mut **tx)
    .await?;
    row.ok_or(Error::NotFound {
        what: "authorisation",
    })?
    .try_into()
}

/// Adds one.
pub async fn insert(tx: &mut Tx, stored: &Stored) -> Result<(), Error> {
    let a = &stored.authorisation;
    let items: Vec<String> = a.items.iter().copied().map(text).collect();
    sqlx::query!(
        "insert into households.authorisations
             (id, household_id, division_code, person_id, signed_by_person_id, items, purpose,
              text_version, signed_on, expires_on, evidence_sha256, by_fingerprint)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        a.id.0,
        stored.household.0,
        stored.division.as_str(),
        a.person.0,
        a.signed_by.0,
        &items,
        a.purpose,
        a.text_version,
        a.signed_on,
        a.expires_on,
        a.evidence_sha256,
        a.by_fingerprint,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Withdraws a locked one.
pub async fn withdraw(
    tx: &mut Tx,
    id: AuthorisationId,
    day: NaiveDate,
    reason: &str,
) -> Result<(), Error> {
    sqlx::query!(
        "update households.authorisations set withdrawn_on = $2, withdrawal_reason = $3
         where id = $1",
        id.0,
        day,
        reason,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
