//! Appraisal meetings, and who was there (S27).

use anyhow::Context;
use chassis::{error::Error, pg::Tx};
use chrono::NaiveDate;
use kernel::DivisionCode;
use prost::Message;
use proto::workflow::v1::Meeting;
use uuid::Uuid;

/// Stores a meeting: what was decided, and the names beside it.
pub async fn insert(
    tx: &mut Tx,
    id: Uuid,
    division: &DivisionCode,
    held: NaiveDate,
    meeting: &Meeting,
    names: &[String],
) -> Result<(), Error> {
    sqlx::query!(
        "insert into workflow.meetings (id, division_code, held_on, body) values ($1, $2, $3, $4)",
        id,
        division.as_str(),
        held,
        meeting.encode_to_vec()
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "insert into workflow.meeting_attendees (meeting_id, place, division_code, name)
         select $1, place - 1, $2, name
         from unnest($3::text[]) with ordinality as sheet(name, place)",
        id,
        division.as_str(),
        names
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Meetings, newest first, behind `after`, at most `most`, with the names of who was there.
pub async fn list(
    tx: &mut Tx,
    division: Option<&DivisionCode>,
    after: Option<Uuid>,
    most: i64,
) -> Result<Vec<Meeting>, Error> {
    let rows = sqlx::query!(
        r#"select body,
                  array(select name from workflow.meeting_attendees
                        where meeting_id = meetings.id order by place) as "names!"
           from workflow.meetings
           left join workflow.division_merges on from_code = division_code
           where (division_code ^@ $1 or into_code ^@ $1) and ($2::uuid is null or id < $2)
           order by id desc limit $3"#,
        division.map_or("", DivisionCode::prefix),
        after,
        most
    )
    .fetch_all(&mut **tx)
    .await?;
    let meetings = rows.into_iter().map(|row| {
        let mut meeting = Meeting::decode(&row.body[..]).context("meetings.body")?;
        for (attendee, name) in meeting.attendees.iter_mut().zip(row.names) {
            attendee.name = name;
        }
        Ok(meeting)
    });
    let meetings = meetings.collect::<anyhow::Result<_>>();
    meetings.map_err(Error::Internal)
}
