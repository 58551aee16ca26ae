//! A transaction: the caller's scope, the changes, and the feed items that tell of them.

use std::ops::{Deref, DerefMut};

use chrono::{DateTime, NaiveDate, Utc};
use kernel::Principal;
use sqlx::{PgConnection, Postgres, Transaction};
use tracing::Span;

use super::Database;
use crate::{error::Error, feed, feed::Item};

/// A transaction. Dropping it rolls back.
#[derive(Debug)]
pub struct Tx {
    database: Database,
    transaction: Transaction<'static, Postgres>,
    pub(crate) principal: Principal,
    pub(super) claim: Option<super::idempotency::Pending>,
    items: Vec<Item>,
    now: DateTime<Utc>,
    /// Ends with the transaction.
    _span: Span,
}

impl Tx {
    pub(super) async fn start(
        database: Database,
        mut transaction: Transaction<'static, Postgres>,
        span: Span,
        principal: &Principal,
        read_only: bool,
    ) -> Result<Self, Error> {
        let department = principal
            .scope
            .department
            .as_ref()
            .map_or("", |d| d.as_str());
        sqlx::query(
            "select set_config('app.scope', $1, true), set_config('app.department', $2, true), \
                    set_config('transaction_read_only', $3, true)",
        )
        .bind(principal.scope.division.prefix())
        .bind(department)
        .bind(if read_only { "on" } else { "off" })
        .execute(&mut *transaction)
        .await?;
        // Stored instants have microseconds; what is hashed must be what is stored.
        let now = database.clock().now();
        let now = DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now);
        let principal = principal.clone();
        Ok(Self {
            database,
            transaction,
            principal,
            claim: None,
            items: Vec::new(),
            now,
            _span: span,
        })
    }

    /// The instant of this transaction: one for everything that it writes.
    #[must_use]
    pub const fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// The day of this transaction in the county.
    #[must_use]
    pub fn today(&self) -> NaiveDate {
        kernel::local_date(self.now)
    }

    /// Who acts.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The database that this is a transaction of.
    #[must_use]
    pub const fn database(&self) -> &Database {
        &self.database
    }

    /// Adds an item to the feed; it gets its position at commit.
    pub fn publish(&mut self, item: Item) {
        self.items.push(item);
    }

    /// Ends without a change. Dropping does so too, but some time later: here locks are free at once.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn rollback(self) -> Result<(), Error> {
        Ok(self.transaction.rollback().await?)
    }

    /// Commits the changes together with their feed items.
    ///
    /// Returns the position of the last item, `None` when there was none.
    ///
    /// # Errors
    /// The database does not answer, or an item lies outside the caller's scope.
    pub async fn commit(mut self) -> Result<Option<i64>, Error> {
        let items = std::mem::take(&mut self.items);
        if items.is_empty() {
            self.transaction.commit().await?;
            return Ok(None);
        }
        let position = feed::append(&mut self, items).await?;
        self.transaction.commit().await?;
        self.database.notify(position);
        Ok(Some(position))
    }
}

impl Deref for Tx {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        &self.transaction
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }
}
