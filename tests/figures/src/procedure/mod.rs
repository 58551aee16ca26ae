//! The procedure: deciding, a transition through gRPC and PostgreSQL, verifying the ledger, and the
//! scan of deadlines. `docs/benches.md` says what each figure means.

mod deadlines;
mod decide;
mod transition;
mod verify;

use crate::{
    Extent,
    county::{self, County},
    figure::{Figure, Target, note},
};

/// Runs all of it.
pub async fn run(extent: Extent) -> anyhow::Result<()> {
    decide::run()?;
    deadlines::run(extent).await?;

    // One county for the ledger and the transitions: cases that wait for the township's review.
    let mut county = County::some_days_ago(7).await?;
    let sample = county.reported().await?;
    // So many events are a million, or a tenth of it.
    let cases = extent.pick(100_000, 1_000_000) / sample.events() + 1;
    note(&format!(
        "{cases} cases with {} events each",
        sample.events()
    ));
    sample.copy(&county, 0..cases).await?;
    county::settle(&mut county).await?;
    verify::run(extent, &county).await?;
    transition::run(extent, &county, cases).await?;
    county.close().await;
    Ok(())
}

/// A figure of this bench.
fn print(figure: &'static str, unit: &'static str, ours: f64, peer: Option<f64>, target: Target) {
    let bench = "procedure";
    Figure {
        bench,
        figure,
        unit,
        ours,
        peer,
        target,
    }
    .print();
}
