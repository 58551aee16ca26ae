//! Somebody who speaks GraphQL with the gateway.

use std::net::SocketAddr;

use chassis::clock::Clock;
use serde_json::{Value, json};

/// Somebody with a token.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
    /// Account name.
    pub account: String,
    language: &'static str,
    traceparent: Option<String>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The whole body.
    pub body: Value,
}

impl Client {
    /// Somebody with a token at a gateway.
    #[must_use]
    pub fn new(address: SocketAddr, token: String, account: &str) -> Self {
        Self {
            http: reqwest::Client::new(),
            url: format!("http://{address}"),
            token,
            account: account.to_owned(),
            language: "zh-CN",
            traceparent: None,
        }
    }

    /// The same in English.
    #[must_use]
    pub fn in_english(mut self) -> Self {
        self.language = "en";
        self
    }

    /// The same as part of a trace (W3C `traceparent`).
    #[must_use]
    pub fn traced(mut self, traceparent: &str) -> Self {
        self.traceparent = Some(traceparent.to_owned());
        self
    }

    /// The same with any token.
    #[must_use]
    pub fn with_token(mut self, token: &str) -> Self {
        token.clone_into(&mut self.token);
        self
    }

    /// The token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Sends a document, whatever comes back.
    ///
    /// # Panics
    /// The gateway does not answer.
    pub async fn send(&self, document: &str, variables: Value) -> Answer {
        let request = self
            .http
            .post(format!("{}/graphql", self.url))
            .bearer_auth(&self.token)
            .header("accept-language", self.language)
            .json(&json!({ "query": document, "variables": variables }));
        let request = match &self.traceparent {
            Some(traceparent) => request.header("traceparent", traceparent),
            None => request,
        };
        let answer = request.send().await.expect("the gateway answers");
        let status = answer.status().as_u16();
        Answer {
            status,
            body: answer.json().await.unwrap_or(Value::Null),
        }
    }

    /// Sends a document that must go well and returns its data.
    ///
    /// # Panics
    /// It does not.
    pub async fn ask(&self, document: &str, variables: Value) -> Value {
        let answer = self.send(document, variables).await;
        let errors = &answer.body["errors"];
        assert!(errors.is_null(), "{document}\n{errors:#}");
        answer.body["data"].clone()
    }

    /// Calls a mutation with its one input, under a new request id, and returns its payload.
    /// `selection` is what is wanted of the changed object.
    ///
    /// # Panics
    /// There is a system error; refusals are part of the payload.
    pub async fn mutate(&self, name: &str, mut input: Value, selection: &str) -> Value {
        if input["requestId"].is_null() {
            input["requestId"] = json!(Clock::system().new_id().to_string());
        }
        let type_name = format!("{}{}Input", name[..1].to_uppercase(), &name[1..]);
        let document = format!(
            "mutation($input: {type_name}!) {{ {name}(input: $input) {{ {selection} \
             refusal {{ unmet {{ rule code needed found possibleFrom about message }} }} \
             violations {{ field code expected message }} }} }}"
        );
        let data = self.ask(&document, json!({ "input": input })).await;
        data[name].clone()
    }

    /// The same for a mutation that must be accepted.
    ///
    /// # Panics
    /// It is refused.
    pub async fn accepted(&self, name: &str, input: Value, selection: &str) -> Value {
        let payload = self.mutate(name, input, selection).await;
        assert!(
            payload["refusal"].is_null(),
            "{name}: {:#}",
            payload["refusal"]
        );
        assert!(
            no_items(&payload["violations"]),
            "{name}: {:#}",
            payload["violations"]
        );
        payload
    }

    /// The same for a mutation that must be refused; returns the rule ids and codes, `S27 CODE`.
    ///
    /// # Panics
    /// It is accepted.
    pub async fn refused(&self, name: &str, input: Value) -> Vec<String> {
        let payload = self.mutate(name, input, "").await;
        let unmet = payload["refusal"]["unmet"].as_array();
        let unmet = unmet.unwrap_or_else(|| panic!("{name} was not refused: {payload:#}"));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        unmet
            .iter()
            .map(|r| format!("{} {}", text(&r["rule"]), text(&r["code"])))
            .collect()
    }

    /// Uploads a file, e.g. to `households?fileName=sheet.csv`, and returns the report.
    ///
    /// # Panics
    /// The upload is refused.
    pub async fn upload(&self, path: &str, content: Vec<u8>) -> Value {
        let (status, report) = self.put(path, content).await;
        assert_eq!(status, 200, "{path}: {report:#}");
        report
    }

    /// Uploads a file, whatever comes back: status and body.
    ///
    /// # Panics
    /// The gateway does not answer in JSON.
    pub async fn put(&self, path: &str, content: Vec<u8>) -> (u16, Value) {
        let answer = self
            .http
            .put(format!("{}/files/{path}", self.url))
            .bearer_auth(&self.token)
            .header("idempotency-key", Clock::system().new_id().to_string())
            .body(content)
            .send()
            .await
            .expect("the gateway answers");
        let status = answer.status().as_u16();
        (status, answer.json().await.expect("JSON"))
    }

    /// Asks for a request file, e.g. `vehicle`: status and body.
    ///
    /// # Panics
    /// The gateway does not answer.
    pub async fn request_file(&self, item: &str) -> (u16, Vec<u8>) {
        let url = format!("{}/files/requests/{item}", self.url);
        let request = self.http.post(url).bearer_auth(&self.token);
        let answer = request.send().await.expect("the gateway answers");
        let status = answer.status().as_u16();
        (status, answer.bytes().await.expect("a whole file").into())
    }

    /// Any path, as text.
    ///
    /// # Panics
    /// The gateway does not answer.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let request = self
            .http
            .get(format!("{}{path}", self.url))
            .bearer_auth(&self.token);
        let answer = request.send().await.expect("the gateway answers");
        (
            answer.status().as_u16(),
            answer.text().await.unwrap_or_default(),
        )
    }
}

fn no_items(value: &Value) -> bool {
    value.as_array().is_none_or(Vec::is_empty)
}
