//! Moves a lead on: order a visit, record it, dismiss, forward, conclude (`state-machine` 7.1).

use chassis::{
    auth::Caller,
    decode::Fields,
    error::Error,
    pg::{Claim, Tx},
};
use kernel::{Code, DivisionCode, LeadId};
use proto::workflow::v1::{ActOnLeadRequest, ActOnLeadResponse};
use workflow_core::lead::{Lead, Linked, decide_lead};

use super::Service;
use crate::{
    convert,
    lead_file::LeadFile,
    record::{self, ToldOfLead},
    store,
};

const OPERATION: &str = "ActOnLead";

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: ActOnLeadRequest,
) -> Result<ActOnLeadResponse, Error> {
    let id: LeadId = {
        let mut f = Fields::new();
        let id = f.parse("lead_id", &request.lead_id);
        f.finish_with(id)?
    };
    let acting = service
        .acting(caller, &request.acting_as, OPERATION)
        .await?;
    let caller = &acting.caller;
    let request_id = std::mem::take(&mut request.request_id);
    let mut tx = service.database.begin(caller).await?;
    if let Claim::Replayed(response) = tx.claim(OPERATION, &request_id, &request).await? {
        return Ok(response);
    }
    let file = store::lead::lock(&mut tx, id).await?;
    let mut file = file.ok_or(Error::NotFound { what: "lead" })?;
    let current = file.version;
    if request.version != 0 && request.version != current {
        let since = Vec::new();
        return Err(Error::VersionConflict { current, since });
    }
    let mut f = Fields::new();
    let asked = convert::lead::action(&mut f, request.action.as_ref(), &file.division);
    if let Some(to) = asked.as_ref().and_then(|asked| asked.forward_to.as_ref())
        && !caller.principal.scope.sees(to, None)
    {
        let expected = caller.principal.scope.division;
        f.violation("forward.division_code", "OUT_OF_SCOPE", expected);
    }
    let asked = f.finish_with(asked)?;
    let next = decide_lead(&file.lead, &asked.command, &acting.actor(), tx.today())?;
    let was = std::mem::replace(&mut file.lead, next);
    let state = file.lead.state;
    let told = ToldOfLead {
        action: Some(request),
        on_behalf_of: acting.on_behalf_of,
        deputy: acting.deputy,
        ..ToldOfLead::default()
    };
    record::lead_told(&mut tx, &mut file, state.as_str(), told).await?;
    if let Some(to) = asked.forward_to {
        arrive(&mut tx, &file, was, to).await?;
    }
    let mut leads = store::lead::lookup(&mut tx, &[id]).await?;
    let response = ActOnLeadResponse { lead: leads.pop() };
    tx.remember(&response).await?;
    tx.commit().await?;
    Ok(response)
}

/// The division that a lead was forwarded to has it as a lead of its own, with every channel.
async fn arrive(tx: &mut Tx, from: &LeadFile, was: Lead, to: DivisionCode) -> Result<(), Error> {
    let mut file = LeadFile {
        id: tx.database().clock().new_id().into(),
        division: to,
        created: tx.now(),
        version: 0,
        lead: Lead {
            linked: Some(Linked::Lead(from.id)),
            ..was
        },
        ..from.clone()
    };
    let state = file.lead.state;
    record::lead(tx, &mut file, state.as_str(), None).await
}
