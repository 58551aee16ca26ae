//! The queues: whose turn it is, a row for each role, in the order of urgency.

use chassis::{error::Error, pg::Tx};
use chrono::NaiveDate;
use kernel::{Code, DivisionCode, DivisionLevel, HouseholdId, Role};
use sqlx::{AssertSqlSafe, FromRow, PgConnection};
use uuid::Uuid;
use workflow_core::{Claim, Turn, alarm, due, turns};

use super::case::urgency;
use crate::{case_file::CaseFile, lead_file::LeadFile};

/// Stands for no limit: sorts behind every day.
const NEVER: NaiveDate = NaiveDate::from_ymd_opt(9999, 12, 31).expect("a day");
/// Rank of what nobody was told of; the more urgent, the smaller.
const CALM: i16 = 3;

/// What the rows of a case or lead say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Rows {
    roles: Vec<String>,
    /// Of each role, with spaces between.
    steps: Vec<String>,
    /// Pairs of role and account.
    barred: (Vec<String>, Vec<String>),
}

impl Rows {
    fn new<S: AsRef<str>>(turns: Vec<Turn<S>>) -> Self {
        let mut rows = Self::default();
        for turn in turns {
            let role = turn.role.as_str();
            let steps: Vec<&str> = turn.steps.iter().map(AsRef::as_ref).collect();
            rows.roles.push(role.to_owned());
            rows.steps.push(steps.join(" "));
            for account in turn.barred {
                rows.barred.0.push(role.to_owned());
                rows.barred.1.push(account);
            }
        }
        rows
    }

    fn of_case(file: &CaseFile) -> Self {
        let turns = turns(&file.case).into_iter().map(|turn| Turn {
            role: turn.role,
            steps: turn.steps.iter().map(|step| step.as_str()).collect(),
            barred: turn.barred,
        });
        Self::new(turns.collect())
    }
}

/// Brings the rows of a case to what its events say.
pub async fn put_case(tx: &mut Tx, file: &CaseFile) -> Result<(), Error> {
    let place = Place {
        subject: file.id.0,
        is_lead: false,
        household: file.household,
        division: file.division,
        rank: CALM - urgency(alarm(&file.case)),
        due: due(&file.case),
        claim: file.case.claim.as_ref(),
    };
    put(tx, place, Rows::of_case(file)).await
}

/// Brings the rows of a lead to what its events say.
pub async fn put_lead(tx: &mut Tx, file: &LeadFile) -> Result<(), Error> {
    let place = Place {
        subject: file.id.0,
        is_lead: true,
        household: file.household,
        division: file.division,
        rank: CALM,
        due: file.lead.due(),
        claim: file.lead.claim.as_ref(),
    };
    put(tx, place, Rows::new(file.lead.turns())).await
}

/// What all rows of a case or lead have in common.
struct Place<'a> {
    subject: Uuid,
    is_lead: bool,
    household: HouseholdId,
    division: DivisionCode,
    rank: i16,
    due: Option<NaiveDate>,
    claim: Option<&'a Claim>,
}

/// One statement; rows that say the same already are left alone.
async fn put(tx: &mut Tx, place: Place<'_>, rows: Rows) -> Result<(), Error> {
    sqlx::query!(
        "with done as (
             delete from workflow.work where subject = $1 and role <> all($2::text[])
         )
         insert into workflow.work as w
             (subject, role, is_lead, household_id, division_code, rank, due_on, steps, barred,
              claimed_by, claimed_role, claimed_since, claimed_until)
         select $1, t.role, $6, $7, $8, $9, $10, string_to_array(t.steps, ' '),
                array(select b.account from unnest($4::text[], $5::text[]) as b (role, account)
                      where b.role = t.role),
                $11, $12, $13, $14
         from unnest($2::text[], $3::text[]) as t (role, steps)
         on conflict (subject, role) do update
         set division_code = excluded.division_code, rank = excluded.rank, due_on = excluded.due_on, steps = excluded.steps,
             barred = excluded.barred, claimed_by = excluded.claimed_by,
             claimed_role = excluded.claimed_role, claimed_since = excluded.claimed_since,
             claimed_until = excluded.claimed_until
         where (w.division_code, w.rank, w.due_on, w.steps, w.barred, w.claimed_by, w.claimed_until)
               is distinct from
               (excluded.division_code, excluded.rank, excluded.due_on, excluded.steps, excluded.barred,
                excluded.claimed_by, excluded.claimed_until)",
        place.subject,
        &rows.roles,
        &rows.steps,
        &rows.barred.0,
        &rows.barred.1,
        place.is_lead,
        place.household.0,
        place.division.as_str(),
        place.rank,
        place.due.unwrap_or(NEVER),
        place.claim.map(|claim| claim.account.as_str()),
        place.claim.map(|claim| claim.role.as_str()),
        place.claim.map(|claim| claim.since),
        place.claim.map(|claim| claim.until),
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Whether the rows of a case are what its events make of it.
pub async fn is_told(connection: &mut PgConnection, file: &CaseFile) -> anyhow::Result<bool> {
    type Told = (String, String, Option<String>, String);
    let stored: Vec<Told> = sqlx::query_as(
        "select role, array_to_string(steps, ' '), claimed_by, division_code from workflow.work
         where subject = $1 order by role",
    )
    .bind(file.id.0)
    .fetch_all(connection)
    .await?;
    let rows = Rows::of_case(file);
    let claimed_by = file.case.claim.as_ref().map(|claim| claim.account.clone());
    let made = rows.roles.into_iter().zip(rows.steps);
    let mut made: Vec<Told> = made
        .map(|(role, steps)| {
            let division = file.division.as_str().to_owned();
            (role, steps, claimed_by.clone(), division)
        })
        .collect();
    made.sort_unstable();
    Ok(made == stored)
}

/// A row of a queue.
#[derive(Debug, FromRow)]
pub struct Item {
    pub subject: Uuid,
    pub role: String,
    pub is_lead: bool,
    pub household_id: Uuid,
    pub division_code: String,
    rank: i16,
    due_on: NaiveDate,
    pub steps: Vec<String>,
    claimed_by: Option<String>,
    claimed_role: Option<String>,
    claimed_since: Option<NaiveDate>,
    claimed_until: Option<NaiveDate>,
}

impl Item {
    /// Place in the order of its queue.
    pub const fn key(&self) -> (i16, NaiveDate, Uuid) {
        (self.rank, self.due_on, self.subject)
    }

    /// The alarm as a number of the wire.
    pub fn alarm(&self) -> i32 {
        i32::from(CALM - self.rank)
    }

    /// Day by which it should be done.
    pub fn due(&self) -> Option<NaiveDate> {
        Some(self.due_on).filter(|due| *due != NEVER)
    }

    /// The claim that lasts.
    pub fn claim(&self, today: NaiveDate) -> Option<Claim> {
        let claim = Claim {
            account: self.claimed_by.clone()?,
            role: Role::parse(self.claimed_role.as_deref()?).ok()?,
            since: self.claimed_since?,
            until: self.claimed_until?,
        };
        claim.lasts(today).then_some(claim)
    }
}

const COLUMNS: &str = "subject, role, is_lead, household_id, division_code, rank, due_on, steps, \
                       claimed_by, claimed_role, claimed_since, claimed_until";

/// Which claims are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claims {
    Any,
    /// This account's.
    Of(String),
    None,
}

