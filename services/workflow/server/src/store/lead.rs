//! Leads: rehydrated from their events, listed from their rows.

use anyhow::Context;
use chassis::{error::Error, feed, pg::Tx};
use chrono::{Days, NaiveDate};
use kernel::{Code, DivisionCode, HouseholdId, LeadChannel, LeadId, RiskType};
use prost::Message;
use proto::workflow::v1::Lead;
use uuid::Uuid;
use workflow_core::lead::{GROUPING_DAYS, LeadState};

use super::work;
use crate::{convert, lead_file::LeadFile};

/// The lead as its events have made it, held against other writers. `None` out of scope.
pub async fn lock(tx: &mut Tx, id: LeadId) -> Result<Option<LeadFile>, Error> {
    let row = sqlx::query!(
        "select id from workflow.leads where id = $1 for update",
        id.0
    )
    .fetch_optional(&mut **tx)
    .await?;
    if row.is_none() {
        return Ok(None);
    }
    let items = feed::by_subject(tx, id.0).await?;
    let file = LeadFile::replay(&items).with_context(|| format!("lead {id}"));
    file.map(Some).map_err(Error::Internal)
}

/// The lead that a new one about the same household and risk belongs to (DET-9).
pub async fn earlier(
    tx: &mut Tx,
    household: HouseholdId,
    risk: RiskType,
    today: NaiveDate,
) -> Result<Option<LeadFile>, Error> {
    let since = today.checked_sub_days(Days::new(GROUPING_DAYS));
    let id = sqlx::query_scalar!(
        "select id from workflow.leads
         where household_id = $1 and risk = $2 and groups and received_on >= $3
         order by id limit 1",
        household.0,
        risk.as_str(),
        since.unwrap_or(today)
    )
    .fetch_optional(&mut **tx)
    .await?;
    match id {
        Some(id) => lock(tx, id.into()).await,
        None => Ok(None),
    }
}

/// Two leads about one household wait for each other, so that the second sees the first.
pub async fn serialise(tx: &mut Tx, household: HouseholdId) -> Result<(), Error> {
    sqlx::query!(
        r#"select pg_advisory_xact_lock(hashtextextended($1, 0)) as "locked!: ()""#,
        household.to_string()
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(())
}

/// Stores a lead, new or changed.
pub async fn put(tx: &mut Tx, file: &LeadFile) -> Result<(), Error> {
    let channels = file.lead.sources.iter();
    let channels: Vec<String> = channels.map(|s| s.channel.as_str().to_owned()).collect();
    sqlx::query!(
        "insert into workflow.leads (id, household_id, division_code, state, risk, channels, groups,
                                     received_on, version, body)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         on conflict (id) do update
         set state = excluded.state, division_code = excluded.division_code, channels = excluded.channels, groups = excluded.groups,
             version = excluded.version, body = excluded.body",
        file.id.0,
        file.household.0,
        file.division.as_str(),
        file.lead.state.as_str(),
        file.risk.as_str(),
        &channels,
        file.lead.state.groups(),
        file.received(),
        file.version,
        convert::lead::lead(file).encode_to_vec(),
    )
    .execute(&mut **tx)
    .await?;
    work::put_lead(tx, file).await
}

/// Which leads are wanted.
pub struct Wanted {
    pub division: Option<DivisionCode>,
    pub state: Option<LeadState>,
    pub channel: Option<LeadChannel>,
    pub household: Option<HouseholdId>,
}

/// Leads, newest first, behind `after`, at most `most`.
pub async fn list(
    tx: &mut Tx,
    wanted: &Wanted,
    after: Option<LeadId>,
    most: i64,
) -> Result<Vec<Lead>, Error> {
    let prefix = wanted.division.as_ref().map_or("", |d| d.prefix());
    let rows = sqlx::query!(
        r#"
        select l.body, t.body as "reason?"
        from workflow.leads l
        left join lateral (
            select body from workflow.texts where subject = l.id and field = 'reason'
            order by version desc limit 1) t on true
        where l.division_code ^@ $1
          and ($2::text is null or l.state = $2)
          and ($3::text is null or $3 = any(l.channels))
          and ($4::uuid is null or l.household_id = $4)
          and ($5::uuid is null or l.id < $5)
        order by l.id desc
        limit $6
        "#,
        prefix,
        wanted.state.map(|s| s.as_str()),
        wanted.channel.map(|c| c.as_str()),
        wanted.household.map(|h| h.0),
        after.map(|id| id.0),
        most,
    )
    .fetch_all(&mut **tx)
    .await?;
    let today = tx.today();
    rows.into_iter()
        .map(|row| decode(&row.body, row.reason, today))
        .collect()
}

/// Leads by id.
pub async fn lookup(tx: &mut Tx, ids: &[LeadId]) -> Result<Vec<Lead>, Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"
        select l.body, t.body as "reason?"
        from workflow.leads l
        left join lateral (
            select body from workflow.texts where subject = l.id and field = 'reason'
            order by version desc limit 1) t on true
        where l.id = any($1)
        order by l.id
        "#,
        &ids
    )
    .fetch_all(&mut **tx)
    .await?;
    let today = tx.today();
    rows.into_iter()
        .map(|row| decode(&row.body, row.reason, today))
        .collect()
}

/// Nothing is done to a lead once it is closed, so the last reason is the one for which it was.
fn decode(body: &[u8], reason: Option<String>, today: NaiveDate) -> Result<Lead, Error> {
    let lead = Lead::decode(body).context("leads.body");
    let mut lead = lead.map_err(Error::Internal)?;
    lead.closed_reason = reason.unwrap_or_default();
    convert::claim::shown(&mut lead.claim, today);
    Ok(lead)
}
