//! Who saw and did what to a household (SEC-2).
//!
//! An answer leaves after the call is on the record: no record, no answer. The record is written beside
//! the request, for everybody who waits in one statement and one commit, so it adds nothing to the
//! request's own transaction and little to a busy service. From time to time the calls of before are
//! sealed: their hash becomes an item of the feed, and with it a leaf of the ledger.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};
use kernel::{Code, DivisionCode, Role};
use prost::Message;
use proto::access::v1::AccessSeal;
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, PgConnection, Row};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::{
    auth::Caller,
    error::Error,
    feed::Item,
    lifecycle::Lifecycle,
    pg::{Database, Tx},
    telemetry,
};

/// Calls of one commit: some hundred kilobytes at most.
const BATCH_MAX: usize = 500;
/// Calls that wait for the record. More means that the database does not keep up; who comes then is
/// told so instead of waiting for longer than anybody would.
const WAITING_MAX: usize = 4_000;
/// Households of one call: no page shows more.
const HOUSEHOLDS_MAX: usize = 1_000;
/// Longest time for which a call is on the record without a seal.
const SEAL_EVERY: Duration = Duration::from_secs(30);
/// Calls of one seal.
const SEALED_AT_ONCE: i64 = 5_000;
/// Seals that are looked at in one go.
const SEALS_AT_ONCE: i64 = 1_000;
/// Kind of the item that seals calls.
const SEALED: &str = "access.sealed";

/// A household that a message shows, and its division, which is empty where the message does not say it.
pub type Shown = (String, String);

/// Says of messages what they show: the trait `About` for every message of a service's RPCs, or the
/// service does not compile. Those of `show` are about households, those of `silent` about none.
#[macro_export]
macro_rules! about {
    (
        show { $($shows:ty: |$this:ident| $shown:expr;)+ }
        silent { $($silent:ty),+ $(,)? }
    ) => {
        /// What of households a request or an answer is about.
        pub trait About {
            /// Household and division.
            fn about(&self) -> Vec<$crate::access_log::Shown> {
                Vec::new()
            }
        }
        impl<T> About for tonic::Streaming<T> {}
        $(impl About for $shows {
            fn about(&self) -> Vec<$crate::access_log::Shown> {
                let $this = self;
                $shown
            }
        })+
        $(impl About for $silent {})+
    };
}

/// One call.
#[derive(Debug, Clone)]
struct Call {
    id: Uuid,
    at: DateTime<Utc>,
    account: String,
    role: Role,
    division: DivisionCode,
    rpc: &'static str,
    traceparent: String,
    households: BTreeMap<Uuid, Option<DivisionCode>>,
}

/// A call that waits for its record.
#[derive(Debug)]
struct Waiting {
    call: Call,
    done: oneshot::Sender<bool>,
}

type Writing = BoxFuture<'static, ()>;

/// Writes calls down. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AccessLog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    database: Database,
    /// SQL of the division of the household `of.household`, where a message does not say it.
    division: &'static str,
    waiting: Mutex<Vec<Waiting>>,
    /// What is being written for all. Everybody who waits goes on with it: whoever began may be a stream whose
    /// reader is slow, and is then asked to go on only when that one has read.
    writing: Mutex<Option<WeakShared<Writing>>>,
    /// Whether something may be without a seal.
    unsealed: AtomicBool,
}

impl AccessLog {
    /// Writes calls into `database`. `division` is SQL for the division of `of.household`, for
    /// messages that do not say where a household lies; `null` where all do.
    #[must_use]
    pub fn new(database: Database, division: &'static str) -> Self {
        Self(Arc::new(Inner {
            database,
            division,
            waiting: Mutex::new(Vec::new()),
            writing: Mutex::new(None),
            unsealed: AtomicBool::new(true),
        }))
    }

