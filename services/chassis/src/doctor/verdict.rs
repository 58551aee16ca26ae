//! What is right: verdicts on what was found, without looking at anything.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::Finding;
use crate::{pg::SchemaVersion, tlog::Status};

/// PostgreSQL that everything is tested with, and the oldest that has what the migrations use.
const POSTGRES: i32 = 17;
const POSTGRES_OLDEST: i32 = 15;
/// As the alert `ClockOff`.
const CLOCK_WARNING_SECONDS: f64 = 2.0;
/// Tokens are taken with so much leeway.
const CLOCK_WRONG_SECONDS: f64 = 60.0;
/// As the alert `CertificateEnds`.
const CERTIFICATE_WARNING_DAYS: f64 = 14.0;
/// As the alert `FeedBehind`.
const FEED_WRONG: TimeDelta = TimeDelta::seconds(120);
/// A token that has less left of its life than this part should have been renewed.
const TOKEN_WARNING_PART: u64 = 10;

/// A server by its number, 170005 for 17.5.
pub(super) fn version(number: i32) -> Finding {
    let (major, found) = (
        number / 10_000,
        format!("PostgreSQL {}.{}", number / 10_000, number % 10_000),
    );
    if major < POSTGRES_OLDEST {
        let advice = format!("move to PostgreSQL {POSTGRES}");
        return Finding::wrong(format!("{found}, older than {POSTGRES_OLDEST}"), advice);
    }
    match major == POSTGRES {
        true => Finding::ok(found),
        false => {
            let found = format!("{found}; tests run with {POSTGRES}");
            Finding::warning(found, format!("plan the move to PostgreSQL {POSTGRES}"))
        }
    }
}

/// A schema against the program's own migrations.
pub(super) fn schema(name: &str, there: Option<SchemaVersion>, own: SchemaVersion) -> Finding {
    let migrate = format!("run `{name} migrate` of this release");
    let Some(there) = there else {
        return Finding::wrong("no migration has ended", migrate);
    };
    let (at, needed) = (there.version, own.version);
    if needed < there.floor {
        let found = format!(
            "at {at:04}, which needs programs that know {:04}; this one knows none after {needed:04}",
            there.floor
        );
        return Finding::wrong(found, "install a newer release");
    }
    if at < needed {
        let found = format!("at {at:04}, this program needs {needed:04}");
        return Finding::wrong(found, migrate);
    }
    Finding::ok(match at > needed {
        true => format!("at {at:04}, newer than this program, and fits it"),
        false => format!("at {at:04}"),
    })
}

/// A role of the server.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct Role {
    pub(super) rolname: String,
    /// Superuser or BYPASSRLS.
    pub(super) sees_all: bool,
}

/// The role that acts, and the one that logged in.
pub(super) fn role(acts: &Role, login: &Role) -> Finding {
    let Role { rolname, .. } = acts;
    if acts.sees_all {
        let found = format!("{rolname} is superuser or has BYPASSRLS: no row is hidden from it");
        let advice = format!("alter role {rolname} nosuperuser nobypassrls");
        return Finding::wrong(found, advice);
    }
    if login.sees_all {
        let found = format!(
            "{rolname}, by way of {}, which is superuser or has BYPASSRLS",
            login.rolname
        );
        let advice = format!("log in as {rolname}, or as a role that may only become it");
        return Finding::warning(found, advice);
    }
    Finding::ok(rolname.clone())
}

/// This machine's clock less PostgreSQL's, in seconds.
pub(super) fn clock(ahead: f64) -> Finding {
    let way = if ahead < 0.0 { "behind" } else { "ahead of" };
    let found = format!("{:.1} s {way} PostgreSQL's", ahead.abs());
    let advice = "give both machines a time server (runbook ClockOff)";
    match ahead.abs() {
        off if off >= CLOCK_WRONG_SECONDS => Finding::wrong(found, advice),
        off if off >= CLOCK_WARNING_SECONDS => Finding::warning(found, advice),
        _ => Finding::ok(found),
    }
}

/// Connections that the server has left, when a process may take `pool`.
pub(super) fn connections(free: i32, most: i32, pool: u32) -> Finding {
    let found = format!("{free} of {most} free, a process takes {pool}");
    match i64::from(free) >= i64::from(pool) {
        true => Finding::ok(found),
        false => {
            let advice =
                "raise max_connections of PostgreSQL, or lower max_connections of the processes";
            Finding::warning(found, advice)
        }
    }
}

