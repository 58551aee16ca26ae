//! Deputies of the caller's scope, and the caller's own appointments (ORG-4).

use chassis::{auth::Caller, decode::Fields, error::Error};
use kernel::Code;
use proto::workflow::v1::{ListDeputiesRequest, ListDeputiesResponse};

use super::Service;
use crate::{
    convert,
    store::deputy::{self, Wanted},
};

/// A county of twenty townships has fewer in force; what has ended comes last.
const DEPUTIES_MAX: i64 = 100;

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: ListDeputiesRequest,
) -> Result<ListDeputiesResponse, Error> {
    let mut f = Fields::new();
    let role = match request.role.as_str() {
        "" => None,
        role => f.code("role", Code::parse(role).ok()),
    };
    f.finish()?;
    let mut tx = service.database.read(caller).await?;
    let deputies = deputy::list(&mut tx, &Wanted::Seen { role }, DEPUTIES_MAX).await?;
    Ok(ListDeputiesResponse {
        deputies: deputies.iter().map(convert::deputy::deputy).collect(),
    })
}
