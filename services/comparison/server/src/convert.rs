//! Between the domain and the wire.

use chassis::{clock::timestamp, decode::codes};
use comparison_core::{
    alert::AlertRule,
    correction::Reconsidered,
    finding::{ComparisonRule, FindingKind},
    outcome::{HitOutcome, HitState, ItemState, Outcome},
    recheck::Purpose,
};
use kernel::{Code, ItemKind};
use proto::comparison::v1 as wire;

use crate::store::{
    check::Check,
    comparison::{Comparison, Received},
    hit::{Hit, OpenHit},
    reconsideration::Reconsideration,
};

fn text<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn count<C: TryInto<i32>>(count: C) -> i32 {
    count.try_into().unwrap_or(i32::MAX)
}

pub fn alert_rule(rule: &AlertRule) -> wire::AlertRule {
    let classes = rule.subject_classes.iter().copied();
    let head = &rule.head;
    wire::AlertRule {
        rule_id: head.rule_id.clone(),
        version: count(head.version),
        valid_from: head.valid_from.to_string(),
        valid_to: text(head.valid_to),
        department: rule.department.to_string(),
        row_kind: rule.row_kind.clone(),
        subject_classes: classes.map(codes::subject_class_to_proto).collect(),
        expression: head.expression.clone(),
        threshold: head.threshold,
        unit: head.unit.clone(),
        severity: codes::severity_to_proto(rule.severity),
        risk: codes::risk_type_to_proto(rule.risk),
        suppress_days: count(rule.suppress_days),
        legal_basis: head.legal_basis.clone(),
    }
}

pub fn comparison_rule(rule: &ComparisonRule) -> wire::ComparisonRule {
    let head = &rule.head;
    wire::ComparisonRule {
        rule_id: head.rule_id.clone(),
        version: count(head.version),
        valid_from: head.valid_from.to_string(),
        valid_to: text(head.valid_to),
        item: codes::item_kind_to_proto(rule.item),
        kind: finding_kind(rule.kind).into(),
        expression: head.expression.clone(),
        exemption: rule.exemption.clone(),
        threshold: head.threshold,
        unit: head.unit.clone(),
        legal_basis: head.legal_basis.clone(),
    }
}

const fn finding_kind(kind: FindingKind) -> wire::FindingKind {
    match kind {
        FindingKind::HardFlaw => wire::FindingKind::HardFlaw,
        FindingKind::Review => wire::FindingKind::Review,
        FindingKind::Info => wire::FindingKind::Info,
    }
}

/// `None` when unspecified.
pub const fn read_finding_kind(kind: wire::FindingKind) -> Option<FindingKind> {
    match kind {
        wire::FindingKind::HardFlaw => Some(FindingKind::HardFlaw),
        wire::FindingKind::Review => Some(FindingKind::Review),
        wire::FindingKind::Info => Some(FindingKind::Info),
        wire::FindingKind::Unspecified => None,
    }
}

pub fn hit(hit: &Hit) -> wire::Hit {
    let outcome = match hit.outcome {
        None => wire::HitOutcome::Unspecified,
        Some(HitOutcome::Confirmed) => wire::HitOutcome::Confirmed,
        Some(HitOutcome::Cleared) => wire::HitOutcome::Cleared,
    };
    wire::Hit {
        id: hit.id.to_string(),
        comparison_id: hit.comparison.to_string(),
        item: codes::item_kind_to_proto(hit.item),
        rule_id: hit.rule_id.clone(),
        rule_version: hit.rule_version,
        kind: finding_kind(hit.kind).into(),
        person_id: hit.person.to_string(),
        evidence: hit.evidence.clone(),
        data_date: hit.data_date.to_string(),
        batch_id: hit.batch.to_string(),
        row: hit.row,
        explanation: hit.explanation.clone(),
        explanation_sha256: hit.explanation_sha256.clone(),
        outcome: outcome.into(),
        decided_by: hit.decided_by.clone(),
        decided_reason: hit.decided_reason.clone(),
        decided_on: text(hit.decided_on),
        threshold: hit.threshold,
        unit: hit.unit.clone(),
        superseded: hit.superseded,
    }
}

const fn purpose(purpose: Purpose) -> wire::ComparisonPurpose {
    match purpose {
        Purpose::Procedure => wire::ComparisonPurpose::Procedure,
        Purpose::ReCheck => wire::ComparisonPurpose::ReCheck,
    }
}

/// `None` when unspecified.
pub const fn read_purpose(purpose: wire::ComparisonPurpose) -> Option<Purpose> {
    match purpose {
        wire::ComparisonPurpose::Procedure => Some(Purpose::Procedure),
        wire::ComparisonPurpose::ReCheck => Some(Purpose::ReCheck),
        wire::ComparisonPurpose::Unspecified => None,
    }
}

