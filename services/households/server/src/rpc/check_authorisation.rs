//! Notes what somebody found who looked at an authorisation's paper (CMP-10). One that is not in order
//! counts no longer.

use chassis::{auth::Caller, decode::Fields, error::Error};
use households_core::authorisation::{Check, CheckOutcome};
use kernel::AuthorisationId;
use proto::households::v1::{self as wire, CheckAuthorisationRequest, CheckAuthorisationResponse};

use super::{Service, edit::Begun};
use crate::{convert, item, read::LINE_CHARS_MAX, store};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: CheckAuthorisationRequest,
) -> Result<CheckAuthorisationResponse, Error> {
    let mut f = Fields::new();
    let id: Option<AuthorisationId> = f.parse("id", &request.id);
    let outcome = match request.outcome() {
        wire::CheckOutcome::InOrder => Some(CheckOutcome::InOrder),
        wire::CheckOutcome::Defective => Some(CheckOutcome::Defective),
        wire::CheckOutcome::Unspecified => {
            f.violation("outcome", "UNKNOWN_CODE", "one of IN_ORDER, DEFECTIVE");
            None
        }
    };
    let note = match outcome {
        Some(CheckOutcome::Defective) => f.text("note", &request.note, LINE_CHARS_MAX),
        _ => f.text_optional("note", &request.note, LINE_CHARS_MAX),
    };
    let decoded = (|| Some((id?, outcome?, note?)))();
    let (id, outcome, note) = f.finish_with(decoded)?;
    let request_id = std::mem::take(&mut request.request_id);
    let edit = service
        .edit(caller, "CheckAuthorisation", &request_id, &request)
        .await?;
    let mut edit = match edit {
        Begun::Fresh(edit) => edit,
        Begun::Replayed(response) => return Ok(response),
    };
    let tx = &mut edit.tx;
    let check = Check {
        on: tx.today(),
        by: caller.principal.subject.clone(),
        outcome,
        note,
    };
    let mut stored = store::authorisation::lock(tx, id).await?;
    let ends = stored.authorisation.check_paper(check)?;
    store::authorisation::note_check(tx, &stored.authorisation).await?;
    if ends {
        item::authorisation(tx, item::AUTHORISATION_WITHDRAWN, &stored);
    }
    edit.finish(CheckAuthorisationResponse {
        authorisation: Some(convert::authorisation(&stored)),
    })
    .await
}
