//! What of households each message shows, for the record (SEC-2). What an answer does not name, its
//! request does; an ID number in a request names nobody before it was found.

use chassis::{about, access_log::Shown};
use proto::households::v1::*;

fn at(household: &str) -> Shown {
    (household.to_owned(), String::new())
}

fn shown<'a>(households: impl IntoIterator<Item = &'a Household>) -> Vec<Shown> {
    let place = |h: &Household| (h.id.clone(), h.division_code.clone());
    households.into_iter().map(place).collect()
}

about! {
    show {
        ListHouseholdsResponse: |r| shown(&r.households);
        BatchGetHouseholdsResponse: |r| shown(&r.households);
        BatchListMembersResponse: |r| r.members.iter().map(|m| at(&m.household_id)).collect();
        FindHouseholdResponse: |r| shown(&r.household);
        CreateHouseholdResponse: |r| shown(&r.household);
        UpdateHouseholdResponse: |r| shown(&r.household);
        PutMemberResponse: |r| shown(&r.household);
        BatchListRelativesResponse: |r| r.relatives.iter().map(|m| at(&m.household_id)).collect();
        PutRelativeResponse: |r| shown(&r.household);
        DrawAuthorisationsResponse: |r| {
            r.authorisations.iter().map(|a| at(&a.household_id)).collect()
        };
        CheckAuthorisationResponse: |r| {
            r.authorisation.iter().map(|a| at(&a.household_id)).collect()
        };
        RecordIncomeRequest: |r| vec![at(&r.household_id)];
        RecordGuaranteesRequest: |r| vec![at(&r.household_id)];
        PutRisksResponse: |r| shown(&r.household);
        BatchAssessResponse: |r| r.assessments.iter().map(|a| at(&a.household_id)).collect();
        ListIncomeRequest: |r| vec![at(&r.household_id)];
        GrantAuthorisationResponse: |r| {
            r.authorisation.iter().map(|a| at(&a.household_id)).collect()
        };
        WithdrawAuthorisationResponse: |r| {
            r.authorisation.iter().map(|a| at(&a.household_id)).collect()
        };
        ListAuthorisationsRequest: |r| vec![at(&r.household_id)];
        ListHistoryRequest: |r| vec![at(&r.household_id)];
        GetCaseFactsRequest: |r| vec![at(&r.household_id)];
        ListAuthorisedPersonsRequest: |r| vec![at(&r.household_id)];
        LookupPersonsResponse: |r| found(&r.persons);
    }
    silent {
        ListDivisionsRequest, ListDivisionsResponse, PutDivisionRequest, PutDivisionResponse,
        MergeDivisionRequest, MergeDivisionResponse,
        ListNoticePlacesRequest, ListNoticePlacesResponse, PutNoticePlaceRequest,
        PutNoticePlaceResponse, ListMonitoringLinesRequest, ListMonitoringLinesResponse,
        PutMonitoringLineRequest, PutMonitoringLineResponse, ResealPersonalDataRequest,
        ResealPersonalDataResponse, ListHouseholdsRequest,
        BatchGetHouseholdsRequest, BatchListMembersRequest, FindHouseholdRequest,
        CreateHouseholdRequest, UpdateHouseholdRequest, PutMemberRequest, BatchListRelativesRequest,
        PutRelativeRequest, DrawAuthorisationsRequest, CheckAuthorisationRequest, RecordIncomeResponse,
        RecordGuaranteesResponse, PutRisksRequest, BatchAssessRequest, ListIncomeResponse,
        GrantAuthorisationRequest, WithdrawAuthorisationRequest, ListAuthorisationsResponse,
        ListHistoryResponse, ImportSheetResponse, GetImportRequest, GetImportResponse,
        GetCaseFactsResponse, ListAuthorisedPersonsResponse, LookupPersonsRequest,
        BatchGetNoticeSubjectsRequest, BatchGetNoticeSubjectsResponse,
    }
}

/// A number that belongs to nobody shows nobody.
fn found(persons: &[FoundPerson]) -> Vec<Shown> {
    let found = persons
        .iter()
        .filter(|person| !person.household_id.is_empty());
    let place = |p: &FoundPerson| (p.household_id.clone(), p.division_code.clone());
    found.map(place).collect()
}
