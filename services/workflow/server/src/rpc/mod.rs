//! The RPCs. Every file is one: decode, handle, encode.

mod act_on_case;
mod act_on_lead;
mod add_cosignatures;
mod appoint_deputy;
mod batch_get_cases;
mod batch_get_current_cases;
mod batch_get_leads;
mod claim_work;
mod declare_case;
mod freeze_warning_list;
mod get_case_file;
mod get_checkpoint;
mod get_daily_seal;
mod get_evidence;
mod get_evidence_status;
mod get_notice;
mod get_notice_file;
mod get_proof;
mod get_tile;
mod get_warning_list;
mod hand_over_work;
mod hold_meeting;
mod list_case_events;
mod list_cases;
mod list_deputies;
mod list_holdings;
mod list_leads;
mod list_meetings;
mod list_moves;
mod list_objections;
mod list_templates;
mod list_work;
mod load_template;
mod release_work;
mod revoke_deputy;
mod submit_evidence;
mod submit_lead;
mod submit_objection;

use std::{fmt::Display, str::FromStr};

use chassis::{
    access_log::AccessLog,
    auth::{self, Caller},
    decode::Fields,
    error::Error,
    evidence::EvidenceStore,
    pg::{Database, Tx},
    tlog::Log,
};
use proto::workflow::v1::{
    ActOnCaseRequest, ActOnCaseResponse, ActOnLeadRequest, ActOnLeadResponse,
    AddCosignaturesRequest, AddCosignaturesResponse, AppointDeputyRequest, AppointDeputyResponse,
    BatchGetCasesRequest, BatchGetCasesResponse, BatchGetCurrentCasesRequest,
    BatchGetCurrentCasesResponse, BatchGetLeadsRequest, BatchGetLeadsResponse, ClaimWorkRequest,
    ClaimWorkResponse, DeclareCaseRequest, DeclareCaseResponse, FreezeWarningListRequest,
    FreezeWarningListResponse, GetCaseFileRequest, GetCaseFileResponse, GetCheckpointRequest,
    GetCheckpointResponse, GetDailySealRequest, GetDailySealResponse, GetEvidenceRequest,
    GetEvidenceStatusRequest, GetEvidenceStatusResponse, GetNoticeFileRequest,
    GetNoticeFileResponse, GetNoticeRequest, GetNoticeResponse, GetProofRequest, GetProofResponse,
    GetTileRequest, GetTileResponse, GetWarningListRequest, GetWarningListResponse,
    HandOverWorkRequest, HandOverWorkResponse, HoldMeetingRequest, HoldMeetingResponse,
    ListCaseEventsRequest, ListCaseEventsResponse, ListCasesRequest, ListCasesResponse,
    ListDeputiesRequest, ListDeputiesResponse, ListHoldingsRequest, ListHoldingsResponse,
    ListLeadsRequest, ListLeadsResponse, ListMeetingsRequest, ListMeetingsResponse,
    ListMovesRequest, ListMovesResponse, ListObjectionsRequest, ListObjectionsResponse,
    ListTemplatesRequest, ListTemplatesResponse, ListWorkRequest, ListWorkResponse,
    LoadTemplateRequest, LoadTemplateResponse, ReleaseWorkRequest, ReleaseWorkResponse,
    RevokeDeputyRequest, RevokeDeputyResponse, SubmitEvidenceRequest, SubmitEvidenceResponse,
    SubmitLeadRequest, SubmitLeadResponse, SubmitObjectionRequest, SubmitObjectionResponse,
    workflow_service_server::WorkflowService,
};
use tonic::{Request, Response, Status, Streaming};
use workflow_core::Actor;

pub use get_evidence::Content;

use crate::{about::About, access, facts::Neighbours};

/// The service's RPCs over its database and its neighbours.
#[derive(Debug, Clone)]
pub struct Service {
    pub(crate) database: Database,
    pub(crate) neighbours: Neighbours,
    evidence: EvidenceStore,
    log: AccessLog,
    ledger: Log,
}

impl Service {
    /// Serves cases and leads from `database`, on facts from `neighbours`, with papers in `evidence` and
    /// the ledger as `log`.
    #[must_use]
    pub fn new(
        database: Database,
        neighbours: Neighbours,
        evidence: EvidenceStore,
        ledger: Log,
    ) -> Self {
        Self {
            // Every message says where its household lies.
            log: AccessLog::new(database.clone(), "null"),
            database,
            neighbours,
            evidence,
            ledger,
        }
    }

    /// Who saw and did what.
    #[must_use]
    pub const fn access_log(&self) -> &AccessLog {
        &self.log
    }
}

/// A page of ids.
const IDS_MAX: usize = 100;

