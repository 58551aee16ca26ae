//! The hand-over list of an account (ORG-4).

use chassis::{auth::Caller, decode::Fields, error::Error};
use proto::workflow::v1::{Holdings, ListHoldingsRequest, ListHoldingsResponse};
use workflow_core::CLAIMS_MAX;

use super::{Service, list_work};
use crate::{
    access, convert,
    store::{deputy, work},
};

/// More appointments than this has nobody at a time.
const DEPUTIES_MAX: i64 = 100;

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: ListHoldingsRequest,
) -> Result<ListHoldingsResponse, Error> {
    let own = &caller.principal;
    let account = match request.account.as_str() {
        "" => own.subject.clone(),
        account => {
            let mut f = Fields::new();
            let account = convert::deputy::account(&mut f, "account", account);
            f.finish_with(account)?
        }
    };
    if account != own.subject && !access::LEADERS.contains(&own.role) {
        return Err(Error::PermissionDenied);
    }
    let mut tx = service.database.read(caller).await?;
    let today = tx.today();
    let most = i64::try_from(CLAIMS_MAX).unwrap_or(i64::MAX);
    let claimed = work::claimed(&mut tx, &account, today, most).await?;
    let open = deputy::Wanted::Open { account: &account };
    let deputies = deputy::list(&mut tx, &open, DEPUTIES_MAX).await?;
    drop(tx);
    Ok(ListHoldingsResponse {
        holdings: Some(Holdings {
            account,
            work: claimed
                .iter()
                .map(|item| list_work::encode(item, today))
                .collect(),
            deputies: deputies.iter().map(convert::deputy::deputy).collect(),
        }),
    })
}
