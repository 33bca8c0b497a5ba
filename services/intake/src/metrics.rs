//! What intake counts, for those who watch it.

use opentelemetry::{KeyValue, global};

/// A submission that was refused because more came in than could be taken: `share`, its tenant had its share of what is
/// opened; `standstill`, nobody is admitted; `queue`, too much waits to be written.
pub(crate) fn refused(reason: &'static str) {
    add_refused(reason, 1);
}

/// Nothing was refused yet, so that the first is seen as one more.
pub(crate) fn begin() {
    ["share", "standstill", "queue"].into_iter().for_each(|reason| add_refused(reason, 0));
}

fn add_refused(reason: &'static str, submissions: u64) {
    let reason = [KeyValue::new("reason", reason)];
    global::meter("masar").u64_counter("masar_intake_refused").build().add(submissions, &reason);
}

/// How long the oldest submission has waited to be opened, and how long one that is accepted now will wait, both in seconds.
pub(crate) fn lag(age: f64, wait: f64) {
    for (name, value) in [("masar_intake_lag_seconds", age), ("masar_intake_wait_seconds", wait)] {
        global::meter("masar").f64_gauge(name).build().record(value, &[]);
    }
}
