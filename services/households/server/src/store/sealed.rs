//! Under which keys ID numbers and phones lie. A sealed value names its key: version, length of the
//! key's id, id.

use chassis::{error::Error, pg::Tx};
use proto::households::v1::SealedUnder;
use uuid::Uuid;

use crate::seal::{Column, Sealer};

/// Seals ID numbers again, also of former members, that lie under another key than the current one;
/// at most `most`. Says how many.
pub async fn reseal_id_numbers(tx: &mut Tx, sealer: &Sealer, most: i64) -> Result<i64, Error> {
    let old = sqlx::query!(
        "select id, person_id, id_sealed from households.members
         where substring(id_sealed for octet_length($1::bytea)) <> $1
         limit $2 for update skip locked",
        sealer.beginning(),
        most,
    )
    .fetch_all(&mut **tx)
    .await?;
    let old = old.into_iter();
    let old = old.map(|row| (row.id, row.person_id, row.id_sealed));
    let (ids, resealed) = reseal(sealer, Column::IdNumber, old)?;
    sqlx::query!(
        "update households.members m set id_sealed = t.sealed
         from unnest($1::uuid[], $2::bytea[]) as t (id, sealed) where m.id = t.id",
        &ids,
        &resealed,
    )
    .execute(&mut **tx)
    .await?;
    Ok(count_of(&ids))
}

/// The same of relatives.
pub async fn reseal_relatives(tx: &mut Tx, sealer: &Sealer, most: i64) -> Result<i64, Error> {
    let old = sqlx::query!(
        "select person_id, id_sealed from households.relatives
         where substring(id_sealed for octet_length($1::bytea)) <> $1
         limit $2 for update skip locked",
        sealer.beginning(),
        most,
    )
    .fetch_all(&mut **tx)
    .await?;
    let old = old.into_iter();
    let old = old.map(|row| (row.person_id, row.person_id, row.id_sealed));
    let (ids, resealed) = reseal(sealer, Column::RelativeIdNumber, old)?;
    sqlx::query!(
        "update households.relatives r set id_sealed = t.sealed
         from unnest($1::uuid[], $2::bytea[]) as t (id, sealed) where r.person_id = t.id",
        &ids,
        &resealed,
    )
    .execute(&mut **tx)
    .await?;
    Ok(count_of(&ids))
}

/// The same of phones.
pub async fn reseal_phones(tx: &mut Tx, sealer: &Sealer, most: i64) -> Result<i64, Error> {
    let old = sqlx::query!(
        r#"select id, phone_sealed as "sealed!" from households.households
           where phone_sealed is not null and substring(phone_sealed for octet_length($1::bytea)) <> $1
           limit $2 for update skip locked"#,
        sealer.beginning(),
        most,
    )
    .fetch_all(&mut **tx)
    .await?;
    let old = old.into_iter().map(|row| (row.id, row.id, row.sealed));
    let (ids, resealed) = reseal(sealer, Column::Phone, old)?;
    sqlx::query!(
        "update households.households h set phone_sealed = t.sealed
         from unnest($1::uuid[], $2::bytea[]) as t (id, sealed) where h.id = t.id",
        &ids,
        &resealed,
    )
    .execute(&mut **tx)
    .await?;
    Ok(count_of(&ids))
}

/// Ids and new values of rows: id, the row that the value is bound to, the old value.
fn reseal(
    sealer: &Sealer,
    column: Column,
    old: impl Iterator<Item = (Uuid, Uuid, Vec<u8>)>,
) -> Result<(Vec<Uuid>, Vec<Vec<u8>>), Error> {
    old.map(|(id, bound_to, sealed)| Ok((id, sealer.reseal(column, bound_to, &sealed)?)))
        .collect()
}

fn count_of(ids: &[Uuid]) -> i64 {
    i64::try_from(ids.len()).unwrap_or(i64::MAX)
}

/// How many values lie under which key.
pub async fn count(tx: &mut Tx, current: &str) -> Result<Vec<SealedUnder>, Error> {
    let keys = sqlx::query!(
        r#"select convert_from(substring(sealed from 3 for get_byte(sealed, 1)), 'UTF8') as "key!",
                  count(*) as "values!"
           from (select id_sealed from households.members
                 union all
                 select id_sealed from households.relatives
                 union all
                 select phone_sealed from households.households where phone_sealed is not null
                ) as of_all (sealed)
           group by 1 order by 1"#
    )
    .fetch_all(&mut **tx)
    .await?;
    let keys = keys.into_iter().map(|row| SealedUnder {
        current: row.key == current,
        key_name: row.key,
        values: row.values,
    });
    Ok(keys.collect())
}
