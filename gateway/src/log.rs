//! `GET /log/…` and `GET /.well-known/…`: the ledger and the keys of query tokens as files that anybody
//! may read (C2SP tlog-tiles, RFC 7517): they hold hashes, signatures and public keys, nothing of anybody. `POST /log/cosignatures` takes what witnesses have signed.

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use chassis::{decode::Fields, error::Error};
use http::{
    HeaderMap,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use prost_reflect::{DynamicMessage, Value as Wire};

use crate::{
    body, contract,
    locale::Locale,
    problem::{Rejection, RequestId},
    server::Gateway,
};

/// A checkpoint with a hundred cosignatures is below.
const NOTE_BYTES_MAX: usize = 32 * 1024;
/// What was once true of a log stays true.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// There may be another one in a minute.
const CHANGES: &str = "no-cache";
const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";

type Asked = (State<Gateway>, Extension<RequestId>, HeaderMap);

pub async fn checkpoint(asked: Asked) -> Response {
    serve(
        asked,
        "workflow.GetCheckpoint",
        vec![],
        CHANGES,
        TEXT,
        |answer| inner_text(answer, "checkpoint", "note"),
    )
    .await
}

pub async fn tile(asked: Asked, Path(path): Path<String>) -> Response {
    let fields = vec![("path", Wire::String(path))];
    serve(
        asked,
        "workflow.GetTile",
        fields,
        IMMUTABLE,
        BYTES,
        |answer| {
            let hashes = answer.get_field_by_name("hashes")?;
            Some(hashes.as_bytes()?.to_vec())
        },
    )
    .await
}

pub async fn inclusion(asked: Asked, Path(path): Path<(String, String)>) -> Response {
    proof(asked, "index", path).await
}

pub async fn consistency(asked: Asked, Path(path): Path<(String, String)>) -> Response {
    proof(asked, "from", path).await
}

/// A line of base64 for each hash.
async fn proof(asked: Asked, claim: &'static str, (value, size): (String, String)) -> Response {
    let mut f = Fields::new();
    let (value, size): (Option<i64>, _) = (f.parse(claim, &value), f.parse("size", &size));
    let (value, size) = match f.finish_with(value.zip(size)) {
        Ok(numbers) => numbers,
        Err(error) => return Rejection::Error(error).document(Locale::of(&asked.2), &asked.1),
    };
    let fields = vec![(claim, Wire::I64(value)), ("size", Wire::I64(size))];
    serve(
        asked,
        "workflow.GetProof",
        fields,
        IMMUTABLE,
        TEXT,
        |answer| {
            let hashes = answer.get_field_by_name("hashes")?;
            let lines = hashes.as_list()?.iter().map(|hash| {
                let hash = BASE64_STANDARD.encode(hash.as_bytes()?);
                Some(hash + "\n")
            });
            Some(lines.collect::<Option<String>>()?.into_bytes())
        },
    )
    .await
}

pub async fn seal(asked: Asked, Path(day): Path<String>) -> Response {
    let fields = vec![("day", Wire::String(day))];
    serve(
        asked,
        "workflow.GetDailySeal",
        fields,
        CHANGES,
        TEXT,
        |answer| inner_text(answer, "seal", "text"),
    )
    .await
}

/// What departments check query tokens with.
pub async fn query_keys(asked: Asked) -> Response {
    serve(
        asked,
        "comparison.GetQueryKeys",
        vec![],
        CHANGES,
        "application/jwk-set+json",
        |answer| text(answer, "jwk_set"),
    )
    .await
}

pub async fn cosignatures(asked: Asked, body: Body) -> Response {
    let locale = Locale::of(&asked.2);
    let note = match read(body).await {
        Ok(note) => note,
        Err(error) => return Rejection::Error(error).document(locale, &asked.1),
    };
    let fields = vec![("note", Wire::String(note))];
    serve(
        asked,
        "workflow.AddCosignatures",
        fields,
        CHANGES,
        TEXT,
        |answer| {
            let witnesses = answer.get_field_by_name("witnesses")?;
            let lines = witnesses
                .as_list()?
                .iter()
                .map(|name| Some(format!("{}\n", name.as_str()?)));
            Some(lines.collect::<Option<String>>()?.into_bytes())
        },
    )
    .await
}

async fn read(body: Body) -> Result<String, Error> {
    let read = body::read(body, NOTE_BYTES_MAX).await;
    let bytes: Bytes = read.ok_or_else(|| Error::TooLarge {
        limit: format!("a note of {} KiB", NOTE_BYTES_MAX / 1024),
    })?;
    let text = String::from_utf8(bytes.into());
    text.map_err(|_| Error::invalid("body", "MALFORMED", "a signed note"))
}

/// Asks in the gateway's own name, for whoever it is.
async fn serve(
    (State(gateway), Extension(id), headers): Asked,
    rpc: &str,
    fields: Vec<(&'static str, Wire)>,
    cached: &'static str,
    content_type: &'static str,
    show: impl FnOnce(&DynamicMessage) -> Option<Vec<u8>>,
) -> Response {
    let method = contract::method(rpc);
    let mut request = DynamicMessage::new(method.input());
    for (name, value) in fields {
        request.set_field_by_name(name, value);
    }
    let answer = async {
        let caller = gateway.identity.caller().await?;
        let answer = gateway.peers.call(&caller, &method, request).await?;
        let empty = || Error::Internal(anyhow::anyhow!("{rpc} answers without content"));
        show(&answer).ok_or_else(empty)
    };
    match answer.await {
        Ok(content) => {
            let headers = [(CONTENT_TYPE, content_type), (CACHE_CONTROL, cached)];
            (headers, content).into_response()
        }
        Err(error) => Rejection::Error(error).document(Locale::of(&headers), &id),
    }
}

/// A text of a message that the answer has.
fn inner_text(answer: &DynamicMessage, message: &str, field: &str) -> Option<Vec<u8>> {
    if !answer.has_field_by_name(message) {
        return None;
    }
    text(answer.get_field_by_name(message)?.as_message()?, field)
}

fn text(message: &DynamicMessage, field: &str) -> Option<Vec<u8>> {
    let value = message.get_field_by_name(field)?;
    Some(value.as_str()?.as_bytes().to_vec())
}
