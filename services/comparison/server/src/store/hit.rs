//! Hits of comparison rules.

use chassis::{error::Error, pg::Tx};
use chrono::NaiveDate;
use comparison_core::{
    finding::FindingKind,
    outcome::{HitOutcome, HitState},
    recheck::Purpose,
};
use kernel::{CaseId, Code, DivisionCode, HouseholdId, ItemKind};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use uuid::Uuid;

use super::{ROWS_AT_ONCE, code, damaged, division};

/// A hit.
#[derive(Debug, Clone)]
pub struct Hit {
    pub id: Uuid,
    pub comparison: Uuid,
    pub item: ItemKind,
    pub rule_id: String,
    pub rule_version: i32,
    pub kind: FindingKind,
    pub person: Uuid,
    pub evidence: Vec<String>,
    pub data_date: NaiveDate,
    pub batch: Uuid,
    pub row: i64,
    pub explanation: String,
    pub explanation_sha256: String,
    pub outcome: Option<HitOutcome>,
    pub decided_by: String,
    pub decided_reason: String,
    pub decided_on: Option<NaiveDate>,
    /// The rule's threshold, and its unit; empty where it has none.
    pub threshold: i64,
    pub unit: String,
    /// It counts no more: it rested on a wrong file, and the household is compared again (CMP-11).
    pub superseded: bool,
}

impl Hit {
    /// What counts of it.
    pub const fn state(&self) -> HitState {
        HitState {
            kind: self.kind,
            outcome: self.outcome,
        }
    }
}

/// A row as JSON has it.
#[derive(Debug, Deserialize)]
pub struct StoredHit {
    id: Uuid,
    comparison_id: Uuid,
    item: String,
    rule_id: String,
    rule_version: i32,
    kind: String,
    person_id: Uuid,
    evidence: Vec<String>,
    data_date: NaiveDate,
    batch_id: Uuid,
    row_number: i64,
    explanation: String,
    explanation_sha256: String,
    outcome: Option<String>,
    decided_by: String,
    decided_reason: String,
    decided_on: Option<NaiveDate>,
    threshold: i64,
    unit: String,
    superseded: bool,
}

impl TryFrom<StoredHit> for Hit {
    type Error = Error;
    fn try_from(row: StoredHit) -> Result<Self, Error> {
        let outcome = match row.outcome.as_deref() {
            None => None,
            Some("CONFIRMED") => Some(HitOutcome::Confirmed),
            Some("CLEARED") => Some(HitOutcome::Cleared),
            Some(_) => return Err(damaged("hits", "outcome")),
        };
        Ok(Self {
            id: row.id,
            comparison: row.comparison_id,
            item: code("hits", "item", &row.item)?,
            rule_id: row.rule_id,
            rule_version: row.rule_version,
            kind: code("hits", "kind", &row.kind)?,
            person: row.person_id,
            evidence: row.evidence,
            data_date: row.data_date,
            batch: row.batch_id,
            row: row.row_number,
            explanation: row.explanation,
            explanation_sha256: row.explanation_sha256,
            outcome,
            decided_by: row.decided_by,
            decided_reason: row.decided_reason,
            decided_on: row.decided_on,
            threshold: row.threshold,
            unit: row.unit,
            superseded: row.superseded,
        })
    }
}

/// The comparison that a hit belongs to. `None` out of scope.
pub async fn comparison_of(tx: &mut Tx, hit: Uuid) -> Result<Option<Uuid>, Error> {
    let comparison = sqlx::query_scalar!(
        "select comparison_id from comparison.hits where id = $1",
        hit
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(comparison)
}

#[derive(Serialize)]
struct NewHit<'a> {
    id: Uuid,
    comparison_id: Uuid,
    division_code: DivisionCode,
    item: &'static str,
    rule_id: &'a str,
    rule_version: i32,
    kind: &'static str,
    person_id: Uuid,
    evidence: &'a [String],
    data_date: NaiveDate,
    batch_id: Uuid,
    row_number: i64,
    threshold: i64,
    unit: &'a str,
}

