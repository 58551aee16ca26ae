//! Gives a claim back (WF-12).

use chassis::{auth::Caller, decode::Fields, error::Error, pg::Claim};
use proto::workflow::v1::{ReleaseWorkRequest, ReleaseWorkResponse};
use workflow_core::{release_case, release_lead};

use super::{
    Service, actor,
    claim_work::{Subject, subject},
};
use crate::{
    convert,
    record::{self, Told},
    store,
};

const OPERATION: &str = "ReleaseWork";

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: ReleaseWorkRequest,
) -> Result<ReleaseWorkResponse, Error> {
    let mut f = Fields::new();
    let subject = subject(&mut f, &request.case_id, &request.lead_id);
    let subject = f.finish_with(subject)?;
    let request_id = std::mem::take(&mut request.request_id);
    let mut tx = service.database.begin(caller).await?;
    if let Claim::Replayed(response) = tx.claim(OPERATION, &request_id, &request).await? {
        return Ok(response);
    }
    let (actor, today) = (actor(&tx), tx.today());
    let mut response = ReleaseWorkResponse::default();
    match subject {
        Subject::Case(id) => {
            let file = store::case::lock(&mut tx, id).await?;
            let mut file = file.ok_or(Error::NotFound { what: "case" })?;
            let event = release_case(&file.case, &actor, today)?;
            record::event(&mut tx, &mut file, &event, Told::default()).await?;
            response.case = Some(convert::case::case(&file));
        }
        Subject::Lead(id) => {
            let file = store::lead::lock(&mut tx, id).await?;
            let mut file = file.ok_or(Error::NotFound { what: "lead" })?;
            file.lead = release_lead(&file.lead, &actor, today)?;
            record::lead(&mut tx, &mut file, "RELEASED", None).await?;
            response.lead = Some(convert::lead::lead(&file));
        }
    }
    tx.remember(&response).await?;
    tx.commit().await?;
    Ok(response)
}
