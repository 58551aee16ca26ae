//! One trace runs from the HTTP request through gRPC, SQL and the feed to the consumer.

use std::{
    collections::BTreeSet,
    process::Stdio,
    sync::{Arc, Mutex},
};

use kernel::Role;
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    trace::v1::Span,
};
use serde_json::json;
use tests::{Client, county, family, until};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

use crate::process::{Up, backstop};

/// Keeps every span that is exported to it.
#[derive(Debug, Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = request.into_inner().resource_spans.into_iter();
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        let spans = scopes.flat_map(|scope| scope.spans);
        self.0.lock().expect("not poisoned").extend(spans);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

#[tokio::test(flavor = "multi_thread")]
async fn a_declaration_is_one_trace_from_the_request_to_the_consumers() {
    let collector = Collector::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    let lifecycle = chassis::lifecycle::Lifecycle::new();
    let serving = Server::builder()
        .add_service(TraceServiceServer::new(collector.clone()))
        .serve_with_incoming(TcpListenerStream::new(listener));
    lifecycle.spawn("collector", async move { serving.await.expect("served") });

    let folder = tempfile::tempdir().expect("a folder");
    let mut command = backstop(folder.path(), &["up"]);
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"))
        .env("OTEL_BSP_SCHEDULE_DELAY", "100");
    let mut up = Up::started(folder.path(), &mut command, Stdio::null()).await;
    let client = |role: Role, division: &str| {
        let token = crate::process::token_of(folder.path(), role, division);
        Client::new(up.address(), token, "somebody")
    };
    let officer = client(Role::CountyOfficer, tests::COUNTY);
    county::divisions(&officer).await;
    let cadre = client(Role::VillageCadre, county::VILLAGE);
    let household = json!({
        "household": { "divisionCode": county::VILLAGE, "groupNumber": 1, "origin": "GENERAL" },
        "members": [{
            "name": "张大山", "idNumber": family::id_number(), "isHead": true, "relation": "户主",
            "registered": true, "resident": true, "sharesIncome": true,
            "labourCapacity": "ORDINARY", "health": "健康", "schooling": "非在校生",
        }],
    });
    let payload = cadre
        .accepted("createHousehold", household, "household { id }")
        .await;
    let path = format!("evidence?divisionCode={}", county::VILLAGE);
    cadre.upload(&path, family::PAPER.to_vec()).await;
    let declaration = json!({
        "householdId": payload["household"]["id"], "channel": "SELF_DECLARATION",
        "risks": [{ "type": "ILLNESS" }], "evidenceSha256": [family::EVIDENCE],
    });
    let traced = cadre.traced(&format!("00-{TRACE}-b7ad6b7169203331-01"));
    traced
        .accepted("declareCase", declaration, "case { id }")
        .await;

    let name = |span: &Span| match &*span.name {
        "http" | "sql" => span.name.clone(),
        // Of these it matters which.
        "rpc" | "feed.apply" => format!("{} {}", span.name, detail(span)),
        other => other.to_owned(),
    };
    let seen = until("the consumers have told of it", async || {
        let spans = collector.0.lock().expect("not poisoned");
        let own = spans.iter().filter(|span| hex(&span.trace_id) == TRACE);
        let seen: BTreeSet<String> = own.map(name).collect();
        let applied = seen.iter().filter(|name| name.starts_with("feed.apply"));
        (applied.count() > 0 && seen.contains("http")).then_some(seen)
    })
    .await;
    for expected in [
        "http",
        "rpc /backstop.workflow.v1.WorkflowService/DeclareCase",
        "sql",
        "feed.apply workflow",
    ] {
        assert!(seen.contains(expected), "{expected} is not in {seen:#?}");
    }
    up.interrupt().await;
    lifecycle.wait(std::time::Duration::from_secs(1)).await;
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn detail(span: &Span) -> String {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    let told = span
        .attributes
        .iter()
        .find(|attribute| ["rpc.method", "source"].contains(&&*attribute.key));
    match told.and_then(|told| told.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        _ => String::new(),
    }
}
