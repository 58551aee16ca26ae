//! Alerts by id; ids out of scope are left out.

use chassis::{auth::Caller, decode::Fields, error::Error};
use proto::comparison::v1::{Alert, BatchGetAlertsRequest, BatchGetAlertsResponse};
use uuid::Uuid;

use super::Service;
use crate::store;

/// A page of leads.
const BATCH_MAX: usize = 100;

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: BatchGetAlertsRequest,
) -> Result<BatchGetAlertsResponse, Error> {
    let mut f = Fields::new();
    f.at_most("ids", request.ids.len(), BATCH_MAX);
    let ids = request.ids.iter().take(BATCH_MAX).enumerate();
    let ids: Vec<Uuid> = ids
        .filter_map(|(at, id)| f.parse(&format!("ids[{at}]"), id))
        .collect();
    f.finish()?;
    let mut tx = service.database.read(caller).await?;
    let alerts = store::alert::lookup(&mut tx, &ids).await?;
    let (cursors, epoch) = (service.database.cursors(), service.database.epoch());
    let alerts = alerts.into_iter().map(|alert| Alert {
        cursor: cursors.feed(epoch, alert.position),
        ..alert
    });
    Ok(BatchGetAlertsResponse {
        alerts: alerts.collect(),
    })
}
