//! Codes of entries of public notices.

use std::collections::HashMap;

use anyhow::Context;
use chassis::{error::Error, pg::Tx};
use kernel::{CaseId, Code, DivisionCode, NoticeKind};
use uuid::Uuid;
use workflow_core::NoticeCode;

/// The codes of cases of a village, each issued when it is first asked for.
pub async fn issue(
    tx: &mut Tx,
    division: &DivisionCode,
    kind: NoticeKind,
    cases: &[CaseId],
) -> Result<HashMap<CaseId, NoticeCode>, Error> {
    let ids: Vec<Uuid> = cases.iter().map(|case| case.0).collect();
    // The latter half of a new id is random.
    let new = |_: &CaseId| tx.database().clock().new_id().as_u64_pair().1;
    let codes: Vec<String> = cases
        .iter()
        .map(new)
        .map(|random| NoticeCode::of_bits(random).plain())
        .collect();
    let now = tx.now();
    sqlx::query!(
        "insert into workflow.notice_codes (code, case_id, kind, division_code, issued_at)
         select code, case_id, $3, $4, $5 from unnest($1::text[], $2::uuid[]) as new (code, case_id)
         on conflict do nothing",
        &codes,
        &ids,
        kind.as_str(),
        division.as_str(),
        now
    )
    .execute(&mut **tx)
    .await?;
    let rows = sqlx::query!(
        "select case_id, code from workflow.notice_codes where case_id = any($1) and kind = $2",
        &ids,
        kind.as_str()
    )
    .fetch_all(&mut **tx)
    .await?;
    let read = rows.into_iter().map(|row| {
        let code = row.code.parse().context("notice_codes.code")?;
        Ok((row.case_id.into(), code))
    });
    read.collect::<anyhow::Result<_>>().map_err(Error::Internal)
}

/// Which case a code names, and on which notice.
pub async fn lookup(tx: &mut Tx, code: NoticeCode) -> Result<Option<(CaseId, NoticeKind)>, Error> {
    let row = sqlx::query!(
        "select case_id, kind from workflow.notice_codes where code = $1",
        code.plain()
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let kind = NoticeKind::parse(&row.kind).context("notice_codes.kind");
    Ok(Some((row.case_id.into(), kind.map_err(Error::Internal)?)))
}
