//! Takes an appointment back at once (ORG-4).

use chassis::{auth::Caller, decode::Fields, error::Error, pg::Claim};
use kernel::{DeputyId, Refusal, Requirement};
use proto::workflow::v1::{RevokeDeputyRequest, RevokeDeputyResponse};

use super::{Service, appoint_deputy::publish};
use crate::{convert, store::deputy};

const OPERATION: &str = "RevokeDeputy";

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: RevokeDeputyRequest,
) -> Result<RevokeDeputyResponse, Error> {
    let mut f = Fields::new();
    let id = f.parse("deputy_id", &request.deputy_id);
    let id: DeputyId = f.finish_with(id)?;
    let request_id = std::mem::take(&mut request.request_id);
    let mut tx = service.database.begin(caller).await?;
    if let Claim::Replayed(response) = tx.claim(OPERATION, &request_id, &request).await? {
        return Ok(response);
    }
    let found = deputy::lock(&mut tx, id).await?;
    let mut found = found.ok_or(Error::NotFound { what: "deputy" })?;
    let today = tx.today();
    if !found.appointment.is_open(today) {
        let ended = found.appointment.revoked.unwrap_or(found.appointment.until);
        let over = Requirement::new("ORG-4", "DEPUTY_OPEN", today, ended);
        return Err(Refusal::from(over).into());
    }
    deputy::revoke(&mut tx, id, today).await?;
    found.appointment.revoked = Some(today);
    publish(&mut tx, "deputy.revoked", &found);
    let response = RevokeDeputyResponse {
        deputy: Some(convert::deputy::deputy(&found)),
    };
    tx.remember(&response).await?;
    tx.commit().await?;
    Ok(response)
}
