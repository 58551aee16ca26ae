//! Appoints a deputy (ORG-4).

use chassis::{
    auth::Caller,
    clock::timestamp,
    decode::Fields,
    error::Error,
    feed::Item,
    pg::{Claim, Tx},
};
use kernel::Code;
use prost::Message;
use proto::workflow::v1::{self as wire, AppointDeputyRequest, AppointDeputyResponse, DeputyEvent};

use super::Service;
use crate::{
    convert,
    store::deputy::{self, Deputy},
};

const OPERATION: &str = "AppointDeputy";

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: AppointDeputyRequest,
) -> Result<AppointDeputyResponse, Error> {
    let mut f = Fields::new();
    let read = convert::deputy::read(&mut f, request.deputy.as_ref());
    let (appointment, reason) = f.finish_with(read)?;
    let principal = &caller.principal;
    if !principal.scope.sees(&appointment.division, None) {
        return Err(Error::NotFound { what: "division" });
    }
    let request_id = std::mem::take(&mut request.request_id);
    let mut tx = service.database.begin(caller).await?;
    if let Claim::Replayed(response) = tx.claim(OPERATION, &request_id, &request).await? {
        return Ok(response);
    }
    appointment.appoint(principal, &reason, tx.today())?;
    let deputy = Deputy {
        id: service.database.clock().new_id().into(),
        appointment,
        reason,
        appointed_by: principal.subject.clone(),
        appointed_at: tx.now(),
    };
    deputy::insert(&mut tx, &deputy).await?;
    publish(&mut tx, "deputy.appointed", &deputy);
    let response = AppointDeputyResponse {
        deputy: Some(convert::deputy::deputy(&deputy)),
    };
    tx.remember(&response).await?;
    tx.commit().await?;
    Ok(response)
}

/// Tells the feed. The reason may name an illness or a person; it stays at home.
pub fn publish(tx: &mut Tx, kind: &str, deputy: &Deputy) {
    let principal = tx.principal();
    let told = wire::Deputy {
        reason: String::new(),
        ..convert::deputy::deputy(deputy)
    };
    let event = DeputyEvent {
        deputy: Some(told),
        actor: principal.subject.clone(),
        actor_role: principal.role.as_str().to_owned(),
        at: Some(timestamp(tx.now())),
    };
    tx.publish(Item {
        kind: kind.to_owned(),
        subject: deputy.id.0,
        division: deputy.appointment.division,
        department: None,
        payload: event.encode_to_vec(),
    });
}
