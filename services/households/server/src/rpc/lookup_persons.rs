//! Persons by ID number: alert intake turns rows into leads.

use std::collections::HashMap;

use chassis::{
    auth::Caller,
    decode::{Fields, codes},
    error::Error,
};
use kernel::IdNumber;
use proto::households::v1::{FoundPerson, LookupPersonsRequest, LookupPersonsResponse};

use super::Service;
use crate::store::{self, member::Found};

/// A batch of alert rows.
const NUMBERS_MAX: usize = 1000;

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: LookupPersonsRequest,
) -> Result<LookupPersonsResponse, Error> {
    let mut f = Fields::new();
    f.at_most("id_numbers", request.id_numbers.len(), NUMBERS_MAX);
    f.finish()?;
    // What is not an ID number belongs to nobody; the sender's report says why.
    let numbers = request.id_numbers.iter();
    let lookups: Vec<Option<Vec<u8>>> = numbers
        .map(|text| text.parse::<IdNumber>().ok())
        .map(|number| number.map(|number| service.sealer.lookup(&number)))
        .collect();
    let wanted: Vec<Vec<u8>> = lookups.iter().flatten().cloned().collect();
    let mut tx = service.database.read(caller).await?;
    let found = store::member::find(&mut tx, &wanted).await?;
    drop(tx);
    let found: HashMap<&[u8], &Found> = found
        .iter()
        .map(|found| (&found.lookup[..], found))
        .collect();
    let persons = lookups.iter().map(|lookup| {
        let found = lookup.as_ref().and_then(|lookup| found.get(&lookup[..]));
        found.map_or_else(FoundPerson::default, |found| FoundPerson {
            person_id: found.person.to_string(),
            household_id: found.household.to_string(),
            division_code: found.division.to_string(),
            subject_class: codes::subject_class_to_proto(found.subject_class),
        })
    });
    Ok(LookupPersonsResponse {
        persons: persons.collect(),
    })
}
