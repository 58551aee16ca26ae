//! Comparisons of cases: those of the procedure, newest first, then re-checks.

use chassis::{auth::Caller, decode::Fields, error::Error};
use kernel::CaseId;
use proto::comparison::v1::{BatchGetComparisonsRequest, BatchGetComparisonsResponse};

use super::Service;
use crate::{convert, store};

/// A page of cases.
const BATCH_MAX: usize = 100;

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: BatchGetComparisonsRequest,
) -> Result<BatchGetComparisonsResponse, Error> {
    let mut f = Fields::new();
    f.at_most("case_ids", request.case_ids.len(), BATCH_MAX);
    let ids = request.case_ids.iter().take(BATCH_MAX).enumerate();
    let cases: Vec<CaseId> = ids
        .filter_map(|(at, id)| f.parse(&format!("case_ids[{at}]"), id))
        .collect();
    f.finish()?;
    let mut tx = service.database.read(caller).await?;
    let comparisons = store::comparison::of_cases(&mut tx, &cases).await?;
    Ok(BatchGetComparisonsResponse {
        comparisons: comparisons.iter().map(convert::comparison).collect(),
    })
}
