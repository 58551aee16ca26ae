//! What the service's feed tells. No names, no numbers.

use chassis::{feed::Item, pg::Tx};
use comparison_core::recheck::Purpose;
use kernel::{BatchId, Department, DivisionCode};
use prost::Message;
use proto::comparison::v1::{Alert, BatchCorrected};
use uuid::Uuid;

use crate::{convert, store::comparison::Comparison};

pub const ALERT_RAISED: &str = "alert.raised";
// What lies elsewhere with its household (REG-12).
pub const ALERT_MOVED: &str = "alert.moved";
pub const COMPARISON_MOVED: &str = "comparison.moved";
const COMPARISON_COMPLETED: &str = "comparison.completed";
const HIT_DECIDED: &str = "hit.decided";
const BATCH_CORRECTED: &str = "batch.corrected";
// Of re-checks, apart: nothing follows from them by itself (CMP-9).
const RECHECK_COMPLETED: &str = "recheck.completed";
const RECHECK_HIT_DECIDED: &str = "recheck.hit_decided";

/// Tells of an alert.
pub fn alert(tx: &mut Tx, id: Uuid, division: DivisionCode, by: &Department, alert: &Alert) {
    tx.publish(Item {
        kind: ALERT_RAISED.to_owned(),
        subject: id,
        division,
        department: Some(by.clone()),
        payload: alert.encode_to_vec(),
    });
}

/// Tells that a comparison is complete.
pub fn completed(tx: &mut Tx, comparison: &Comparison) {
    let kind = match comparison.purpose {
        Purpose::Procedure => COMPARISON_COMPLETED,
        Purpose::ReCheck => RECHECK_COMPLETED,
    };
    publish(tx, kind, comparison);
}

/// Tells that a person has decided a hit of a comparison.
pub fn hit_decided(tx: &mut Tx, comparison: &Comparison) {
    let kind = match comparison.purpose {
        Purpose::Procedure => HIT_DECIDED,
        Purpose::ReCheck => RECHECK_HIT_DECIDED,
    };
    publish(tx, kind, comparison);
}

/// Tells that a batch of a division was wrong, and what was forgotten for it.
pub fn corrected(tx: &mut Tx, batch: BatchId, division: DivisionCode, told: &BatchCorrected) {
    tx.publish(Item {
        kind: BATCH_CORRECTED.to_owned(),
        subject: batch.0,
        division,
        department: None,
        payload: told.encode_to_vec(),
    });
}

/// Tells of a comparison as it is now.
fn publish(tx: &mut Tx, kind: &str, comparison: &Comparison) {
    tx.publish(Item {
        kind: kind.to_owned(),
        subject: comparison.case.0,
        division: comparison.division,
        department: None,
        payload: convert::case_facts(comparison).encode_to_vec(),
    });
}