/// Adds hits, each with the division of its comparison.
pub async fn insert(tx: &mut Tx, hits: &[(DivisionCode, Hit)]) -> Result<(), Error> {
    for hits in hits.chunks(ROWS_AT_ONCE) {
        let hits = hits.iter().map(|(division, hit)| NewHit {
            id: hit.id,
            comparison_id: hit.comparison,
            division_code: *division,
            item: hit.item.as_str(),
            rule_id: &hit.rule_id,
            rule_version: hit.rule_version,
            kind: Code::as_str(hit.kind),
            person_id: hit.person,
            evidence: &hit.evidence,
            data_date: hit.data_date,
            batch_id: hit.batch,
            row_number: hit.row,
            threshold: hit.threshold,
            unit: &hit.unit,
        });
        let hits: Vec<NewHit<'_>> = hits.collect();
        sqlx::query!(
            "insert into comparison.hits
                 (id, comparison_id, division_code, item, rule_id, rule_version, kind, person_id,
                  evidence, data_date, batch_id, row_number, threshold, unit)
             select * from jsonb_to_recordset($1) as h (
                 id uuid, comparison_id uuid, division_code text, item text, rule_id text,
                 rule_version integer, kind text, person_id uuid, evidence text[], data_date date,
                 batch_id uuid, row_number bigint, threshold bigint, unit text)",
            Json(hits) as _,
        )
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// Stores what was said of a hit; its comparison is locked.
pub async fn update(tx: &mut Tx, hit: &Hit) -> Result<(), Error> {
    let outcome = hit.outcome.map(|outcome| match outcome {
        HitOutcome::Confirmed => "CONFIRMED",
        HitOutcome::Cleared => "CLEARED",
    });
    sqlx::query!(
        "update comparison.hits
         set explanation = $2, explanation_sha256 = $3, outcome = $4, decided_by = $5,
             decided_reason = $6, decided_on = $7, superseded = $8
         where id = $1",
        hit.id,
        hit.explanation,
        hit.explanation_sha256,
        outcome,
        hit.decided_by,
        hit.decided_reason,
        hit.decided_on,
        hit.superseded,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Forgets hits.
pub async fn delete(tx: &mut Tx, hits: &[Uuid]) -> Result<(), Error> {
    sqlx::query!("delete from comparison.hits where id = any($1)", hits)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Which hits a person has to look at.
#[derive(Debug)]
pub struct Undecided {
    /// Prefix of the divisions.
    pub within: String,
    pub purpose: Option<Purpose>,
    /// Behind this hit.
    pub after: Uuid,
    pub most: i64,
}

/// A hit that nobody has decided, and whose it is.
#[derive(Debug, Clone)]
pub struct OpenHit {
    pub hit: Hit,
    pub case: CaseId,
    pub household: HouseholdId,
    pub division: DivisionCode,
    pub purpose: Purpose,
}

/// Hits that a person has to look at, oldest first.
pub async fn undecided(tx: &mut Tx, wanted: &Undecided) -> Result<Vec<OpenHit>, Error> {
    let purpose = wanted.purpose.map_or("", Code::as_str);
    let rows = sqlx::query!(
        r#"select to_jsonb(h) as "hit!: Json<StoredHit>", c.case_id, c.household_id, c.division_code,
                  c.purpose
           from comparison.hits h join comparison.comparisons c on c.id = h.comparison_id
           where h.outcome is null and h.kind <> 'INFO' and h.id > $1 and h.division_code ^@ $2
             and ($3 = '' or c.purpose = $3)
           order by h.id limit $4"#,
        wanted.after,
        wanted.within,
        purpose,
        wanted.most,
    )
    .fetch_all(&mut **tx)
    .await?;
    let hits = rows.into_iter().map(|row| {
        Ok(OpenHit {
            hit: row.hit.0.try_into()?,
            case: CaseId(row.case_id),
            household: HouseholdId(row.household_id),
            division: division("comparisons", &row.division_code)?,
            purpose: code("comparisons", "purpose", &row.purpose)?,
        })
    });
    hits.collect()
}
