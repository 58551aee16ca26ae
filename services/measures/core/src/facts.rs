//! What the procedure's guards need to know of a plan on a day.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use kernel::{Month, RiskType};

use crate::{Measure, MeasureKind, Plan};

/// The assistance of a case as the guards of T11, T12 and T14 see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Account of the responsible person of the day (S36).
    pub responsible_account: Option<String>,
    /// Risks with a measure.
    pub risks_planned: BTreeSet<RiskType>,
    /// Risks with a delivered measure.
    pub risks_delivered: BTreeSet<RiskType>,
    /// Risks that are gone.
    pub risks_closed: BTreeSet<RiskType>,
    /// Planned elimination date (S36).
    pub planned_elimination_on: Option<NaiveDate>,
    /// A development measure was delivered (S51).
    pub development_delivered: bool,
    /// Social security was delivered (S52).
    pub social_security_delivered: bool,
    /// Number of measures.
    pub measures_planned: usize,
    /// Number of measures of which something was delivered.
    pub measures_delivered: usize,
    /// Months without a record in time (S47).
    pub missed_months: Vec<Month>,
}

impl Plan {
    /// The facts that hold on a day.
    #[must_use]
    pub fn facts(&self, as_of: NaiveDate) -> Facts {
        let planned = || self.measures.iter().filter(|m| m.planned_on <= as_of);
        let delivered = || planned().filter(|m| m.is_delivered_by(as_of));
        let risks = |measure: &Measure| measure.risk;
        let any_delivered = |is_kind: fn(MeasureKind) -> bool| delivered().any(|m| is_kind(m.kind));
        let closed = self.closed_risks.iter().filter(|c| c.closed_on <= as_of);
        Facts {
            responsible_account: self.responsible_on(as_of).map(|r| r.account.clone()),
            risks_planned: planned().map(risks).collect(),
            risks_delivered: delivered().map(risks).collect(),
            risks_closed: closed.map(|closed| closed.risk).collect(),
            planned_elimination_on: self.planned_elimination_on,
            development_delivered: any_delivered(MeasureKind::is_development),
            social_security_delivered: any_delivered(MeasureKind::is_safety_net),
            measures_planned: planned().count(),
            measures_delivered: delivered().count(),
            missed_months: self.missed_months(as_of),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::properties::{closed, day, delivery, measure, plan};

    #[test]
    fn facts_hold_for_their_day() {
        let mut plan = plan("2026-06-15");
        plan.risks = vec![RiskType::Illness, RiskType::Accident];
        plan.measures = vec![
            measure(MeasureKind::Health, RiskType::Illness),
            measure(MeasureKind::Employment, RiskType::Accident),
        ];
        plan.measures[1]
            .deliveries
            .push(delivery("2026-06-20", 100));
        plan.closed_risks.push(closed(RiskType::Accident));
        let early = plan.facts(day("2026-06-19"));
        assert_eq!((early.measures_planned, early.measures_delivered), (2, 0));
        assert!(!early.development_delivered);
        let later = plan.facts(day("2026-09-01"));
        assert!(later.development_delivered && !later.social_security_delivered);
        assert_eq!(later.risks_delivered, BTreeSet::from([RiskType::Accident]));
        assert_eq!(later.risks_closed, BTreeSet::from([RiskType::Accident]));
        assert_eq!(later.missed_months.len(), 2);
    }
}
