//! What the procedure's guards need to know of a case's assistance on a day.

use chassis::{auth::Caller, decode::Fields, error::Error};
use chrono::NaiveDate;
use kernel::CaseId;
use proto::measures::v1::{GetCaseFactsRequest, GetCaseFactsResponse};

use super::{Service, change::is_there};
use crate::{arrival, convert};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: GetCaseFactsRequest,
) -> Result<GetCaseFactsResponse, Error> {
    let (case, as_of) = decode(&request)?;
    let as_of = as_of.unwrap_or_else(|| service.database.clock().today());
    let plan = arrival::plan(&service.database, caller, case, is_there).await?;
    Ok(GetCaseFactsResponse {
        facts: Some(convert::facts(&plan, plan.facts(as_of))),
    })
}

fn decode(request: &GetCaseFactsRequest) -> Result<(CaseId, Option<NaiveDate>), Error> {
    let mut f = Fields::new();
    let case = f.parse("case_id", &request.case_id);
    let as_of = f.date_optional("as_of", &request.as_of);
    f.finish_with(case.map(|case| (case, as_of)))
}
