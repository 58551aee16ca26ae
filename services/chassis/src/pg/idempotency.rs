//! Idempotency keys: the same request twice has one effect and one answer.

use std::time::Duration;

use prost::Message;
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::{Database, Tx};
use crate::{error::Error, lifecycle::Lifecycle};

/// What claiming a key found.
#[derive(Debug)]
pub enum Claim<R> {
    /// The key is new: do the work, then [`Tx::remember`].
    Fresh,
    /// The request was served before; this is the answer that it got.
    Replayed(R),
}

/// The key that the transaction holds until it remembers its answer.
#[derive(Debug)]
pub(super) struct Pending {
    operation: &'static str,
    key: Uuid,
}

/// A client that tries again after a week does not remember its key either.
const KEPT_DAYS: i64 = 7;
/// Rows deleted in one statement, so that none holds locks for long.
const FORGOTTEN_AT_ONCE: i64 = 5_000;
/// An hour's keys of a busy county are a few thousand.
const FORGET_EVERY: Duration = Duration::from_secs(3600);

impl Database {
    /// Deletes keys that are older than a week; returns how many there were.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn forget_requests(&self) -> Result<u64, Error> {
        let schema = self.schema();
        let delete = format!(
            "delete from {schema}.idempotency where ctid in (select ctid from {schema}.idempotency \
             where created_at < $1 limit $2)"
        );
        let before = self.clock().now() - chrono::Duration::days(KEPT_DAYS);
        let mut forgotten = 0;
        loop {
            let deleted = sqlx::query(AssertSqlSafe(delete.as_str()))
                .bind(before)
                .bind(FORGOTTEN_AT_ONCE)
                .execute(self.pool())
                .await?;
            forgotten += deleted.rows_affected();
            if deleted.rows_affected() < FORGOTTEN_AT_ONCE.cast_unsigned() {
                return Ok(forgotten);
            }
        }
    }

    /// Does so now and then until the runtime stops.
    pub(crate) fn spawn_forgetting(&self, lifecycle: &Lifecycle) {
        let (database, stopping) = (self.clone(), lifecycle.clone());
        lifecycle.spawn("idempotency", async move {
            loop {
                if let Err(error) = database.forget_requests().await {
                    tracing::warn!(%error, "old idempotency keys stay until the next round");
                }
                tokio::select! {
                    () = tokio::time::sleep(FORGET_EVERY) => {}
                    () = stopping.stopping() => return,
                }
            }
        });
    }
}

impl Tx {
    /// Claims `request_id` for `operation` and this principal. `request` must not contain the key.
    ///
    /// The claim is part of the transaction: a refused or failed request leaves the key free.
    /// Somebody who claims the same key meanwhile waits for this transaction, at most as long as
    /// the lock timeout of 2 s.
    ///
    /// # Errors
    /// [`Error::IdempotencyKeyRequired`], [`Error::IdempotencyKeyReused`] for another request,
    /// [`Error::IdempotencyInProgress`] when the first is still running.
    pub async fn claim<R: Message + Default>(
        &mut self,
        operation: &'static str,
        request_id: &str,
        request: &impl Message,
    ) -> Result<Claim<R>, Error> {
        if request_id.is_empty() {
            return Err(Error::IdempotencyKeyRequired);
        }
        let key: Uuid = request_id
            .parse()
            .map_err(|_| Error::invalid("request_id", "MALFORMED", "a UUID"))?;
        let fingerprint = Sha256::digest(request.encode_to_vec());
        let schema = self.database().schema();
        let insert = format!(
            "insert into {schema}.idempotency (principal, operation, key, fingerprint, created_at) \
             values ($1, $2, $3, $4, $5) on conflict do nothing"
        );
        let (subject, now) = (self.principal.subject.clone(), self.now());
        let inserted = sqlx::query(AssertSqlSafe(insert))
            .bind(&subject)
            .bind(operation)
            .bind(key)
            .bind(fingerprint.as_slice())
            .bind(now)
            .execute(&mut **self)
            .await
            .map_err(|error| match &error {
                // lock_not_available: the first request has not ended within the lock timeout.
                sqlx::Error::Database(e) if e.code().as_deref() == Some("55P03") => {
                    Error::IdempotencyInProgress
                }
                _ => error.into(),
            })?;
        if inserted.rows_affected() == 1 {
            self.claim = Some(Pending { operation, key });
            return Ok(Claim::Fresh);
        }
        let select = format!(
            "select fingerprint, response from {schema}.idempotency \
             where principal = $1 and operation = $2 and key = $3"
        );
        let row = sqlx::query(AssertSqlSafe(select))
            .bind(&subject)
            .bind(operation)
            .bind(key)
            .fetch_one(&mut **self)
            .await?;
        if row.try_get::<Vec<u8>, _>(0)? != fingerprint.as_slice() {
            return Err(Error::IdempotencyKeyReused);
        }
        let response: Option<Vec<u8>> = row.try_get(1)?;
        let response = response.ok_or(Error::IdempotencyInProgress)?;
        let response = R::decode(&response[..]).map_err(|error| Error::Internal(error.into()))?;
        Ok(Claim::Replayed(response))
    }

    /// Stores the answer of the claimed request, in the same transaction as its effect.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn remember(&mut self, response: &impl Message) -> Result<(), Error> {
        let Some(Pending { operation, key }) = self.claim.take() else {
            return Ok(());
        };
        let update = format!(
            "update {}.idempotency set response = $4 \
             where principal = $1 and operation = $2 and key = $3",
            self.database().schema()
        );
        let subject = self.principal.subject.clone();
        sqlx::query(AssertSqlSafe(update))
            .bind(subject)
            .bind(operation)
            .bind(key)
            .bind(response.encode_to_vec())
            .execute(&mut **self)
            .await?;
        Ok(())
    }
}
