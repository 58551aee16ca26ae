//! The alert feed live: everything after a cursor, then everything new (DET-10).

use chassis::{access_log::AccessLog, auth::Caller, error::Error};
use futures::{Stream, StreamExt as _, stream};
use prost::Message;
use proto::{
    comparison::v1::{Alert, SubscribeAlertsRequest, SubscribeAlertsResponse},
    feed::v1::{Filter, SubscribeRequest, SubscribeResponse, feed_service_server::FeedService},
};
use tonic::{Request, Status};

use super::{Alerts, Service, list_alerts};
use crate::{about::About, item::ALERT_RAISED, store};

const RPC: &str = "SubscribeAlerts";
/// Alerts of one entry of the record: a page, as elsewhere.
const AT_ONCE: usize = 100;

type Sent = Result<SubscribeAlertsResponse, Status>;

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: SubscribeAlertsRequest,
) -> Result<Alerts, Error> {
    // The same checks as for a page.
    let wanted = list_alerts::wanted(caller, &request.division_code, &request.department)?;
    let mut after_cursor = request.after_cursor;
    if after_cursor.is_empty() {
        let mut tx = service.database.read(caller).await?;
        let head = store::alert::head(&mut tx).await?;
        after_cursor = service
            .database
            .cursors()
            .feed(service.database.epoch(), head);
    }
    let mut request = Request::new(SubscribeRequest {
        after_cursor,
        filter: Some(Filter {
            kinds: vec![ALERT_RAISED.to_owned()],
            division_code: request.division_code,
            department: wanted.department.unwrap_or_default(),
        }),
    });
    request.extensions_mut().insert(caller.clone());
    let items = service.feed.subscribe(request).await;
    let items = items.map_err(|status| Error::from_status(&status))?;
    let (caller, reader) = (caller.clone(), caller.clone());
    let alerts = items.into_inner().filter_map(move |sent| {
        let sent = sent.and_then(alert);
        let seen = match &sent {
            Ok(SubscribeAlertsResponse {
                alert: Some(alert), ..
            }) => list_alerts::sees(&caller, alert),
            Ok(_) | Err(_) => true,
        };
        std::future::ready(seen.then_some(sent))
    });
    Ok(Box::pin(on_record(service.log.clone(), reader, alerts)))
}

/// Lets alerts pass when it is on the record that the reader sees them (SEC-2); what is ready at once is
/// one entry.
fn on_record(
    log: AccessLog,
    reader: Caller,
    alerts: impl Stream<Item = Sent> + Send + 'static,
) -> impl Stream<Item = Sent> + Send {
    let ready = alerts.ready_chunks(AT_ONCE);
    let recorded = ready.then(move |sent| {
        let (log, reader) = (log.clone(), reader.clone());
        async move {
            let about = sent.iter().flatten().flat_map(About::about).collect();
            match log.record(&reader, RPC, about).await {
                Ok(()) => sent,
                Err(error) => vec![Err(error.into())],
            }
        }
    });
    recorded.flat_map(stream::iter)
}

fn alert(sent: SubscribeResponse) -> Result<SubscribeAlertsResponse, Status> {
    let read = sent.item.map(|item| {
        let alert = Alert::decode(&item.payload[..]).map_err(|e| Error::Internal(e.into()))?;
        // Where the household lies today.
        let merged = Some(item.merged_into_code).filter(|code| !code.is_empty());
        Ok::<_, Error>(Alert {
            position: item.position,
            cursor: item.cursor,
            division_code: merged.unwrap_or(alert.division_code),
            ..alert
        })
    });
    Ok(SubscribeAlertsResponse {
        alert: read.transpose()?,
        cursor: sent.cursor,
    })
}
