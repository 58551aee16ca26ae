//! Stores a paper or photo (WF-10).

use bytes::Bytes;
use chassis::{
    auth::Caller, clock::timestamp, decode::Fields, error::Error, feed::Item, upload::incomplete,
};
use futures::StreamExt as _;
use kernel::{Code, DivisionCode};
use prost::Message;
use proto::workflow::v1::{
    self as wire, EvidenceEvent, EvidenceHeader, SubmitEvidenceRequest, SubmitEvidenceResponse,
    submit_evidence_request::Part,
};
use tonic::{Status, Streaming};

use super::Service;
use crate::store::evidence::{self, Stored};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    stream: Streaming<SubmitEvidenceRequest>,
) -> Result<SubmitEvidenceResponse, Error> {
    service.submit_evidence_from(caller, stream).await
}

impl Service {
    /// Stores the file that `messages` bring.
    ///
    /// # Errors
    /// See the RPC.
    pub async fn submit_evidence_from(
        &self,
        caller: &Caller,
        mut messages: impl futures::Stream<Item = Result<SubmitEvidenceRequest, Status>> + Unpin,
    ) -> Result<SubmitEvidenceResponse, Error> {
        let first = messages.next().await.and_then(Result::ok);
        let Some(Part::Header(header)) = first.and_then(|first| first.part) else {
            return Err(incomplete());
        };
        let division = decode(&header)?;
        if !caller.principal.scope.sees(&division, None) {
            return Err(Error::NotFound { what: "division" });
        }
        let chunks = messages.map(|message| match message.map(|message| message.part) {
            Ok(Some(Part::Chunk(chunk))) => Ok(Bytes::from(chunk)),
            _ => Err(incomplete()),
        });
        let id = self.database.clock().new_id();
        let file = self.evidence.put(id, chunks).await?;

        let mut tx = self.database.begin(caller).await?;
        let is_new = evidence::insert(&mut tx, &file, &division).await?;
        let stored = evidence::lookup(&mut tx, &file.sha256).await?;
        let stored = stored.ok_or(Error::NotFound { what: "evidence" })?;
        if is_new {
            tx.publish(item("evidence.stored", id, &tx, &stored, division));
        }
        tx.commit().await?;
        Ok(SubmitEvidenceResponse {
            report: Some(encode(stored)),
        })
    }
}

fn decode(header: &EvidenceHeader) -> Result<DivisionCode, Error> {
    let mut f = Fields::new();
    let division = f.parse("division_code", &header.division_code);
    f.finish_with(division)
}

/// What is put on the record about a file.
pub fn item(
    kind: &str,
    id: uuid::Uuid,
    tx: &chassis::pg::Tx,
    stored: &Stored,
    division: DivisionCode,
) -> Item {
    let principal = tx.principal();
    let event = EvidenceEvent {
        evidence: Some(encode(stored.clone())),
        actor: principal.subject.clone(),
        actor_role: principal.role.as_str().to_owned(),
        at: Some(timestamp(tx.now())),
    };
    Item {
        kind: kind.to_owned(),
        subject: id,
        division,
        department: None,
        payload: event.encode_to_vec(),
    }
}

/// A file on the wire.
pub fn encode(stored: Stored) -> wire::Evidence {
    wire::Evidence {
        sha256: stored.sha256,
        bytes: stored.bytes,
        content_type: stored.content_type,
        division_code: stored.division_code,
        stored_by: stored.stored_by,
        store_time: Some(timestamp(stored.stored_at)),
    }
}