    /// Puts on the record that `caller` called `rpc` about households, and returns when it is there.
    /// No connection may be held meanwhile. The platform's own services see households on somebody's
    /// behalf, whose call is on the record.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: it is not on the record, so the answer must not leave.
    pub async fn record(
        &self,
        caller: &Caller,
        rpc: &'static str,
        about: Vec<Shown>,
    ) -> Result<(), Error> {
        if caller.principal.role == Role::Service || about.is_empty() {
            return Ok(());
        }
        let call = self.call(caller, rpc, about)?;
        let mut done = self.wait(call.clone())?;
        loop {
            match done.try_recv() {
                Ok(true) => return Ok(()),
                Ok(false) => break,
                // Everybody who wrote for all gave up in the middle. What may have been written all the same
                // is not written twice.
                Err(oneshot::error::TryRecvError::Closed) => done = self.wait(call.clone())?,
                Err(oneshot::error::TryRecvError::Empty) => {}
            }
            self.writing().await;
        }
        Err(Error::Unavailable {
            what: "access record",
        })
    }

    fn call(&self, caller: &Caller, rpc: &'static str, about: Vec<Shown>) -> Result<Call, Error> {
        let clock = self.0.database.clock();
        let mut households = BTreeMap::new();
        for (household, division) in about {
            let id = household.parse();
            let id =
                id.map_err(|_| Error::Internal(anyhow::anyhow!("{rpc}: a bad household id")))?;
            let division: Option<DivisionCode> = division.parse().ok();
            let known = households.entry(id).or_insert(division);
            *known = known.or(division);
        }
        if households.len() > HOUSEHOLDS_MAX {
            return Err(Error::Internal(anyhow::anyhow!(
                "{rpc}: too many households"
            )));
        }
        let principal = &caller.principal;
        Ok(Call {
            id: clock.new_id(),
            at: clock.now(),
            account: principal.subject.clone(),
            role: principal.role,
            division: principal.scope.division,
            rpc,
            traceparent: telemetry::traceparent().unwrap_or_default(),
            households,
        })
    }

    fn wait(&self, call: Call) -> Result<oneshot::Receiver<bool>, Error> {
        let mut waiting = self
            .0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= WAITING_MAX {
            return Err(Error::Unavailable {
                what: "access record",
            });
        }
        let (done, receiver) = oneshot::channel();
        waiting.push(Waiting { call, done });
        Ok(receiver)
    }

    /// What is being written now, or what waits.
    fn writing(&self) -> Shared<Writing> {
        let writing = self.0.writing.lock();
        let mut writing = writing.unwrap_or_else(PoisonError::into_inner);
        let now = writing.as_ref().and_then(WeakShared::upgrade);
        now.filter(|now| now.peek().is_none()).unwrap_or_else(|| {
            let log = self.clone();
            let next = async move { log.write_waiting().await }.boxed().shared();
            *writing = next.downgrade();
            next
        })
    }

    /// Writes what waits, at most a batch, and tells everybody whose call was in it.
    async fn write_waiting(&self) {
        let batch: Vec<Waiting> = {
            let mut waiting = self
                .0
                .waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let most = waiting.len().min(BATCH_MAX);
            waiting.drain(..most).collect()
        };
        let Some(first) = batch.first() else { return };
        let county = first.call.division.county();
        let calls: Vec<&Call> = batch.iter().map(|waiting| &waiting.call).collect();
        let written = self.write(county, &calls).await;
        if let Err(error) = &written {
            tracing::error!(%error, "calls could not be put on the record; their answers stay here");
        }
        self.0.unsealed.store(true, Ordering::Release);
        for waiting in batch {
            // Who has gone meanwhile got no answer; the call is on the record all the same.
            let _ = waiting.done.send(written.is_ok());
        }
    }

