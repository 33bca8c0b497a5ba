//! Calendars that say only what is different from another: a state's, an entity's on it, and a centre's on that.

use std::collections::{BTreeMap, VecDeque};

use masar_domain::BiText;
use serde::{Deserialize, Serialize};

use crate::{CalendarSpec, DateRange, Error, Holiday, Overlay, Week};

/// A calendar file: a whole calendar, or one that is based on another and says what is different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarFile {
    /// Code of the calendar.
    pub name: String,
    /// Version, counted from 1.
    pub version: u32,
    /// What people call it.
    pub label: BiText,
    /// The calendar whose days hold where this one says nothing else; none of a whole calendar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub based_on: Option<Base>,
    /// Time zone, where it is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// The days that it is for, within those of the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covers: Option<DateRange>,
    /// The hours of the ordinary week, where they are others: the whole week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub week: Option<Week>,
    /// Other hours of some days; they go before those of the other calendar.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overlays: Vec<Overlay>,
    /// Days that are closed besides those of the other calendar.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holidays: Vec<Holiday>,
}

/// The name and version of the calendar on which another is based.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// Code of the calendar.
    pub name: String,
    /// Its version.
    pub version: u32,
}

/// Calendars by name and version.
pub type Shelf = BTreeMap<(String, u32), CalendarSpec>;

/// A new version of a calendar and everything that comes with it: the next versions of the calendars that are based on it, of
/// those based on these, and so on, each as its file and as a whole. `written` are the newest files of calendars that are
/// based on others.
///
/// # Errors
/// As for [`CalendarFile::whole`].
pub fn published(
    new: CalendarFile,
    known: &Shelf,
    written: &[CalendarFile],
) -> Result<Vec<(CalendarFile, CalendarSpec)>, Error> {
    let mut shelf = known.clone();
    let mut published: Vec<(CalendarFile, CalendarSpec)> = Vec::new();
    let mut waiting = VecDeque::from([new]);
    while let Some(file) = waiting.pop_front() {
        let spec = file.clone().whole(|base| shelf.get(&(base.name.clone(), base.version)).cloned())?;
        for other in written {
            let names = published.iter().map(|(file, _)| file).chain(&waiting).chain([&file]);
            if names.map(|file| &file.name).any(|name| *name == other.name) {
                continue;
            }
            let newest =
                shelf.keys().filter(|(name, _)| *name == other.name).map(|(_, version)| *version).max();
            waiting.extend(other.followed(&spec, newest.unwrap_or(other.version) + 1));
        }
        shelf.insert((spec.name.clone(), spec.version), spec.clone());
        published.push((file, spec));
    }
    Ok(published)
}

impl CalendarFile {
    /// The whole calendar. `known` gives the calendar on which it is based.
    ///
    /// # Errors
    /// `Base` when that is not known, `Missing` when a whole calendar leaves something out, `Range` when it covers days
    /// that the other does not.
    pub fn whole(self, known: impl Fn(&Base) -> Option<CalendarSpec>) -> Result<CalendarSpec, Error> {
        let Self { name, version, label, based_on, time_zone, covers, week, overlays, holidays } = self;
        let Some(base) = based_on else {
            return Ok(CalendarSpec {
                time_zone: time_zone.ok_or(Error::Missing { field: "time_zone" })?,
                covers: covers.ok_or(Error::Missing { field: "covers" })?,
                week: week.ok_or(Error::Missing { field: "week" })?,
                name,
                version,
                label,
                overlays,
                holidays,
            });
        };
        let other = known(&base).ok_or(Error::Base { name: base.name, version: base.version })?;
        let covers = covers.unwrap_or(other.covers);
        if !(other.covers.contains(covers.from) && other.covers.contains(covers.to)) {
            let DateRange { from, to } = other.covers;
            return Err(Error::Reach { from, to });
        }
        Ok(CalendarSpec {
            name,
            version,
            label,
            time_zone: time_zone.unwrap_or(other.time_zone),
            covers,
            week: week.unwrap_or(other.week),
            overlays: [other.overlays, overlays].concat(),
            holidays: [other.holidays, holidays].concat(),
        })
    }

    /// The next version, on a newer version of the calendar on which it is based; none when it is based on another.
    #[must_use]
    pub fn followed(&self, newer: &CalendarSpec, version: u32) -> Option<Self> {
        let base = self.based_on.as_ref().filter(|base| base.name == newer.name)?;
        let based_on = Some(Base { version: newer.version, ..base.clone() });
        (base.version < newer.version).then(|| Self { version, based_on, ..self.clone() })
    }
}
