//! What of households each message shows, for the record (SEC-2).

use chassis::{about, access_log::Shown};
use proto::measures::v1::*;

fn plans<'a>(plans: impl IntoIterator<Item = &'a Plan>) -> Vec<Shown> {
    let place = |p: &Plan| (p.household_id.clone(), p.division_code.clone());
    plans.into_iter().map(place).collect()
}

// Facts go to the platform's own services and to readers of plans; they name nobody.
about! {
    show {
        AssignResponsibleResponse: |r| plans(&r.plan);
        PlanMeasureResponse: |r| plans(&r.plan);
        RecordDeliveryResponse: |r| plans(&r.plan);
        CloseRiskResponse: |r| plans(&r.plan);
        RecordMonitoringResponse: |r| plans(&r.plan);
        BatchGetPlansResponse: |r| plans(&r.plans);
        ListMonitoringDueResponse: |r| {
            let place = |d: &MonitoringDue| (d.household_id.clone(), d.division_code.clone());
            r.due.iter().map(place).collect()
        };
    }
    silent {
        AssignResponsibleRequest, PlanMeasureRequest, RecordDeliveryRequest, CloseRiskRequest,
        RecordMonitoringRequest, BatchGetPlansRequest,
        ListMonitoringDueRequest, GetCaseFactsRequest,
        GetCaseFactsResponse,
    }
}
