//! The plan of a case: what may be done to it, and what it is after that.

use chrono::NaiveDate;
use kernel::{
    CaseId, DivisionCode, HouseholdId, MeasureId, Refusal, Requirement, RiskType, RuleId,
};

use crate::{ClosedRisk, Delivery, Measure, Monitoring, Planned, Responsible, Stage};

/// The plan of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The case.
    pub case: CaseId,
    /// Its household.
    pub household: HouseholdId,
    /// Where the household lives.
    pub division: DivisionCode,
    /// Where the case stands.
    pub stage: Stage,
    /// Risks of the case.
    pub risks: Vec<RiskType>,
    /// Whether somebody in the household can work; `None` while nobody has said.
    pub has_labour: Option<bool>,
    /// Day of enrolment.
    pub enrolled_on: Option<NaiveDate>,
    /// Day on which the case ended.
    pub ended_on: Option<NaiveDate>,
    /// Planned risk-elimination date (S36).
    pub planned_elimination_on: Option<NaiveDate>,
    /// Responsible persons, oldest first, without overlap or gap.
    pub responsible: Vec<Responsible>,
    /// Measures in the order of planning.
    pub measures: Vec<Measure>,
    /// Risks that are gone.
    pub closed_risks: Vec<ClosedRisk>,
    /// Monthly records by month, at most one each.
    pub monitoring: Vec<Monitoring>,
    /// Counts the changes.
    pub version: i64,
}

/// What somebody wants to do to a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Name the responsible person, or hand over to another.
    AssignResponsible(Responsible),
    /// Add a measure.
    PlanMeasure(Planned),
    /// Record that a measure was delivered.
    RecordDelivery(MeasureId, Delivery),
    /// Close a risk.
    CloseRisk(ClosedRisk),
    /// Record the monitoring of a month.
    RecordMonitoring(Monitoring),
}

/// What happened to a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A responsible person begins; the one before ends the day before.
    ResponsibleAssigned(Responsible),
    /// A measure was added, and perhaps the planned elimination date set.
    MeasurePlanned(Measure, Option<NaiveDate>),
    /// A measure was delivered.
    MeasureDelivered(MeasureId, Delivery),
    /// A risk is gone.
    RiskClosed(ClosedRisk),
    /// A month was monitored.
    MonitoringRecorded(Monitoring),
}

impl Plan {
    /// Decides a command on the day `today`.
    ///
    /// # Errors
    /// Every requirement that is not met.
    pub fn decide(&self, command: Command, today: NaiveDate) -> Result<Event, Refusal> {
        match command {
            Command::AssignResponsible(next) => self.assign(next, today),
            Command::PlanMeasure(planned) => self.plan_measure(planned, today),
            Command::RecordDelivery(id, delivery) => self.deliver(id, delivery, today),
            Command::CloseRisk(closed) => self.close_risk(closed, today),
            Command::RecordMonitoring(record) => self.monitor(record),
        }
    }

    /// Makes an event part of the plan.
    pub fn apply(&mut self, event: Event) {
        self.version += 1;
        match event {
            Event::ResponsibleAssigned(next) => self.take_over(next),
            Event::MeasurePlanned(measure, elimination_on) => {
                self.measures.push(measure);
                self.planned_elimination_on = elimination_on.or(self.planned_elimination_on);
            }
            Event::MeasureDelivered(id, delivery) => {
                if let Some(measure) = self.measures.iter_mut().find(|m| m.id == id) {
                    measure.deliveries.push(delivery);
                }
            }
            Event::RiskClosed(closed) => self.closed_risks.push(closed),
            Event::MonitoringRecorded(record) => {
                let at = self.monitoring.partition_point(|m| m.month < record.month);
                self.monitoring.insert(at, record);
            }
        }
    }

    /// The case has to be open for anything new to begin.
    pub(crate) fn require_open(&self, rule: RuleId, unmet: &mut Vec<Requirement>) {
        if self.stage == Stage::Ended {
            unmet.push(Requirement::new(rule, "CASE_OPEN", "", self.stage));
        }
    }

    /// The risk has to be one of the case that is not closed (S46).
    pub(crate) fn require_open_risk(&self, risk: RiskType, unmet: &mut Vec<Requirement>) {
        if !self.risks.contains(&risk) {
            let risks: Vec<&str> = self
                .risks
                .iter()
                .map(|r| kernel::Code::as_str(*r))
                .collect();
            unmet.push(Requirement::new(
                "S46",
                "RISK_OF_CASE",
                risks.join(", "),
                risk,
            ));
        }
        if self.closed_risks.iter().any(|closed| closed.risk == risk) {
            unmet.push(Requirement::new("S46", "RISK_STILL_OPEN", "", risk));
        }
    }
}

/// A list of the plan is full. The bounds are far above any real plan; they keep one plan from
/// growing until nobody can read it.
pub(crate) fn require_room(len: usize, most: usize, rule: RuleId, unmet: &mut Vec<Requirement>) {
    if len >= most {
        unmet.push(Requirement::new(rule, "PLAN_HAS_ROOM", most, len));
    }
}

/// What is recorded has to have happened.
pub(crate) fn require_happened(
    day: NaiveDate,
    today: NaiveDate,
    rule: RuleId,
    unmet: &mut Vec<Requirement>,
) {
    if day > today {
        let requirement = Requirement::new(rule, "DAY_REACHED", today, day);
        unmet.push(requirement.possible_from(day));
    }
}
