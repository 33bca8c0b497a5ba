//! Which hours a calendar is open on a day, read from its JSON whenever it is asked.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use anyhow::{Context, Result};
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::Value;

/// A calendar as the vectors spell it.
pub(super) struct Days<'a> {
    spec: &'a Value,
    known: RefCell<HashMap<i64, Rc<Day>>>,
    /// The one that was asked for last: most questions are about it.
    last: RefCell<(i64, Rc<Day>)>,
}

/// What of the calendar touches a day of UTC.
#[derive(Default)]
pub(super) struct Day {
    /// When it is open, in seconds since 1970.
    open: Vec<(i64, i64)>,
    /// When local days close for good.
    closings: Vec<(i64, Date)>,
}

const DAY: i64 = 86_400;

impl<'a> Days<'a> {
    pub(super) fn new(spec: &'a Value) -> Self {
        Self { spec, known: RefCell::default(), last: RefCell::new((i64::MIN, Rc::default())) }
    }

    pub(super) fn is(&self, pin: &Value) -> bool {
        self.spec["name"] == pin["name"] && self.spec["version"] == pin["version"]
    }

    pub(super) fn zone(&self) -> Result<TimeZone> {
        Ok(TimeZone::get(self.spec["time_zone"].as_str().context("time_zone")?)?)
    }

    /// The day of UTC in which a second lies, with those days of the zone that reach into it.
    pub(super) fn day(&self, at: i64) -> Result<Rc<Day>> {
        let number = at.div_euclid(DAY);
        if self.last.borrow().0 == number {
            return Ok(Rc::clone(&self.last.borrow().1));
        }
        let day = self.found(number, at)?;
        *self.last.borrow_mut() = (number, Rc::clone(&day));
        Ok(day)
    }

    fn found(&self, number: i64, at: i64) -> Result<Rc<Day>> {
        if let Some(day) = self.known.borrow().get(&number) {
            return Ok(Rc::clone(day));
        }
        let date = TimeZone::UTC.to_datetime(Timestamp::from_second(at)?).date();
        let mut day = Day::default();
        for date in [date.checked_sub(1.day())?, date, date.checked_add(1.day())?] {
            let hours = self.hours(date)?;
            day.closings.extend(hours.iter().map(|(_, close)| *close).max().map(|close| (close, date)));
            day.open.extend(hours);
        }
        let day = Rc::new(day);
        self.known.borrow_mut().insert(number, Rc::clone(&day));
        Ok(day)
    }

    /// The hours of a local date, as instants.
    fn hours(&self, date: Date) -> Result<Vec<(i64, i64)>> {
        let spec = self.spec;
        if !within(&spec["covers"], date)? {
            return Ok(Vec::new());
        }
        let week = &spec["week"][name(date.weekday())];
        let holidays = spec["holidays"].as_array().context("holidays")?;
        let closed =
            holidays.iter().map(|holiday| names(&holiday["when"], date)).collect::<Result<Vec<_>>>()?;
        if week.as_array().is_none_or(Vec::is_empty) || closed.contains(&true) {
            return Ok(Vec::new());
        }
        let mut hours = week;
        for overlay in spec["overlays"].as_array().context("overlays")? {
            if within(overlay, date)? {
                hours = &overlay["hours"];
            }
        }
        let zone = self.zone()?;
        let mut instants = Vec::new();
        for text in hours.as_array().context("hours")? {
            let (open, close) = text.as_str().and_then(|text| text.split_once('-')).context("hours")?;
            let hours = (wall(&zone, date, open)?, wall(&zone, date, close)?);
            if hours.0 < hours.1 {
                instants.push(hours);
            }
        }
        Ok(instants)
    }
}

impl Day {
    pub(super) fn is_open(&self, at: i64) -> bool {
        self.open.iter().any(|(open, close)| *open <= at && at < *close)
    }

    /// The date that closes for good at this instant.
    pub(super) fn closing(&self, at: i64) -> Option<Date> {
        self.closings.iter().find(|(close, _)| *close == at).map(|(_, date)| *date)
    }
}

fn within(range: &Value, date: Date) -> Result<bool> {
    let day = |key: &str| -> Result<Date> { Ok(range[key].as_str().context("a date")?.parse()?) };
    Ok(day("from")? <= date && date <= day("to")?)
}

fn names(when: &Value, date: Date) -> Result<bool> {
    if let Some(range) = when.get("dates") {
        return within(range, date);
    }
    if let Some(rule) = when.get("every_year") {
        return Ok(rule["month"] == date.month() && rule["day"] == date.day());
    }
    let rule = when.get("weekday_of_month").context("a rule for a holiday")?;
    // Counts the days of that name from the first of the month.
    let first = date.first_of_month();
    let same = (0..i64::from(date.day()))
        .filter(|ahead| first.checked_add(ahead.days()).is_ok_and(|day| day.weekday() == date.weekday()));
    Ok(rule["month"] == date.month()
        && rule["weekday"] == name(date.weekday())
        && rule["nth"] == same.count())
}

fn name(day: Weekday) -> &'static str {
    match day {
        Weekday::Sunday => "sunday",
        Weekday::Monday => "monday",
        Weekday::Tuesday => "tuesday",
        Weekday::Wednesday => "wednesday",
        Weekday::Thursday => "thursday",
        Weekday::Friday => "friday",
        Weekday::Saturday => "saturday",
    }
}

/// When clocks on the wall show a time of a date: the first time they do. Where they never do, because they are put
/// forward over it, the time is read as if they were not.
pub(super) fn wall(zone: &TimeZone, date: Date, time: &str) -> Result<i64> {
    let (hour, minute) = time.split_once(':').context("HH:MM")?;
    let minutes = hour.parse::<i64>()? * 60 + minute.parse::<i64>()?;
    let as_if_utc = TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0))?.as_second() + minutes * 60;
    let offset =
        |at: i64| -> Result<i64> { Ok(i64::from(zone.to_offset(Timestamp::from_second(at)?).seconds())) };
    let (before, after) = (offset(as_if_utc - DAY)?, offset(as_if_utc + DAY)?);
    let shown = [before, after].map(|offset| as_if_utc - offset).into_iter();
    let mut found = Vec::new();
    for at in shown {
        if at + offset(at)? == as_if_utc {
            found.push(at);
        }
    }
    Ok(found.into_iter().min().unwrap_or(as_if_utc - before))
}
