//! What of households each message shows, for the record (SEC-2).

use chassis::{about, access_log::Shown};
use proto::comparison::v1::*;

use crate::rpc::{Alerts, Content};

fn alerts(alerts: &[Alert]) -> Vec<Shown> {
    let alerts = alerts.iter();
    let place = |a: &Alert| (a.household_id.clone(), a.division_code.clone());
    alerts.map(place).collect()
}

fn comparisons<'a>(comparisons: impl IntoIterator<Item = &'a Comparison>) -> Vec<Shown> {
    let place = |c: &Comparison| (c.household_id.clone(), c.division_code.clone());
    comparisons.into_iter().map(place).collect()
}

fn reconsiderations<'a>(entries: impl IntoIterator<Item = &'a Reconsideration>) -> Vec<Shown> {
    let place = |r: &Reconsideration| (r.household_id.clone(), r.division_code.clone());
    entries.into_iter().map(place).collect()
}

// Files name people by their numbers; what came of them is told by events. A subscription records what
// it shows as it goes, and a request file before it goes.
about! {
    show {
        ListAlertsResponse: |r| alerts(&r.alerts);
        BatchGetAlertsResponse: |r| alerts(&r.alerts);
        SubscribeAlertsResponse: |r| alerts(r.alert.as_slice());
        StartComparisonResponse: |r| comparisons(&r.comparison);
        ReuseCheckResponse: |r| comparisons(&r.comparison);
        BatchGetComparisonsResponse: |r| comparisons(&r.comparisons);
        AnswerHitResponse: |r| vec![(r.household_id.clone(), r.division_code.clone())];
        DecideHitResponse: |r| vec![(r.household_id.clone(), r.division_code.clone())];
        ListOpenHitsResponse: |r| {
            let place = |h: &OpenHit| (h.household_id.clone(), h.division_code.clone());
            r.hits.iter().map(place).collect()
        };
        ListReconsiderationsResponse: |r| reconsiderations(&r.reconsiderations);
        CloseReconsiderationResponse: |r| reconsiderations(&r.reconsideration);
        GetCaseFactsResponse: |r| {
            let place = |f: &CaseFacts| (f.household_id.clone(), f.division_code.clone());
            r.facts.iter().map(place).collect()
        };
    }
    silent {
        SubmitAlertBatchResponse, GetBatchRequest, GetBatchResponse, ListAlertsRequest,
        SubscribeAlertsRequest, Alerts, BatchGetAlertsRequest, ListAlertRulesRequest,
        ListAlertRulesResponse, PutAlertRuleRequest, PutAlertRuleResponse, ListComparisonRulesRequest,
        ListComparisonRulesResponse, PutComparisonRuleRequest, PutComparisonRuleResponse,
        StartComparisonRequest, SubmitItemFileResponse, CreateRequestFileRequest, Content,
        SubmitResultFileResponse, GetQueryKeysRequest, GetQueryKeysResponse, ReuseCheckRequest,
        BatchGetComparisonsRequest, AnswerHitRequest, DecideHitRequest, GetCaseFactsRequest,
        ListOpenHitsRequest, CorrectBatchRequest, CorrectBatchResponse, ListReconsiderationsRequest,
        CloseReconsiderationRequest,
    }
}
