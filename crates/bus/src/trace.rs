//! W3C trace context: what caused an event, carried with it.

use std::collections::HashMap;

use opentelemetry::global;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const HEADER: &str = "traceparent";

/// The trace context of the current span, when traces are collected.
pub(crate) fn current() -> Option<String> {
    let mut carrier = HashMap::new();
    global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&Span::current().context(), &mut carrier);
    });
    carrier.remove(HEADER)
}

/// Makes the work that caused an event the parent of a span.
pub(crate) fn follow(span: &Span, traceparent: &str) {
    let carrier = HashMap::from([(HEADER.to_owned(), traceparent.to_owned())]);
    let parent = global::get_text_map_propagator(|propagator| propagator.extract(&carrier));
    // Fails only where no traces are collected.
    let _ = span.set_parent(parent);
}
