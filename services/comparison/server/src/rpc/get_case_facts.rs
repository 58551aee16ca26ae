//! Facts for the procedure's guards, of its newest comparison. Re-checks are no part of the procedure
//! (CMP-9).

use chassis::{auth::Caller, decode::Fields, error::Error};
use comparison_core::recheck::Purpose;
use kernel::CaseId;
use proto::comparison::v1::{GetCaseFactsRequest, GetCaseFactsResponse};

use super::Service;
use crate::{convert, store};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: GetCaseFactsRequest,
) -> Result<GetCaseFactsResponse, Error> {
    let mut f = Fields::new();
    let case = f.parse("case_id", &request.case_id);
    let case: CaseId = f.finish_with(case)?;
    let mut tx = service.database.read(caller).await?;
    let comparisons = store::comparison::of_cases(&mut tx, &[case]).await?;
    let mut own = comparisons
        .iter()
        .filter(|comparison| comparison.purpose == Purpose::Procedure);
    Ok(GetCaseFactsResponse {
        facts: own.next().map(convert::case_facts),
    })
}
