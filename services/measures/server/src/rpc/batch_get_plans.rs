//! Plans of cases. Cases out of scope, and those whose plan has not arrived, are left out.

use chassis::{auth::Caller, decode::Fields, error::Error};
use kernel::CaseId;
use proto::measures::v1::{BatchGetPlansRequest, BatchGetPlansResponse};

use super::Service;
use crate::{convert, store};

/// A page of cases.
const CASES_MAX: usize = 100;

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: BatchGetPlansRequest,
) -> Result<BatchGetPlansResponse, Error> {
    let cases = decode(&request)?;
    let mut tx = service.database.read(caller).await?;
    let plans = store::plan::lookup(&mut tx, &cases).await?;
    let plans = plans.iter().map(|plan| convert::plan(plan, tx.today()));
    Ok(BatchGetPlansResponse {
        plans: plans.collect(),
    })
}

fn decode(request: &BatchGetPlansRequest) -> Result<Vec<CaseId>, Error> {
    let mut f = Fields::new();
    f.at_most("case_ids", request.case_ids.len(), CASES_MAX);
    let ids = request.case_ids.iter().take(CASES_MAX).enumerate();
    let cases = ids
        .map(|(at, id)| f.parse(&format!("case_ids[{at}]"), id))
        .collect();
    f.finish_with(cases)
}
