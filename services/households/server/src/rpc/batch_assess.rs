//! Income against the line, guarantees, labour and the category that follows.

use chassis::{auth::Caller, decode::Fields, error::Error};
use households_core::assessment::assess;
use proto::households::v1::{BatchAssessRequest, BatchAssessResponse};

use super::Service;
use crate::{convert, read, store};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: BatchAssessRequest,
) -> Result<BatchAssessResponse, Error> {
    let mut f = Fields::new();
    let ids = read::household_ids(&mut f, "household_ids", &request.household_ids);
    let as_of = f.date_optional("as_of", &request.as_of);
    let ids = f.finish_with(ids)?;
    let as_of = as_of.unwrap_or_else(|| service.database.clock().today());
    let mut tx = service.database.read(caller).await?;
    let subjects = store::subject::load(&mut tx, &ids, as_of).await?;
    let subjects = subjects.iter();
    Ok(BatchAssessResponse {
        assessments: subjects
            .map(|(id, subject)| convert::assessment(*id, &assess(subject, as_of)))
            .collect(),
    })
}
