//! The calendars that the product brings.

use masar_worktime::{Calendar, CalendarSpec};

pub use masar_worktime::SHIPPED;

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
