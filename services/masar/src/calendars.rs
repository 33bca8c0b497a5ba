//! The calendars that the binary carries, and those that a file brings.

use std::path::Path;

use anyhow::{Context, Result, bail};
use masar_worktime::{Calendar, CalendarSpec};

/// Calendars that are compiled in, by name.
const SHIPPED: &[(&str, &str)] =
    &[("qa-gov-default", include_str!("../../../crates/worktime/calendars/qa-gov-default.yaml"))];

/// Finds a calendar by the name of a shipped one or the path of a YAML file.
pub(crate) fn find(name_or_file: &str) -> Result<Calendar> {
    let text = match SHIPPED.iter().find(|(name, _)| *name == name_or_file) {
        Some((_, text)) => (*text).to_owned(),
        None => read(name_or_file)?,
    };
    let spec: CalendarSpec =
        serde_saphyr::from_str(&text).with_context(|| format!("`{name_or_file}` is not a calendar"))?;
    Calendar::compile(&spec).with_context(|| format!("calendar `{name_or_file}` cannot be used"))
}

fn read(file: &str) -> Result<String> {
    if !Path::new(file).exists() {
        let names: Vec<_> = SHIPPED.iter().map(|(name, _)| *name).collect();
        bail!("there is no calendar `{file}`: give one of {} or the path of a YAML file", names.join(", "));
    }
    std::fs::read_to_string(file).with_context(|| format!("cannot read `{file}`"))
}