/// Which queue is wanted.
pub struct Wanted {
    pub role: Role,
    pub division: DivisionCode,
    pub claims: Claims,
    /// Only what was due before this day.
    pub due_before: Option<NaiveDate>,
    /// Who looks, when that matters (ORG-3).
    pub not_barring: Option<String>,
    pub today: NaiveDate,
}

impl Wanted {
    /// The condition, with $1 to $6; made of fixed texts only.
    fn condition(&self) -> String {
        let place = match self.division.level() {
            DivisionLevel::Village => "division_code",
            DivisionLevel::Township => "township_code",
            DivisionLevel::County => "county_code",
        };
        let claims = match self.claims {
            Claims::Any => "$6::text is null and $5::date is not null",
            Claims::Of(_) => "claimed_by = $6 and claimed_until >= $5",
            Claims::None => "$6::text is null and (claimed_by is null or claimed_until < $5)",
        };
        format!(
            "role = $1 and {place} = $2 and due_on < $3 \
             and ($4::text is null or $4 <> all(barred)) and {claims}"
        )
    }

    fn claimed_by(&self) -> Option<&str> {
        match &self.claims {
            Claims::Of(account) => Some(account),
            Claims::Any | Claims::None => None,
        }
    }
}

/// A page of a queue behind `after`, at most `most`. Each of the four ranks is one range of an index
/// in the order of the page: at most four pages are read, however long the queue is.
pub async fn page(
    tx: &mut Tx,
    wanted: &Wanted,
    after: Option<(i16, NaiveDate, Uuid)>,
    most: i64,
) -> Result<Vec<Item>, Error> {
    let condition = wanted.condition();
    let select = format!(
        "select w.* from generate_series(0, 3) as level (rank) cross join lateral (
             select {COLUMNS} from workflow.work
             where {condition} and rank = level.rank and (rank, due_on, subject) > ($7, $8, $9)
             order by due_on, subject limit $10
         ) as w
         order by w.rank, w.due_on, w.subject limit $10"
    );
    let (rank, due, subject) = after.unwrap_or((-1, NaiveDate::default(), Uuid::nil()));
    let rows = sqlx::query_as(AssertSqlSafe(select))
        .bind(wanted.role.as_str())
        .bind(wanted.division.prefix())
        .bind(wanted.due_before.unwrap_or(NaiveDate::MAX))
        .bind(&wanted.not_barring)
        .bind(wanted.today)
        .bind(wanted.claimed_by())
        .bind(rank)
        .bind(due)
        .bind(subject)
        .bind(most)
        .fetch_all(&mut **tx)
        .await?;
    Ok(rows)
}

/// How many there are.
pub async fn count(tx: &mut Tx, wanted: &Wanted) -> Result<i64, Error> {
    let condition = wanted.condition();
    let select = format!("select count(*) from workflow.work where {condition}");
    let count = sqlx::query_scalar(AssertSqlSafe(select))
        .bind(wanted.role.as_str())
        .bind(wanted.division.prefix())
        .bind(wanted.due_before.unwrap_or(NaiveDate::MAX))
        .bind(&wanted.not_barring)
        .bind(wanted.today)
        .bind(wanted.claimed_by())
        .fetch_one(&mut **tx)
        .await?;
    Ok(count)
}

/// What an account has claimed in the caller's scope, the most urgent first, at most `most`. A case
/// or lead stands in it once, in the role in which it was claimed.
pub async fn claimed(
    tx: &mut Tx,
    account: &str,
    today: NaiveDate,
    most: i64,
) -> Result<Vec<Item>, Error> {
    let select = format!(
        "select {COLUMNS} from workflow.work
         where claimed_by = $1 and claimed_until >= $2 and role = claimed_role
         order by rank, due_on, subject limit $3"
    );
    let rows = sqlx::query_as(AssertSqlSafe(select))
        .bind(account)
        .bind(today)
        .bind(most)
        .fetch_all(&mut **tx)
        .await?;
    Ok(rows)
}
