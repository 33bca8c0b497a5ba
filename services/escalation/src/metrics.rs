//! What escalation counts, for those who watch it.

use masar_workflow::Climb;
use opentelemetry::{KeyValue, global};

/// A level was told: whom it reached.
pub(crate) fn told(tenant: &str, level: &str, again: bool, climb: &Climb) {
    let reached = match climb {
        Climb { people, .. } if people.is_empty() => "nobody",
        Climb { safety_net: true, .. } => "safety_net",
        Climb { vacant, .. } if vacant.is_empty() => "level",
        _ => "others",
    };
    add(tenant, level, again, reached, 1);
}

/// Nobody was told yet: of no entity, so that there is always something to see.
pub(crate) fn begin() {
    ["level", "others", "safety_net", "nobody"]
        .into_iter()
        .for_each(|reached| add("", "", false, reached, 0));
}

fn add(tenant: &str, level: &str, again: bool, reached: &'static str, levels: u64) {
    global::meter("masar").u64_counter("masar_escalation_levels_told").build().add(
        levels,
        &[
            KeyValue::new("tenant", tenant.to_owned()),
            KeyValue::new("level", level.to_owned()),
            KeyValue::new("again", again),
            KeyValue::new("reached", reached),
        ],
    );
}
