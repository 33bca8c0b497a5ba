//! The calendars that the product brings.

use masar_worktime::{Calendar, CalendarSpec};

/// Name and text of each.
pub const SHIPPED: &[(&str, &str)] = &[
    ("qa-gov-default", include_str!("../../../crates/worktime/calendars/qa-gov-default.yaml")),
    ("qa-gov-centre-evening", include_str!("../../../crates/worktime/calendars/qa-gov-centre-evening.yaml")),
    ("always-open", include_str!("../../../crates/worktime/calendars/always-open.yaml")),
];

/// The calendar of an entity that has named none.
pub const DEFAULT: &str = "qa-gov-default";

/// Reads and compiles a calendar.
///
/// # Errors
/// What is wrong with it, in a sentence.
pub fn compile(text: &str) -> Result<Calendar, String> {
    let spec: CalendarSpec = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    Calendar::compile(&spec).map_err(|error| error.to_string())
}
