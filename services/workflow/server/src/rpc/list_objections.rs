//! Objections to the notices of a case, with their texts (T7o).

use chassis::{auth::Caller, decode::Fields, error::Error};
use kernel::CaseId;
use proto::workflow::v1::{ListObjectionsRequest, ListObjectionsResponse, Objection};
use workflow_core::Case;

use super::Service;
use crate::{
    convert::objection::{sees_objector, to_proto},
    store::{self, text::Texts},
};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: ListObjectionsRequest,
) -> Result<ListObjectionsResponse, Error> {
    let mut f = Fields::new();
    let case = f.parse("case_id", &request.case_id);
    let case: CaseId = f.finish_with(case)?;
    let mut tx = service.database.read(caller).await?;
    let file = store::case::file(&mut tx, case).await?;
    let file = file.ok_or(Error::NotFound { what: "case" })?;
    let texts = store::text::lookup(&mut tx, case.0).await?;
    drop(tx);
    let mut objections = encode(&file.case, &texts);
    if !sees_objector(caller.principal.role) {
        objections.iter_mut().for_each(|o| o.contact.clear());
    }
    Ok(ListObjectionsResponse {
        objections,
        household_id: file.household.to_string(),
        division_code: file.division.to_string(),
    })
}

fn encode(case: &Case, texts: &Texts) -> Vec<Objection> {
    let text = |version: i64, field: &str| {
        let texts = texts.get(&version).into_iter().flatten();
        let mut found = texts.filter(|(name, _)| name == field);
        found
            .next()
            .map(|(_, text)| text.clone())
            .unwrap_or_default()
    };
    let all = case.objections.all.iter();
    all.map(|objection| Objection {
        text: text(objection.version, "text"),
        contact: text(objection.version, "contact"),
        answer: objection
            .answered_version
            .map_or_else(String::new, |version| text(version, "reason")),
        ..to_proto(case, objection)
    })
    .collect()
}
