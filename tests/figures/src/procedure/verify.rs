//! How many events of the ledger are recomputed in a second.

use std::time::Instant;

use anyhow::bail;
use chassis::{ledger, testing::ledger_key};
use workflow::NAME;

use crate::{
    Extent,
    county::County,
    figure::{Target, note},
    measure::median,
};

pub async fn run(extent: Extent, county: &County) -> anyhow::Result<()> {
    let mut owner = county.test.owner().await;
    let head: i64 = sqlx::query_scalar("select position from workflow.feed_head")
        .fetch_one(&mut owner)
        .await?;
    note(&format!("verify: {head} events"));
    let mut owners = [owner, county.test.owner().await];
    let mut rates = Vec::new();
    // The first warms the server's cache.
    for _ in 0..=extent.pick(3, 5) {
        let began = Instant::now();
        let report = ledger::verify(&mut owners, NAME, &ledger_key(), None, &[], |_, _| ()).await?;
        let seconds = began.elapsed().as_secs_f64();
        if report.fault.is_some() || report.rows != head {
            bail!("{} rows of {head}, {:?}", report.rows, report.fault);
        }
        rates.push(report.rows as f64 / seconds);
    }
    let rate = median(rates.split_off(1));
    super::print("verify", "events/s", rate, None, Target::AtLeast(300_000.0));
    Ok(())
}