    async fn write(&self, county: DivisionCode, calls: &[&Call]) -> Result<(), Error> {
        let mut tx = self.0.database.begin_internal(county).await?;
        let schema = self.0.database.schema();
        let division = self.0.division;
        let insert = format!(
            "with called as (
                 insert into {schema}.access
                     (id, called_at, account, role, division_code, rpc, traceparent, households)
                 select * from unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[],
                                      $5::text[], $6::text[], $7::text[], $8::int[])
                 on conflict do nothing
             )
             insert into {schema}.access_of (household_id, called_at, access_id, division_code)
             select of.household, of.called_at, of.access,
                    coalesce(of.division, ({division}), '{county}')
             from unnest($9::uuid[], $10::timestamptz[], $11::uuid[], $12::text[])
                  as of (household, called_at, access, division)
             on conflict do nothing"
        );
        let pairs = || {
            calls.iter().flat_map(|call| {
                let households = call.households.iter();
                households.map(move |(household, division)| (*call, household, division))
            })
        };
        let count = |call: &&&Call| i32::try_from(call.households.len()).unwrap_or(i32::MAX);
        sqlx::query(AssertSqlSafe(insert))
            .bind(calls.iter().map(|call| call.id).collect::<Vec<_>>())
            .bind(calls.iter().map(|call| call.at).collect::<Vec<_>>())
            .bind(
                calls
                    .iter()
                    .map(|call| call.account.clone())
                    .collect::<Vec<_>>(),
            )
            .bind(
                calls
                    .iter()
                    .map(|call| call.role.as_str())
                    .collect::<Vec<_>>(),
            )
            .bind(
                calls
                    .iter()
                    .map(|call| call.division.to_string())
                    .collect::<Vec<_>>(),
            )
            .bind(calls.iter().map(|call| call.rpc).collect::<Vec<_>>())
            .bind(
                calls
                    .iter()
                    .map(|call| call.traceparent.clone())
                    .collect::<Vec<_>>(),
            )
            .bind(calls.iter().map(|call| count(&call)).collect::<Vec<_>>())
            .bind(
                pairs()
                    .map(|(_, household, _)| *household)
                    .collect::<Vec<_>>(),
            )
            .bind(pairs().map(|(call, _, _)| call.at).collect::<Vec<_>>())
            .bind(pairs().map(|(call, _, _)| call.id).collect::<Vec<_>>())
            .bind(
                pairs()
                    .map(|(_, _, d)| d.map(|d| d.to_string()))
                    .collect::<Vec<_>>(),
            )
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Seals what has none, until there is nothing more. Returns how many calls that were.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn seal(&self, county: DivisionCode) -> Result<usize, Error> {
        let mut sealed = 0;
        loop {
            let found = self.seal_some(county).await?;
            sealed += found;
            if i64::try_from(found).unwrap_or(i64::MAX) < SEALED_AT_ONCE {
                return Ok(sealed);
            }
        }
    }

    async fn seal_some(&self, county: DivisionCode) -> Result<usize, Error> {
        let mut tx = self.0.database.begin_internal(county).await?;
        let schema = self.0.database.schema();
        let select = format!(
            "select id from {schema}.access where seal is null order by id limit $1
             for update skip locked"
        );
        let ids: Vec<Uuid> = sqlx::query_scalar(AssertSqlSafe(select))
            .bind(SEALED_AT_ONCE)
            .fetch_all(&mut *tx)
            .await?;
        if ids.is_empty() {
            return Ok(0);
        }
        let seal = self.0.database.clock().new_id();
        let update = format!("update {schema}.access set seal = $1 where id = any($2)");
        sqlx::query(AssertSqlSafe(update))
            .bind(seal)
            .bind(&ids)
            .execute(&mut *tx)
            .await?;
        let (calls, sha256) = digest(&mut tx, schema, seal).await?;
        publish(&mut tx, county, seal, calls, sha256);
        tx.commit().await?;
        Ok(ids.len())
    }

    /// Seals what may be without a seal. What cannot be sealed now is sealed another time.
    pub(crate) async fn seal_if_any(&self, county: DivisionCode) {
        if self.0.unsealed.swap(false, Ordering::AcqRel)
            && let Err(error) = self.seal(county).await
        {
            self.0.unsealed.store(true, Ordering::Release);
            tracing::warn!(%error, "calls are sealed later");
        }
    }

    /// Seals now and then until the runtime stops.
    pub fn spawn_sealing(&self, lifecycle: &Lifecycle, county: DivisionCode) {
        let (log, stopping) = (self.clone(), lifecycle.clone());
        lifecycle.spawn("access", async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(SEAL_EVERY) => log.seal_if_any(county).await,
                    () = stopping.stopping() => return,
                }
            }
        });
    }
}

