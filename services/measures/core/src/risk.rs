//! Closing a risk: gone, with the reason.

use chrono::NaiveDate;
use kernel::{Refusal, RiskType};

use crate::{Event, Plan, plan::require_happened};

/// A risk that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedRisk {
    /// Which.
    pub risk: RiskType,
    /// Since when.
    pub closed_on: NaiveDate,
    /// Why it is gone.
    pub reason: String,
}

impl Plan {
    /// Only a risk that the case has can go away, and only once (S39, S46).
    pub(crate) fn close_risk(
        &self,
        closed: ClosedRisk,
        today: NaiveDate,
    ) -> Result<Event, Refusal> {
        let mut unmet = Vec::new();
        self.require_open("S46", &mut unmet);
        self.require_open_risk(closed.risk, &mut unmet);
        require_happened(closed.closed_on, today, "S46", &mut unmet);
        Refusal::check(unmet)?;
        Ok(Event::RiskClosed(closed))
    }
}
