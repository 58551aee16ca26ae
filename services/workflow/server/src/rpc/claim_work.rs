//! Claims the current task of a case or lead, or takes it over (WF-12). Two who claim at once wait for
//! each other at the row: one has it, the other is told who and since when.

use chassis::{
    auth::Caller,
    decode::Fields,
    error::Error,
    pg::{Claim, Tx},
};
use kernel::{CaseId, LeadId};
use proto::workflow::v1::{Case, ClaimWorkRequest, ClaimWorkResponse, Lead};
use workflow_core::{CLAIMS_MAX, claim_case, claim_lead};

use super::Service;
use crate::{
    acting::Acting,
    convert,
    record::{self, Told, ToldOfLead},
    store,
};

const OPERATION: &str = "ClaimWork";

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: ClaimWorkRequest,
) -> Result<ClaimWorkResponse, Error> {
    let mut f = Fields::new();
    let subject = subject(&mut f, &request.case_id, &request.lead_id);
    let reason = convert::deputy::reason(&mut f, "reason", &request.reason);
    let (subject, reason) = f.finish_with(subject.zip(reason))?;
    let acting = service
        .acting(caller, &request.acting_as, OPERATION)
        .await?;
    let request_id = std::mem::take(&mut request.request_id);
    let mut tx = service.database.begin(&acting.caller).await?;
    if let Claim::Replayed(response) = tx.claim(OPERATION, &request_id, &request).await? {
        return Ok(response);
    }
    room(&mut tx, &acting).await?;
    let take_over = request.take_over.then_some(reason);
    let mut response = ClaimWorkResponse::default();
    match subject {
        Subject::Case(id) => response.case = Some(case(&mut tx, &acting, id, take_over).await?),
        Subject::Lead(id) => response.lead = Some(lead(&mut tx, &acting, id, take_over).await?),
    }
    tx.remember(&response).await?;
    tx.commit().await?;
    Ok(response)
}

/// What a claim is about.
#[derive(Debug, Clone, Copy)]
pub enum Subject {
    Case(CaseId),
    Lead(LeadId),
}

/// Reads which of the two is meant; `None` when `f` holds why not.
pub fn subject(f: &mut Fields, case_id: &str, lead_id: &str) -> Option<Subject> {
    if case_id.is_empty() == lead_id.is_empty() {
        f.violation("case_id", "ONE_OF", "a case or a lead");
        return None;
    }
    match lead_id {
        "" => f.parse("case_id", case_id).map(Subject::Case),
        lead_id => f.parse("lead_id", lead_id).map(Subject::Lead),
    }
}

/// Nobody hides more work than anybody can do. Claims that are made at once may pass the bound by
/// their number; it is there for thousands.
async fn room(tx: &mut Tx, acting: &Acting) -> Result<(), Error> {
    let (account, today) = (&acting.caller.principal.subject, tx.today());
    let most = i64::try_from(CLAIMS_MAX).unwrap_or(i64::MAX);
    let held = store::work::claimed(tx, account, today, most).await?;
    match held.len() < CLAIMS_MAX {
        true => Ok(()),
        false => Err(Error::TooLarge {
            limit: format!("an account holds at most {CLAIMS_MAX} claims"),
        }),
    }
}

async fn case(
    tx: &mut Tx,
    acting: &Acting,
    id: CaseId,
    take_over: Option<String>,
) -> Result<Case, Error> {
    let file = store::case::lock(tx, id).await?;
    let mut file = file.ok_or(Error::NotFound { what: "case" })?;
    let (actor, today) = (acting.actor(), tx.today());
    let event = claim_case(&file.case, &actor, take_over.as_deref(), today)?;
    let told = Told {
        deputy: acting.deputy,
        reason: take_over.unwrap_or_default(),
        ..Told::default()
    };
    record::event(tx, &mut file, &event, told).await?;
    Ok(convert::case::case(&file))
}

async fn lead(
    tx: &mut Tx,
    acting: &Acting,
    id: LeadId,
    take_over: Option<String>,
) -> Result<Lead, Error> {
    let file = store::lead::lock(tx, id).await?;
    let mut file = file.ok_or(Error::NotFound { what: "lead" })?;
    let (actor, today) = (acting.actor(), tx.today());
    let (lead, from) = claim_lead(&file.lead, &actor, take_over.as_deref(), today)?;
    file.lead = lead;
    let name = match from {
        Some(_) => "TAKEN_OVER",
        None => "CLAIMED",
    };
    let told = ToldOfLead {
        claimed_from: from,
        on_behalf_of: acting.on_behalf_of.clone(),
        deputy: acting.deputy,
        claim_reason: take_over.unwrap_or_default(),
        ..ToldOfLead::default()
    };
    record::lead_told(tx, &mut file, name, told).await?;
    Ok(convert::lead::lead(&file))
}
