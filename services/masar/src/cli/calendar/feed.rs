//! Calendars as iCalendar (RFC 5545): for those who subscribe to the days off, and from those who publish them so.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use chrono::{Datelike, NaiveDate};
use icalendar::{Calendar as Feed, Component, DatePerhapsTime, Event, EventLike, EventStatus};
use jiff::civil::Date;
use masar_domain::BiText;
use masar_worktime::{CalendarSpec, DateRange, Holiday, HolidayRule, Hours, Overlay};
use serde_json::json;

use super::days::otherwise;
use super::{Which, text};
use crate::cli::Answer;

/// The opening hours of a day that is not closed, which no property of the standard says.
const HOURS: &str = "X-MASAR-HOURS";
/// Between the Arabic and the English name of a day.
const BETWEEN: &str = " / ";

/// The spans of days that are otherwise than the week says.
pub(super) fn export(spec: &CalendarSpec, which: &Which) -> Result<Answer> {
    let mut feed = Feed::empty();
    feed.append_property(("VERSION", "2.0")).append_property(("PRODID", "-//Masar//Calendar//EN"));
    feed.name(spec.label.in_language(which.language)).timezone(spec.time_zone.as_str());
    let written_at = naive(spec.covers.from)?.and_hms_opt(0, 0, 0).context("midnight")?.and_utc();
    for (range, hours, why, tentative) in otherwise(spec, which) {
        let mut event = Event::with_uid(&format!("{}-{}@masar", spec.name, range.from));
        let status = if tentative { EventStatus::Tentative } else { EventStatus::Confirmed };
        // The end of a day in a feed is the day after it.
        let (from, after) = (naive(range.from)?, naive(range.to.tomorrow()?)?);
        event.summary(&format!("{}{BETWEEN}{}", why.ar, why.en)).starts(from).ends(after).status(status);
        event.timestamp(written_at).sequence(spec.version);
        if !hours.is_empty() {
            event.add_property(HOURS, hours.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
        }
        feed.push(event);
    }
    let feed = feed.to_string();
    Ok(Answer { json: json!({"icalendar": feed}), table: feed })
}

/// The calendar with the days of a feed, as the file of its next version. What is there already is not added again.
pub(super) fn import(spec: &CalendarSpec, file: &Path) -> Result<Answer> {
    let feed: Feed = text(file)?
        .parse()
        .map_err(|problem: String| anyhow!("`{}` cannot be read as iCalendar: {problem}", file.display()))?;
    let mut next = CalendarSpec { version: spec.version + 1, ..spec.clone() };
    let mut skipped = Vec::new();
    for event in feed.events() {
        let name = event.get_summary().unwrap_or_default();
        match days_of(event) {
            Some(range) => add(&mut next, event, range)?,
            None => {
                skipped.push(format!("`{name}` is no whole day, or comes again by a rule: add it by hand"))
            }
        }
    }
    next.check()?;
    let yaml = serde_saphyr::to_string(&next)?;
    let notes: String = skipped.iter().map(|note| format!("# {note}\n")).collect();
    Ok(Answer { table: format!("{notes}{yaml}"), json: json!({"calendar": next, "skipped": skipped}) })
}

fn add(next: &mut CalendarSpec, event: &Event, range: DateRange) -> Result<()> {
    let name = event.get_summary().unwrap_or_default();
    // A feed that was not written here has one name for both languages.
    let (ar, en) = name.split_once(BETWEEN).unwrap_or((name, name));
    let (label, tentative) = (BiText::new(ar, en), event.get_status() == Some(EventStatus::Tentative));
    let hours = event.property_value(HOURS).unwrap_or_default().split_whitespace();
    let hours = hours.map(str::parse::<Hours>).collect::<Result<Vec<_>, _>>()?;
    let (from, to) = (range.from, range.to);
    if hours.is_empty() {
        let holiday = Holiday { label, when: HolidayRule::Dates(range), tentative };
        if !next.holidays.contains(&holiday) {
            next.holidays.push(holiday);
        }
    } else {
        let overlay = Overlay { label, from, to, hours, tentative };
        if !next.overlays.contains(&overlay) {
            next.overlays.push(overlay);
        }
    }
    Ok(())
}

/// The whole days of an event; none of one with times, and of one that comes again.
fn days_of(event: &Event) -> Option<DateRange> {
    if event.property_value("RRULE").is_some() {
        return None;
    }
    let Some(DatePerhapsTime::Date(from)) = event.get_start() else { return None };
    let from = civil(from)?;
    let to = match event.get_end() {
        None => from,
        Some(DatePerhapsTime::Date(after)) => civil(after)?.yesterday().ok()?.max(from),
        Some(DatePerhapsTime::DateTime(_)) => return None,
    };
    Some(DateRange { from, to })
}

fn naive(date: Date) -> Result<NaiveDate> {
    let (year, month, day) = (date.year(), date.month().unsigned_abs(), date.day().unsigned_abs());
    NaiveDate::from_ymd_opt(year.into(), month.into(), day.into()).context("a date out of reach")
}

fn civil(date: NaiveDate) -> Option<Date> {
    let (year, month, day) = (date.year(), date.month(), date.day());
    Date::new(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?).ok()
}