/// Items of a source that were put aside, how many and since when.
pub(super) fn quarantine(aside: &[(String, i64, DateTime<Utc>)]) -> Finding {
    if aside.is_empty() {
        return Finding::ok("no item was put aside");
    }
    let of = |(source, many, last): &(String, i64, DateTime<Utc>)| {
        format!("{many} of {source}, the last {}", day(*last))
    };
    let found: Vec<String> = aside.iter().map(of).collect();
    Finding::warning(found.join("; "), "see the runbook FeedItemQuarantined")
}

/// How long the first item that was not applied yet has been there; `None` when there is none.
pub(super) fn lag(waits: Option<TimeDelta>) -> Finding {
    match waits {
        None => Finding::ok("nothing waits"),
        Some(waits) if waits <= FEED_WRONG => {
            Finding::ok(format!("an item waits for {}", span(waits)))
        }
        Some(waits) => {
            let found = format!("an item waits for {}", span(waits));
            Finding::wrong(found, "is the service running? See the runbook FeedBehind")
        }
    }
}

/// How far a ledger is under its last checkpoint.
pub(super) fn sealing(status: &Status, last: Option<TimeDelta>) -> Finding {
    let last = match last {
        Some(ago) => format!("the last checkpoint is {} old", span(ago)),
        None => "there is no checkpoint yet".to_owned(),
    };
    let found = match status.size.checked_sub(status.sealed) {
        Some(0) => format!("{last}, nothing waits for one"),
        Some(rows) => format!("{last}, {rows} rows wait for one"),
        None => format!(
            "{} rows were sealed and {} are there",
            status.sealed, status.size
        ),
    };
    let advice = "see the runbook LedgerNotSealed";
    if status.sealed > status.size || status.is_overdue() {
        return Finding::wrong(found, advice);
    }
    // A checkpoint comes once a minute, and at the latest when a service has been started.
    match status.waited > FEED_WRONG {
        true => Finding::warning(found, advice),
        false => Finding::ok(found),
    }
}

/// How long a token lives, in seconds of the epoch.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
pub(super) struct Life {
    iat: Option<u64>,
    exp: u64,
}

impl Life {
    /// A token by when it ends.
    pub(super) fn judge(self, now: u64) -> Finding {
        let advice = "see to whatever renews it; a running process takes a new one by itself";
        let Some(left) = self.exp.checked_sub(now).filter(|left| *left > 0) else {
            let ago = span(seconds(now.saturating_sub(self.exp)));
            return Finding::wrong(format!("ended {ago} ago"), advice);
        };
        let found = format!("good for {}", span(seconds(left)));
        let life = self.iat.map(|from| self.exp.saturating_sub(from));
        match life.is_some_and(|life| left < life / TOKEN_WARNING_PART) {
            true => Finding::warning(found, advice),
            false => Finding::ok(found),
        }
    }
}

/// A certificate by what is left of it; nothing when it has ended.
pub(super) fn certificate(left: Option<Duration>) -> Finding {
    let advice = "see the runbook CertificateEnds";
    let Some(left) = left else {
        return Finding::wrong("has ended: nobody talks to this process", advice);
    };
    let days = left.as_secs_f64() / 86_400.0;
    let found = format!("good for {days:.0} days");
    match days < CERTIFICATE_WARNING_DAYS {
        true => Finding::warning(found, advice),
        false => Finding::ok(found),
    }
}

fn day(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d").to_string()
}

fn seconds(seconds: u64) -> TimeDelta {
    TimeDelta::seconds(i64::try_from(seconds).unwrap_or(i64::MAX / 1000))
}

