//! Between the core's values and the wire's.

use chassis::{
    clock::timestamp,
    decode::{code_of, codes},
};
use chrono::NaiveDate;
use kernel::{Code, Money, RiskType};
use measures_core::{
    ClosedRisk, Delivery, Facts, Measure, MeasureKind, Monitoring, Plan, Responsible, Stage,
};
use proto::{measures::v1 as wire, workflow::v1::CaseState};

pub fn measure_kind(value: i32) -> Option<MeasureKind> {
    code_of(
        wire::MeasureKind::try_from(value).ok()?.as_str_name(),
        "MEASURE_KIND",
    )
}

fn measure_kind_to_proto(kind: MeasureKind) -> i32 {
    wire::MeasureKind::from_str_name(&format!("MEASURE_KIND_{}", kind.as_str()))
        .map_or(0, Into::into)
}

/// What a state of the procedure means for assistance. `None` for the unspecified one.
pub const fn stage(state: CaseState) -> Option<Stage> {
    match state {
        CaseState::Unspecified => None,
        CaseState::Declared
        | CaseState::Authorised
        | CaseState::Verified
        | CaseState::WarningListed
        | CaseState::Appraised
        | CaseState::OnNotice
        | CaseState::NoticeClosed
        | CaseState::TownshipReviewed
        | CaseState::Compared
        | CaseState::Approved
        | CaseState::Returned
        | CaseState::Appealed => Some(Stage::Preparing),
        CaseState::Enrolled
        | CaseState::UnderAssistance
        | CaseState::SustainedTracking
        | CaseState::EliminationProposed
        | CaseState::ElimVerified
        | CaseState::ElimAppraised
        | CaseState::ElimOnNotice
        | CaseState::ElimNoticeClosed
        | CaseState::Filed => Some(Stage::Monitored),
        CaseState::NotQualified
        | CaseState::Disqualified
        | CaseState::RiskEliminated
        | CaseState::ClosedNatural
        | CaseState::Withdrawn => Some(Stage::Ended),
    }
}

/// A plan with everything in it, as of a day.
pub fn plan(plan: &Plan, today: NaiveDate) -> wire::Plan {
    let warnings = plan.warnings(today);
    wire::Plan {
        case_id: plan.case.to_string(),
        household_id: plan.household.to_string(),
        division_code: plan.division.to_string(),
        responsible: plan.responsible.iter().rev().map(responsible).collect(),
        planned_elimination_on: text(plan.planned_elimination_on),
        measures: plan.measures.iter().map(measure).collect(),
        closed_risks: plan.closed_risks.iter().map(closed_risk).collect(),
        monitoring: plan.monitoring.iter().map(monitoring).collect(),
        missed_months: texts(plan.missed_months(today)),
        version: plan.version,
        warnings: texts(warnings),
    }
}

/// The plan as the feed tells it: free texts may name people and stay at home.
pub fn plan_for_feed(core: &Plan, today: NaiveDate) -> wire::Plan {
    let mut plan = plan(core, today);
    for measure in &mut plan.measures {
        measure.description.clear();
    }
    for closed in &mut plan.closed_risks {
        closed.reason.clear();
    }
    for record in &mut plan.monitoring {
        record.finding.clear();
    }
    plan
}

fn responsible(responsible: &Responsible) -> wire::Responsible {
    wire::Responsible {
        account: responsible.account.clone(),
        unit: responsible.unit.clone(),
        from: responsible.from.to_string(),
        to: text(responsible.to),
    }
}

fn measure(measure: &Measure) -> wire::Measure {
    wire::Measure {
        id: measure.id.to_string(),
        kind: measure_kind_to_proto(measure.kind),
        risk: codes::risk_type_to_proto(measure.risk),
        description: measure.description.clone(),
        department: measure.department.clone(),
        planned_on: measure.planned_on.to_string(),
        due_on: measure.due_on.to_string(),
        deliveries: measure.deliveries.iter().map(delivery).collect(),
    }
}

fn delivery(delivery: &Delivery) -> wire::Delivery {
    wire::Delivery {
        delivered_on: delivery.delivered_on.to_string(),
        amount_fen: Money::fen(delivery.amount),
        confirmed: delivery.confirmed,
        evidence_sha256: delivery.evidence_sha256.clone(),
    }
}

fn closed_risk(closed: &ClosedRisk) -> wire::ClosedRisk {
    wire::ClosedRisk {
        risk: codes::risk_type_to_proto(closed.risk),
        closed_on: closed.closed_on.to_string(),
        reason: closed.reason.clone(),
    }
}

fn monitoring(record: &Monitoring) -> wire::Monitoring {
    wire::Monitoring {
        month: record.month.to_string(),
        visited_on: record.visited_on.to_string(),
        manner: record.manner.to_string(),
        finding: record.finding.clone(),
        worse: record.worse,
        recorded_by: record.recorded_by.clone(),
        recorded_at: Some(timestamp(record.recorded_at)),
    }
}

pub fn facts(plan: &Plan, facts: Facts) -> wire::CaseFacts {
    let risks =
        |risks: &mut dyn Iterator<Item = RiskType>| risks.map(codes::risk_type_to_proto).collect();
    let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    wire::CaseFacts {
        case_id: plan.case.to_string(),
        has_responsible: facts.responsible_account.is_some(),
        responsible_account: facts.responsible_account.unwrap_or_default(),
        risks_planned: risks(&mut facts.risks_planned.into_iter()),
        risks_delivered: risks(&mut facts.risks_delivered.into_iter()),
        risks_closed: risks(&mut facts.risks_closed.into_iter()),
        planned_elimination_on: text(facts.planned_elimination_on),
        development_delivered: facts.development_delivered,
        social_security_delivered: facts.social_security_delivered,
        measures_planned: count(facts.measures_planned),
        measures_delivered: count(facts.measures_delivered),
        missed_months: texts(facts.missed_months),
    }
}

fn text(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn texts(values: Vec<impl ToString>) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_the_wire() {
        for kind in MeasureKind::ALL {
            assert_eq!(measure_kind(measure_kind_to_proto(*kind)), Some(*kind));
        }
        assert_eq!(measure_kind(0), None);
        assert_eq!(measure_kind(99), None);
    }
}