pub fn open_hit(open: &OpenHit) -> wire::OpenHit {
    wire::OpenHit {
        hit: Some(hit(&open.hit)),
        case_id: open.case.to_string(),
        household_id: open.household.to_string(),
        division_code: open.division.to_string(),
        purpose: purpose(open.purpose).into(),
    }
}

pub fn reconsideration(entry: &Reconsideration) -> wire::Reconsideration {
    let outcome = match entry.outcome {
        None => wire::ReconsiderationOutcome::Unspecified,
        Some(Reconsidered::Stands) => wire::ReconsiderationOutcome::Stands,
        Some(Reconsidered::CompareAgain) => wire::ReconsiderationOutcome::CompareAgain,
    };
    wire::Reconsideration {
        id: entry.id.to_string(),
        batch_id: entry.batch.to_string(),
        item: codes::item_kind_to_proto(entry.item),
        correction: Some(wire::Correction {
            reason: entry.correction.clone(),
            corrected_by: entry.corrected_by.clone(),
            corrected_at: Some(timestamp(entry.corrected_at)),
        }),
        comparison_id: entry.comparison.to_string(),
        case_id: entry.case.to_string(),
        household_id: entry.household.to_string(),
        division_code: entry.division.to_string(),
        purpose: purpose(entry.purpose).into(),
        hit: entry.hit.as_ref().map(hit),
        outcome: outcome.into(),
        closed_by: entry.closed_by.clone(),
        closed_reason: entry.closed_reason.clone(),
        closed_on: text(entry.closed_on),
    }
}

pub fn comparison(comparison: &Comparison) -> wire::Comparison {
    let items = ItemKind::ALL.iter().map(|item| {
        let received = comparison.received.iter().find(|r| r.item == *item);
        let left_out = received.map(|r| r.left_out).unwrap_or_default();
        wire::ItemResult {
            item: codes::item_kind_to_proto(*item),
            received: received.is_some_and(|r| r.state().is_whole()),
            data_date: text(received.map(|r| r.data_date)),
            batch_id: text(received.and_then(Received::batch)),
            persons_compared: count(received.map_or(0, |r| r.compared().count())),
            persons_not_authorised: count(left_out.not_authorised),
            persons_expired: count(left_out.expired),
            persons_withdrawn: count(left_out.withdrawn),
            persons_unanswered: count(left_out.unanswered),
            reused_check: received.and_then(Received::check).map(reused_check),
            persons_corrected: count(left_out.corrected),
        }
    });
    wire::Comparison {
        id: comparison.id.to_string(),
        case_id: comparison.case.to_string(),
        household_id: comparison.household.to_string(),
        division_code: comparison.division.to_string(),
        persons_compared: comparison.persons_compared,
        items: items.collect(),
        complete: comparison.is_complete(),
        hits: comparison.hits.iter().map(hit).collect(),
        opened_at: Some(timestamp(comparison.opened_at)),
        completed_at: comparison
            .completed_at
            .filter(|_| comparison.is_complete())
            .map(timestamp),
        purpose: purpose(comparison.purpose).into(),
        unfinished: comparison.unfinished,
    }
}

fn reused_check(check: &Check) -> wire::ReusedCheck {
    wire::ReusedCheck {
        checked_on: check.checked_on.to_string(),
        reference: check.reference.clone(),
        evidence_sha256: check.evidence_sha256.clone(),
        recorded_by: check.recorded_by.clone(),
        recorded_at: Some(timestamp(check.recorded_at)),
    }
}

/// What the comparison has come to.
pub fn outcome(comparison: &Comparison) -> Outcome {
    let received: Vec<ItemState> = comparison.received.iter().map(Received::state).collect();
    let counting = comparison.hits.iter().filter(|hit| !hit.superseded);
    let hits: Vec<HitState> = counting.map(Hit::state).collect();
    Outcome::of(&received, &hits)
}

pub fn case_facts(comparison: &Comparison) -> wire::CaseFacts {
    let outcome = outcome(comparison);
    wire::CaseFacts {
        case_id: comparison.case.to_string(),
        comparison_id: comparison.id.to_string(),
        complete: outcome.is_complete(),
        oldest_data_date: text(outcome.oldest_data_date),
        hard_flaws_open: count(outcome.hard_flaws_open),
        hard_flaws_confirmed: count(outcome.hard_flaws_confirmed),
        reviews_open: count(outcome.reviews_open),
        persons_left_out: count(outcome.persons_left_out),
        items_missing: outcome
            .items_missing
            .into_iter()
            .map(codes::item_kind_to_proto)
            .collect(),
        household_id: comparison.household.to_string(),
        division_code: comparison.division.to_string(),
    }
}
