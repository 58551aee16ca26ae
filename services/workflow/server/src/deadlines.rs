//! Tells people of limits that are near or have passed (WF-7). The database is asked when a day
//! begins and after own commits, and answers from an index of what is due: nothing grows with the
//! number of cases. Replicas share the work by skipping rows that another one holds.

use std::{sync::LazyLock, time::Duration};

use chassis::{error::Error, lifecycle::Runtime, pg::Database, telemetry};
use chrono::NaiveDate;
use kernel::{Code, DivisionCode};
use opentelemetry::metrics::Gauge;
use workflow_core::notification;

use crate::{
    record::{self, Told},
    store,
};

/// How often the date is compared, and the longest that an alarm of today waits.
const TICK: Duration = Duration::from_secs(1);
/// Wait after a failure.
const RETRY: Duration = Duration::from_secs(10);
/// Cases of one transaction: it stays short, and others get at their cases.
const BATCH: i64 = 50;

/// How often late cases are counted for the metrics: from an index of what is due.
const COUNT_EVERY: Duration = Duration::from_secs(60);

static CASES: LazyLock<Gauge<i64>> =
    LazyLock::new(|| telemetry::meter().i64_gauge("backstop_cases").build());

/// Tells people until the runtime stops.
pub fn spawn(runtime: &Runtime, database: Database, county: DivisionCode) {
    let lifecycle = runtime.lifecycle.clone();
    runtime.lifecycle.spawn("deadlines", async move {
        let mut committed = database.committed();
        let mut looked_on = None;
        loop {
            let today = database.clock().today();
            let mut wait = TICK;
            if looked_on != Some(today) || committed.has_changed().unwrap_or_default() {
                committed.mark_unchanged();
                match tell(&database, county, today).await {
                    Ok(()) => looked_on = Some(today),
                    Err(error) => {
                        tracing::warn!(%error, "deadlines are looked at again later");
                        (looked_on, wait) = (None, RETRY);
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

/// Counts what is due and late for the metrics, until the runtime stops.
pub fn spawn_counting(runtime: &Runtime, database: Database, county: DivisionCode) {
    let lifecycle = runtime.lifecycle.clone();
    runtime.lifecycle.spawn("deadlines.count", async move {
        loop {
            match count(&database, county).await {
                Ok(late) => {
                    for (urgency, cases) in late {
                        CASES.record(cases, &[telemetry::label("urgency", urgency)]);
                    }
                }
                Err(error) => tracing::warn!(%error, "late cases are counted again later"),
            }
            tokio::select! {
                () = tokio::time::sleep(COUNT_EVERY) => {}
                () = lifecycle.stopping() => return,
            }
        }
    });
}

/// How many open cases are due today, past their limit, and told of as orange and red.
async fn count(
    database: &Database,
    county: DivisionCode,
) -> Result<[(&'static str, i64); 4], Error> {
    let today = database.clock().today();
    let mut tx = database.begin_internal(county).await?;
    let [due, overdue, orange, red] = store::case::count_late(&mut tx, today).await?;
    tx.rollback().await?;
    Ok([
        ("due_today", due),
        ("overdue", overdue),
        ("orange", orange),
        ("red", red),
    ])
}

/// Raises every alarm that has to be raised by `today`.
///
/// # Errors
/// The database does not answer. What was told stays told.
pub async fn tell(
    database: &Database,
    county: DivisionCode,
    today: NaiveDate,
) -> Result<(), Error> {
    loop {
        let mut tx = database.begin_internal(county).await?;
        let files = store::case::lock_alarming(&mut tx, today, BATCH).await?;
        let found = i64::try_from(files.len()).unwrap_or(BATCH);
        for mut file in files {
            let Some(notification) = notification(&file.case, today) else {
                // Its row was written before there were alarms, or by another calendar.
                store::case::update(&mut tx, &file).await?;
                continue;
            };
            let actor = tx.principal().subject.clone();
            let event = notification.event(&file.case, &actor, today);
            let roles = notification.roles.iter();
            let told = Told {
                told_roles: roles.map(|role| role.as_str().to_owned()).collect(),
                ..Told::default()
            };
            record::event(&mut tx, &mut file, &event, told).await?;
        }
        tx.commit().await?;
        if found < BATCH {
            return Ok(());
        }
    }
}
