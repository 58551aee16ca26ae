//! Measures: planned against a risk (S46), delivered with amount and proof (MEA-7).

use chrono::NaiveDate;
use kernel::{MeasureId, Money, Refusal, Requirement, RiskType};

use crate::{
    Event, MeasureKind, Plan,
    plan::{require_happened, require_room},
};

/// A full package (S50) has about ten.
pub const MEASURES_MAX: usize = 100;
/// A monthly payment for eight years.
pub const DELIVERIES_MAX: usize = 100;

/// A measure of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// Its id.
    pub id: MeasureId,
    /// Its group.
    pub kind: MeasureKind,
    /// The risk that it answers.
    pub risk: RiskType,
    /// What is done.
    pub description: String,
    /// Department that gives it; may be empty.
    pub department: String,
    /// Day of planning.
    pub planned_on: NaiveDate,
    /// Day by which it is to be delivered.
    pub due_on: NaiveDate,
    /// What was given so far.
    pub deliveries: Vec<Delivery>,
}

/// Something that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Day of delivery.
    pub delivered_on: NaiveDate,
    /// Never negative; zero for help without money.
    pub amount: Money,
    /// The household confirmed it.
    pub confirmed: bool,
    /// SHA-256 (hex) of the proof.
    pub evidence_sha256: String,
}

/// A measure that somebody wants to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Id of the new measure.
    pub id: MeasureId,
    /// Its group.
    pub kind: MeasureKind,
    /// The risk that it answers.
    pub risk: RiskType,
    /// What is done.
    pub description: String,
    /// Department that gives it; may be empty.
    pub department: String,
    /// Day by which it is to be delivered.
    pub due_on: NaiveDate,
    /// New planned elimination date; `None` leaves it as it is.
    pub planned_elimination_on: Option<NaiveDate>,
}

impl Measure {
    /// Whether anything was delivered up to a day.
    #[must_use]
    pub fn is_delivered_by(&self, day: NaiveDate) -> bool {
        self.deliveries.iter().any(|d| d.delivered_on <= day)
    }
}

impl Plan {
    /// S46: what is missing is supplied, so a measure answers an open risk of the case. S36: it is
    /// due, and the elimination planned, on days that have not passed.
    pub(crate) fn plan_measure(
        &self,
        planned: Planned,
        today: NaiveDate,
    ) -> Result<Event, Refusal> {
        let mut unmet = Vec::new();
        self.require_open("S36", &mut unmet);
        require_room(self.measures.len(), MEASURES_MAX, "MEA-3", &mut unmet);
        self.require_open_risk(planned.risk, &mut unmet);
        if planned.due_on < today {
            unmet.push(Requirement::new(
                "S36",
                "MEASURE_DUE_AHEAD",
                today,
                planned.due_on,
            ));
        }
        if let Some(elimination_on) = planned.planned_elimination_on
            && elimination_on <= today
        {
            unmet.push(Requirement::new(
                "S36",
                "ELIMINATION_AHEAD",
                today,
                elimination_on,
            ));
        }
        Refusal::check(unmet)?;
        let measure = Measure {
            id: planned.id,
            kind: planned.kind,
            risk: planned.risk,
            description: planned.description,
            department: planned.department,
            planned_on: today,
            due_on: planned.due_on,
            deliveries: Vec::new(),
        };
        Ok(Event::MeasurePlanned(
            measure,
            planned.planned_elimination_on,
        ))
    }

    /// MEA-7: what was planned is delivered, not before it was planned and not in the future. A
    /// measure may go on after the risk or the case has ended (MEA-11).
    pub(crate) fn deliver(
        &self,
        id: MeasureId,
        delivery: Delivery,
        today: NaiveDate,
    ) -> Result<Event, Refusal> {
        let mut unmet = Vec::new();
        require_happened(delivery.delivered_on, today, "MEA-7", &mut unmet);
        if delivery.amount.is_negative() {
            let amount = delivery.amount;
            unmet.push(Requirement::new(
                "MEA-7",
                "AMOUNT_NOT_NEGATIVE",
                Money::ZERO,
                amount,
            ));
        }
        match self.measures.iter().find(|measure| measure.id == id) {
            None => unmet.push(Requirement::new("MEA-7", "MEASURE_IN_PLAN", "", "")),
            Some(measure) => {
                require_room(
                    measure.deliveries.len(),
                    DELIVERIES_MAX,
                    "MEA-7",
                    &mut unmet,
                );
                let (planned_on, delivered_on) = (measure.planned_on, delivery.delivered_on);
                if delivered_on < planned_on {
                    let code = "DELIVERED_AFTER_PLANNING";
                    unmet.push(Requirement::new("MEA-7", code, planned_on, delivered_on));
                }
            }
        }
        Refusal::check(unmet)?;
        Ok(Event::MeasureDelivered(id, delivery))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::properties::{codes, day, delivery, measure_id, plan, planned};

    const TODAY: &str = "2026-09-10";

    #[test]
    fn a_measure_answers_an_open_risk_of_the_case_s46() {
        let mut plan = plan("2026-06-01");
        let refused = plan.plan_measure(planned(1, RiskType::Water), day(TODAY));
        assert_eq!(codes(refused), ["S46 RISK_OF_CASE"]);
        plan.risks = vec![RiskType::Water];
        let event = plan.plan_measure(planned(1, RiskType::Water), day(TODAY));
        plan.apply(event.expect("planned"));
        assert_eq!(plan.measures[0].planned_on, day(TODAY));
        let closed = plan.close_risk(crate::properties::closed(RiskType::Water), day(TODAY));
        plan.apply(closed.expect("closed"));
        let refused = plan.plan_measure(planned(2, RiskType::Water), day(TODAY));
        assert_eq!(codes(refused), ["S46 RISK_STILL_OPEN"]);
    }

    #[test]
    fn planned_days_lie_ahead_s36() {
        let plan = plan("2026-06-01");
        let late = Planned {
            due_on: day("2026-09-09"),
            planned_elimination_on: Some(day(TODAY)),
            ..planned(1, RiskType::Illness)
        };
        let refused = plan.plan_measure(late, day(TODAY));
        assert_eq!(
            codes(refused),
            ["S36 MEASURE_DUE_AHEAD", "S36 ELIMINATION_AHEAD"]
        );
    }

    #[test]
    fn a_delivery_is_neither_in_the_future_nor_before_planning_mea_7() {
        let mut plan = plan("2026-06-01");
        let event = plan.plan_measure(planned(1, RiskType::Illness), day("2026-09-01"));
        plan.apply(event.expect("planned"));
        let deliver = |id, on: &str, fen| plan.deliver(id, delivery(on, fen), day(TODAY));
        assert_eq!(
            codes(deliver(measure_id(1), "2026-08-31", 0)),
            ["MEA-7 DELIVERED_AFTER_PLANNING"]
        );
        assert_eq!(
            codes(deliver(measure_id(1), "2026-09-11", -1)),
            ["MEA-7 DAY_REACHED", "MEA-7 AMOUNT_NOT_NEGATIVE"]
        );
        assert_eq!(
            codes(deliver(measure_id(9), "2026-09-02", 0)),
            ["MEA-7 MEASURE_IN_PLAN"]
        );
        assert!(deliver(measure_id(1), "2026-09-02", 0).is_ok());
    }
}