fn ids<T: FromStr<Err: Display>>(field: &str, texts: &[String]) -> Result<Vec<T>, Error> {
    let mut f = Fields::new();
    f.at_most(field, texts.len(), IDS_MAX);
    let texts = texts.iter().take(IDS_MAX).enumerate();
    let ids = texts
        .map(|(at, text)| f.parse(&format!("{field}[{at}]"), text))
        .collect();
    f.finish_with(ids)
}

/// Who acts, in the core's terms.
fn actor(tx: &Tx) -> Actor {
    let principal = tx.principal();
    Actor {
        account: principal.subject.clone(),
        role: principal.role,
        on_behalf_of: None,
    }
}

/// The verified caller, if the role may call `rpc`, and the message.
fn admit<T>(rpc: &str, request: Request<T>) -> Result<(Caller, T), Error> {
    let caller = auth::caller(&request)?;
    access::check(&caller, rpc)?;
    Ok((caller, request.into_inner()))
}

macro_rules! dispatch {
    ($($rpc:ident($name:literal): $request:ty => $response:ty);+ $(;)?) => {
        #[tonic::async_trait]
        impl WorkflowService for Service {
            type GetEvidenceStream = get_evidence::Content;

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
    submit_lead("SubmitLead"): SubmitLeadRequest => SubmitLeadResponse;
    act_on_lead("ActOnLead"): ActOnLeadRequest => ActOnLeadResponse;
    list_leads("ListLeads"): ListLeadsRequest => ListLeadsResponse;
    batch_get_leads("BatchGetLeads"): BatchGetLeadsRequest => BatchGetLeadsResponse;
    declare_case("DeclareCase"): DeclareCaseRequest => DeclareCaseResponse;
    act_on_case("ActOnCase"): ActOnCaseRequest => ActOnCaseResponse;
    list_cases("ListCases"): ListCasesRequest => ListCasesResponse;
    batch_get_cases("BatchGetCases"): BatchGetCasesRequest => BatchGetCasesResponse;
    batch_get_current_cases("BatchGetCurrentCases"):
        BatchGetCurrentCasesRequest => BatchGetCurrentCasesResponse;
    list_case_events("ListCaseEvents"): ListCaseEventsRequest => ListCaseEventsResponse;
    list_moves("ListMoves"): ListMovesRequest => ListMovesResponse;
    freeze_warning_list("FreezeWarningList"):
        FreezeWarningListRequest => FreezeWarningListResponse;
    get_warning_list("GetWarningList"): GetWarningListRequest => GetWarningListResponse;
    hold_meeting("HoldMeeting"): HoldMeetingRequest => HoldMeetingResponse;
    list_meetings("ListMeetings"): ListMeetingsRequest => ListMeetingsResponse;
    get_notice("GetNotice"): GetNoticeRequest => GetNoticeResponse;
    get_notice_file("GetNoticeFile"): GetNoticeFileRequest => GetNoticeFileResponse;
    submit_objection("SubmitObjection"): SubmitObjectionRequest => SubmitObjectionResponse;
    list_objections("ListObjections"): ListObjectionsRequest => ListObjectionsResponse;
    submit_evidence("SubmitEvidence"): Streaming<SubmitEvidenceRequest> => SubmitEvidenceResponse;
    get_evidence("GetEvidence"): GetEvidenceRequest => get_evidence::Content;
    load_template("LoadTemplate"): LoadTemplateRequest => LoadTemplateResponse;
    list_templates("ListTemplates"): ListTemplatesRequest => ListTemplatesResponse;
    list_work("ListWork"): ListWorkRequest => ListWorkResponse;
    claim_work("ClaimWork"): ClaimWorkRequest => ClaimWorkResponse;
    release_work("ReleaseWork"): ReleaseWorkRequest => ReleaseWorkResponse;
    list_holdings("ListHoldings"): ListHoldingsRequest => ListHoldingsResponse;
    hand_over_work("HandOverWork"): HandOverWorkRequest => HandOverWorkResponse;
    appoint_deputy("AppointDeputy"): AppointDeputyRequest => AppointDeputyResponse;
    revoke_deputy("RevokeDeputy"): RevokeDeputyRequest => RevokeDeputyResponse;
    list_deputies("ListDeputies"): ListDeputiesRequest => ListDeputiesResponse;
    get_checkpoint("GetCheckpoint"): GetCheckpointRequest => GetCheckpointResponse;
    get_daily_seal("GetDailySeal"): GetDailySealRequest => GetDailySealResponse;
    get_tile("GetTile"): GetTileRequest => GetTileResponse;
    get_proof("GetProof"): GetProofRequest => GetProofResponse;
    add_cosignatures("AddCosignatures"): AddCosignaturesRequest => AddCosignaturesResponse;
    get_evidence_status("GetEvidenceStatus"):
        GetEvidenceStatusRequest => GetEvidenceStatusResponse;
    get_case_file("GetCaseFile"): GetCaseFileRequest => GetCaseFileResponse;
}
