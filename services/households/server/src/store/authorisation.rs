//! Query authorisations.

use chassis::{error::Error, pg::Tx};
use chrono::NaiveDate;
use households_core::authorisation::{Authorisation, Check};
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
    checked_on: Option<NaiveDate>,
    checked_by: Option<String>,
    check_outcome: Option<String>,
    check_note: Option<String>,
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
        let check = row.checked_on.zip(row.check_outcome).map(|(on, outcome)| {
            Ok::<_, Error>(Check {
                on,
                by: row.checked_by.unwrap_or_default(),
                outcome: code(TABLE, "check_outcome", &outcome)?,
                note: row.check_note.unwrap_or_default(),
            })
        });
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
                check: check.transpose()?,
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
                text_version, signed_on, expires_on, withdrawn_on, evidence_sha256, by_fingerprint,
                checked_on, checked_by, check_outcome, check_note
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
                text_version, signed_on, expires_on, withdrawn_on, evidence_sha256, by_fingerprint,
                checked_on, checked_by, check_outcome, check_note
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

/// Some in a division whose paper nobody has looked at and that are valid today, by lot.
pub async fn draw(tx: &mut Tx, within: DivisionCode, count: i64) -> Result<Vec<Stored>, Error> {
    let (today, prefix) = (tx.today(), within.prefix());
    let rows = sqlx::query_as!(
        Row,
        "select id, household_id, division_code, person_id, signed_by_person_id, items, purpose,
                text_version, signed_on, expires_on, withdrawn_on, evidence_sha256, by_fingerprint,
                checked_on, checked_by, check_outcome, check_note
         from households.authorisations
         where starts_with(division_code, $1) and checked_on is null and withdrawn_on is null
           and signed_on <= $2 and expires_on >= $2
         order by random() limit $3",
        prefix,
        today,
        count,
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter().map(Stored::try_from).collect()
}

/// Stores the check of a locked one, and what it ended.
pub async fn note_check(tx: &mut Tx, authorisation: &Authorisation) -> Result<(), Error> {
    let Some(check) = &authorisation.check else {
        return Ok(());
    };
    sqlx::query!(
        "update households.authorisations
         set checked_on = $2, checked_by = $3, check_outcome = $4, check_note = $5,
             withdrawal_reason = case when withdrawn_on is null and $6::date is not null
                                 then $5 else withdrawal_reason end,
             withdrawn_on = $6
         where id = $1",
        authorisation.id.0,
        check.on,
        check.by,
        text(check.outcome),
        check.note,
        authorisation.withdrawn_on,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
