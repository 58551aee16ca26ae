//! Persons whose authorisation for a purpose is valid today, with what a comparison needs (CMP-4).

use chassis::{
    auth::Caller,
    decode::{Fields, codes},
    error::Error,
};
use households_core::authorisation::{self, Authorisation, Gap};
use kernel::{HouseholdId, PersonId};
use proto::households::v1::{
    AuthorisationGap, AuthorisedPerson, GapReason, ListAuthorisedPersonsRequest,
    ListAuthorisedPersonsResponse,
};

use super::Service;
use crate::{read::WORD_CHARS_MAX, store};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: ListAuthorisedPersonsRequest,
) -> Result<ListAuthorisedPersonsResponse, Error> {
    let mut f = Fields::new();
    let household: Option<HouseholdId> = f.parse("household_id", &request.household_id);
    let purpose = f.text("purpose", &request.purpose, WORD_CHARS_MAX);
    let (household, purpose) = f.finish_with(household.zip(purpose))?;
    let mut tx = service.database.read(caller).await?;
    let members = store::member::of_household(&mut tx, &service.sealer, household).await?;
    if members.is_empty() {
        return Err(Error::NotFound { what: "household" });
    }
    let relatives = store::relative::of_household(&mut tx, &service.sealer, household).await?;
    let stored = store::authorisation::list(&mut tx, household).await?;
    let newest_first: Vec<Authorisation> = stored.into_iter().map(|s| s.authorisation).collect();
    let in_force = authorisation::in_force(&newest_first, &purpose, tx.today());
    // Who has left the household is asked about no more, nor who is a relative no more.
    let known = |person: PersonId| {
        let member = members.iter().find(|member| member.person == person);
        let member = member.map(|member| (&member.name, &member.id_number, false));
        let relative = relatives.iter().find(|relative| relative.person == person);
        member.or(relative.map(|relative| (&relative.name, &relative.id_number, true)))
    };
    let persons = in_force.iter().filter_map(|a| {
        let (name, id_number, is_relative) = known(a.person)?;
        Some(AuthorisedPerson {
            person_id: a.person.to_string(),
            authorisation_id: a.id.to_string(),
            name: name.clone(),
            id_number: id_number.expose().to_owned(),
            is_relative,
            items: a
                .items
                .iter()
                .copied()
                .map(codes::item_kind_to_proto)
                .collect(),
            expires_on: a.expires_on.to_string(),
        })
    });
    let gaps = authorisation::gaps(&members, &relatives, &newest_first, &purpose, tx.today());
    let gaps = gaps.map(|(person, item, gap)| AuthorisationGap {
        person_id: person.to_string(),
        item: codes::item_kind_to_proto(item),
        reason: match gap {
            Gap::NotGiven => GapReason::NotGiven,
            Gap::Expired => GapReason::Expired,
            Gap::Withdrawn => GapReason::Withdrawn,
        }
        .into(),
    });
    Ok(ListAuthorisedPersonsResponse {
        persons: persons.collect(),
        gaps: gaps.collect(),
    })
}
