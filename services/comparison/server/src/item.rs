//! What the service's feed tells. No names, no numbers.

use chassis::{feed::Item, pg::Tx};
use kernel::{Department, DivisionCode};
use prost::Message;
use proto::comparison::v1::{Alert, CaseFacts};
use uuid::Uuid;

pub const ALERT_RAISED: &str = "alert.raised";
pub const COMPARISON_COMPLETED: &str = "comparison.completed";
pub const HIT_DECIDED: &str = "hit.decided";

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

/// Tells of a comparison as it is now.
pub fn comparison(tx: &mut Tx, kind: &str, id: Uuid, division: DivisionCode, facts: &CaseFacts) {
    tx.publish(Item {
        kind: kind.to_owned(),
        subject: id,
        division,
        department: None,
        payload: facts.encode_to_vec(),
    });
}
