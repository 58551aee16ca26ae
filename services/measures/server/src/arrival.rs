//! Plans come into being through the feed of cases, a moment after the case. Somebody who has just
//! declared or enrolled a case and acts on its plan at once shall not be told that there is none.

use std::time::Duration;

use chassis::{auth::Caller, error::Error, pg::Database};
use kernel::CaseId;
use measures_core::Plan;
use tokio::time::{Instant, timeout_at};

use crate::store;

/// How long a caller is kept waiting for the feed: far above its usual delay, far below a deadline.
const PATIENCE: Duration = Duration::from_secs(2);
/// Another replica may have applied the item and cannot wake this process.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The plan of a case as soon as it is `ready`, at the latest after [`PATIENCE`] as it is then. No
/// connection is held while waiting.
pub async fn plan(
    database: &Database,
    caller: &Caller,
    case: CaseId,
    ready: fn(&Plan) -> bool,
) -> Result<Plan, Error> {
    let until = Instant::now() + PATIENCE;
    let mut committed = database.committed();
    loop {
        // Marked before looking, so that a commit in between wakes.
        committed.borrow_and_update();
        let mut tx = database.read(caller).await?;
        let plan = store::plan::lookup(&mut tx, &[case]).await?.pop();
        drop(tx);
        if let Some(plan) = plan.as_ref().filter(|plan| ready(plan)) {
            return Ok(plan.clone());
        }
        let now = Instant::now();
        if now >= until {
            return plan.ok_or(Error::NotFound { what: "case" });
        }
        // Both ways of waking lead to the same look.
        let _ = timeout_at(until.min(now + LOOK_EVERY), committed.changed()).await;
    }
}
