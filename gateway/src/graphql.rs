//! `POST /graphql`: GraphQL over HTTP. The caller is known before the document is looked at, and the
//! document has passed the guard before the library sees it.

use async_graphql::{Request as GraphqlRequest, Response as GraphqlResponse, ServerError};
use axum::{
    Extension,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use chassis::error::Error;
use http::{
    HeaderMap, Method, Request, StatusCode,
    header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, VARY},
};
use mime::Mime;
use serde_json::json;

use crate::{
    body, guard,
    locale::Locale,
    problem::{Rejection, RequestId},
    schema,
    server::Gateway,
};

/// Largest body: a document of 16 KB, variables of 64 KB, and what wraps them.
const BODY_BYTES_MAX: usize = 96 * 1024;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Media {
    /// `application/graphql-response+json`: the status says whether the document was executed.
    GraphqlResponse,
    /// `application/json`, for clients of before: 200 whenever the document was looked at.
    Json,
}

impl Media {
    /// The type that `Accept` asks for; what a client says first counts.
    fn of(headers: &HeaderMap) -> Result<Self, Rejection> {
        let Some(accept) = headers.get(ACCEPT) else {
            return Ok(Self::Json);
        };
        let accept = accept.to_str().map_err(|_| Rejection::NotAcceptable)?;
        let wanted = accept.split(',').filter_map(|one| {
            let media: Mime = one.trim().parse().ok()?;
            let refused = media.get_param("q").is_some_and(|q| q == "0" || q == "0.0");
            match media.essence_str() {
                _ if refused => None,
                "application/graphql-response+json" => Some(Self::GraphqlResponse),
                "application/json" | "application/*" | "*/*" => Some(Self::Json),
                _ => None,
            }
        });
        wanted.take(20).next().ok_or(Rejection::NotAcceptable)
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        }
    }

    fn answer(self, status: StatusCode, body: String) -> Response {
        let headers = [
            (CONTENT_TYPE, self.content_type()),
            // Answers hold personal data and depend on the caller.
            (CACHE_CONTROL, "no-store"),
            (VARY, "accept, accept-language, authorization"),
        ];
        (status, headers, body).into_response()
    }
}

pub async fn serve(
    State(gateway): State<Gateway>,
    Extension(id): Extension<RequestId>,
    request: Request<Body>,
) -> Response {
    let locale = Locale::of(request.headers());
    let (media, executed) = match Media::of(request.headers()) {
        Ok(media) => (media, execute(&gateway, &id, locale, request).await),
        Err(rejection) => (Media::GraphqlResponse, Err(rejection)),
    };
    match executed {
        Ok(response) => shown(media, &id, response),
        Err(rejection) => {
            let error = rejection.graphql(locale, &id);
            let error = error.into_server_error(async_graphql::Pos::default());
            let errors = json!({ "errors": [without_place(&error)] });
            let mut response = media.answer(rejection.status(), errors.to_string());
            rejection.mark(&mut response);
            response
        }
    }
}

/// An error that is of no place in the document.
fn without_place(error: &ServerError) -> serde_json::Value {
    let extensions = error.extensions.as_ref();
    json!({ "message": error.message, "extensions": extensions })
}

async fn execute(
    gateway: &Gateway,
    id: &RequestId,
    locale: Locale,
    request: Request<Body>,
) -> Result<GraphqlResponse, Rejection> {
    if request.method() != Method::POST {
        return Err(Rejection::MethodNotAllowed("POST"));
    }
    if !is_json(request.headers()) {
        return Err(Rejection::UnsupportedMediaType);
    }
    let caller = gateway.caller(request.headers()).await?;
    let body = body::read(request.into_body(), BODY_BYTES_MAX).await;
    let body = body.ok_or_else(|| Error::TooLarge {
        limit: format!("a body of {} KiB", BODY_BYTES_MAX / 1024),
    })?;
    let request = read(&body)?;
    let request = request.data(caller).data(locale).data(id.clone());
    Ok(schema::execute(&gateway.schema, request).await)
}

fn is_json(headers: &HeaderMap) -> bool {
    let media = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media: Option<Mime> = media.and_then(|media| media.parse().ok());
    media.is_some_and(|media| {
        let utf8 = media.get_param(mime::CHARSET).is_none_or(|c| c == "utf-8");
        media.essence_str() == "application/json" && utf8
    })
}

/// The request of a body. One alone: a list of them would be a way around every limit.
fn read(body: &[u8]) -> Result<GraphqlRequest, Rejection> {
    guard::check_json(body)?;
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Rejection::BadRequest);
    }
    let request: GraphqlRequest =
        serde_json::from_slice(body).map_err(|_| Rejection::BadRequest)?;
    guard::check(&request.query)?;
    Ok(request)
}

fn shown(media: Media, id: &RequestId, mut response: GraphqlResponse) -> Response {
    // Errors of the document itself have no path: nothing of it was executed.
    let refused = response.is_err() && response.errors.iter().all(|error| error.path.is_empty());
    for error in &mut response.errors {
        let extensions = error.extensions.get_or_insert_default();
        if extensions.get("code").is_none() {
            extensions.set("code", "DOCUMENT_INVALID");
            extensions.set("requestId", id.0.clone());
            extensions.set("retryable", false);
        }
    }
    let status = match media {
        Media::GraphqlResponse if refused => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    let body = if refused {
        Ok(json!({ "errors": response.errors }).to_string())
    } else {
        serde_json::to_string(&response)
    };
    match body {
        Ok(body) => media.answer(status, body),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(accept: &str) -> Option<Media> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().expect("a header"));
        Media::of(&headers).ok()
    }

    #[test]
    fn the_first_type_that_is_known_is_answered() {
        assert_eq!(Media::of(&HeaderMap::new()).ok(), Some(Media::Json));
        assert_eq!(media("*/*"), Some(Media::Json));
        let both = "application/graphql-response+json, application/json;q=0.9";
        assert_eq!(media(both), Some(Media::GraphqlResponse));
        assert_eq!(media("text/html, application/json"), Some(Media::Json));
        assert_eq!(media("text/html"), None);
        assert_eq!(media("application/json;q=0"), None);
    }

    #[test]
    fn a_list_of_requests_is_not_one() {
        for body in [
            "[]",
            "[{\"query\":\"{a}\"}]",
            "[\"{a}\",null,null,null]",
            "",
            "7",
        ] {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
        assert!(read(b" {\"query\":\"{ a }\"}").is_ok());
    }
}
