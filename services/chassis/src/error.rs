//! One error type for every service, and its form on the wire.
//!
//! On the wire an error is a `google.rpc.Status` with an `ErrorInfo` (stable reason), a `BadRequest`
//! for bad input and a `backstop.type.v1.Refusal` for a refusal. It passes through services
//! unchanged. Internal details never leave the process: they are logged once, at the boundary.

use std::collections::HashMap;

use kernel::{Refusal, Requirement};
use prost::Message;
use prost_types::Any;
use tonic::{Code, Status};
use tonic_types::pb;

/// Why a request was not served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing in the caller's scope.
    #[error("{what} not found")]
    NotFound {
        /// Kind of thing, e.g. `household`.
        what: &'static str,
    },
    /// The input is bad: every bad field with its path.
    #[error("the request has {} invalid fields", .0.len())]
    Invalid(Vec<FieldViolation>),
    /// The procedure does not allow it now.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// Somebody else changed it meanwhile.
    #[error("the version is stale, current is {current}")]
    VersionConflict {
        /// The version that is there now.
        current: i64,
        /// What happened since the version that was sent, oldest first; empty where it is not told.
        since: Vec<String>,
    },
    /// The caller's role may not do this at all.
    #[error("the role may not do this")]
    PermissionDenied,
    /// No verified caller. One text for every cause.
    #[error("a valid bearer token is required")]
    Unauthenticated,
    /// A mutation came without an idempotency key.
    #[error("request_id is required")]
    IdempotencyKeyRequired,
    /// The key was used for another request.
    #[error("request_id was used for another request")]
    IdempotencyKeyReused,
    /// The first request with this key is still running.
    #[error("the first request with this request_id is still running")]
    IdempotencyInProgress,
    /// A cursor or page token that this service did not issue for this list.
    #[error("the cursor is not valid here")]
    CursorInvalid,
    /// The database was restored since the cursor was issued.
    #[error("the feed's epoch has changed")]
    CursorEpochChanged,
    /// More than a documented limit.
    #[error("too large: {limit}")]
    TooLarge {
        /// The limit that was passed.
        limit: String,
    },
    /// Something that is needed does not answer; try again.
    #[error("{what} is unavailable")]
    Unavailable {
        /// What does not answer.
        what: &'static str,
    },
    /// A fault of ours. The caller learns nothing but that.
    #[error("internal error")]
    Internal(#[source] anyhow::Error),
}

/// One bad field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldViolation {
    /// Path, e.g. `members[2].id_number`.
    pub field: String,
    /// Stable SCREAMING_SNAKE name, e.g. `ID_CHECK_DIGIT`.
    pub code: String,
    /// What was expected, in English; never what was there.
    pub expected: String,
}

const DOMAIN: &str = "backstop";

impl Error {
    /// One bad field.
    #[must_use]
    pub fn invalid(field: &str, code: &str, expected: &str) -> Self {
        Self::Invalid(vec![FieldViolation {
            field: field.to_owned(),
            code: code.to_owned(),
            expected: expected.to_owned(),
        }])
    }

