//! A named person's decision on a hit (S35, CMP-6).

use chassis::{auth::Caller, decode::Fields, error::Error, pg::Claim};
use comparison_core::outcome::HitOutcome;
use proto::comparison::v1::{self as wire, DecideHitRequest, DecideHitResponse};
use uuid::Uuid;

use super::{Service, hit, reason};
use crate::{convert, item, store};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: DecideHitRequest,
) -> Result<DecideHitResponse, Error> {
    let mut f = Fields::new();
    let id: Option<Uuid> = f.parse("hit_id", &request.hit_id);
    let outcome = match request.outcome() {
        wire::HitOutcome::Confirmed => Some(HitOutcome::Confirmed),
        wire::HitOutcome::Cleared => Some(HitOutcome::Cleared),
        wire::HitOutcome::Unspecified => {
            f.violation("outcome", "UNKNOWN_CODE", "one of CONFIRMED, CLEARED");
            None
        }
    };
    let reason = reason::read(&mut f, &request.reason);
    let decoded = (|| Some((id?, outcome?, reason?)))();
    let (id, outcome, reason) = f.finish_with(decoded)?;
    let request_id = std::mem::take(&mut request.request_id);
    let mut tx = service.database.begin(caller).await?;
    if let Claim::Replayed(response) = tx.claim("DecideHit", &request_id, &request).await? {
        return Ok(response);
    }
    let (mut comparison, mut hit) = hit::lock(&mut tx, id).await?;
    hit.outcome = Some(outcome);
    hit.decided_by = caller.principal.subject.clone();
    hit.decided_reason = reason;
    hit.decided_on = Some(tx.today());
    store::hit::update(&mut tx, &hit).await?;
    let response = DecideHitResponse {
        hit: Some(convert::hit(&hit)),
        household_id: comparison.household.to_string(),
        division_code: comparison.division.to_string(),
    };
    for known in comparison.hits.iter_mut().filter(|known| known.id == id) {
        known.outcome = Some(outcome);
    }
    item::hit_decided(&mut tx, &comparison);
    tx.remember(&response).await?;
    tx.commit().await?;
    Ok(response)
}
