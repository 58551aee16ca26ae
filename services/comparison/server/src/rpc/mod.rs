//! The RPCs. Every file named after one is one: decode, handle, encode.

mod answer_hit;
mod batch_get_alerts;
mod batch_get_comparisons;
mod close_reconsideration;
mod correct_batch;
mod create_request_file;
mod decide_hit;
mod get_batch;
mod get_case_facts;
mod get_query_keys;
mod hit;
mod list_alert_rules;
mod list_alerts;
mod list_comparison_rules;
mod list_open_hits;
mod list_reconsiderations;
mod put_alert_rule;
mod put_comparison_rule;
mod reason;
mod reuse_check;
mod rule;
mod start_comparison;
mod submit_alert_batch;
mod submit_item_file;
mod submit_result_file;
mod subscribe_alerts;

use std::{pin::Pin, sync::Arc};

use chassis::{
    access_log::AccessLog,
    auth::{self, Caller},
    bucket::Files,
    error::Error,
    feed_server::FeedServer,
    pg::Database,
};
use futures::Stream;
use proto::comparison::v1::{comparison_service_server::ComparisonService, *};
use tokio::sync::{Semaphore, SemaphorePermit};
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

pub use create_request_file::Content;

use crate::{
    Households, about::About, access, evidence::Ledger, queries::Queries, window::Windows,
};

/// Files at once: an alert batch is up to 50 MB on disk, a register takes half of the cores. Further
/// ones wait in their connections.
const FILES_AT_ONCE: usize = 4;

/// The service's RPCs over its database.
#[derive(Debug, Clone)]
pub struct Service {
    database: Database,
    registry: Households,
    ledger: Arc<dyn Ledger>,
    windows: Windows,
    queries: Arc<Queries>,
    registers: Option<Files>,
    feed: FeedServer,
    files: Arc<Semaphore>,
    log: AccessLog,
}

impl Service {
    /// Serves alerts and comparisons from `database`.
    #[must_use]
    pub fn new(
        database: Database,
        registry: Households,
        ledger: Arc<dyn Ledger>,
        windows: Windows,
        queries: Arc<Queries>,
        registers: Option<Files>,
        feed: FeedServer,
    ) -> Self {
        Self {
            // Every message says where its household lies.
            log: AccessLog::new(database.clone(), "null"),
            database,
            registry,
            ledger,
            windows,
            queries,
            registers,
            feed,
            files: Arc::new(Semaphore::new(FILES_AT_ONCE)),
        }
    }

    /// Waits until one of the files that are taken at once has ended.
    async fn turn(&self) -> Result<SemaphorePermit<'_>, Error> {
        let closed = |_| Error::Unavailable { what: "intake" };
        self.files.acquire().await.map_err(closed)
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

/// Where a page of a list in the order of ids begins: behind this one.
fn after(database: &Database, list: &str, token: &str) -> Result<Uuid, Error> {
    let last = database.cursors().read_page(list, token)?;
    let last = last.map(|last| last.parse().map_err(|_| Error::CursorInvalid));
    Ok(last.transpose()?.unwrap_or_default())
}

macro_rules! dispatch {
    ($($rpc:ident($name:literal): $request:ty => $response:ty);+ $(;)?) => {
        #[tonic::async_trait]
        impl ComparisonService for Service {
            type SubscribeAlertsStream = Alerts;
            type CreateRequestFileStream = Content;

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

/// Alerts as they come.
pub type Alerts = Pin<Box<dyn Stream<Item = Result<SubscribeAlertsResponse, Status>> + Send>>;

dispatch! {
    submit_alert_batch("SubmitAlertBatch"):
        Streaming<SubmitAlertBatchRequest> => SubmitAlertBatchResponse;
    get_batch("GetBatch"): GetBatchRequest => GetBatchResponse;
    list_alerts("ListAlerts"): ListAlertsRequest => ListAlertsResponse;
    subscribe_alerts("SubscribeAlerts"): SubscribeAlertsRequest => Alerts;
    batch_get_alerts("BatchGetAlerts"): BatchGetAlertsRequest => BatchGetAlertsResponse;
    list_alert_rules("ListAlertRules"): ListAlertRulesRequest => ListAlertRulesResponse;
    put_alert_rule("PutAlertRule"): PutAlertRuleRequest => PutAlertRuleResponse;
    list_comparison_rules("ListComparisonRules"):
        ListComparisonRulesRequest => ListComparisonRulesResponse;
    put_comparison_rule("PutComparisonRule"):
        PutComparisonRuleRequest => PutComparisonRuleResponse;
    start_comparison("StartComparison"): StartComparisonRequest => StartComparisonResponse;
    submit_item_file("SubmitItemFile"): Streaming<SubmitItemFileRequest> => SubmitItemFileResponse;
    create_request_file("CreateRequestFile"): CreateRequestFileRequest => Content;
    submit_result_file("SubmitResultFile"):
        Streaming<SubmitResultFileRequest> => SubmitResultFileResponse;
    get_query_keys("GetQueryKeys"): GetQueryKeysRequest => GetQueryKeysResponse;
    reuse_check("ReuseCheck"): ReuseCheckRequest => ReuseCheckResponse;
    batch_get_comparisons("BatchGetComparisons"):
        BatchGetComparisonsRequest => BatchGetComparisonsResponse;
    answer_hit("AnswerHit"): AnswerHitRequest => AnswerHitResponse;
    decide_hit("DecideHit"): DecideHitRequest => DecideHitResponse;
    get_case_facts("GetCaseFacts"): GetCaseFactsRequest => GetCaseFactsResponse;
    list_open_hits("ListOpenHits"): ListOpenHitsRequest => ListOpenHitsResponse;
    correct_batch("CorrectBatch"): CorrectBatchRequest => CorrectBatchResponse;
    list_reconsiderations("ListReconsiderations"):
        ListReconsiderationsRequest => ListReconsiderationsResponse;
    close_reconsideration("CloseReconsideration"):
        CloseReconsiderationRequest => CloseReconsiderationResponse;
}
