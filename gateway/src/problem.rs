//! Errors as callers see them: a closed list of codes, one localised sentence, whether and when to try
//! again. What went wrong inside stays inside.

use async_graphql::{Error as GraphqlError, ErrorExtensions};
use axum::response::{IntoResponse, Response};
use chassis::error::{Error, FieldViolation, requirement_to_proto};
use http::{
    HeaderValue, StatusCode,
    header::{ALLOW, CONTENT_TYPE, RETRY_AFTER},
};
use kernel::Requirement;
use serde_json::{Value, json};

use crate::{guard::Fault, locale::Locale, messages};

/// Names a request in logs, traces and answers.
#[derive(Debug, Clone, Default)]
pub struct RequestId(pub String);

/// Why a request is not served.
#[derive(Debug)]
pub enum Rejection {
    /// Something that any service may say.
    Error(Error),
    /// Another method than the one that is named.
    MethodNotAllowed(&'static str),
    /// A body of another type than is read.
    UnsupportedMediaType,
    /// An answer of another type than is written.
    NotAcceptable,
    /// A body that is not what it says.
    BadRequest,
    /// Too often from one place, or from everywhere.
    TooManyRequests {
        /// When to try again.
        retry_after_seconds: u64,
    },
    /// A document that asks too much at once.
    DocumentTooComplex {
        /// Which limit it passes.
        limit: String,
    },
}

impl From<Error> for Rejection {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<Fault> for Rejection {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Syntax => Self::BadRequest,
            Fault::TooMuch { of, most } => Self::DocumentTooComplex {
                limit: format!("{of} ≤ {most}"),
            },
        }
    }
}

impl Rejection {
    /// Stable name of the reason.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Error(error) => error.reason(),
            Self::MethodNotAllowed(_) => "METHOD_NOT_ALLOWED",
            Self::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
            Self::NotAcceptable => "NOT_ACCEPTABLE",
            Self::BadRequest => "BAD_REQUEST",
            Self::TooManyRequests { .. } => "TOO_MANY_REQUESTS",
            Self::DocumentTooComplex { .. } => "DOCUMENT_TOO_COMPLEX",
        }
    }

    /// HTTP status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Error(error) => status(error),
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::BadRequest | Self::DocumentTooComplex { .. } => StatusCode::BAD_REQUEST,
        }
    }

    fn message(&self, locale: Locale) -> String {
        let needed = match self {
            Self::DocumentTooComplex { limit } => limit.as_str(),
            Self::MethodNotAllowed(method) => method,
            _ => "",
        };
        messages::sentence(locale, self.code(), needed, "")
    }

    /// The error in the shape of GraphQL.
    #[must_use]
    pub fn graphql(&self, locale: Locale, request: &RequestId) -> GraphqlError {
        match self {
            Self::Error(error) => graphql(locale, request, error),
            other => error(other.message(locale), other.code(), request, false),
        }
    }

    /// The answer outside GraphQL (RFC 9457).
    #[must_use]
    pub fn document(&self, locale: Locale, request: &RequestId) -> Response {
        if let Self::Error(Error::Internal(cause)) = self {
            tracing::error!(request_id = request.0, error = ?cause, "a request failed");
        }
        let violations: Vec<Value> = match self {
            Self::Error(Error::Invalid(violations)) => {
                violations.iter().map(|v| field(locale, v)).collect()
            }
            _ => Vec::new(),
        };
        let unmet: Vec<Value> = match self {
            Self::Error(Error::Refused(refusal)) => refusal
                .unmet
                .iter()
                .map(|r| requirement(locale, r))
                .collect(),
            _ => Vec::new(),
        };
        let document = json!({
            "type": "about:blank",
            "title": self.message(locale),
            "status": self.status().as_u16(),
            "code": self.code(),
            "requestId": request.0,
            "violations": violations,
            "unmet": unmet,
        });
        let problem = [(CONTENT_TYPE, "application/problem+json")];
        let mut response = (self.status(), problem, document.to_string()).into_response();
        self.mark(&mut response);
        response
    }

    /// Sets the headers that the status goes with.
    pub fn mark(&self, response: &mut Response) {
        let headers = response.headers_mut();
        match self {
            Self::MethodNotAllowed(method) => {
                headers.insert(ALLOW, HeaderValue::from_static(method));
            }
            Self::TooManyRequests {
                retry_after_seconds,
            } => {
                headers.insert(RETRY_AFTER, HeaderValue::from(*retry_after_seconds));
            }
            _ => {}
        }
    }
}

/// Whether the same request may succeed later without a change.
const fn is_retryable(error: &Error) -> bool {
    matches!(
        error,
        Error::Unavailable { .. } | Error::IdempotencyInProgress
    )
}

/// A second is enough for a service to be chosen anew, and little enough to wait.
const RETRY_AFTER_MS: u64 = 1000;

/// A system error in a GraphQL answer.
#[must_use]
pub fn graphql(locale: Locale, request: &RequestId, error: &Error) -> GraphqlError {
    let code = error.reason();
    if let Error::Internal(cause) = error {
        tracing::error!(request_id = request.0, error = ?cause, "a request failed");
    }
    let message = messages::sentence(locale, code, "", "");
    let shown = self::error(message, code, request, is_retryable(error));
    if let Error::VersionConflict { current, since } = error {
        return shown.extend_with(|_, extensions| {
            extensions.set("currentVersion", *current);
            extensions.set("since", since.clone());
        });
    }
    let Error::Invalid(violations) = error else {
        return shown;
    };
    let fields = Value::Array(violations.iter().map(|v| field(locale, v)).collect());
    shown.extend_with(|_, extensions| {
        if let Ok(fields) = async_graphql::Value::from_json(fields) {
            extensions.set("violations", fields);
        }
    })
}

fn error(message: String, code: &str, request: &RequestId, retryable: bool) -> GraphqlError {
    GraphqlError::new(message).extend_with(|_, extensions| {
        extensions.set("code", code);
        extensions.set("requestId", request.0.clone());
        extensions.set("retryable", retryable);
        if retryable {
            extensions.set("retryAfterMs", RETRY_AFTER_MS);
        }
    })
}

fn field(locale: Locale, violation: &FieldViolation) -> Value {
    json!({
        "field": violation.field,
        "code": violation.code,
        "expected": violation.expected,
        "message": messages::violation(locale, &violation.code, &violation.expected),
    })
}

fn requirement(locale: Locale, unmet: &Requirement) -> Value {
    let unmet = requirement_to_proto(unmet);
    json!({
        "rule": unmet.rule,
        "code": unmet.code,
        "needed": unmet.needed,
        "found": unmet.found,
        "message": messages::requirement(locale, &unmet),
    })
}

const fn status(error: &Error) -> StatusCode {
    match error {
        Error::NotFound { .. } => StatusCode::NOT_FOUND,
        Error::Invalid(_)
        | Error::IdempotencyKeyRequired
        | Error::CursorInvalid
        | Error::CursorEpochChanged => StatusCode::BAD_REQUEST,
        Error::Refused(_) | Error::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
        Error::VersionConflict { .. } | Error::IdempotencyInProgress => StatusCode::CONFLICT,
        Error::PermissionDenied => StatusCode::FORBIDDEN,
        Error::Unauthenticated => StatusCode::UNAUTHORIZED,
        Error::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Error::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
