//! What sla counts, for those who watch it.

use jiff::SignedDuration;
use opentelemetry::global;

/// The bounds of what is told apart, in seconds.
const BOUNDS: [f64; 13] = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 30.0, 300.0, 3_600.0];

/// How late marks fired.
pub(crate) fn fired(late: &[SignedDuration]) {
    let lateness = global::meter("masar")
        .f64_histogram("masar_sla_timer_lateness_seconds")
        .with_boundaries(BOUNDS.to_vec())
        .build();
    for late in late {
        lateness.record(late.as_secs_f64(), &[]);
    }
}

/// Clocks that cannot be read, whose marks are tried again.
pub(crate) fn stuck(clocks: usize) {
    global::meter("masar").u64_gauge("masar_sla_timers_stuck").build().record(clocks as u64, &[]);
}
