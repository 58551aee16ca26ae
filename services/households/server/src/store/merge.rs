//! Villages that become part of others, and the households that follow.

use chassis::{
    error::Error,
    pg::Tx,
    whereabouts::{self, Merge},
};
use kernel::{DivisionCode, HouseholdId};
use uuid::Uuid;

use super::{division, household};

/// Group numbers that the households of a village have, in their order.
pub async fn group_numbers(tx: &mut Tx, village: DivisionCode) -> Result<Vec<u32>, Error> {
    let numbers = sqlx::query_scalar!(
        "select distinct group_number from households.households
         where division_code = $1 and group_number > 0 order by group_number",
        village.as_str(),
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(numbers
        .into_iter()
        .map(|n| n.unsigned_abs().into())
        .collect())
}

/// Ends a village and says what it is part of. Its places come along; a second committee is none.
pub async fn put(
    tx: &mut Tx,
    merge: &Merge,
    group_offset: u32,
    legal_basis: &str,
) -> Result<(), Error> {
    let (from, into) = (merge.from.as_str(), merge.into.as_str());
    let offset = i16::try_from(group_offset).unwrap_or(i16::MAX);
    let last_day = merge.merged_on.pred_opt().unwrap_or(merge.merged_on);
    sqlx::query!(
        "update households.divisions
         set merged_into = $2, group_offset = group_offset + $3,
             merge_basis = case when code = $1 then $4 else merge_basis end,
             valid_to = case when code = $1 then greatest(valid_from, $5) else valid_to end
         where code = $1 or merged_into = $1",
        from,
        into,
        offset,
        legal_basis,
        last_day,
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "update households.notice_places p
         set division_code = $2,
             valid_to = case
                 when p.kind = 'COMMITTEE' and p.valid_to is null and exists (
                     select from households.notice_places o
                     where o.division_code = $2 and o.kind = 'COMMITTEE' and o.valid_to is null)
                 then greatest(p.valid_from, $3) else p.valid_to end
         where p.division_code = $1",
        from,
        into,
        last_day,
    )
    .execute(&mut **tx)
    .await?;
    whereabouts::note(tx, merge).await
}

/// A household that lies in another village now.
#[derive(Debug)]
pub struct Moved {
    pub household: HouseholdId,
    pub version: i64,
    /// Village and group, before and after.
    pub from: (DivisionCode, i16),
    pub into: (DivisionCode, i16),
}

struct Row {
    id: Uuid,
    version: i64,
    from_code: String,
    into_code: String,
    old_group: i16,
    group_number: i16,
}

impl TryFrom<Row> for Moved {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self, Error> {
        const TABLE: &str = "division_merges";
        Ok(Self {
            household: row.id.into(),
            version: row.version,
            from: (division(TABLE, &row.from_code)?, row.old_group),
            into: (division(TABLE, &row.into_code)?, row.group_number),
        })
    }
}

/// Moves households that lie in merged villages, with all that belongs to them, at most `most`.
pub async fn follow(tx: &mut Tx, most: i64) -> Result<Vec<Moved>, Error> {
    let now = tx.now();
    let rows = sqlx::query_as!(
        Row,
        r#"with due as (
               select h.id, h.group_number, m.from_code, m.into_code, d.group_offset
               from households.division_merges m
               join households.divisions d on d.code = m.from_code
               join households.households h on h.division_code = m.from_code
               order by h.id limit $1 for update of h
           )
           update households.households h
           set division_code = due.into_code, version = h.version + 1, updated_at = $2,
               group_number = case when h.group_number = 0 then 0
                                   else least(h.group_number + due.group_offset, 99) end
           from due where h.id = due.id
           returning h.id, h.version, h.group_number, due.group_number as old_group,
                     due.from_code, due.into_code"#,
        most,
        now,
    )
    .fetch_all(&mut **tx)
    .await?;
    let moved = rows.into_iter().map(Moved::try_from);
    let moved: Vec<Moved> = moved.collect::<Result<_, _>>()?;
    let places = moved.iter().map(|m| (m.household.0, m.into.0));
    household::move_belongings(tx, &places.collect::<Vec<_>>()).await?;
    Ok(moved)
}
