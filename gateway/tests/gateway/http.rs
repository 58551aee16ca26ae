//! GraphQL over HTTP: what is refused, with which status and code, before anything is executed.

use kernel::Role;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::server::Server;

const VIEWER: &str = r#"{"query":"{ viewer { role } }"}"#;

struct Asked {
    status: StatusCode,
    headers: header::HeaderMap,
    body: Value,
}

impl Asked {
    async fn of(request: RequestBuilder) -> Self {
        let response: Response = request.send().await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.expect("a body");
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self {
            status,
            headers,
            body,
        }
    }

    fn is(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{}", self.body);
        let error = &self.body["errors"][0];
        assert_eq!(error["extensions"]["code"], code, "{}", self.body);
        assert!(self.body.get("data").is_none(), "{}", self.body);
        let id = error["extensions"]["requestId"].as_str();
        assert_eq!(id, self.headers["x-request-id"].to_str().ok());
        assert!(!error["message"].as_str().expect("a sentence").is_empty());
    }
}

fn post(server: &Server, body: impl Into<reqwest::Body>) -> RequestBuilder {
    Client::new()
        .post(server.url("/graphql"))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/graphql-response+json")
        .body(body)
}

#[tokio::test]
async fn a_query_of_a_known_caller_is_answered() {
    let server = Server::start().await;
    let asked = Asked::of(post(&server, VIEWER).bearer_auth(server.token())).await;
    assert_eq!(asked.status, 200, "{}", asked.body);
    assert_eq!(
        asked.body,
        json!({ "data": { "viewer": { "role": "COUNTY_OFFICER" } } })
    );
    let content_type = &asked.headers[header::CONTENT_TYPE];
    assert_eq!(
        content_type,
        "application/graphql-response+json; charset=utf-8"
    );
    assert_eq!(asked.headers[header::CACHE_CONTROL], "no-store");
    // A client of before.
    let before = Client::new()
        .post(server.url("/graphql"))
        .bearer_auth(server.token());
    let before = before.header(header::CONTENT_TYPE, "application/json; charset=utf-8");
    let asked = Asked::of(before.body(VIEWER)).await;
    assert_eq!(asked.status, 200);
    let content_type = &asked.headers[header::CONTENT_TYPE];
    assert_eq!(content_type, "application/json; charset=utf-8");
    // The caller's own request id comes back, but no other text of a caller.
    let id = "0198a0b0-0000-7000-8000-000000000001";
    for (given, same) in [(id, true), ("of somebody's", false)] {
        let request = post(&server, VIEWER).bearer_auth(server.token());
        let asked = Asked::of(request.header("x-request-id", given)).await;
        assert_eq!(asked.headers["x-request-id"] == given, same);
    }
}

