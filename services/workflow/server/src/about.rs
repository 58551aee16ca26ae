//! What of households each message shows, for the record (SEC-2).

use chassis::{about, access_log::Shown};
use proto::workflow::v1::*;

use crate::rpc::Content;

fn cases<'a>(cases: impl IntoIterator<Item = &'a Case>) -> Vec<Shown> {
    let place = |c: &Case| (c.household_id.clone(), c.division_code.clone());
    cases.into_iter().map(place).collect()
}

fn leads<'a>(leads: impl IntoIterator<Item = &'a Lead>) -> Vec<Shown> {
    let place = |l: &Lead| (l.household_id.clone(), l.division_code.clone());
    leads.into_iter().map(place).collect()
}

fn work<'a>(work: impl IntoIterator<Item = &'a WorkItem>) -> Vec<Shown> {
    let place = |w: &WorkItem| (w.household_id.clone(), w.division_code.clone());
    work.into_iter().map(place).collect()
}

// A notice shows what may hang on a wall, the public door nothing, and the ledger hashes. Moves name no household and nothing of one. A paper says who looked at it by an event of its own.
// Lists that are frozen, meetings that were held and work that is handed over name cases, whose events
// say who did it.
about! {
    show {
        SubmitLeadResponse: |r| leads(&r.lead);
        ActOnLeadResponse: |r| leads(&r.lead);
        ListLeadsResponse: |r| leads(&r.leads);
        BatchGetLeadsResponse: |r| leads(&r.leads);
        DeclareCaseResponse: |r| cases(&r.case);
        ActOnCaseResponse: |r| cases(&r.case);
        ListCasesResponse: |r| cases(&r.cases);
        BatchGetCasesResponse: |r| cases(&r.cases);
        BatchGetCurrentCasesResponse: |r| cases(&r.cases);
        ListCaseEventsResponse: |r| {
            let event = |e: &CaseEvent| (e.household_id.clone(), e.division_code.clone());
            r.events.iter().take(1).map(event).collect()
        };
        GetCaseFileResponse: |r| vec![(r.household_id.clone(), r.division_code.clone())];
        ListObjectionsResponse: |r| vec![(r.household_id.clone(), r.division_code.clone())];
        HoldMeetingResponse: |r| cases(&r.cases);
        ListWorkResponse: |r| work(&r.work);
        ClaimWorkResponse: |r| [cases(&r.case), leads(&r.lead)].concat();
        ReleaseWorkResponse: |r| [cases(&r.case), leads(&r.lead)].concat();
        ListHoldingsResponse: |r| work(r.holdings.iter().flat_map(|h| &h.work));
    }
    silent {
        SubmitLeadRequest, ActOnLeadRequest, ListLeadsRequest, BatchGetLeadsRequest,
        DeclareCaseRequest, ActOnCaseRequest, ListCasesRequest, BatchGetCasesRequest,
        BatchGetCurrentCasesRequest, ListCaseEventsRequest, ListMovesRequest, ListMovesResponse,
        FreezeWarningListRequest, FreezeWarningListResponse, GetWarningListRequest,
        GetWarningListResponse, GetNoticeRequest, GetNoticeResponse, GetNoticeFileRequest,
        GetNoticeFileResponse, SubmitObjectionRequest, SubmitObjectionResponse, ListObjectionsRequest,
        HoldMeetingRequest, ListMeetingsRequest, ListMeetingsResponse, GetCheckpointRequest,
        GetCheckpointResponse, GetDailySealRequest, GetDailySealResponse, GetTileRequest,
        GetTileResponse, GetProofRequest, GetProofResponse, AddCosignaturesRequest,
        AddCosignaturesResponse, GetEvidenceStatusRequest, GetEvidenceStatusResponse,
        GetCaseFileRequest, SubmitEvidenceResponse, GetEvidenceRequest, Content,
        LoadTemplateRequest, LoadTemplateResponse, ListTemplatesRequest, ListTemplatesResponse,
        ListWorkRequest, ClaimWorkRequest, ReleaseWorkRequest, ListHoldingsRequest,
        HandOverWorkRequest, HandOverWorkResponse, AppointDeputyRequest, AppointDeputyResponse,
        RevokeDeputyRequest, RevokeDeputyResponse, ListDeputiesRequest, ListDeputiesResponse,
    }
}
