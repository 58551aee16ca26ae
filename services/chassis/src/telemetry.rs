//! Logs, traces and metrics: JSON logs on stderr, OTLP when an endpoint is set, Prometheus text.
//!
//! One trace runs from the HTTP request through gRPC, SQL and the feed to the consumer: its context
//! travels as a W3C `traceparent`. No personal data: handlers log ids of things, never of people.

use std::{collections::HashMap, sync::OnceLock};

use anyhow::Context;
use opentelemetry::{
    KeyValue, global,
    metrics::Meter,
    propagation::{Extractor, TextMapPropagator},
    trace::TracerProvider,
};
use opentelemetry_sdk::{
    Resource,
    metrics::{Aggregation, Instrument, InstrumentKind, SdkMeterProvider, Stream},
    propagation::TraceContextPropagator,
    trace::SdkTracerProvider,
};
use prometheus::{Encoder, Registry, TextEncoder};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{
    EnvFilter, Layer as _, filter::LevelFilter, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::lifecycle::Lifecycle;

static REGISTRY: OnceLock<Registry> = OnceLock::new();

/// Buckets for durations in seconds: from a cached read to the longest deadline.
const SECONDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// Keeps telemetry running; [`Telemetry::shutdown`] sends what is left.
#[derive(Debug)]
pub struct Telemetry {
    tracer: SdkTracerProvider,
    meter: SdkMeterProvider,
}

/// Starts telemetry for the process.
///
/// `BACKSTOP_LOG` filters logs (default `info`); `OTEL_EXPORTER_OTLP_ENDPOINT` turns on traces.
///
/// # Errors
/// Telemetry was started already, an exporter cannot be built, or `BACKSTOP_LOG` is no filter.
pub fn init(service: &'static str) -> anyhow::Result<Telemetry> {
    init_with(service, "info")
}

/// The same with another filter for logs where `BACKSTOP_LOG` says nothing.
///
/// # Errors
/// As [`init`].
pub fn init_with(service: &'static str, log: &str) -> anyhow::Result<Telemetry> {
    global::set_text_map_propagator(TraceContextPropagator::new());
    let resource = Resource::builder().with_service_name(service).build();

    let registry = Registry::new();
    let exporter = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .build()?;
    let meter = SdkMeterProvider::builder()
        .with_reader(exporter)
        .with_resource(resource.clone())
        .with_view(seconds_view)
        .build();
    global::set_meter_provider(meter.clone());
    let version = [label("version", env!("CARGO_PKG_VERSION"))];
    self::meter()
        .u64_gauge("backstop_build_info")
        .build()
        .record(1, &version);
    anyhow::ensure!(
        REGISTRY.set(registry).is_ok(),
        "telemetry was started already"
    );

    let mut tracer = SdkTracerProvider::builder().with_resource(resource);
    // Empty is how a compose file says that there is none.
    let endpoint = std::env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT");
    if endpoint.is_some_and(|endpoint| !endpoint.is_empty()) {
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .build()?;
        tracer = tracer.with_batch_exporter(exporter);
    }
    let tracer = tracer.build();
    let asked = std::env::var("BACKSTOP_LOG").unwrap_or_default();
    let filter = match asked.as_str() {
        "" => EnvFilter::new(log),
        asked => EnvFilter::try_new(asked).context("BACKSTOP_LOG")?,
    };
    // What is logged and what is traced are asked for apart: a quiet log must not cut a trace.
    let traces = tracing_opentelemetry::layer()
        .with_tracer(tracer.tracer("backstop"))
        .with_filter(LevelFilter::INFO);
    let logs = tracing_subscriber::fmt::layer()
        .json()
        .with_writer(std::io::stderr)
        .with_filter(filter);
    tracing_subscriber::registry()
        .with(traces)
        .with(logs)
        .try_init()?;
    Ok(Telemetry { tracer, meter })
}

impl Telemetry {
    /// Sends what is left.
    pub fn shutdown(self) {
        let _ = self.tracer.shutdown();
        let _ = self.meter.shutdown();
    }
}

fn seconds_view(instrument: &Instrument) -> Option<Stream> {
    if instrument.kind() != InstrumentKind::Histogram || instrument.unit() != "s" {
        return None;
    }
    let boundaries = SECONDS.to_vec();
    let aggregation = Aggregation::ExplicitBucketHistogram {
        boundaries,
        record_min_max: false,
    };
    Stream::builder().with_aggregation(aggregation).build().ok()
}

/// Where instruments come from.
#[must_use]
pub fn meter() -> Meter {
    global::meter("backstop")
}

/// Shows a value as it is whenever metrics are read.
pub fn watch(
    name: &'static str,
    labels: &[KeyValue],
    value: impl Fn() -> Option<u64> + Send + Sync + 'static,
) {
    let labels = labels.to_vec();
    meter()
        .u64_observable_gauge(name)
        .with_callback(move |observer| {
            if let Some(value) = value() {
                observer.observe(value, &labels);
            }
        })
        .build();
}

/// Shows whether a process is ready.
pub fn watch_readiness(process: &'static str, lifecycle: &Lifecycle) {
    let lifecycle = lifecycle.clone();
    let ready = move || Some(u64::from(lifecycle.not_ready().is_empty()));
    watch("backstop_ready", &[label("process", process)], ready);
}

/// A bounded label.
#[must_use]
pub fn label(key: &'static str, value: impl Into<opentelemetry::Value>) -> KeyValue {
    KeyValue::new(key, value)
}

/// All metrics of the process in Prometheus' text format.
#[must_use]
pub fn metrics_text() -> String {
    let Some(registry) = REGISTRY.get() else {
        return String::new();
    };
    let mut text = Vec::new();
    if let Err(error) = TextEncoder::new().encode(&registry.gather(), &mut text) {
        tracing::error!(%error, "metrics cannot be written");
    }
    String::from_utf8(text).unwrap_or_default()
}

/// The current span's W3C `traceparent`; `None` outside a trace.
#[must_use]
pub fn traceparent() -> Option<String> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&tracing::Span::current().context(), &mut carrier);
    carrier.remove("traceparent")
}

/// Makes `span` a child of the trace that `traceparent` names.
pub fn continue_trace(span: &tracing::Span, traceparent: &str) {
    struct One<'a>(&'a str);
    impl Extractor for One<'_> {
        fn get(&self, key: &str) -> Option<&str> {
            (key == "traceparent").then_some(self.0)
        }
        fn keys(&self) -> Vec<&str> {
            vec!["traceparent"]
        }
    }
    if !traceparent.is_empty() {
        let context = TraceContextPropagator::new().extract(&One(traceparent));
        // A span that telemetry does not record has no parent to set.
        let _ = span.set_parent(context);
    }
}