/// As a person says it: in the largest unit that it has two of.
fn span(time: TimeDelta) -> String {
    let seconds = time.num_seconds().max(0);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::State, *};

    const fn at(version: i64, floor: i64) -> SchemaVersion {
        SchemaVersion { version, floor }
    }

    #[test]
    fn servers_are_of_one_version_or_told() {
        let state = |number| version(number).state;
        assert_eq!(state(170_005), State::Ok);
        assert_eq!(version(170_005).found, "PostgreSQL 17.5");
        assert_eq!([150_010, 160_001, 180_000].map(state), [State::Warning; 3]);
        assert_eq!(state(140_012), State::Wrong);
    }

    #[test]
    fn schemas_fit_from_both_sides() {
        let state = |there, own| schema("measures", there, own).state;
        assert_eq!(state(None, at(3, 0)), State::Wrong);
        assert_eq!(state(Some(at(2, 0)), at(3, 0)), State::Wrong);
        assert_eq!(state(Some(at(3, 0)), at(3, 0)), State::Ok);
        assert_eq!(state(Some(at(4, 3)), at(3, 0)), State::Ok);
        assert_eq!(state(Some(at(5, 4)), at(3, 0)), State::Wrong);
        let old = schema("measures", Some(at(2, 0)), at(3, 0));
        assert!(old.found.contains("0002") && old.advice.contains("measures migrate"));
    }

    #[test]
    fn roles_that_see_all_are_told() {
        let one = |rolname: &str, sees_all| Role {
            rolname: rolname.to_owned(),
            sees_all,
        };
        let state = |acts, login| role(&one("acts", acts), &one("login", login)).state;
        assert_eq!(state(false, false), State::Ok);
        assert_eq!(state(false, true), State::Warning);
        assert_eq!(state(true, true), State::Wrong);
    }

    #[test]
    fn clocks_may_be_two_seconds_apart() {
        let cases = [
            (0.0, State::Ok),
            (-1.9, State::Ok),
            (2.0, State::Warning),
            (-59.0, State::Warning),
            (60.0, State::Wrong),
            (-3600.0, State::Wrong),
        ];
        for (ahead, state) in cases {
            assert_eq!(clock(ahead).state, state, "{ahead}");
        }
    }

    #[test]
    fn the_next_process_needs_its_connections() {
        assert_eq!(connections(8, 97, 8).state, State::Ok);
        assert_eq!(connections(7, 97, 8).state, State::Warning);
    }

    #[test]
    fn items_put_aside_and_items_that_wait_are_told() {
        assert_eq!(quarantine(&[]).state, State::Ok);
        let aside = [("workflow".to_owned(), 2, DateTime::UNIX_EPOCH)];
        let found = quarantine(&aside);
        assert_eq!(found.state, State::Warning);
        assert_eq!(found.found, "2 of workflow, the last 1970-01-01");
        assert_eq!(lag(None).state, State::Ok);
        assert_eq!(lag(Some(TimeDelta::seconds(120))).state, State::Ok);
        assert_eq!(lag(Some(TimeDelta::seconds(121))).state, State::Wrong);
    }

    #[test]
    fn a_ledger_is_sealed_in_time_or_told() {
        let of = |size, sealed, waited| {
            let status = Status {
                size,
                sealed,
                waiting_since: None,
                limit: TimeDelta::hours(4),
                waited: TimeDelta::seconds(waited),
            };
            sealing(&status, None).state
        };
        assert_eq!(of(9, 9, 0), State::Ok);
        assert_eq!(of(9, 5, 60), State::Ok);
        assert_eq!(of(9, 5, 600), State::Warning);
        assert_eq!(of(9, 5, 5 * 3600), State::Wrong);
        assert_eq!(of(5, 9, 0), State::Wrong, "rows are gone");
    }

    #[test]
    fn a_token_is_renewed_before_it_ends() {
        let token = |iat| Life { iat, exp: 10_000 };
        assert_eq!(token(Some(0)).judge(5_000).state, State::Ok);
        assert_eq!(token(Some(0)).judge(9_500).state, State::Warning);
        assert_eq!(token(None).judge(9_999).state, State::Ok);
        let ended = token(None).judge(10_000 + 3 * 3_600);
        assert_eq!(ended.state, State::Wrong);
        assert_eq!(ended.found, "ended 3 h ago");
        assert_eq!(token(None).judge(10_000).state, State::Wrong);
    }

    #[test]
    fn a_certificate_is_renewed_two_weeks_before_it_ends() {
        let days = |days: u64| Some(Duration::from_secs(days * 86_400));
        assert_eq!(certificate(days(15)).state, State::Ok);
        assert_eq!(certificate(days(13)).state, State::Warning);
        assert_eq!(certificate(None).state, State::Wrong);
    }
}
