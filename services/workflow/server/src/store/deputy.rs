//! Deputies (ORG-4).

use anyhow::Context;
use chassis::{error::Error, pg::Tx};
use chrono::{DateTime, NaiveDate, Utc};
use kernel::{Code, DeputyId, Role};
use sqlx::FromRow;
use uuid::Uuid;
use workflow_core::Appointment;

/// An appointment with what is told of it.
#[derive(Debug, Clone)]
pub struct Deputy {
    pub id: DeputyId,
    pub appointment: Appointment,
    pub reason: String,
    pub appointed_by: String,
    pub appointed_at: DateTime<Utc>,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    division_code: String,
    account: String,
    on_behalf_of: String,
    role: String,
    from_on: NaiveDate,
    until_on: NaiveDate,
    reason: String,
    appointed_by: String,
    appointed_at: DateTime<Utc>,
    revoked_on: Option<NaiveDate>,
}

impl Row {
    fn read(self) -> Result<Deputy, Error> {
        let role = Role::parse(&self.role).ok().context("deputies.role");
        let division = self.division_code.parse();
        let division = division.context("deputies.division_code");
        Ok(Deputy {
            id: self.id.into(),
            appointment: Appointment {
                account: self.account,
                on_behalf_of: self.on_behalf_of,
                role: role.map_err(Error::Internal)?,
                division: division.map_err(Error::Internal)?,
                from: self.from_on,
                until: self.until_on,
                revoked: self.revoked_on,
            },
            reason: self.reason,
            appointed_by: self.appointed_by,
            appointed_at: self.appointed_at,
        })
    }
}

/// Stores a new appointment.
pub async fn insert(tx: &mut Tx, deputy: &Deputy) -> Result<(), Error> {
    let appointment = &deputy.appointment;
    sqlx::query!(
        "insert into workflow.deputies (id, division_code, account, on_behalf_of, role, from_on,
                                        until_on, reason, appointed_by, appointed_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        deputy.id.0,
        appointment.division.as_str(),
        appointment.account,
        appointment.on_behalf_of,
        appointment.role.as_str(),
        appointment.from,
        appointment.until,
        deputy.reason,
        deputy.appointed_by,
        deputy.appointed_at,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// An appointment that the caller may end, held against other writers. `None` out of scope.
pub async fn lock(tx: &mut Tx, id: DeputyId) -> Result<Option<Deputy>, Error> {
    let row = sqlx::query_as!(
        Row,
        "select id, division_code, account, on_behalf_of, role, from_on, until_on, reason,
                appointed_by, appointed_at, revoked_on
         from workflow.deputies where id = $1 and workflow.visible(division_code) for update",
        id.0
    )
    .fetch_optional(&mut **tx)
    .await?;
    row.map(Row::read).transpose()
}

/// Takes an appointment back.
pub async fn revoke(tx: &mut Tx, id: DeputyId, today: NaiveDate) -> Result<(), Error> {
    sqlx::query!(
        "update workflow.deputies set revoked_on = $2 where id = $1",
        id.0,
        today
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The appointment of an account. `None` when it is somebody else's.
pub async fn of_account(tx: &mut Tx, id: DeputyId, account: &str) -> Result<Option<Deputy>, Error> {
    let row = sqlx::query_as!(
        Row,
        "select id, division_code, account, on_behalf_of, role, from_on, until_on, reason,
                appointed_by, appointed_at, revoked_on
         from workflow.deputies where id = $1 and account = $2",
        id.0,
        account
    )
    .fetch_optional(&mut **tx)
    .await?;
    row.map(Row::read).transpose()
}

/// Which appointments are wanted.
pub enum Wanted<'a> {
    /// Those of the caller's scope and the caller's own, of a role or of all.
    Seen { role: Option<Role> },
    /// Those of an account that can still be acted on.
    Open { account: &'a str },
}

/// Appointments, the one that ends last first, at most `most`.
pub async fn list(tx: &mut Tx, wanted: &Wanted<'_>, most: i64) -> Result<Vec<Deputy>, Error> {
    let (role, open_of) = match wanted {
        Wanted::Seen { role } => (role.map(|role| role.as_str()), None),
        Wanted::Open { account } => (None, Some(*account)),
    };
    let (own, today) = (tx.principal().subject.clone(), tx.today());
    let rows = sqlx::query_as!(
        Row,
        "select id, division_code, account, on_behalf_of, role, from_on, until_on, reason,
                appointed_by, appointed_at, revoked_on
         from workflow.deputies
         where (workflow.visible(division_code) or account = $1)
           and ($2::text is null or role = $2)
           and ($3::text is null or (account = $3 and until_on >= $4 and revoked_on is null))
         order by revoked_on is null desc, until_on desc, id
         limit $5",
        own,
        role,
        open_of,
        today,
        most
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter().map(Row::read).collect()
}
