//! Every monitoring line that concerns the caller's scope.

use chassis::{auth::Caller, error::Error};
use proto::households::v1::{ListMonitoringLinesRequest, ListMonitoringLinesResponse};

use super::Service;
use crate::{convert, store};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    _request: ListMonitoringLinesRequest,
) -> Result<ListMonitoringLinesResponse, Error> {
    let mut tx = service.database.read(caller).await?;
    let lines = store::line::list(&mut tx).await?;
    Ok(ListMonitoringLinesResponse {
        lines: lines.iter().map(convert::line).collect(),
    })
}
