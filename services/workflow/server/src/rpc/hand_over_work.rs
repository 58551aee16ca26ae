//! Hands every claim of an account over to another that acts as the same role (ORG-4). What the other
//! one may really do, its token says when it acts: an account is no more than a name here.

use chassis::{
    auth::Caller,
    decode::Fields,
    error::Error,
    pg::{Claim, Tx},
};
use kernel::{DivisionCode, Refusal, Requirement};
use proto::workflow::v1::{HandOverWorkRequest, HandOverWorkResponse};
use workflow_core::{CLAIMS_MAX, What, hand_over_case, hand_over_lead};

use super::{Service, actor};
use crate::{
    convert,
    record::{self, Told, ToldOfLead},
    store::{
        self,
        work::{self, Item},
    },
};

const OPERATION: &str = "HandOverWork";

/// A reason shorter than this says nothing.
const REASON_CHARS_MIN: usize = 5;

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: HandOverWorkRequest,
) -> Result<HandOverWorkResponse, Error> {
    let input = decode(&request)?;
    if !caller.principal.scope.sees(&input.division, None) {
        return Err(Error::NotFound { what: "division" });
    }
    let request_id = std::mem::take(&mut request.request_id);
    let mut tx = service.database.begin(caller).await?;
    if let Claim::Replayed(response) = tx.claim(OPERATION, &request_id, &request).await? {
        return Ok(response);
    }
    let response = hand_over(&mut tx, input).await?;
    tx.remember(&response).await?;
    tx.commit().await?;
    Ok(response)
}

struct Input {
    from: String,
    to: String,
    division: DivisionCode,
    reason: String,
}

fn decode(request: &HandOverWorkRequest) -> Result<Input, Error> {
    let mut f = Fields::new();
    let from = convert::deputy::account(&mut f, "from_account", &request.from_account);
    let to = convert::deputy::account(&mut f, "to_account", &request.to_account);
    if to.is_some() && to == from {
        f.violation("to_account", "ANOTHER_ACCOUNT", "another account");
    }
    let division = f.parse("to_division_code", &request.to_division_code);
    let reason = convert::deputy::reason(&mut f, "reason", &request.reason);
    let is_short = |reason: &String| reason.chars().count() < REASON_CHARS_MIN;
    if reason.as_ref().is_some_and(is_short) {
        f.violation("reason", "TOO_SHORT", "at least 5 characters");
    }
    let input = (|| {
        Some(Input {
            from: from?,
            to: to?,
            division: division?,
            reason: reason?,
        })
    })();
    f.finish_with(input)
}

async fn hand_over(tx: &mut Tx, input: Input) -> Result<HandOverWorkResponse, Error> {
    let today = tx.today();
    // Whoever claims at once may hold a few more than are allowed.
    let most = i64::try_from(2 * CLAIMS_MAX).unwrap_or(i64::MAX);
    let mut held = work::claimed(tx, &input.from, today, most).await?;
    covered(&held, &input.division)?;
    // Always in the same order, so that two hand-overs cannot wait for each other.
    held.sort_unstable_by_key(|item| item.subject);
    let mut response = HandOverWorkResponse::default();
    for item in held {
        match item.is_lead {
            true => lead(tx, &item, &input, &mut response).await?,
            false => case(tx, &item, &input, &mut response).await?,
        }
    }
    Ok(response)
}

/// The other one works where everything lies that is handed over.
fn covered(held: &[Item], division: &DivisionCode) -> Result<(), Refusal> {
    let outside = held.iter().filter(|item| {
        let own: Result<DivisionCode, _> = item.division_code.parse();
        !own.is_ok_and(|own| division.contains(&own))
    });
    match outside.count() {
        0 => Ok(()),
        outside => Err(Requirement::new("ORG-4", "DIVISION_COVERS", 0, outside).into()),
    }
}

async fn case(
    tx: &mut Tx,
    item: &Item,
    input: &Input,
    response: &mut HandOverWorkResponse,
) -> Result<(), Error> {
    let Some(mut file) = store::case::lock(tx, item.subject.into()).await? else {
        return Ok(());
    };
    let (actor, today) = (actor(tx), tx.today());
    // It may have changed hands between the look and the lock.
    let is_held = |file: &crate::case_file::CaseFile| {
        let claim = file.case.claim.as_ref();
        claim.is_some_and(|claim| claim.account == input.from)
    };
    let event = hand_over_case(&file.case, &input.to, &actor, today).filter(|_| is_held(&file));
    let Some(event) = event else { return Ok(()) };
    let told = Told {
        reason: input.reason.clone(),
        ..Told::default()
    };
    record::event(tx, &mut file, &event, told).await?;
    match event.what {
        What::Released => response.released_case_ids.push(file.id.to_string()),
        _ => response.case_ids.push(file.id.to_string()),
    }
    Ok(())
}

async fn lead(
    tx: &mut Tx,
    item: &Item,
    input: &Input,
    response: &mut HandOverWorkResponse,
) -> Result<(), Error> {
    let Some(mut file) = store::lead::lock(tx, item.subject.into()).await? else {
        return Ok(());
    };
    let claim = file.lead.claim.as_ref();
    if claim.is_none_or(|claim| claim.account != input.from) {
        return Ok(());
    }
    let Some(next) = hand_over_lead(&file.lead, &input.to, tx.today()) else {
        return Ok(());
    };
    file.lead = next;
    let told = ToldOfLead {
        claimed_from: Some(input.from.clone()),
        claim_reason: input.reason.clone(),
        ..ToldOfLead::default()
    };
    record::lead_told(tx, &mut file, "HANDED_OVER", told).await?;
    response.lead_ids.push(file.id.to_string());
    Ok(())
}
