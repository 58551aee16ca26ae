//! The only place that reads the clock or makes ids. Everything else gets them as values.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use chrono::{DateTime, Duration, NaiveDate, Utc};
use prost_types::Timestamp;
use uuid::Uuid;

/// Source of the current instant and of new ids. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    shift_seconds: Arc<AtomicI64>,
}

/// Moves a [`Clock`]. Only demos and tests get one.
#[derive(Debug, Clone)]
pub struct ClockShift(Arc<AtomicI64>);

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that starts as the machine's and can be moved.
    #[must_use]
    pub fn shiftable() -> (Self, ClockShift) {
        let clock = Self::default();
        let shift = ClockShift(clock.shift_seconds.clone());
        (clock, shift)
    }

    /// The current instant.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the clock"
    )]
    pub fn now(&self) -> DateTime<Utc> {
        Utc::now() + Duration::seconds(self.shift_seconds.load(Ordering::Relaxed))
    }

    /// The current day in the county.
    #[must_use]
    pub fn today(&self) -> NaiveDate {
        kernel::local_date(self.now())
    }

    /// A new id; ids made later sort later.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that makes ids")]
    pub fn new_id(&self) -> Uuid {
        Uuid::now_v7()
    }
}

/// An instant on the wire.
#[must_use]
pub fn timestamp(at: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: at.timestamp(),
        // Below a second, or of a leap second below two, so it fits.
        nanos: at.timestamp_subsec_nanos().cast_signed(),
    }
}

impl ClockShift {
    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(by.num_seconds(), Ordering::Relaxed);
    }

    /// How far the clock is moved.
    #[must_use]
    pub fn offset(&self) -> Duration {
        Duration::seconds(self.0.load(Ordering::Relaxed))
    }
}
