//! The RPCs. Every file is one: decode, handle, encode.

mod act_on_case;
mod act_on_lead;
mod add_cosignatures;
mod batch_get_cases;
mod batch_get_current_cases;
mod batch_get_leads;
mod declare_case;
mod freeze_warning_list;
mod get_case_file;
mod get_checkpoint;
mod get_daily_seal;
mod get_evidence;
mod get_evidence_status;
mod get_proof;
mod get_tile;
mod get_warning_list;
mod list_case_events;
mod list_cases;
mod list_leads;
mod list_moves;
mod list_templates;
mod load_template;
mod submit_evidence;
mod submit_lead;

use std::{fmt::Display, str::FromStr};

use chassis::{
    auth::{self, Caller},
    decode::Fields,
    error::Error,
    evidence::EvidenceStore,
    pg::{Database, Tx},
    tlog::Log,
};
use proto::workflow::v1::{
    ActOnCaseRequest, ActOnCaseResponse, ActOnLeadRequest, ActOnLeadResponse,
    AddCosignaturesRequest, AddCosignaturesResponse, BatchGetCasesRequest, BatchGetCasesResponse,
    BatchGetCurrentCasesRequest, BatchGetCurrentCasesResponse, BatchGetLeadsRequest,
    BatchGetLeadsResponse, DeclareCaseRequest, DeclareCaseResponse, FreezeWarningListRequest,
    FreezeWarningListResponse, GetCaseFileRequest, GetCaseFileResponse, GetCheckpointRequest,
    GetCheckpointResponse, GetDailySealRequest, GetDailySealResponse, GetEvidenceRequest,
    GetEvidenceStatusRequest, GetEvidenceStatusResponse, GetProofRequest, GetProofResponse,
    GetTileRequest, GetTileResponse, GetWarningListRequest, GetWarningListResponse,
    ListCaseEventsRequest, ListCaseEventsResponse, ListCasesRequest, ListCasesResponse,
    ListLeadsRequest, ListLeadsResponse, ListMovesRequest, ListMovesResponse, ListTemplatesRequest,
    ListTemplatesResponse, LoadTemplateRequest, LoadTemplateResponse, SubmitEvidenceRequest,
    SubmitEvidenceResponse, SubmitLeadRequest, SubmitLeadResponse,
    workflow_service_server::WorkflowService,
};
use tonic::{Request, Response, Status, Streaming};
use workflow_core::Actor;

use crate::{access, facts::Neighbours};

/// The service's RPCs over its database and its neighbours.
#[derive(Debug, Clone)]
pub struct Service {
    database: Database,
    neighbours: Neighbours,
    evidence: EvidenceStore,
    log: Log,
}

impl Service {
    /// Serves cases and leads from `database`, on facts from `neighbours`, with papers in `evidence` and
    /// the ledger as `log`.
    #[must_use]
    pub const fn new(
        database: Database,
        neighbours: Neighbours,
        evidence: EvidenceStore,
        log: Log,
    ) -> Self {
        Self {
            database,
            neighbours,
            evidence,
            log,
        }
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
                Ok(Response::new($rpc::handle(self, &caller, request).await?))
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
    submit_evidence("SubmitEvidence"): Streaming<SubmitEvidenceRequest> => SubmitEvidenceResponse;
    get_evidence("GetEvidence"): GetEvidenceRequest => get_evidence::Content;
    load_template("LoadTemplate"): LoadTemplateRequest => LoadTemplateResponse;
    list_templates("ListTemplates"): ListTemplatesRequest => ListTemplatesResponse;
    get_checkpoint("GetCheckpoint"): GetCheckpointRequest => GetCheckpointResponse;
    get_daily_seal("GetDailySeal"): GetDailySealRequest => GetDailySealResponse;
    get_tile("GetTile"): GetTileRequest => GetTileResponse;
    get_proof("GetProof"): GetProofRequest => GetProofResponse;
    add_cosignatures("AddCosignatures"): AddCosignaturesRequest => AddCosignaturesResponse;
    get_evidence_status("GetEvidenceStatus"):
        GetEvidenceStatusRequest => GetEvidenceStatusResponse;
    get_case_file("GetCaseFile"): GetCaseFileRequest => GetCaseFileResponse;
}