fn publish(tx: &mut Tx, county: DivisionCode, seal: Uuid, calls: i32, sha256: String) {
    let payload = AccessSeal {
        seal: seal.to_string(),
        calls,
        sha256,
    };
    tx.publish(Item {
        kind: SEALED.to_owned(),
        subject: seal,
        division: county,
        department: None,
        payload: payload.encode_to_vec(),
    });
}

/// Number and hash of the calls of a seal.
async fn digest(
    connection: &mut PgConnection,
    schema: &str,
    seal: Uuid,
) -> Result<(i32, String), Error> {
    let select = format!(
        "select a.id, a.called_at, a.account, a.role, a.division_code, a.rpc, a.traceparent,
                array(select o.household_id || ' ' || o.division_code from {schema}.access_of o
                      where o.access_id = a.id order by o.household_id) as of_households
         from {schema}.access a where a.seal = $1 order by a.id"
    );
    let rows = sqlx::query(AssertSqlSafe(select))
        .bind(seal)
        .fetch_all(connection)
        .await?;
    let mut hash = Sha256::new();
    let mut put = |field: &[u8]| {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field);
    };
    for row in &rows {
        put(row.try_get::<Uuid, _>("id")?.as_bytes());
        let at: DateTime<Utc> = row.try_get("called_at")?;
        put(&at.timestamp_micros().to_be_bytes());
        for text in ["account", "role", "division_code", "rpc", "traceparent"] {
            put(row.try_get::<&str, _>(text)?.as_bytes());
        }
        let households: Vec<String> = row.try_get("of_households")?;
        put(households.join("\n").as_bytes());
    }
    let calls = i32::try_from(rows.len()).unwrap_or(i32::MAX);
    let sha256 = hash.finalize();
    Ok((
        calls,
        sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
    ))
}

/// Compares every sealed call with its seal. Returns the first seal that does not fit. `connection`
/// must see every row.
///
/// # Errors
/// The database does not answer.
pub async fn verify(connection: &mut PgConnection, schema: &str) -> Result<Option<String>, Error> {
    let select = format!(
        "select position, payload from {schema}.feed where kind = $1 and position > $2
         order by position limit $3"
    );
    let (mut known, mut after) = (BTreeSet::new(), 0_i64);
    loop {
        let seals = sqlx::query(AssertSqlSafe(select.as_str()))
            .bind(SEALED)
            .bind(after)
            .bind(SEALS_AT_ONCE)
            .fetch_all(&mut *connection)
            .await?;
        for row in &seals {
            after = row.try_get("position")?;
            let payload: Option<Vec<u8>> = row.try_get("payload")?;
            let told = AccessSeal::decode(&payload.unwrap_or_default()[..]).unwrap_or_default();
            let seal: Uuid = told.seal.parse().unwrap_or_default();
            known.insert(seal);
            let (calls, sha256) = digest(connection, schema, seal).await?;
            if (calls, &sha256) != (told.calls, &told.sha256) {
                return Ok(Some(format!(
                    "the calls on the record that row {after} sealed were changed: {} were sealed, \
                     {calls} are there",
                    told.calls
                )));
            }
        }
        if i64::try_from(seals.len()).unwrap_or(SEALS_AT_ONCE) < SEALS_AT_ONCE {
            break;
        }
    }
    let select = format!("select distinct seal from {schema}.access where seal is not null");
    let used: Vec<Uuid> = sqlx::query_scalar(AssertSqlSafe(select))
        .fetch_all(connection)
        .await?;
    let foreign = used.iter().find(|seal| !known.contains(seal));
    Ok(foreign.map(|seal| format!("calls bear the seal {seal}, which nobody made")))
}