#[tokio::test]
async fn only_post_of_json_is_read() {
    let server = Server::start().await;
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let url = server.url("/graphql?query=%7Bviewer%7Brole%7D%7D");
        let asked = Asked::of(
            Client::new()
                .request(method, url)
                .bearer_auth(server.token()),
        )
        .await;
        asked.is(405, "METHOD_NOT_ALLOWED");
        assert_eq!(asked.headers[header::ALLOW], "POST");
    }
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=gbk",
        "",
    ] {
        let request = Client::new().post(server.url("/graphql")).body(VIEWER);
        let request = request.header(header::CONTENT_TYPE, content_type);
        let asked = Asked::of(request.bearer_auth(server.token())).await;
        asked.is(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    let request = Client::new().post(server.url("/graphql")).body(VIEWER);
    let request = request.header(header::CONTENT_TYPE, "application/json");
    let request = request.header(header::ACCEPT, "text/html");
    Asked::of(request.bearer_auth(server.token()))
        .await
        .is(406, "NOT_ACCEPTABLE");
}

#[tokio::test]
async fn nobody_s_document_is_not_looked_at() {
    let server = Server::start().await;
    let foreign = Server::start().await;
    let expired = json!({
        "iss": "https://issuer.test", "aud": "backstop", "sub": "officer", "iat": 1, "exp": 1000,
        "role": "COUNTY_OFFICER", "division": "999999000000",
    });
    let tokens = [
        String::new(),
        "x".to_owned(),
        foreign.token(),
        server.issuer.sign(&expired),
        "y".repeat(20_000),
    ];
    // Neither is the body: it is no JSON at all.
    for token in tokens {
        let asked = Asked::of(post(&server, "][").bearer_auth(token)).await;
        asked.is(401, "UNAUTHENTICATED");
    }
    Asked::of(post(&server, VIEWER))
        .await
        .is(401, "UNAUTHENTICATED");
}

#[tokio::test]
async fn what_is_no_document_or_too_much_of_one_is_refused() {
    let server = Server::start().await;
    let ask = |body: String| Asked::of(post(&server, body).bearer_auth(server.token()));
    let query = |query: &str| json!({ "query": query }).to_string();
    ask("][".to_owned()).await.is(400, "BAD_REQUEST");
    ask(format!("[{VIEWER}]")).await.is(400, "BAD_REQUEST");
    ask(query("{ viewer {")).await.is(400, "BAD_REQUEST");
    ask(query("{ nobody }")).await.is(400, "DOCUMENT_INVALID");
    ask(query("{ viewer { role(x: 1) } }"))
        .await
        .is(400, "DOCUMENT_INVALID");
    let deep = format!(
        "{{ household(id: {}1{}) {{ id }} }}",
        "[".repeat(2000),
        "]".repeat(2000)
    );
    ask(query(&deep)).await.is(400, "DOCUMENT_TOO_COMPLEX");
    let many = format!("{{ {} }}", "__typename ".repeat(900));
    ask(query(&many)).await.is(400, "DOCUMENT_TOO_COMPLEX");
    let variables = format!(
        r#"{{"query":"{{viewer{{role}}}}","variables":{{"a":{}{}}}}}"#,
        "[".repeat(100),
        "]".repeat(100)
    );
    ask(variables).await.is(400, "DOCUMENT_TOO_COMPLEX");
    ask(query(&"x".repeat(97 * 1024)))
        .await
        .is(413, "TOO_LARGE");
    // The process is as before.
    assert_eq!(ask(VIEWER.to_owned()).await.status, 200);
}

#[tokio::test]
async fn a_service_that_is_down_blanks_its_own_fields_only() {
    let server = Server::start().await;
    let body = json!({ "query": "{ viewer { role } households { nodes { id } } }" });
    let request = post(&server, body.to_string()).bearer_auth(server.token());
    let asked = Asked::of(request.header(header::ACCEPT_LANGUAGE, "en")).await;
    assert_eq!(asked.status, 200, "{}", asked.body);
    assert_eq!(asked.body["data"]["viewer"]["role"], "COUNTY_OFFICER");
    assert_eq!(asked.body["data"]["households"], Value::Null);
    let error = &asked.body["errors"][0];
    assert_eq!(error["path"], json!(["households"]));
    assert_eq!(error["extensions"]["code"], "UNAVAILABLE");
    assert_eq!(error["extensions"]["retryable"], true);
    assert!(
        error["message"]
            .as_str()
            .expect("a sentence")
            .contains("unavailable")
    );
}

#[tokio::test]
async fn answers_are_in_the_order_of_the_query() {
    let server = Server::start().await;
    let body = json!({ "query": "{ b: viewer { role subject } leads { nodes { id } } a: viewer { subject role } }" });
    let request = post(&server, body.to_string()).bearer_auth(server.token());
    let text = request
        .send()
        .await
        .expect("an answer")
        .text()
        .await
        .expect("text");
    let begins = r#"{"data":{"b":{"role":"COUNTY_OFFICER","subject":"officer"},"leads":null,"a":{"subject":"#;
    assert!(text.starts_with(begins), "{text}");
}

#[tokio::test]
async fn the_explorer_comes_from_the_gateway_alone() {
    let server = Server::start().await;
    let page = Asked::of(Client::new().get(server.url("/"))).await;
    assert_eq!(page.status, 200);
    let policy = page.headers["content-security-policy"]
        .to_str()
        .expect("text");
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"));
    let html = page.body.as_str().expect("a page");
    let files: Vec<&str> = html
        .split('"')
        .filter(|text| text.starts_with("explorer/"))
        .collect();
    assert_eq!(files.len(), 6, "{html}");
    for file in files {
        let asked = Asked::of(Client::new().get(server.url(&format!("/{file}")))).await;
        assert_eq!(asked.status, 200, "{file}");
    }
    let missing = Client::new().get(server.url("/explorer/other.js"));
    assert_eq!(Asked::of(missing).await.status, 404);

    let closed = Server::configured(false).await;
    assert_eq!(
        Asked::of(Client::new().get(closed.url("/"))).await.status,
        404
    );
    let schema = r#"{"query":"{ __schema { types { name } } }"}"#;
    let asked = Asked::of(post(&closed, schema).bearer_auth(closed.token())).await;
    assert!(
        !asked.body.to_string().contains("Household"),
        "{}",
        asked.body
    );
    let near = r#"{"query":"{ household { id } }"}"#;
    let asked = Asked::of(post(&closed, near).bearer_auth(closed.token())).await;
    assert!(
        !asked.body.to_string().contains("Did you mean"),
        "{}",
        asked.body
    );
}

#[tokio::test]
async fn probes_and_metrics_need_no_caller() {
    let server = Server::start().await;
    for path in [
        "/livez",
        "/readyz",
        "/readyz?verbose",
        "/startupz",
        "/metrics",
    ] {
        assert_eq!(
            Asked::of(Client::new().get(server.url(path))).await.status,
            200
        );
    }
}

#[tokio::test]
async fn a_file_needs_a_caller_and_fields_that_are_known() {
    let server = Server::start().await;
    let put = |path: &str| Client::new().put(server.url(path)).body("a,b\n");
    let asked = Asked::of(put("/files/households?fileName=a.csv")).await;
    assert_eq!(
        (asked.status.as_u16(), &asked.body["code"]),
        (401, &json!("UNAUTHENTICATED"))
    );
    let item = put("/files/items/yacht?dataDate=2026-08-31").bearer_auth(server.token());
    let asked = Asked::of(item).await;
    assert_eq!(
        (asked.status.as_u16(), &asked.body["code"]),
        (400, &json!("INVALID_INPUT"))
    );
    assert_eq!(asked.body["violations"][0]["field"], "item");
    let role = server
        .issuer
        .token("x", Role::VillageCadre, "999999100001", None);
    let asked = Asked::of(put("/files/households?fileName=a.csv").bearer_auth(role)).await;
    assert_eq!(
        (asked.status.as_u16(), &asked.body["code"]),
        (503, &json!("UNAVAILABLE"))
    );
}
