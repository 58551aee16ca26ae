//! What the service's feed tells. No names, no numbers.

use chassis::{feed::Item, pg::Tx};
use kernel::{Department, DivisionCode};
use prost::Message;
use proto::comparison::v1::Alert;
use uuid::Uuid;

use crate::{convert, store::comparison::Comparison};

pub const ALERT_RAISED: &str = "alert.raised";
const COMPARISON_COMPLETED: &str = "comparison.completed";
const HIT_DECIDED: &str = "hit.decided";

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
    publish(tx, COMPARISON_COMPLETED, comparison);
}

/// Tells that a person has decided a hit of a comparison.
pub fn hit_decided(tx: &mut Tx, comparison: &Comparison) {
    publish(tx, HIT_DECIDED, comparison);
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
