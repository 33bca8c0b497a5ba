//! What the bus counts, for those who watch it.

use jiff::SignedDuration;
use opentelemetry::{KeyValue, global};

/// A relay begins: what it counts begins at none, so that the first is seen as one more.
pub(crate) fn relay(service: &str) {
    published(service, 0);
    outbox_age(service, SignedDuration::ZERO);
    add("masar_bus_messages_unroutable", [KeyValue::new("service", service.to_owned())], 0);
}

/// A consumer begins, likewise.
pub(crate) fn consumer(consumer: &str) {
    consumed(consumer, 0);
    parked(consumer, 0, 0);
    add("masar_bus_messages_unreadable", [KeyValue::new("consumer", consumer.to_owned())], 0);
}

/// Events that the transport has taken from a service.
pub(crate) fn published(service: &str, events: usize) {
    add("masar_bus_events_published", [KeyValue::new("service", service.to_owned())], events);
}

/// Events that a consumer has handled for the first time.
pub(crate) fn consumed(consumer: &str, events: usize) {
    add("masar_bus_events_consumed", [KeyValue::new("consumer", consumer.to_owned())], events);
}

/// Events that a consumer has parked, and the subjects that it holds now.
pub(crate) fn parked(consumer: &str, events: usize, held: usize) {
    let consumer = KeyValue::new("consumer", consumer.to_owned());
    global::meter("masar")
        .u64_gauge("masar_bus_subjects_held")
        .build()
        .record(held as u64, std::slice::from_ref(&consumer));
    add("masar_bus_events_parked", [consumer], events);
}

/// How long the oldest event of a service has waited for the transport: nothing when none waits.
pub(crate) fn outbox_age(service: &str, age: SignedDuration) {
    global::meter("masar")
        .f64_gauge("masar_bus_outbox_age_seconds")
        .build()
        .record(age.as_secs_f64().max(0.0), &[KeyValue::new("service", service.to_owned())]);
}

/// A message that no queue took: it stays in the outbox of its service.
pub(crate) fn unroutable(service: &str) {
    add("masar_bus_messages_unroutable", [KeyValue::new("service", service.to_owned())], 1);
}

/// A message that a consumer could not read: it was put aside.
pub(crate) fn unreadable(consumer: &str) {
    add("masar_bus_messages_unreadable", [KeyValue::new("consumer", consumer.to_owned())], 1);
}

fn add(name: &'static str, whose: [KeyValue; 1], count: usize) {
    global::meter("masar").u64_counter(name).build().add(count as u64, &whose);
}
