//! The calendars that the product brings.

use masar_worktime::{Base, Calendar, CalendarFile, CalendarSpec, Shelf};

pub use masar_worktime::{DEFAULT, SHIPPED};

/// Reads a calendar; one that is based on another, on one of the shipped.
///
/// # Errors
/// What cannot be read, in a sentence.
pub fn read(text: &str) -> Result<CalendarSpec, String> {
    let shelf = shipped()?;
    let known = |base: &Base| shelf.get(&(base.name.clone(), base.version)).cloned();
    file(text)?.whole(known).map_err(|error| error.to_string())
}

/// Reads a calendar as it was written.
///
/// # Errors
/// What cannot be read, in a sentence.
pub fn file(text: &str) -> Result<CalendarFile, String> {
    serde_saphyr::from_str(text).map_err(|error| error.to_string())
}

/// The calendars that the product brings.
///
/// # Errors
/// What is wrong with them, in a sentence.
pub fn shipped() -> Result<Shelf, String> {
    let read = |(_, text): &(&str, &str)| {
        let spec = file(text)?.whole(|_| None).map_err(|error| error.to_string())?;
        Ok(((spec.name.clone(), spec.version), spec))
    };
    SHIPPED.iter().map(read).collect()
}

/// Reads and compiles a calendar.
///
/// # Errors
/// What is wrong with it, in a sentence.
pub fn compile(text: &str) -> Result<Calendar, String> {
    Calendar::compile(&read(text)?).map_err(|error| error.to_string())
}
