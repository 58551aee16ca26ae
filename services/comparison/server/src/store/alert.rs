//! Alerts: items of the feed, and when somebody was last alerted on.

use std::collections::HashSet;

use chassis::{error::Error, pg::Tx};
use chrono::NaiveDate;
use kernel::DivisionCode;
use prost::Message;
use proto::comparison::v1::Alert;
use uuid::Uuid;

/// Which alerts are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// Digits that the division begins with.
    pub within: String,
    /// One department's only.
    pub department: Option<String>,
}

struct Row {
    position: i64,
    payload: Option<Vec<u8>>,
    into_code: Option<String>,
}

impl Row {
    fn alert(self) -> Result<Alert, Error> {
        let payload = self.payload.unwrap_or_default();
        let alert = Alert::decode(&payload[..]).map_err(|error| Error::Internal(error.into()))?;
        Ok(Alert {
            position: self.position,
            // Where the household lies today.
            division_code: self.into_code.unwrap_or(alert.division_code),
            ..alert
        })
    }
}

/// How far the feed has come.
pub async fn head(tx: &mut Tx) -> Result<i64, Error> {
    let head = sqlx::query_scalar!("select position from comparison.feed_head")
        .fetch_one(&mut **tx)
        .await?;
    Ok(head)
}

/// Alerts before a position, newest first.
pub async fn newest(
    tx: &mut Tx,
    wanted: &Wanted,
    before: i64,
    most: i64,
) -> Result<Vec<Alert>, Error> {
    let rows = sqlx::query_as!(
        Row,
        "select position, payload, coalesce(l.into_code, m.into_code) as into_code
         from comparison.feed f
         left join comparison.division_merges m on m.from_code = f.division_code
         left join lateral (select into_code from comparison.departures d
                            where d.subject = f.subject limit 1) l on true
         where kind = 'alert.raised' and position < $1
           and coalesce(l.into_code, m.into_code, division_code) ^@ $2
           and ($3::text is null or department = $3)
         order by position desc limit $4",
        before,
        wanted.within,
        wanted.department,
        most,
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter().map(Row::alert).collect()
}

/// Alerts after a position, oldest first.
pub async fn after(
    tx: &mut Tx,
    wanted: &Wanted,
    after: i64,
    most: i64,
) -> Result<Vec<Alert>, Error> {
    let rows = sqlx::query_as!(
        Row,
        "select position, payload, coalesce(l.into_code, m.into_code) as into_code
         from comparison.feed f
         left join comparison.division_merges m on m.from_code = f.division_code
         left join lateral (select into_code from comparison.departures d
                            where d.subject = f.subject limit 1) l on true
         where kind = 'alert.raised' and position > $1
           and coalesce(l.into_code, m.into_code, division_code) ^@ $2
           and ($3::text is null or department = $3)
         order by position limit $4",
        after,
        wanted.within,
        wanted.department,
        most,
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter().map(Row::alert).collect()
}

/// Alerts by id.
pub async fn lookup(tx: &mut Tx, ids: &[Uuid]) -> Result<Vec<Alert>, Error> {
    let rows = sqlx::query_as!(
        Row,
        "select position, payload, coalesce(l.into_code, m.into_code) as into_code
         from comparison.feed f
         left join comparison.division_merges m on m.from_code = f.division_code
         left join lateral (select into_code from comparison.departures d
                            where d.subject = f.subject limit 1) l on true
         where f.subject = any($1) and kind = 'alert.raised' order by position",
        ids,
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter().map(Row::alert).collect()
}

/// A rule that has hit somebody.
#[derive(Debug, Clone)]
pub struct Raise {
    pub rule_id: String,
    pub person: Uuid,
    pub division: DivisionCode,
    pub suppress_days: u32,
}

/// Notes hits, each rule and person once. Says which of them are due: nobody was alerted on by the
/// same rule within its suppression window, nor from data of the same day (DET-9).
pub async fn raise(
    tx: &mut Tx,
    raises: &[Raise],
    data_date: NaiveDate,
) -> Result<HashSet<(String, Uuid)>, Error> {
    let rules: Vec<String> = raises.iter().map(|raise| raise.rule_id.clone()).collect();
    let persons: Vec<Uuid> = raises.iter().map(|raise| raise.person).collect();
    let divisions: Vec<String> = raises
        .iter()
        .map(|raise| raise.division.to_string())
        .collect();
    let days = raises
        .iter()
        .map(|raise| i32::try_from(raise.suppress_days));
    let days: Vec<i32> = days.map(|days| days.unwrap_or(i32::MAX)).collect();
    let today = tx.today();
    let rows = sqlx::query!(
        "insert into comparison.raised as r (rule_id, person_id, division_code, raised_on, data_date)
         select rule, person, division, $5::date, $6::date
         from unnest($1::text[], $2::uuid[], $3::text[], $4::integer[])
              as t (rule, person, division, days)
         where not exists (
             select from comparison.raised k
             where k.rule_id = rule and k.person_id = person
               and (k.raised_on + days > $5 or k.data_date = $6))
         on conflict (rule_id, person_id) do update
         set raised_on = excluded.raised_on, data_date = excluded.data_date,
             division_code = excluded.division_code
         where r.data_date <> excluded.data_date
         returning rule_id, person_id",
        &rules,
        &persons,
        &divisions,
        &days,
        today,
        data_date,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.rule_id, row.person_id))
        .collect())
}
