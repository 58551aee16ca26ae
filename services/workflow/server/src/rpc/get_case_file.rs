//! A case's events with their proofs, to be checked by anybody offline (SEC-3).

use anyhow::Context;
use chassis::{auth::Caller, decode::Fields, error::Error};
use kernel::CaseId;
use proto::workflow::v1::{CaseFile, GetCaseFileRequest, GetCaseFileResponse};

use super::Service;
use crate::store;

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: GetCaseFileRequest,
) -> Result<GetCaseFileResponse, Error> {
    let mut f = Fields::new();
    let case = f.parse("case_id", &request.case_id);
    let case: CaseId = f.finish_with(case)?;
    let mut tx = service.database.read(caller).await?;
    let found = store::case::lookup(&mut tx, &[case]).await?.pop();
    drop(tx);
    let found = found.ok_or(Error::NotFound { what: "case" })?;
    let extract = service.ledger.extract(caller, case.0).await?;
    // What goes out is what anybody will find: bent rows are not handed out as proved.
    let checked = extract.check(service.ledger.verifier());
    let checked =
        checked.map_err(|flaws| Error::Internal(anyhow::anyhow!("case file: {flaws:?}")))?;
    let json = serde_json::to_string_pretty(&extract).context("case file");
    let file = CaseFile {
        case_id: case.to_string(),
        size: i64::try_from(checked.checkpoint.size).unwrap_or(i64::MAX),
        event_count: i32::try_from(extract.items.len()).unwrap_or(i32::MAX),
        verify_code: checked.code,
        json: json.map_err(Error::Internal)?,
    };
    Ok(GetCaseFileResponse {
        file: Some(file),
        household_id: found.household_id,
        division_code: found.division_code,
    })
}