    /// Stable reason; `docs/errors/<reason>.md` explains it.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "NOT_FOUND",
            Self::Invalid(_) => "INVALID_INPUT",
            Self::Refused(_) => "REFUSED",
            Self::VersionConflict { .. } => "VERSION_CONFLICT",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::IdempotencyKeyRequired => "IDEMPOTENCY_KEY_REQUIRED",
            Self::IdempotencyKeyReused => "IDEMPOTENCY_KEY_REUSED",
            Self::IdempotencyInProgress => "IDEMPOTENCY_IN_PROGRESS",
            Self::CursorInvalid => "CURSOR_INVALID",
            Self::CursorEpochChanged => "CURSOR_EPOCH_CHANGED",
            Self::TooLarge { .. } => "TOO_LARGE",
            Self::Unavailable { .. } => "UNAVAILABLE",
            Self::Internal(_) => "INTERNAL",
        }
    }

    const fn code(&self) -> Code {
        match self {
            Self::NotFound { .. } => Code::NotFound,
            Self::Invalid(_) | Self::IdempotencyKeyRequired | Self::CursorInvalid => {
                Code::InvalidArgument
            }
            Self::Refused(_) | Self::CursorEpochChanged => Code::FailedPrecondition,
            Self::VersionConflict { .. } | Self::IdempotencyInProgress => Code::Aborted,
            Self::PermissionDenied => Code::PermissionDenied,
            Self::Unauthenticated => Code::Unauthenticated,
            Self::IdempotencyKeyReused => Code::AlreadyExists,
            Self::TooLarge { .. } => Code::ResourceExhausted,
            Self::Unavailable { .. } => Code::Unavailable,
            Self::Internal(_) => Code::Internal,
        }
    }

    /// Reads back what another service's [`Error`] became on the wire.
    #[must_use]
    pub fn from_status(status: &Status) -> Self {
        let details = pb::Status::decode(status.details())
            .unwrap_or_default()
            .details;
        let find = |url: &str| {
            details
                .iter()
                .find(|any| any.type_url == url)
                .map(|any| &any.value)
        };
        let info = find(ERROR_INFO).and_then(|v| pb::ErrorInfo::decode(&v[..]).ok());
        let metadata = |key: &str| {
            info.as_ref()
                .and_then(|info| info.metadata.get(key))
                .cloned()
        };
        match info.as_ref().map_or("", |info| info.reason.as_str()) {
            "NOT_FOUND" => Self::NotFound {
                what: known(metadata("what").as_deref()),
            },
            "INVALID_INPUT" => Self::Invalid(
                find(BAD_REQUEST)
                    .and_then(|v| pb::BadRequest::decode(&v[..]).ok())
                    .map(violations_from)
                    .unwrap_or_default(),
            ),
            "REFUSED" => find(REFUSAL)
                .and_then(|v| proto::r#type::v1::Refusal::decode(&v[..]).ok())
                .map_or(Self::PermissionDenied, |refusal| {
                    Self::Refused(refusal_from(refusal))
                }),
            "VERSION_CONFLICT" => Self::VersionConflict {
                current: metadata("current")
                    .and_then(|v| v.parse().ok())
                    .unwrap_or(0),
                since: metadata("since")
                    .iter()
                    .flat_map(|v| v.split(','))
                    .filter(|v| !v.is_empty())
                    .map(str::to_owned)
                    .collect(),
            },
            "PERMISSION_DENIED" => Self::PermissionDenied,
            "UNAUTHENTICATED" => Self::Unauthenticated,
            "IDEMPOTENCY_KEY_REQUIRED" => Self::IdempotencyKeyRequired,
            "IDEMPOTENCY_KEY_REUSED" => Self::IdempotencyKeyReused,
            "IDEMPOTENCY_IN_PROGRESS" => Self::IdempotencyInProgress,
            "CURSOR_INVALID" => Self::CursorInvalid,
            "CURSOR_EPOCH_CHANGED" => Self::CursorEpochChanged,
            "TOO_LARGE" => Self::TooLarge {
                limit: metadata("limit").unwrap_or_default(),
            },
            "UNAVAILABLE" => Self::Unavailable {
                what: known(metadata("what").as_deref()),
            },
            _ => match status.code() {
                Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => {
                    Self::Unavailable { what: "service" }
                }
                Code::ResourceExhausted | Code::OutOfRange => Self::TooLarge {
                    limit: "message size".to_owned(),
                },
                Code::Unauthenticated => Self::Unauthenticated,
                code => Self::Internal(anyhow::anyhow!("a service answered {code:?}")),
            },
        }
    }
}

/// Things by name, so that an error that passed through the wire stays a static text.
fn known(what: Option<&str>) -> &'static str {
    const THINGS: [&str; 26] = [
        "household",
        "person",
        "division",
        "notice place",
        "authorisation",
        "case",
        "lead",
        "plan",
        "measure",
        "comparison",
        "hit",
        "alert",
        "import",
        "batch",
        "warning list",
        "deputy",
        "checkpoint",
        "tile",
        "proof",
        "database",
        "access record",
        "issuer",
        "disk",
        "evidence",
        "evidence store",
        "service",
    ];
    THINGS
        .into_iter()
        .find(|thing| Some(*thing) == what)
        .unwrap_or("thing")
}

const ERROR_INFO: &str = "type.googleapis.com/google.rpc.ErrorInfo";
const BAD_REQUEST: &str = "type.googleapis.com/google.rpc.BadRequest";
const REFUSAL: &str = "type.googleapis.com/backstop.type.v1.Refusal";

fn any(type_url: &str, message: &impl Message) -> Any {
    Any {
        type_url: type_url.to_owned(),
        value: message.encode_to_vec(),
    }
}

fn violations_from(request: pb::BadRequest) -> Vec<FieldViolation> {
    let read = |violation: pb::bad_request::FieldViolation| {
        let (code, expected) = violation.description.split_once(": ").unwrap_or_default();
        FieldViolation {
            field: violation.field.clone(),
            code: code.to_owned(),
            expected: expected.to_owned(),
        }
    };
    request.field_violations.into_iter().map(read).collect()
}

/// The refusal of another service. Rule and code are leaked once per distinct text: the lists are
/// closed and short, so this is bounded.
fn refusal_from(refusal: proto::r#type::v1::Refusal) -> Refusal {
    let unmet = refusal
        .unmet
        .into_iter()
        .map(|r| Requirement {
            rule: intern(r.rule),
            code: intern(r.code),
            needed: r.needed,
            found: r.found,
            possible_from: r.possible_from.parse().ok(),
            about: r.about,
        })
        .collect();
    Refusal { unmet }
}

