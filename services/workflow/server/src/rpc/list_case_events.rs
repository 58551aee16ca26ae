//! Every event of a case, in order, with the texts that the feed leaves out.

use anyhow::Context;
use chassis::{auth::Caller, decode::Fields, error::Error, feed};
use kernel::CaseId;
use prost::Message;
use proto::workflow::v1::{CaseEvent, ListCaseEventsRequest, ListCaseEventsResponse};

use super::Service;
use crate::{convert::command, record, store};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: ListCaseEventsRequest,
) -> Result<ListCaseEventsResponse, Error> {
    let mut f = Fields::new();
    let case = f.parse("case_id", &request.case_id);
    let case: CaseId = f.finish_with(case)?;
    let mut tx = service.database.read(caller).await?;
    let items = feed::by_subject(&mut tx, case.0).await?;
    let texts = store::text::lookup(&mut tx, case.0).await?;
    drop(tx);
    if items.is_empty() {
        return Err(Error::NotFound { what: "case" });
    }
    let mut events = Vec::with_capacity(items.len());
    for item in items {
        let payload = item.payload.unwrap_or_default();
        let event = CaseEvent::decode(&payload[..]).context("payload of a case's item");
        let mut event = event.map_err(Error::Internal)?;
        event.position = item.position;
        let version = event.case.as_ref().map_or(0, |case| case.version);
        if let Some(texts) = texts.get(&version) {
            let reason = texts
                .iter()
                .find(|(field, _)| field == record::CLAIM_REASON);
            event.reason = reason.map(|(_, text)| text.clone()).unwrap_or_default();
            if let Some(sent) = &mut event.command {
                command::restore_texts(sent, texts);
            }
            if let Some(declaration) = &mut event.declaration {
                command::restore_declared_texts(declaration, texts);
            }
        }
        events.push(event);
    }
    Ok(ListCaseEventsResponse { events })
}
