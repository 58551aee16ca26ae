//! What the service's feed tells: households and authorisations that came to be or changed. No
//! names, no numbers.

use chassis::{decode::codes, feed::Item, pg::Tx};
use households_core::change::Change;
use prost::Message;
use proto::households::v1::{AuthorisationEvent, HouseholdEvent};

use kernel::{DivisionCode, HouseholdId};

use crate::store::{authorisation::Stored, household::Household};

pub const HOUSEHOLD_CREATED: &str = "household.created";
pub const HOUSEHOLD_CHANGED: &str = "household.changed";
pub const AUTHORISATION_GRANTED: &str = "authorisation.granted";
pub const AUTHORISATION_WITHDRAWN: &str = "authorisation.withdrawn";

/// Tells of a household as it is now.
pub fn household(tx: &mut Tx, kind: &str, household: &Household, entities: &[&str]) {
    let division = household.profile.division;
    tell(
        tx,
        kind,
        household.id,
        division,
        household.version,
        entities,
    );
}

/// Tells that a household lies in another division now.
pub fn moved(tx: &mut Tx, id: HouseholdId, division: DivisionCode, version: i64) {
    tell(tx, HOUSEHOLD_CHANGED, id, division, version, &["household"]);
}

fn tell(
    tx: &mut Tx,
    kind: &str,
    id: HouseholdId,
    division: DivisionCode,
    version: i64,
    entities: &[&str],
) {
    let event = HouseholdEvent {
        household_id: id.to_string(),
        division_code: division.to_string(),
        entities: entities.iter().map(|entity| (*entity).to_owned()).collect(),
        version,
    };
    tx.publish(Item {
        kind: kind.to_owned(),
        subject: id.0,
        division,
        department: None,
        payload: event.encode_to_vec(),
    });
}

/// What was changed, each once.
pub fn entities(changes: &[Change]) -> Vec<&'static str> {
    let mut entities: Vec<&'static str> = Vec::new();
    for change in changes {
        if !entities.contains(&change.entity) {
            entities.push(change.entity);
        }
    }
    entities
}

/// Tells of an authorisation as it is now.
pub fn authorisation(tx: &mut Tx, kind: &str, stored: &Stored) {
    let a = &stored.authorisation;
    let items = a.items.iter().copied();
    let event = AuthorisationEvent {
        authorisation_id: a.id.to_string(),
        household_id: stored.household.to_string(),
        person_id: a.person.to_string(),
        purpose: a.purpose.clone(),
        items: items.map(codes::item_kind_to_proto).collect(),
        expires_on: a.expires_on.to_string(),
    };
    tx.publish(Item {
        kind: kind.to_owned(),
        subject: stored.household.0,
        division: stored.division,
        department: None,
        payload: event.encode_to_vec(),
    });
}
