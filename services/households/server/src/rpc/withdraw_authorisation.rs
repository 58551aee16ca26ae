//! Withdraws an authorisation (S18).

use chassis::{auth::Caller, decode::Fields, error::Error};
use kernel::AuthorisationId;
use proto::households::v1::{WithdrawAuthorisationRequest, WithdrawAuthorisationResponse};

use super::{Service, edit::Begun};
use crate::{convert, item, read::LINE_CHARS_MAX, store};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: WithdrawAuthorisationRequest,
) -> Result<WithdrawAuthorisationResponse, Error> {
    let mut f = Fields::new();
    let id: Option<AuthorisationId> = f.parse("id", &request.id);
    let reason = f.text_optional("reason", &request.reason, LINE_CHARS_MAX);
    let (id, reason) = f.finish_with(id.zip(reason))?;
    let request_id = std::mem::take(&mut request.request_id);
    let edit = service
        .edit(caller, "WithdrawAuthorisation", &request_id, &request)
        .await?;
    let mut edit = match edit {
        Begun::Fresh(edit) => edit,
        Begun::Replayed(response) => return Ok(response),
    };
    let tx = &mut edit.tx;
    let today = tx.today();
    let mut stored = store::authorisation::lock(tx, id).await?;
    stored.authorisation.withdraw(today)?;
    store::authorisation::withdraw(tx, id, today, &reason).await?;
    item::authorisation(tx, item::AUTHORISATION_WITHDRAWN, &stored);
    edit.finish(WithdrawAuthorisationResponse {
        authorisation: Some(convert::authorisation(&stored)),
    })
    .await
}
