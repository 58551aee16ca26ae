//! Cases: rehydrated from their events, listed from their rows.

use anyhow::Context;
use chassis::{
    error::{self, Error},
    feed,
    pg::Tx,
};
use chrono::{Datelike, NaiveDate};
use kernel::{CaseId, Code, DivisionCode, HouseholdId, Refusal, Requirement};
use prost::Message;
use proto::workflow::v1::Case;
use uuid::Uuid;
use workflow_core::{Alarm, CaseState, History, Move, Needs, alarm, due, last_chance, next_alarm};

use super::{template, work};
use crate::{case_file::CaseFile, convert};

/// Most events that somebody who was too late is told of: what changed lately, not a history.
const EVENTS_TOLD_MAX: i64 = 10;

/// Whose case it is, and whose facts a move needs where it stands. `None` out of scope.
pub async fn needs(
    tx: &mut Tx,
    id: CaseId,
    step: Move,
) -> Result<Option<(HouseholdId, Needs)>, Error> {
    let row = sqlx::query!(
        "select household_id, state, template_id, template_version
         from workflow.cases where id = $1",
        id.0
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let template = template::find(&mut *tx, &row.template_id, row.template_version).await?;
    let state = CaseState::parse(&row.state).context("cases.state");
    let state = state.map_err(Error::Internal)?;
    let needs = template.nearest(step, state).map(Needs::of);
    Ok(Some((row.household_id.into(), needs.unwrap_or_default())))
}

/// The case as its events have made it. `None` out of scope.
pub async fn file(tx: &mut Tx, id: CaseId) -> Result<Option<CaseFile>, Error> {
    let items = feed::by_subject(tx, id.0).await?;
    if items.is_empty() {
        return Ok(None);
    }
    let (template, version) = CaseFile::template(&items).map_err(Error::Internal)?;
    let template = template::find(&mut *tx, &template, version).await?;
    let file = CaseFile::replay(&items, template).with_context(|| format!("case {id}"));
    file.map(Some).map_err(Error::Internal)
}

/// The same, held against other writers until the transaction ends.
pub async fn lock(tx: &mut Tx, id: CaseId) -> Result<Option<CaseFile>, Error> {
    let row = sqlx::query!(
        "select id from workflow.cases where id = $1 for update",
        id.0
    )
    .fetch_optional(&mut **tx)
    .await?;
    match row {
        Some(_) => file(tx, id).await,
        None => Ok(None),
    }
}

/// What the household's earlier cases say to a new one.
pub async fn history(tx: &mut Tx, household: HouseholdId) -> Result<History, Error> {
    let latest = sqlx::query!(
        "select id, state, open from workflow.cases where household_id = $1
         order by open desc, id desc limit 1",
        household.0
    )
    .fetch_optional(&mut **tx)
    .await?;
    let eliminated = CaseState::RiskEliminated.as_str();
    Ok(History {
        open: latest.as_ref().filter(|c| c.open).map(|c| c.id.into()),
        eliminated: latest
            .filter(|c| c.state == eliminated)
            .map(|c| c.id.into()),
    })
}

/// The next case number of a village and year, e.g. `999999001002-2026-0007`.
pub async fn next_number(
    tx: &mut Tx,
    division: &DivisionCode,
    today: NaiveDate,
) -> Result<String, Error> {
    let year = today.year();
    let last = sqlx::query_scalar!(
        "insert into workflow.case_numbers (division_code, year, last) values ($1, $2, 1)
         on conflict (division_code, year) do update set last = case_numbers.last + 1
         returning last",
        division.as_str(),
        year
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(format!("{division}-{year}-{last:04}"))
}

/// Stores a new case.
pub async fn insert(tx: &mut Tx, file: &CaseFile) -> Result<(), Error> {
    sqlx::query!(
        "insert into workflow.cases (id, household_id, division_code, case_number, state, open,
                                     due_on, version, body, template_id, template_version,
                                     alarm_on, alarm, last_chance_on, overridden)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        file.id.0,
        file.household.0,
        file.division.as_str(),
        file.number,
        file.case.state.as_str(),
        !file.case.state.is_final(),
        due(&file.case),
        file.case.version,
        convert::case::case(file).encode_to_vec(),
        file.case.template.id,
        file.case.template.version,
        next_alarm(&file.case),
        urgency(alarm(&file.case)),
        last_chance(&file.case),
        !file.case.overrides.is_empty(),
    )
    .execute(&mut **tx)
    .await
    .map_err(one_open)?;
    work::put_case(tx, file).await
}

/// Somebody declared the same household meanwhile: since the look, or since the case that is appealed
/// ended (S02).
fn one_open(error: sqlx::Error) -> Error {
    match error::constraint(&error) {
        Some("cases_one_open") => Error::Refused(Refusal::from(Requirement::new(
            "S02",
            "ONE_OPEN_CASE",
            0,
            1,
        ))),
        _ => error.into(),
    }
}

/// Stores what an event has made of a case.
pub async fn update(tx: &mut Tx, file: &CaseFile) -> Result<(), Error> {
    sqlx::query!(
        "update workflow.cases
         set state = $2, open = $3, due_on = $4, version = $5, body = $6, alarm_on = $7,
             alarm = $8, last_chance_on = $9, overridden = $10, division_code = $11
         where id = $1",
        file.id.0,
        file.case.state.as_str(),
        !file.case.state.is_final(),
        due(&file.case),
        file.case.version,
        convert::case::case(file).encode_to_vec(),
        next_alarm(&file.case),
        urgency(alarm(&file.case)),
        last_chance(&file.case),
        !file.case.overrides.is_empty(),
        file.division.as_str(),
    )
    .execute(&mut **tx)
    .await
    .map_err(one_open)?;
    work::put_case(tx, file).await
}

/// Names of the events that a case has had since a version.
pub async fn events_since(tx: &mut Tx, id: CaseId, version: i64) -> Result<Vec<String>, Error> {
    let kinds = sqlx::query_scalar!(
        "select kind from workflow.feed where subject = $1 order by position offset $2 limit $3",
        id.0,
        version,
        EVENTS_TOLD_MAX
    )
    .fetch_all(&mut **tx)
    .await?;
    let names = kinds.iter().map(|kind| kind.trim_start_matches("case."));
    Ok(names.map(str::to_uppercase).collect())
}

/// An alarm as a number: the more urgent, the greater.
pub fn urgency(alarm: Option<Alarm>) -> i16 {
    // One of four.
    i16::try_from(convert::alarm_to_proto(alarm)).unwrap_or_default()
}

/// Open cases of which somebody has to be told by `today`, at most `most`, held against other
/// writers. Those that another replica is busy with are left to it.
pub async fn lock_alarming(
    tx: &mut Tx,
    today: NaiveDate,
    most: i64,
) -> Result<Vec<CaseFile>, Error> {
    let ids = sqlx::query_scalar!(
        "select id from workflow.cases where open and alarm_on <= $1
         order by alarm_on, id limit $2 for update skip locked",
        today,
        most
    )
    .fetch_all(&mut **tx)
    .await?;
    files(tx, ids).await
}

/// Open cases that are due on `today`, that were due before, and whose last alarm is orange, or red.
pub async fn count_late(tx: &mut Tx, today: NaiveDate) -> Result<[i64; 4], Error> {
    let (due, overdue, orange, red) = sqlx::query_as(
        "select (select count(*) from workflow.cases where open and due_on = $1),
                (select count(*) from workflow.cases where open and due_on < $1),
                (select count(*) from workflow.cases where open and alarm > 0 and alarm = 2),
                (select count(*) from workflow.cases where open and alarm > 0 and alarm = 3)",
    )
    .bind(today)
    .fetch_one(&mut **tx)
    .await?;
    Ok([due, overdue, orange, red])
}

async fn files(tx: &mut Tx, ids: Vec<Uuid>) -> Result<Vec<CaseFile>, Error> {
    let mut files = Vec::with_capacity(ids.len());
    for id in ids {
        files.extend(file(tx, id.into()).await?);
    }
    Ok(files)
}

/// Which cases are wanted.
pub struct Wanted {
    pub division: Option<DivisionCode>,
    /// Empty for all.
    pub states: Vec<CaseState>,
    pub household: Option<HouseholdId>,
    /// Only open ones that are due up to this day.
    pub due_until: Option<NaiveDate>,
    /// Only open ones that are at least so urgent.
    pub alarm: Option<Alarm>,
    /// Only open ones whose last chance is up to this day.
    pub last_chance_until: Option<NaiveDate>,
    /// Only those in which something was let pass.
    pub overridden: bool,
}

/// Cases, newest first, behind `after`, at most `most`.
pub async fn list(
    tx: &mut Tx,
    wanted: &Wanted,
    after: Option<CaseId>,
    most: i64,
) -> Result<Vec<Case>, Error> {
    let prefix = wanted.division.as_ref().map_or("", |d| d.prefix());
    let states = codes(&wanted.states);
    let bodies = sqlx::query_scalar!(
        r#"
        select body from workflow.cases
        where division_code ^@ $1
          and (cardinality($2::text[]) = 0 or state = any($2))
          and ($3::uuid is null or household_id = $3)
          and ($4::date is null or (open and due_on <= $4))
          and ($5::smallint = 0 or (open and alarm >= $5))
          and ($6::date is null or (open and last_chance_on <= $6))
          and (not $7 or overridden)
          and ($8::uuid is null or id < $8)
        order by id desc
        limit $9
        "#,
        prefix,
        &states,
        wanted.household.map(|h| h.0),
        wanted.due_until,
        urgency(wanted.alarm),
        wanted.last_chance_until,
        wanted.overridden,
        after.map(|id| id.0),
        most,
    )
    .fetch_all(&mut **tx)
    .await?;
    decode(tx, bodies)
}

/// How many there are.
pub async fn count(tx: &mut Tx, wanted: &Wanted) -> Result<i64, Error> {
    let prefix = wanted.division.as_ref().map_or("", |d| d.prefix());
    let states = codes(&wanted.states);
    let count = sqlx::query_scalar!(
        r#"
        select count(*) as "count!" from workflow.cases
        where division_code ^@ $1
          and (cardinality($2::text[]) = 0 or state = any($2))
          and ($3::uuid is null or household_id = $3)
          and ($4::date is null or (open and due_on <= $4))
          and ($5::smallint = 0 or (open and alarm >= $5))
          and ($6::date is null or (open and last_chance_on <= $6))
          and (not $7 or overridden)
        "#,
        prefix,
        &states,
        wanted.household.map(|h| h.0),
        wanted.due_until,
        urgency(wanted.alarm),
        wanted.last_chance_until,
        wanted.overridden,
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(count)
}

/// Cases by id.
pub async fn lookup(tx: &mut Tx, ids: &[CaseId]) -> Result<Vec<Case>, Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let bodies = sqlx::query_scalar!(
        "select body from workflow.cases where id = any($1) order by id",
        &ids
    )
    .fetch_all(&mut **tx)
    .await?;
    decode(tx, bodies)
}

/// The open case, else the latest, of each household.
pub async fn current(tx: &mut Tx, households: &[HouseholdId]) -> Result<Vec<Case>, Error> {
    let households: Vec<Uuid> = households.iter().map(|id| id.0).collect();
    let bodies = sqlx::query_scalar!(
        "select distinct on (household_id) body from workflow.cases
         where household_id = any($1)
         order by household_id, open desc, id desc",
        &households
    )
    .fetch_all(&mut **tx)
    .await?;
    decode(tx, bodies)
}

/// Cases of a village from which a move starts, held against other writers, by id.
pub async fn lock_before(
    tx: &mut Tx,
    division: &DivisionCode,
    step: Move,
) -> Result<Vec<CaseFile>, Error> {
    let used = sqlx::query!(
        "select distinct template_id, template_version from workflow.cases
         where division_code = $1 and open",
        division.as_str()
    )
    .fetch_all(&mut **tx)
    .await?;
    let (mut templates, mut versions, mut states) = (Vec::new(), Vec::new(), Vec::new());
    for row in used {
        let template = template::find(&mut *tx, &row.template_id, row.template_version).await?;
        for state in template.from(step) {
            templates.push(row.template_id.clone());
            versions.push(row.template_version);
            states.push(state.as_str().to_owned());
        }
    }
    let ids = sqlx::query_scalar!(
        "select id from workflow.cases
         where division_code = $1
           and (template_id, template_version, state)
               in (select * from unnest($2::text[], $3::int[], $4::text[]))
         order by id for update",
        division.as_str(),
        &templates,
        &versions,
        &states
    )
    .fetch_all(&mut **tx)
    .await?;
    files(tx, ids).await
}

fn codes(states: &[CaseState]) -> Vec<String> {
    states.iter().map(|s| s.as_str().to_owned()).collect()
}

fn decode(tx: &Tx, bodies: Vec<Vec<u8>>) -> Result<Vec<Case>, Error> {
    let cases = bodies.iter().map(|body| Case::decode(&body[..]));
    let cases: Result<Vec<Case>, _> = cases.collect();
    let mut cases = cases.context("cases.body").map_err(Error::Internal)?;
    for case in &mut cases {
        convert::claim::shown(&mut case.claim, tx.today());
    }
    Ok(cases)
}
