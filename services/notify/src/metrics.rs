//! What notify counts, for those who watch it.

use opentelemetry::{KeyValue, global};

use crate::store::delivery::{DELIVERED, FAILED, PENDING};

/// An attempt to deliver, and what the delivery is after it: `pending` when it is made again.
pub(crate) fn attempted(channel: &'static str, status: &str) {
    add(channel, status, 1);
}

/// A courier begins: nothing was attempted yet, so that the first is seen as one more.
pub(crate) fn courier(channel: &'static str) {
    [PENDING, DELIVERED, FAILED].into_iter().for_each(|status| add(channel, status, 0));
}

fn add(channel: &'static str, status: &str, attempts: u64) {
    let labels = [KeyValue::new("channel", channel), KeyValue::new("status", status.to_owned())];
    global::meter("masar").u64_counter("masar_notify_attempts").build().add(attempts, &labels);
}
