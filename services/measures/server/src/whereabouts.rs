//! Plans lie where their case does (ORG-1, REG-12).

use chassis::{
    error::Error,
    pg::Tx,
    whereabouts::{self, BATCH, Follow, Rows},
};

use crate::store;

const PLANS: Rows = Rows {
    table: "plans",
    id: "case_id",
    subject: "case_id",
    open: "true",
};

/// Tables whose rows belong to a plan.
const BELONGINGS: [(&str, &str); 4] = [
    ("responsible", "case_id"),
    ("measures", "case_id"),
    ("closed_risks", "case_id"),
    ("monitoring", "case_id"),
];

/// Moves plans.
#[derive(Debug)]
pub struct Plans;

impl Follow for Plans {
    async fn follow(&self, tx: &mut Tx) -> Result<usize, Error> {
        let plans = whereabouts::gather(tx, &PLANS, &BELONGINGS, BATCH).await?;
        let cases: Vec<_> = plans.iter().map(|(case, _)| *case).collect();
        let measures = store::plan::measures(tx, &cases).await?;
        whereabouts::carry(tx, &measures, &[("deliveries", "measure_id")]).await?;
        Ok(plans.len())
    }
}
