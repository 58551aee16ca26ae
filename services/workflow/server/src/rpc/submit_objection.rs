//! Takes in an objection from the public door (WF-8): by the code on the notice, from anybody.

use chassis::{
    auth::Caller,
    decode::Fields,
    error::Error,
    pg::{Claim, Tx},
};
use proto::workflow::v1::{
    Command, Object, ObjectionChannel, SubmitObjectionRequest, SubmitObjectionResponse,
    command::Command as Wire,
};
use workflow_core::{Facts, NoticeCode, answer_due, decide};

use super::{Service, actor};
use crate::{
    convert::{self, command, objection},
    record::{self, Told},
    store,
};

const OPERATION: &str = "SubmitObjection";
/// Shorter says nothing that somebody could look into.
const TEXT_CHARS_MIN: usize = 5;
/// Longer belongs into a letter.
const TEXT_CHARS_MAX: usize = 1000;

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: SubmitObjectionRequest,
) -> Result<SubmitObjectionResponse, Error> {
    let code = decode(&request)?;
    let request_id = std::mem::take(&mut request.request_id);
    let mut tx = service.database.begin(caller).await?;
    match tx.claim(OPERATION, &request_id, &request).await? {
        Claim::Replayed(response) => Ok(response),
        Claim::Fresh => take_in(tx, code, request).await,
    }
}

fn decode(request: &SubmitObjectionRequest) -> Result<NoticeCode, Error> {
    let mut f = Fields::new();
    let code = f.parse("notice_code", &request.notice_code);
    let text = f.text("text", &request.text, TEXT_CHARS_MAX);
    if text.is_some_and(|text| text.chars().count() < TEXT_CHARS_MIN) {
        f.violation("text", "TOO_SHORT", "at least 5 characters");
    }
    objection::contact(&mut f, "contact", &request.contact);
    f.finish_with(code)
}

/// A code that nobody issued, that is of an earlier notice, or whose notice does not hang: for whoever
/// stands at the door there is no such notice. Nothing tells which it was.
const NO_NOTICE: Error = Error::NotFound { what: "notice" };

async fn take_in(
    mut tx: Tx,
    code: NoticeCode,
    request: SubmitObjectionRequest,
) -> Result<SubmitObjectionResponse, Error> {
    let found = store::notice_code::lookup(&mut tx, code).await?;
    let (case, kind) = found.ok_or(NO_NOTICE)?;
    let mut file = store::case::lock(&mut tx, case).await?.ok_or(NO_NOTICE)?;
    let running = file.case.notice.as_ref().map(|notice| notice.kind);
    if running != Some(kind) {
        return Err(NO_NOTICE);
    }
    let today = tx.today();
    let sent = Command {
        command: Some(Wire::Object(Object {
            channel: ObjectionChannel::PublicDoor.into(),
            anonymous: request.contact.trim().is_empty(),
            received_on: today.to_string(),
            text: request.text,
            contact: request.contact,
        })),
    };
    let mut f = Fields::new();
    let command = command::read(&mut f, Some(&sent));
    let command = f.finish_with(command)?;
    let decided = decide(&file.case, command, &Facts::default(), &actor(&tx), today);
    let decision = decided.map_err(|refusal| {
        let is_closed = |code| code == "STATE" || code == "NOTICE_HANGS";
        match refusal.unmet.iter().any(|unmet| is_closed(unmet.code)) {
            true => NO_NOTICE,
            false => Error::Refused(refusal),
        }
    })?;
    let told = Told {
        command: Some(sent),
        rules: decision.rules,
        ..Told::default()
    };
    record::event(&mut tx, &mut file, &decision.event, told).await?;
    let response = SubmitObjectionResponse {
        answer_due_on: convert::day(answer_due(&file.case, today)),
    };
    tx.remember(&response).await?;
    tx.commit().await?;
    Ok(response)
}
