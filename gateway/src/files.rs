//! `PUT /files/…`: files too large for an input, streamed to the service that takes them; and
//! `GET /files/evidence/…`: a paper or photo as it was stored; `GET /files/notices/…`: a public notice
//! to print; `POST /files/requests/…`: questions to a department that looks up for itself.

use std::collections::HashMap;

use async_graphql::{Name, Value};
use axum::{
    Extension, Json,
    body::{Body, BodyDataStream, Bytes},
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use chassis::{auth::Caller, error::Error};
use futures::{Stream, StreamExt as _, stream};
use http::{
    HeaderMap, HeaderValue,
    header::{
        CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use prost_reflect::{DynamicMessage, MethodDescriptor, Value as Wire};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use crate::{
    body, contract,
    locale::Locale,
    problem::{Rejection, RequestId},
    schema::{self, Reader},
    server::Gateway,
};

/// Largest file; services have the same limit.
const FILE_BYTES_MAX: u64 = chassis::upload::BYTES_MAX;
/// Pieces that a file is passed on in.
const PIECE_BYTES: usize = 64 * 1024;
/// Pieces that wait for a service that reads slowly.
const QUEUE: usize = 4;

/// A request that takes a file.
type Asked = (HeaderMap, Query<HashMap<String, String>>);

pub async fn households(
    state: State<Gateway>,
    id: Extension<RequestId>,
    asked: Asked,
    body: Body,
) -> Response {
    take("households.ImportSheet", state, id, asked, body).await
}

pub async fn alerts(
    state: State<Gateway>,
    id: Extension<RequestId>,
    asked: Asked,
    body: Body,
) -> Response {
    take("comparison.SubmitAlertBatch", state, id, asked, body).await
}

pub async fn evidence(
    state: State<Gateway>,
    id: Extension<RequestId>,
    asked: Asked,
    body: Body,
) -> Response {
    take("workflow.SubmitEvidence", state, id, asked, body).await
}

pub async fn stored_evidence(
    State(gateway): State<Gateway>,
    Extension(id): Extension<RequestId>,
    Path(sha256): Path<String>,
    headers: HeaderMap,
) -> Response {
    match download(&gateway, &headers, sha256).await {
        Ok(response) => response,
        Err(error) => Rejection::Error(error).document(Locale::of(&headers), &id),
    }
}

/// Passes a stored file on as it comes. It is shown by no browser as part of a page: it was brought by
/// somebody.
async fn download(
    gateway: &Gateway,
    headers: &HeaderMap,
    sha256: String,
) -> Result<Response, Error> {
    let caller = gateway.caller(headers).await?;
    let method = contract::method("workflow.GetEvidence");
    let mut request = DynamicMessage::new(method.input());
    request.set_field_by_name("sha256", Wire::String(sha256));
    let mut parts = gateway.peers.subscribe(&caller, &method, request).await?;
    let first = parts.message().await;
    let first = first.map_err(|status| Error::from_status(&status))?;
    let incomplete = || Error::Unavailable { what: "evidence" };
    let mut first = first.ok_or_else(incomplete)?;
    let evidence = schema::take_messages(&mut first, "evidence");
    let evidence = evidence.first().ok_or_else(incomplete)?;
    let text = |field: &str| {
        let value = evidence.get_field_by_name(field);
        value
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default()
    };
    let name = format!("attachment; filename=\"{}\"", text("sha256"));
    let headers = [
        (CONTENT_TYPE, text("content_type")),
        (CONTENT_DISPOSITION, name),
        (CONTENT_SECURITY_POLICY, "sandbox".to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, Body::from_stream(chunks(parts))).into_response())
}

/// The content of a file that a service sends.
fn chunks(parts: Streaming<DynamicMessage>) -> impl Stream<Item = std::io::Result<Bytes>> {
    parts.map(|part| {
        let part = part.map_err(std::io::Error::other)?;
        let chunk = part.get_field_by_name("chunk");
        let chunk = chunk.and_then(|chunk| chunk.as_bytes().cloned());
        Ok(chunk.unwrap_or_default())
    })
}

pub async fn notice(
    State(gateway): State<Gateway>,
    Extension(id): Extension<RequestId>,
    Path(village): Path<String>,
    (headers, Query(query)): Asked,
) -> Response {
    match print(&gateway, &headers, village, query).await {
        Ok(response) => response,
        Err(error) => Rejection::Error(error).document(Locale::of(&headers), &id),
    }
}

/// A notice as a file. A browser shows a page or a text of it, and runs nothing.
async fn print(
    gateway: &Gateway,
    headers: &HeaderMap,
    village: String,
    query: HashMap<String, String>,
) -> Result<Response, Error> {
    let caller = gateway.caller(headers).await?;
    let method = contract::method("workflow.GetNoticeFile");
    let codes = query
        .into_iter()
        .map(|(name, code)| (Name::new(name), code.to_ascii_uppercase()));
    let given = codes.chain([(Name::new("divisionCode"), village)]);
    let given = given.map(|(name, text)| (name, Value::String(text)));
    let mut request = DynamicMessage::new(method.input());
    let mut reader = Reader::default();
    reader.fill(&mut request, &Value::Object(given.collect()), "");
    reader.finish()?;
    let answer = gateway.peers.call(&caller, &method, request).await;
    let answer = answer.map_err(|error| schema::in_own_words(error, ""))?;
    let text = |field: &str| {
        let value = answer.get_field_by_name(field);
        let text = value.and_then(|value| value.as_str().map(str::to_owned));
        text.unwrap_or_default()
    };
    let content = answer.get_field_by_name("content");
    let content = content.and_then(|content| content.as_bytes().cloned());
    let shown = match text("content_type").starts_with("text/") {
        true => "inline",
        false => "attachment",
    };
    let name = format!("{shown}; filename=\"{}\"", text("file_name"));
    let policy = "sandbox; default-src 'none'; style-src 'unsafe-inline'";
    let headers = [
        (CONTENT_TYPE, text("content_type")),
        (CONTENT_DISPOSITION, name),
        (CONTENT_SECURITY_POLICY, policy.to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, content.unwrap_or_default()).into_response())
}

pub async fn items(
    state: State<Gateway>,
    id: Extension<RequestId>,
    item: Path<String>,
    asked: Asked,
    body: Body,
) -> Response {
    let asked = of_item(item, asked);
    take("comparison.SubmitItemFile", state, id, asked, body).await
}

pub async fn results(
    state: State<Gateway>,
    id: Extension<RequestId>,
    item: Path<String>,
    asked: Asked,
    body: Body,
) -> Response {
    let asked = of_item(item, asked);
    take("comparison.SubmitResultFile", state, id, asked, body).await
}

/// The path says which item it is.
fn of_item(Path(item): Path<String>, (headers, mut query): Asked) -> Asked {
    query.insert("item".to_owned(), item.to_ascii_uppercase());
    (headers, query)
}

pub async fn requests(
    State(gateway): State<Gateway>,
    Extension(id): Extension<RequestId>,
    Path(item): Path<String>,
    headers: HeaderMap,
) -> Response {
    match ask(&gateway, &headers, &item).await {
        Ok(response) => response,
        Err(error) => Rejection::Error(error).document(Locale::of(&headers), &id),
    }
}

/// A request file as it comes.
async fn ask(gateway: &Gateway, headers: &HeaderMap, item: &str) -> Result<Response, Error> {
    let caller = gateway.caller(headers).await?;
    let method = contract::method("comparison.CreateRequestFile");
    let given = [(Name::new("item"), Value::String(item.to_ascii_uppercase()))];
    let mut request = DynamicMessage::new(method.input());
    let mut reader = Reader::default();
    reader.fill(
        &mut request,
        &Value::Object(given.into_iter().collect()),
        "",
    );
    reader.finish()?;
    let parts = gateway.peers.subscribe(&caller, &method, request).await;
    let parts = parts.map_err(|error| schema::in_own_words(error, ""))?;
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8"),
        (CONTENT_DISPOSITION, "attachment; filename=\"request.csv\""),
        (CONTENT_SECURITY_POLICY, "sandbox"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Body::from_stream(chunks(parts))).into_response())
}

async fn take(
    rpc: &str,
    State(gateway): State<Gateway>,
    Extension(id): Extension<RequestId>,
    (headers, Query(query)): Asked,
    body: Body,
) -> Response {
    let locale = Locale::of(&headers);
    match upload(&gateway, &contract::method(rpc), &headers, query, body).await {
        Ok(report) => {
            let no_store = (CACHE_CONTROL, HeaderValue::from_static("no-store"));
            ([no_store], Json(report)).into_response()
        }
        Err(error) => Rejection::Error(error).document(locale, &id),
    }
}

async fn upload(
    gateway: &Gateway,
    method: &MethodDescriptor,
    headers: &HeaderMap,
    query: HashMap<String, String>,
    body: Body,
) -> Result<Value, Error> {
    let caller = gateway.caller(headers).await?;
    let key = headers
        .get("idempotency-key")
        .and_then(|key| key.to_str().ok());
    let mut body = body.into_data_stream();
    let answer = submit(gateway, &caller, method, (query, key), &mut body).await;
    // A refusal may come before the file is there.
    body::discard(&mut body, FILE_BYTES_MAX).await;
    let report = schema::take_messages(&mut answer?, "report");
    Ok(report.first().map_or(Value::Null, schema::tree))
}

async fn submit(
    gateway: &Gateway,
    caller: &Caller,
    method: &MethodDescriptor,
    (query, key): (HashMap<String, String>, Option<&str>),
    body: &mut BodyDataStream,
) -> Result<DynamicMessage, Error> {
    let mut reader = Reader::default();
    let given = query
        .into_iter()
        .map(|(name, text)| (Name::new(name), Value::String(text)));
    let given = Value::Object(given.collect());
    let header = schema::file_header(method, &given, &mut reader, key.unwrap_or_default());
    reader.finish()?;

    let (pieces, queue) = mpsc::channel(QUEUE);
    let input = method.input();
    let message = move |bytes| schema::with(&input, "chunk", Wire::Bytes(bytes));
    let pieces_of = file(queue).map(move |piece| piece.map(&message));
    let messages = stream::once(std::future::ready(Ok(header))).chain(pieces_of);
    let mut answer = std::pin::pin!(gateway.peers.upload(caller, method, messages));
    let answer = tokio::select! {
        passed = pass(body, pieces) => {
            let answer = answer.await;
            passed.and(answer)
        }
        // The service need not read to the end to refuse.
        answer = &mut answer => answer,
    };
    answer.map_err(|error| schema::in_own_words(error, "header"))
}

/// A piece of a file, or that it is whole.
type Piece = Option<Bytes>;

/// What a service is told. Whoever passes a file on may go at any moment, with the request: what ends without a
/// word is not whole.
fn file(queue: mpsc::Receiver<Piece>) -> impl Stream<Item = Result<Bytes, Status>> {
    stream::unfold(Some(queue), async |queue| {
        let mut queue = queue?;
        match queue.recv().await {
            Some(Some(bytes)) => Some((Ok(bytes), Some(queue))),
            Some(None) => None,
            None => Some((Err(Status::cancelled("the file is not whole")), None)),
        }
    })
}

/// Passes a body on in pieces, and says that it is whole where it neither breaks off nor is too large.
async fn pass(body: &mut BodyDataStream, pieces: mpsc::Sender<Piece>) -> Result<(), Error> {
    let mut left = FILE_BYTES_MAX;
    while let Some(read) = body.next().await {
        let mut bytes = read.map_err(|_| Error::invalid("body", "MALFORMED", "the whole file"))?;
        left = left
            .checked_sub(bytes.len() as u64)
            .ok_or_else(|| Error::TooLarge {
                limit: format!("a file of {} MiB", FILE_BYTES_MAX / 1024 / 1024),
            })?;
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE_BYTES));
            if pieces.send(Some(piece)).await.is_err() {
                return Ok(());
            }
        }
    }
    // A service that has answered already needs not be told.
    let _ = pieces.send(None).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_ends_without_a_word_is_not_whole() {
        for (last, whole) in [(Some(None), true), (None, false)] {
            let (pieces, queue) = mpsc::channel(QUEUE);
            let said = [Some(Some(Bytes::from_static(b"a piece"))), last];
            for piece in said.into_iter().flatten() {
                pieces.send(piece).await.expect("heard");
            }
            drop(pieces);
            let told: Vec<_> = file(queue).collect().await;
            assert_eq!(told[0].as_ref().expect("a piece"), "a piece");
            assert_eq!(told.len() == 1, whole, "{told:?}");
            assert_eq!(told.iter().all(Result::is_ok), whole, "{told:?}");
        }
    }
}
