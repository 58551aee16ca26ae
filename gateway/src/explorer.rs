//! `GET /`: an explorer of the schema. Everything that it needs is served from here: machines in a
//! county's network reach nothing else.

use axum::{
    extract::Path,
    response::{Html, IntoResponse, Response},
};
use http::{
    StatusCode,
    header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
};

const PAGE: &str = include_str!("../explorer/index.html");

/// Name, type and content of the files; see `explorer/README.md` for where they come from.
const FILES: [(&str, &str, &str); 6] = [
    (
        "start.js",
        "text/javascript; charset=utf-8",
        include_str!("../explorer/start.js"),
    ),
    (
        "graphiql.min.js",
        "text/javascript; charset=utf-8",
        include_str!("../explorer/graphiql.min.js"),
    ),
    (
        "graphiql.min.css",
        "text/css; charset=utf-8",
        include_str!("../explorer/graphiql.min.css"),
    ),
    (
        "graphql-ws.min.js",
        "text/javascript; charset=utf-8",
        include_str!("../explorer/graphql-ws.min.js"),
    ),
    (
        "react.production.min.js",
        "text/javascript; charset=utf-8",
        include_str!("../explorer/react.production.min.js"),
    ),
    (
        "react-dom.production.min.js",
        "text/javascript; charset=utf-8",
        include_str!("../explorer/react-dom.production.min.js"),
    ),
];

/// Nothing but what the gateway itself serves; the editor sets styles on its elements.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; font-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub async fn page() -> Response {
    ([(CONTENT_SECURITY_POLICY, POLICY)], Html(PAGE)).into_response()
}

pub async fn file(Path(name): Path<String>) -> Response {
    let file = FILES.iter().find(|(own, ..)| *own == name);
    match file {
        Some((_, content_type, content)) => {
            let headers = [
                (CONTENT_TYPE, *content_type),
                (CACHE_CONTROL, "max-age=3600"),
            ];
            (headers, *content).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