fn intern(text: String) -> &'static str {
    use std::{collections::HashSet, sync::Mutex};
    // Rule ids and requirement codes: some hundreds. The bound guards against a hostile peer.
    const MOST: usize = 4096;
    static TEXTS: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let mut texts = TEXTS
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let texts = texts.get_or_insert_default();
    if let Some(known) = texts.get(text.as_str()) {
        return known;
    }
    if texts.len() >= MOST || text.len() > 64 {
        return "UNKNOWN";
    }
    let leaked: &'static str = Box::leak(text.into_boxed_str());
    texts.insert(leaked);
    leaked
}

/// A refusal as it travels.
#[must_use]
pub fn refusal_to_proto(refusal: &Refusal) -> proto::r#type::v1::Refusal {
    proto::r#type::v1::Refusal {
        unmet: refusal.unmet.iter().map(requirement_to_proto).collect(),
    }
}

/// One unmet requirement as it travels.
#[must_use]
pub fn requirement_to_proto(r: &Requirement) -> proto::r#type::v1::Requirement {
    proto::r#type::v1::Requirement {
        rule: r.rule.to_owned(),
        code: r.code.to_owned(),
        needed: r.needed.clone(),
        found: r.found.clone(),
        possible_from: r
            .possible_from
            .map(|day| day.to_string())
            .unwrap_or_default(),
        about: r.about.clone(),
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let mut metadata = HashMap::new();
        let mut details = Vec::new();
        match &error {
            Error::NotFound { what } | Error::Unavailable { what } => {
                metadata.insert("what".to_owned(), (*what).to_owned());
            }
            Error::VersionConflict { current, since } => {
                metadata.insert("current".to_owned(), current.to_string());
                metadata.insert("since".to_owned(), since.join(","));
            }
            Error::TooLarge { limit } => {
                metadata.insert("limit".to_owned(), limit.clone());
            }
            Error::Invalid(violations) => {
                let field_violations = violations
                    .iter()
                    .map(|v| pb::bad_request::FieldViolation {
                        field: v.field.clone(),
                        description: format!("{}: {}", v.code, v.expected),
                        ..Default::default()
                    })
                    .collect();
                details.push(any(BAD_REQUEST, &pb::BadRequest { field_violations }));
            }
            Error::Refused(refusal) => {
                let refusal = refusal_to_proto(refusal);
                details.push(any(REFUSAL, &refusal));
            }
            Error::Internal(cause) => {
                tracing::error!(error = format!("{cause:#}"), "internal error")
            }
            _ => {}
        }
        let info = pb::ErrorInfo {
            reason: error.reason().to_owned(),
            domain: DOMAIN.to_owned(),
            metadata,
        };
        details.insert(0, any(ERROR_INFO, &info));
        let (code, message) = (error.code(), error.to_string());
        let status = pb::Status {
            code: code as i32,
            message: message.clone(),
            details,
        };
        Self::with_details(code, message, status.encode_to_vec().into())
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Self::from_status(&status)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        // lock_not_available, query_canceled, admin_shutdown, cannot_connect_now, deadlock, serialization;
        // disk_full, out_of_memory, too_many_connections, io_error, and a server that became a standby
        const TRANSIENT: [&str; 11] = [
            "55P03", "57014", "57P01", "57P03", "40P01", "40001", "53100", "53200", "53300",
            "58030", "25006",
        ];
        match &error {
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) => {
                tracing::warn!(error = %error, "database does not answer");
                Self::Unavailable { what: "database" }
            }
            sqlx::Error::Database(db)
                if db
                    .code()
                    .is_some_and(|code| TRANSIENT.contains(&code.as_ref())) =>
            {
                tracing::warn!(code = db.code().as_deref(), "transient database error");
                Self::Unavailable { what: "database" }
            }
            _ => Self::Internal(error.into()),
        }
    }
}

/// Name of the constraint that a statement violated, for stores to turn into a domain error.
#[must_use]
pub fn constraint(error: &sqlx::Error) -> Option<&str> {
    match error {
        sqlx::Error::Database(error) => error.constraint(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_through_the_wire_unchanged() {
        let refusal = Refusal::from(Requirement::new("S27", "VILLAGER_REPRESENTATIVES", 15, 14));
        let errors = [
            Error::NotFound { what: "case" },
            Error::invalid(
                "members[2].id_number",
                "ID_CHECK_DIGIT",
                "a number: with its digit",
            ),
            Error::Refused(refusal),
            Error::VersionConflict {
                current: 7,
                since: vec!["VERIFIED".to_owned()],
            },
            Error::TooLarge {
                limit: "50 MB".to_owned(),
            },
            Error::IdempotencyKeyReused,
            Error::CursorEpochChanged,
        ];
        for error in errors {
            let before = format!("{error:?}");
            assert_eq!(
                format!("{:?}", Error::from_status(&Status::from(error))),
                before
            );
        }
    }

    #[test]
    fn internal_details_stay_inside() {
        let status = Status::from(Error::Internal(anyhow::anyhow!("password=hunter2")));
        assert_eq!(status.message(), "internal error");
        assert!(!String::from_utf8_lossy(status.details()).contains("hunter2"));
    }
}
