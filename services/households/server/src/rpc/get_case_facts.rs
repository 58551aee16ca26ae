//! Facts for the procedure's guards. No names, no ID numbers.

use chassis::{
    auth::Caller,
    decode::{Fields, codes},
    error::Error,
};
use chrono::NaiveDate;
use households_core::{
    assessment::{Subject, assess, social_security_in_place},
    authorisation::{Authorisation, MONITORING, coverage},
    member::Member,
    notice_place::NoticePlace,
    quality::{self, Picture},
};
use kernel::HouseholdId;
use proto::households::v1::{CaseFacts, GetCaseFactsRequest, GetCaseFactsResponse};

use super::Service;
use crate::{
    convert,
    store::{self, household::Household},
};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: GetCaseFactsRequest,
) -> Result<GetCaseFactsResponse, Error> {
    let mut f = Fields::new();
    let household = f.parse("household_id", &request.household_id);
    let as_of = f.date_optional("as_of", &request.as_of);
    let id: HouseholdId = f.finish_with(household)?;
    let as_of = as_of.unwrap_or_else(|| service.database.clock().today());

    let mut tx = service.database.read(caller).await?;
    let households = store::household::lookup(&mut tx, &service.sealer, &[id]).await?;
    let subjects = store::subject::load(&mut tx, &[id], as_of).await?;
    let (Some(household), Some((_, subject))) = (households.first(), subjects.first()) else {
        return Err(Error::NotFound { what: "household" });
    };
    let members = store::member::of_household(&mut tx, &service.sealer, id).await?;
    let authorisations = store::authorisation::list(&mut tx, id).await?;
    let authorisations: Vec<Authorisation> = authorisations
        .into_iter()
        .map(|stored| stored.authorisation)
        .collect();
    let places = store::notice_place::list(&mut tx, household.profile.division).await?;
    drop(tx);
    let facts = facts(
        household,
        subject,
        &members,
        &authorisations,
        &places,
        as_of,
    );
    Ok(GetCaseFactsResponse { facts: Some(facts) })
}

fn facts(
    household: &Household,
    subject: &Subject,
    members: &[Member],
    authorisations: &[Authorisation],
    places: &[NoticePlace],
    as_of: NaiveDate,
) -> CaseFacts {
    let assessment = assess(subject, as_of);
    let coverage = coverage(members, authorisations, MONITORING, as_of);
    let picture = Picture {
        members,
        risks: &household.profile.risks,
        compliant_oop: subject.ledger.totals(assessment.window).compliant_oop,
    };
    let required = places
        .iter()
        .filter(|place| place.is_valid_on(as_of) && place.is_required());
    let count = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    CaseFacts {
        household_id: household.id.to_string(),
        division_code: household.profile.division.to_string(),
        origin: codes::origin_to_proto(household.profile.origin),
        has_labour: assessment.has_labour,
        assessment: Some(convert::assessment(household.id, &assessment)),
        risks: household.profile.risks.iter().map(convert::risk).collect(),
        persons_to_authorise: count(coverage.needed),
        persons_authorised: count(coverage.given),
        items_covered: coverage
            .items
            .into_iter()
            .map(codes::item_kind_to_proto)
            .collect(),
        required_places: required.map(convert::notice_place).collect(),
        quality_errors: quality::errors(&picture, as_of)
            .into_iter()
            .map(str::to_owned)
            .collect(),
        social_security_in_place: social_security_in_place(&subject.members, as_of),
        household_version: household.version,
    }
}
