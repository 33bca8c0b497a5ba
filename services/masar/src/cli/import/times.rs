//! Points in time as other systems write them.

use anyhow::{Context as _, Result, anyhow};
use jiff::Timestamp;
use jiff::civil::Time;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use super::mapping::When;
use super::recipe::{Column, Compiler, Context};

/// Reads the times of a column.
#[derive(Debug)]
pub(super) struct Instants {
    key: &'static str,
    column: Column,
    format: Option<String>,
    at: Time,
    zone: TimeZone,
}

impl Instants {
    /// # Errors
    /// The key that is wrong.
    pub(super) fn compile(
        key: &'static str,
        when: &When,
        zone: Option<&str>,
        compiler: &mut Compiler<'_>,
    ) -> Result<Self> {
        let zone = match zone {
            Some(name) => {
                TimeZone::get(name).with_context(|| format!("time_zone: `{name}` is no time zone"))?
            }
            None => TimeZone::UTC,
        };
        if let Some(format) = &when.format {
            let sample = Timestamp::UNIX_EPOCH.to_zoned_datetime(zone.clone());
            strtime::format(format, &sample).map_err(|error| anyhow!("{key}.format: {error}"))?;
        }
        let column = compiler.column(&format!("{key}.from"), &when.from)?;
        Ok(Self { key, column, format: when.format.clone(), at: when.at, zone })
    }

    /// The instant that a row says, if it says one.
    ///
    /// # Errors
    /// What stands there instead.
    pub(super) fn read(&self, context: &Context<'_>) -> Result<Option<Timestamp>, String> {
        let told = |problem: String| format!("{}: {problem}", self.key);
        let Some(text) = context.get(&self.column).into_text().map_err(told)? else { return Ok(None) };
        self.parse(&text).map(Some).map_err(|error| told(format!("`{text}` is no time: {error}")))
    }

    fn parse(&self, text: &str) -> Result<Timestamp, jiff::Error> {
        let Some(format) = &self.format else { return text.parse() };
        let read = strtime::parse(format, text)?;
        match read.to_timestamp() {
            // The text has an offset, or counts seconds.
            Ok(at) => return Ok(at),
            Err(error) if read.offset().is_some() => return Err(error),
            Err(_) => {}
        }
        let local = match read.hour() {
            Some(_) => read.to_datetime()?,
            None => read.to_date()?.to_datetime(self.at),
        };
        self.zone.to_timestamp(local)
    }
}
