//! Opens re-checks (CMP-9). The database is asked when a day begins, and answers from an index of looks:
//! nothing grows with the number of cases. Replicas share the work by skipping rows that another one
//! holds. No new look begins while what happens is not on the record (SEC-3).

use std::{sync::Arc, time::Duration};

use chassis::{error::Error, lifecycle::Runtime, pg::Database};
use chrono::NaiveDate;
use comparison_core::recheck::{Interval, Purpose};
use kernel::DivisionCode;

use crate::{
    evidence::{self, Ledger},
    store,
};

/// How often the date is compared.
const TICK: Duration = Duration::from_secs(1);
/// Wait after a failure, or while the ledger is not sealed; whom it asks may just be starting.
const RETRY: Duration = Duration::from_secs(5);
/// Cases of one transaction: it stays short, and others get at their cases.
const BATCH: i64 = 50;

/// Opens re-checks until the runtime stops.
pub fn spawn(
    runtime: &Runtime,
    database: Database,
    county: DivisionCode,
    ledger: Arc<dyn Ledger>,
    interval: Interval,
) {
    let lifecycle = runtime.lifecycle.clone();
    runtime.lifecycle.spawn("recheck", async move {
        let mut looked_on = None;
        loop {
            let today = database.clock().today();
            let mut wait = TICK;
            if looked_on != Some(today) {
                match open(&database, county, &ledger, interval, today).await {
                    Ok(()) => looked_on = Some(today),
                    Err(error) => {
                        tracing::warn!(%error, "re-checks are opened later");
                        wait = RETRY;
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = lifecycle.stopping() => return,
            }
        }
    });
}

/// Opens every re-check that is due on `today`.
///
/// # Errors
/// The database does not answer, or the ledger is not sealed. What was opened stays open.
pub async fn open(
    database: &Database,
    county: DivisionCode,
    ledger: &Arc<dyn Ledger>,
    interval: Interval,
    today: NaiveDate,
) -> Result<(), Error> {
    evidence::check(ledger).await?;
    loop {
        let mut tx = database.begin_internal(county).await?;
        let due = store::case::lock_due(&mut tx, interval.last_look(today), BATCH).await?;
        for case in &due {
            let (id, household, division) = (case.id, case.household, case.division);
            store::comparison::open(&mut tx, id, household, division, Purpose::ReCheck).await?;
        }
        let ids: Vec<_> = due.iter().map(|case| case.id).collect();
        store::case::looked(&mut tx, &ids).await?;
        tx.commit().await?;
        if i64::try_from(due.len()).unwrap_or(BATCH) < BATCH {
            return Ok(());
        }
    }
}
