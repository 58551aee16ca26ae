//! The RPCs. Every file named after one is one: decode, handle, encode.

mod batch_assess;
mod batch_get_households;
mod batch_get_notice_subjects;
mod batch_list_members;
mod batch_list_relatives;
mod check_authorisation;
mod create_household;
mod draw_authorisations;
mod edit;
mod find_household;
mod get_case_facts;
mod get_import;
mod grant_authorisation;
mod import_sheet;
mod list_authorisations;
mod list_authorised_persons;
mod list_divisions;
mod list_history;
mod list_households;
mod list_income;
mod list_monitoring_lines;
mod list_notice_places;
mod lookup_persons;
mod merge_division;
mod put_division;
mod put_member;
mod put_monitoring_line;
mod put_notice_place;
mod put_relative;
mod put_risks;
mod record_guarantees;
mod record_income;
mod reseal_personal_data;
mod update_household;
mod withdraw_authorisation;

use std::sync::Arc;

use chassis::{
    access_log::AccessLog,
    auth::{self, Caller},
    error::Error,
    pg::Database,
};
use proto::households::v1::{households_service_server::HouseholdsService, *};
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status, Streaming};

use crate::{about::About, access, seal::Sealer};

/// Imports at once: each holds a file of up to 50 MB on disk and a thread that reads it. Further
/// ones wait in their connections.
const IMPORTS_AT_ONCE: usize = 4;

/// The service's RPCs over its database.
#[derive(Debug, Clone)]
pub struct Service {
    database: Database,
    sealer: Sealer,
    imports: Arc<Semaphore>,
    log: AccessLog,
}

/// Where a household lies.
const DIVISION: &str =
    "select h.division_code from households.households h where h.id = of.household";

impl Service {
    /// Serves the registry from `database`.
    #[must_use]
    pub fn new(database: Database, sealer: Sealer) -> Self {
        Self {
            log: AccessLog::new(database.clone(), DIVISION),
            database,
            sealer,
            imports: Arc::new(Semaphore::new(IMPORTS_AT_ONCE)),
        }
    }

    /// Who saw and did what.
    #[must_use]
    pub const fn access_log(&self) -> &AccessLog {
        &self.log
    }
}

/// The verified caller, if the role may call `rpc`, and the message.
fn admit<T>(rpc: &str, request: Request<T>) -> Result<(Caller, T), Error> {
    let caller = auth::caller(&request)?;
    access::check(&caller, rpc)?;
    Ok((caller, request.into_inner()))
}

macro_rules! dispatch {
    ($($rpc:ident($name:literal): $request:ty => $response:ident);+ $(;)?) => {
        #[tonic::async_trait]
        impl HouseholdsService for Service {
            $(async fn $rpc(&self, request: Request<$request>) -> Result<Response<$response>, Status> {
                let (caller, request) = admit($name, request)?;
                let mut about = request.about();
                let response = $rpc::handle(self, &caller, request).await?;
                about.extend(response.about());
                self.log.record(&caller, $name, about).await?;
                Ok(Response::new(response))
            })+
        }
    };
}

dispatch! {
    list_divisions("ListDivisions"): ListDivisionsRequest => ListDivisionsResponse;
    put_division("PutDivision"): PutDivisionRequest => PutDivisionResponse;
    merge_division("MergeDivision"): MergeDivisionRequest => MergeDivisionResponse;
    list_notice_places("ListNoticePlaces"): ListNoticePlacesRequest => ListNoticePlacesResponse;
    put_notice_place("PutNoticePlace"): PutNoticePlaceRequest => PutNoticePlaceResponse;
    list_monitoring_lines("ListMonitoringLines"):
        ListMonitoringLinesRequest => ListMonitoringLinesResponse;
    put_monitoring_line("PutMonitoringLine"): PutMonitoringLineRequest => PutMonitoringLineResponse;
    reseal_personal_data("ResealPersonalData"):
        ResealPersonalDataRequest => ResealPersonalDataResponse;
    list_households("ListHouseholds"): ListHouseholdsRequest => ListHouseholdsResponse;
    batch_get_households("BatchGetHouseholds"):
        BatchGetHouseholdsRequest => BatchGetHouseholdsResponse;
    batch_list_members("BatchListMembers"): BatchListMembersRequest => BatchListMembersResponse;
    find_household("FindHousehold"): FindHouseholdRequest => FindHouseholdResponse;
    create_household("CreateHousehold"): CreateHouseholdRequest => CreateHouseholdResponse;
    update_household("UpdateHousehold"): UpdateHouseholdRequest => UpdateHouseholdResponse;
    put_member("PutMember"): PutMemberRequest => PutMemberResponse;
    batch_list_relatives("BatchListRelatives"):
        BatchListRelativesRequest => BatchListRelativesResponse;
    put_relative("PutRelative"): PutRelativeRequest => PutRelativeResponse;
    record_income("RecordIncome"): RecordIncomeRequest => RecordIncomeResponse;
    record_guarantees("RecordGuarantees"): RecordGuaranteesRequest => RecordGuaranteesResponse;
    put_risks("PutRisks"): PutRisksRequest => PutRisksResponse;
    batch_assess("BatchAssess"): BatchAssessRequest => BatchAssessResponse;
    list_income("ListIncome"): ListIncomeRequest => ListIncomeResponse;
    grant_authorisation("GrantAuthorisation"): GrantAuthorisationRequest => GrantAuthorisationResponse;
    withdraw_authorisation("WithdrawAuthorisation"):
        WithdrawAuthorisationRequest => WithdrawAuthorisationResponse;
    list_authorisations("ListAuthorisations"): ListAuthorisationsRequest => ListAuthorisationsResponse;
    draw_authorisations("DrawAuthorisations"):
        DrawAuthorisationsRequest => DrawAuthorisationsResponse;
    check_authorisation("CheckAuthorisation"):
        CheckAuthorisationRequest => CheckAuthorisationResponse;
    list_history("ListHistory"): ListHistoryRequest => ListHistoryResponse;
    import_sheet("ImportSheet"): Streaming<ImportSheetRequest> => ImportSheetResponse;
    get_import("GetImport"): GetImportRequest => GetImportResponse;
    get_case_facts("GetCaseFacts"): GetCaseFactsRequest => GetCaseFactsResponse;
    list_authorised_persons("ListAuthorisedPersons"):
        ListAuthorisedPersonsRequest => ListAuthorisedPersonsResponse;
    lookup_persons("LookupPersons"): LookupPersonsRequest => LookupPersonsResponse;
    batch_get_notice_subjects("BatchGetNoticeSubjects"):
        BatchGetNoticeSubjectsRequest => BatchGetNoticeSubjectsResponse;
}
