//! Logs, traces and metrics, and the trace context that ties calls together.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Instant;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use opentelemetry::propagation::{Extractor, Injector};
use opentelemetry::trace::TracerProvider;
use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use prometheus::{Encoder, Registry, TextEncoder};
use serde::{Deserialize, Serialize};
use tracing::Instrument;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::{BoxError, Caller};

/// What is logged, and where traces go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetrySettings {
    /// How log lines look.
    pub log_format: LogFormat,
    /// What is logged, such as `info` or `masar_sla=debug,info`.
    pub log_filter: String,
    /// Address of an OTLP collector for traces (gRPC), if any.
    pub otlp_endpoint: Option<String>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// For programs: one JSON object a line.
    Json,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self {
            log_format: LogFormat::Pretty,
            log_filter: "info,sea_orm_migration=warn".to_owned(),
            otlp_endpoint: None,
        }
    }
}

/// Metrics of this process; traces are flushed when it is dropped.
pub struct Telemetry {
    registry: Registry,
    traces: Option<SdkTracerProvider>,
    _meters: SdkMeterProvider,
}

impl Telemetry {
    /// Begins to count. Nothing is logged and no trace is collected: for tests and embedding.
    ///
    /// # Errors
    /// When the meters cannot be set up.
    pub fn quiet() -> Result<Self, BoxError> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build()?;
        let meters = SdkMeterProvider::builder().with_reader(exporter).build();
        global::set_meter_provider(meters.clone());
        global::set_text_map_propagator(TraceContextPropagator::new());
        Ok(Self { registry, traces: None, _meters: meters })
    }

    /// Begins to log, count and trace.
    ///
    /// # Errors
    /// When the filter or the collector's address cannot be used.
    pub fn start(settings: &TelemetrySettings) -> Result<Self, BoxError> {
        let mut telemetry = Self::quiet()?;
        let spans = settings.otlp_endpoint.as_deref().map(collector).transpose()?;
        let filter = EnvFilter::try_new(&settings.log_filter)?;
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        let lines = match settings.log_format {
            LogFormat::Pretty => lines.with_target(false).boxed(),
            LogFormat::Json => lines.json().boxed(),
        };
        // The spans have a filter of their own: quiet logs must not cut traces short.
        let traces = spans.as_ref().map(|provider| {
            tracing_opentelemetry::layer()
                .with_tracer(provider.tracer("masar"))
                .with_filter(EnvFilter::new("info"))
        });
        tracing_subscriber::registry().with(lines.with_filter(filter)).with(traces).try_init()?;
        telemetry.traces = spans;
        Ok(telemetry)
    }

    /// The metrics in the text form of Prometheus.
    #[must_use]
    pub fn metrics(&self) -> String {
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::warn!(%error, "the metrics cannot be written");
        }
        String::from_utf8(text).unwrap_or_default()
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.traces.as_ref().map(SdkTracerProvider::shutdown) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// A gauge of what is counted now and then, with a value for each set of labels.
#[derive(Debug)]
pub struct Counted<const N: usize> {
    name: &'static str,
    keys: [&'static str; N],
    known: BTreeSet<[String; N]>,
}

impl<const N: usize> Counted<N> {
    /// A gauge whose labels have these names. Without labels there is a value of its own, 0, so that there is always
    /// something to see.
    #[must_use]
    pub fn new(name: &'static str, keys: [&'static str; N]) -> Self {
        Self { name, keys, known: [[const { String::new() }; N]].into() }
    }

    /// Shows what was counted. What was counted before and is not any more is none, and not what it was.
    pub fn show(&mut self, counted: impl IntoIterator<Item = ([String; N], i64)>) {
        let gauge = global::meter("masar").i64_gauge(self.name).build();
        let mut silent = self.known.clone();
        let labels = |values: &[String; N]| {
            let pairs = self.keys.iter().zip(values);
            pairs.map(|(key, value)| KeyValue::new(*key, value.clone())).collect::<Vec<_>>()
        };
        for (values, count) in counted {
            gauge.record(count, &labels(&values));
            silent.remove(&values);
            self.known.insert(values);
        }
        silent.iter().for_each(|values| gauge.record(0, &labels(values)));
    }
}

fn collector(endpoint: &str) -> Result<SdkTracerProvider, BoxError> {
    let exporter =
        opentelemetry_otlp::SpanExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
    let resource = Resource::builder().with_service_name("masar").build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

/// Seconds: from well below what a person notices to the longest deadline.
const BUCKETS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 10.0];

struct Headers<'a>(&'a http::HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

struct Given<'a>(&'a mut http::HeaderMap);

impl Injector for Given<'_> {
    fn set(&mut self, key: &str, value: String) {
        let header = (http::HeaderName::try_from(key), http::HeaderValue::try_from(value));
        if let (Ok(name), Ok(value)) = header {
            self.0.insert(name, value);
        }
    }
}

/// Writes the trace of the work at hand into the headers of a call that it causes.
pub(crate) fn pass_on(headers: &mut http::HeaderMap) {
    let context = tracing::Span::current().context();
    global::get_text_map_propagator(|propagator| propagator.inject_context(&context, &mut Given(headers)));
}

/// What metrics call a path that is no method of ours: whoever calls may write anything there.
const UNKNOWN: &str = "unknown";
/// Methods besides those of our contracts.
const COMMON: [&str; 3] = [
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
];

/// The methods that metrics call by their path.
static METHODS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let ours = masar_proto::access::paths().unwrap_or_default();
    ours.into_iter().chain(COMMON.map(str::to_owned)).collect()
});

/// One span for every call that was let in, below the caller's trace.
pub(crate) async fn trace(request: Request, next: Next) -> Response {
    let method = request.uri().path().to_owned();
    let caller = request.extensions().get::<Caller>();
    let span = tracing::info_span!(
        "call",
        method,
        tenant = caller.map(|caller| tracing::field::display(&caller.tenant)),
        subject = caller.map(|caller| caller.identity.subject.as_str())
    );
    let parent =
        global::get_text_map_propagator(|propagator| propagator.extract(&Headers(request.headers())));
    // Fails only where no traces are collected.
    let _ = span.set_parent(parent);
    next.run(request).instrument(span).await
}

/// Two metrics for every call, those that are refused at the door included.
pub(crate) async fn count(request: Request, next: Next) -> Response {
    let method = METHODS.get(request.uri().path()).map_or(UNKNOWN, String::as_str);
    let began = Instant::now();
    let response = next.run(request).await;
    let code =
        response.headers().get("grpc-status").and_then(|code| code.to_str().ok()).unwrap_or("0").to_owned();
    let meter = global::meter("masar");
    let method = KeyValue::new("method", method);
    meter.u64_counter("masar_grpc_requests").build().add(1, &[method.clone(), KeyValue::new("code", code)]);
    meter
        .f64_histogram("masar_grpc_duration_seconds")
        .with_boundaries(BUCKETS.to_vec())
        .build()
        .record(began.elapsed().as_secs_f64(), &[method]);
    response
}
