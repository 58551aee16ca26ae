//! The RPCs. Every file is one: decode, handle, encode.

mod assign_responsible;
mod batch_get_plans;
mod change;
mod close_risk;
mod get_case_facts;
mod list_monitoring_due;
mod plan_measure;
mod record_delivery;
mod record_monitoring;

use chassis::{
    access_log::AccessLog,
    auth::{self, Caller},
    error::Error,
    pg::Database,
};
use proto::measures::v1::{
    AssignResponsibleRequest, AssignResponsibleResponse, BatchGetPlansRequest,
    BatchGetPlansResponse, CloseRiskRequest, CloseRiskResponse, GetCaseFactsRequest,
    GetCaseFactsResponse, ListMonitoringDueRequest, ListMonitoringDueResponse, PlanMeasureRequest,
    PlanMeasureResponse, RecordDeliveryRequest, RecordDeliveryResponse, RecordMonitoringRequest,
    RecordMonitoringResponse, measures_service_server::MeasuresService,
};
use tonic::{Request, Response, Status};

use crate::{about::About, access};

/// The service's RPCs over its database.
#[derive(Debug, Clone)]
pub struct Service {
    database: Database,
    log: AccessLog,
}

impl Service {
    /// Serves plans from `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self {
            // Every message says where its household lies.
            log: AccessLog::new(database.clone(), "null"),
            database,
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
    ($($rpc:ident($name:literal): $request:ident -> $response:ident);+ $(;)?) => {
        #[tonic::async_trait]
        impl MeasuresService for Service {
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
    assign_responsible("AssignResponsible"): AssignResponsibleRequest -> AssignResponsibleResponse;
    plan_measure("PlanMeasure"): PlanMeasureRequest -> PlanMeasureResponse;
    record_delivery("RecordDelivery"): RecordDeliveryRequest -> RecordDeliveryResponse;
    close_risk("CloseRisk"): CloseRiskRequest -> CloseRiskResponse;
    record_monitoring("RecordMonitoring"): RecordMonitoringRequest -> RecordMonitoringResponse;
    batch_get_plans("BatchGetPlans"): BatchGetPlansRequest -> BatchGetPlansResponse;
    list_monitoring_due("ListMonitoringDue"): ListMonitoringDueRequest -> ListMonitoringDueResponse;
    get_case_facts("GetCaseFacts"): GetCaseFactsRequest -> GetCaseFactsResponse;
}
