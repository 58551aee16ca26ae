//! Comparisons lie where their case does (ORG-1, REG-12).

use chassis::{
    error::Error,
    pg::Tx,
    whereabouts::{self, BATCH, Follow, Rows},
};

const COMPARISONS: Rows = Rows {
    table: "comparisons",
    id: "id",
    subject: "case_id",
    open: "true",
};

/// Tables whose rows belong to a comparison.
const BELONGINGS: [(&str, &str); 6] = [
    ("received_items", "comparison_id"),
    ("item_sources", "comparison_id"),
    ("reused_checks", "comparison_id"),
    ("hits", "comparison_id"),
    ("queries", "comparison_id"),
    ("reconsiderations", "comparison_id"),
];

/// What is known of the case itself.
const CASES: Rows = Rows {
    table: "cases",
    id: "case_id",
    subject: "case_id",
    open: "true",
};

/// Moves comparisons and cases.
#[derive(Debug)]
pub struct Comparisons;

impl Follow for Comparisons {
    async fn follow(&self, tx: &mut Tx) -> Result<usize, Error> {
        let comparisons = whereabouts::gather(tx, &COMPARISONS, &BELONGINGS, BATCH).await?;
        let cases = whereabouts::gather(tx, &CASES, &[], BATCH).await?;
        // There may be more of whatever there were most of.
        Ok(comparisons.len().max(cases.len()))
    }
}
