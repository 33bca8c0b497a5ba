//! Walks through the life of a clock, one step after the other, and counts.

use anyhow::{Context, Result, bail, ensure};
use jiff::civil::Date;
use serde_json::{Value, json};

use super::days::{Days, wall};
use super::instant;

/// A number and what is counted: elapsed and business time in seconds, business days in days.
type Amount = (Unit, i64);

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Unit {
    Elapsed,
    Business,
    Days,
}

/// Entries as the vectors spell them.
pub(super) struct Ledger(Vec<Value>);

pub(super) struct Walk<'a> {
    pub(super) calendars: &'a [Days<'a>],
    /// Seconds of a step.
    pub(super) step: i64,
}

/// A clock after some entries.
#[derive(Clone)]
pub(super) struct Standing {
    start: i64,
    pub(super) last: i64,
    calendar: Value,
    target: Amount,
    planned: Option<Date>,
    extension: Option<Amount>,
    pauses: Vec<(i64, Option<i64>)>,
    end: Option<(i64, &'static str)>,
    breach: Option<(i64, &'static str)>,
}

/// Nobody waits longer for an answer than the longest target here takes.
const FOREVER: i64 = 200 * 86_400;

impl Ledger {
    pub(super) fn read(entries: &Value) -> Result<Self> {
        Ok(Self(entries.as_array().context("ledger")?.clone()))
    }

    /// What was promised, whatever calendar was published later.
    pub(super) fn as_promised(&self) -> Self {
        let told = |entry: &&Value| entry["event"] != "calendar_changed" && entry["event"] != "mark_fired";
        Self(self.0.iter().filter(told).cloned().collect())
    }

    /// The same under other rules.
    pub(super) fn under(&self, rules: &Value) -> Result<Self> {
        let mut entries = self.as_promised().0;
        entries[0]["calendar"] = rules["calendar"].clone();
        if let Some(target) = rules.get("target") {
            let named = |entry: &Value| entry["event"] == "started" || entry["event"] == "retargeted";
            let last = entries.iter().rposition(named).context("a start")?;
            entries[last]["target"] = target.clone();
        }
        Ok(Self(entries))
    }
}

impl Standing {
    fn start(entry: &Value) -> Result<Self> {
        ensure!(entry["event"] == "started", "a ledger begins with a start");
        let start = instant(&entry["at"])?;
        Ok(Self {
            start,
            last: start,
            calendar: entry["calendar"].clone(),
            target: amount(&entry["target"])?,
            planned: day(&entry["not_after"])?,
            extension: None,
            pauses: Vec::new(),
            end: None,
            breach: None,
        })
    }

    fn is_paused(&self) -> bool {
        self.end.is_none() && self.pauses.iter().any(|(_, to)| to.is_none())
    }

    pub(super) fn phase(&self) -> &'static str {
        match self.end {
            Some((_, phase)) => phase,
            None if self.is_paused() => "paused",
            None => "running",
        }
    }

    pub(super) fn stopped(&self) -> bool {
        self.phase() == "stopped"
    }

    /// True when it counts in the step from `at` on, if a pause that goes on ends at `resumed`; just after it when `beyond`.
    fn runs(&self, at: i64, resumed: i64, beyond: bool) -> bool {
        !self.pauses.iter().any(|(from, to)| match to {
            Some(to) => *from <= at && at < *to,
            None => *from <= at && (at < resumed || beyond && at == resumed),
        })
    }

    fn end_pause(&mut self, at: i64) {
        for pause in &mut self.pauses {
            pause.1.get_or_insert(at);
        }
    }
}

impl Walk<'_> {
    /// The clock after all entries. When it is only judged, an extension that comes too late or in another unit is none.
    pub(super) fn fold(&self, ledger: &Ledger, judged: bool) -> Result<Standing> {
        let mut standing = Standing::start(&ledger.0[0])?;
        self.break_at_once(&mut standing, "due", true)?;
        for entry in &ledger.0[1..] {
            let at = instant(&entry["at"])?;
            let breach = self.breach_by(&standing, at)?;
            if judged && entry["event"] == "extended" {
                let by = amount(&entry["by"])?;
                if breach.is_some() || by.0 != standing.target.0 {
                    continue;
                }
            }
            standing.breach = breach;
            standing.last = at;
            take(&mut standing, entry, at)?;
            let cause = match entry["event"].as_str() {
                Some("retargeted") => "retarget",
                Some("calendar_changed") => "calendar",
                _ => "due",
            };
            self.break_at_once(&mut standing, cause, false)?;
        }
        Ok(standing)
    }

    /// A change that leaves nothing to run is a breach at its moment. A start breaks nothing by itself.
    fn break_at_once(&self, standing: &mut Standing, cause: &'static str, start: bool) -> Result<()> {
        if !start && standing.end.is_none() && standing.breach.is_none() {
            let due = self.due(standing, standing.last, true)?;
            if due <= standing.last {
                standing.breach = Some((standing.last, cause));
            }
        }
        Ok(())
    }

    pub(super) fn breach_by(&self, standing: &Standing, now: i64) -> Result<Option<(i64, &'static str)>> {
        if standing.breach.is_some() || standing.phase() != "running" {
            return Ok(standing.breach);
        }
        let due = self.due(standing, standing.last, false)?;
        Ok((due < now).then_some((due, "due")))
    }

    pub(super) fn original_due(&self, ledger: &Ledger) -> Result<i64> {
        let standing = Standing::start(&ledger.0[0])?;
        self.due(&standing, standing.last, false)
    }

    /// When it is due if a pause that goes on ends at `resumed`.
    pub(super) fn due(&self, standing: &Standing, resumed: i64, beyond: bool) -> Result<i64> {
        let (unit, amount) = standing.target;
        let extra = standing.extension.map_or(0, |(_, extra)| extra);
        let due = self.reached(standing, unit, (amount + extra) * 1_000, resumed, beyond)? / 1_000;
        let Some(planned) = standing.planned else { return Ok(due) };
        let calendar = self.calendar(standing)?;
        let zone = calendar.zone()?;
        let local = zone.to_datetime(jiff::Timestamp::from_second(due)?).date();
        if planned >= local {
            return Ok(due);
        }
        let midnight = wall(&zone, planned, "00:00")?;
        Ok(due.min(self.first_closing(calendar, midnight, true)?.0))
    }

    /// The first millisecond by which so much has run; `budget` in thousandths.
    fn reached(
        &self,
        standing: &Standing,
        unit: Unit,
        budget: i64,
        resumed: i64,
        beyond: bool,
    ) -> Result<i64> {
        let calendar = self.calendar(standing)?;
        let day0 = self.first_closing(calendar, standing.start, false)?;
        if unit == Unit::Days && budget == 0 {
            return Ok(day0.0 * 1_000);
        }
        let (mut at, mut counted) = (standing.start, 0);
        let mut day = calendar.day(at)?;
        while at < standing.start + FOREVER {
            if at.rem_euclid(86_400) == 0 {
                day = calendar.day(at)?;
            }
            let runs = standing.runs(at, resumed, beyond);
            let left = budget - counted;
            if unit == Unit::Days {
                counted += if runs && at > day0.0 && day.closing(at).is_some() { 1_000 } else { 0 };
                if counted >= budget {
                    return Ok(at * 1_000);
                }
            } else {
                if left <= 0 {
                    return Ok(at * 1_000);
                }
                if runs && (unit == Unit::Elapsed || day.is_open(at)) {
                    counted += self.step * 1_000;
                    if counted >= budget {
                        return Ok(at * 1_000 + left);
                    }
                }
            }
            at += self.step;
        }
        bail!("never due")
    }

    /// What has run in a unit before an instant.
    fn ran(&self, standing: &Standing, unit: Unit, until: i64, resumed: i64) -> Result<i64> {
        let calendar = self.calendar(standing)?;
        let day0 = self.first_closing(calendar, standing.start, false)?;
        let mut counted = 0;
        let mut at = standing.start;
        while at < until {
            let day = calendar.day(at)?;
            if standing.runs(at, resumed, false) {
                counted += match unit {
                    Unit::Elapsed => self.step,
                    Unit::Business if day.is_open(at) => self.step,
                    Unit::Days if at > day0.0 && day.closing(at).is_some() => 1,
                    Unit::Business | Unit::Days => 0,
                };
            }
            at += self.step;
        }
        Ok(counted)
    }

    pub(super) fn used(&self, standing: &Standing, now: i64) -> Result<String> {
        let until = if standing.end.is_some() { now.min(standing.last) } else { now };
        Ok(words((standing.target.0, self.ran(standing, standing.target.0, until, until)?)))
    }

    /// When a mark is reached, in milliseconds.
    pub(super) fn mark(&self, standing: &Standing, mark: &str) -> Result<i64> {
        let due = self.due(standing, standing.last, false)?;
        let broken = standing.breach.map_or(due, |(at, _)| at);
        let Some(percent) = mark.strip_suffix('%') else {
            if mark == "breach" {
                return Ok(broken * 1_000);
            }
            let calendar = self.calendar(standing)?;
            let mut closing = self.first_closing(calendar, broken, true)?;
            for _ in 0..2 {
                closing = self.first_closing(calendar, closing.0, false)?;
            }
            return Ok(closing.0 * 1_000);
        };
        let unit = if standing.target.0 == Unit::Elapsed { Unit::Elapsed } else { Unit::Business };
        let whole = self.ran(standing, unit, due, standing.last)? * 1_000;
        self.reached(standing, unit, whole * percent.parse::<i64>()? / 100, standing.last, false)
    }

    pub(super) fn day0(&self, ledger: &Ledger) -> Result<String> {
        let standing = Standing::start(&ledger.0[0])?;
        Ok(self.first_closing(self.calendar(&standing)?, standing.start, false)?.1.to_string())
    }

    /// The first closing after an instant, or at it.
    fn first_closing(&self, calendar: &Days<'_>, from: i64, at_it: bool) -> Result<(i64, Date)> {
        let first = if at_it { from } else { from + self.step };
        let mut at = first;
        while at < first + FOREVER {
            let day = calendar.day(at)?;
            if let Some(date) = day.closing(at) {
                return Ok((at, date));
            }
            at += self.step;
        }
        bail!("it never closes")
    }

    pub(super) fn attribution(
        &self,
        standing: &Standing,
        provider: &[(i64, i64)],
        now: i64,
    ) -> Result<Value> {
        let (mut department, mut customer, mut provided, mut closed) = (0, 0, 0, 0);
        let calendar = self.calendar(standing)?;
        let end = standing.end.map_or(now, |(at, _)| at);
        let mut at = standing.start;
        while at < end {
            let whose = if !calendar.day(at)?.is_open(at) {
                &mut closed
            } else if !standing.runs(at, now, false) {
                &mut customer
            } else if provider.iter().any(|(from, to)| *from <= at && at < *to) {
                &mut provided
            } else {
                &mut department
            };
            *whose += self.step;
            at += self.step;
        }
        Ok(json!({
            "department_seconds": department, "customer_seconds": customer,
            "provider_seconds": provided, "closed_seconds": closed
        }))
    }

    fn calendar(&self, standing: &Standing) -> Result<&Days<'_>> {
        let found = self.calendars.iter().find(|calendar| calendar.is(&standing.calendar));
        found.with_context(|| format!("no calendar {}", standing.calendar))
    }
}

fn take(standing: &mut Standing, entry: &Value, at: i64) -> Result<()> {
    match entry["event"].as_str().context("an event")? {
        "paused" => standing.pauses.push((at, None)),
        "resumed" => standing.end_pause(at),
        "pause_entered" => standing.pauses.push((instant(&entry["from"])?, Some(instant(&entry["to"])?))),
        "retargeted" => {
            let target = amount(&entry["target"])?;
            if target.0 != standing.target.0 && standing.extension.is_some() {
                standing.extension = Some((target.0, 0));
            }
            (standing.target, standing.planned) = (target, day(&entry["not_after"])?);
        }
        "extended" => standing.extension = Some(amount(&entry["by"])?),
        "calendar_changed" => standing.calendar = entry["calendar"].clone(),
        "mark_fired" => {}
        "stopped" => {
            standing.end_pause(at);
            standing.end = Some((at, "stopped"));
        }
        "cancelled" => {
            standing.end_pause(at);
            standing.end = Some((at, "cancelled"));
        }
        event => bail!("unknown event {event}"),
    }
    Ok(())
}

fn day(date: &Value) -> Result<Option<Date>> {
    Ok(date.as_str().map(str::parse).transpose()?)
}

/// `3 business_days` and the like.
fn amount(text: &Value) -> Result<Amount> {
    let (number, unit) = text.as_str().and_then(|text| text.split_once(' ')).context("a target")?;
    let number: i64 = number.parse()?;
    Ok(match unit.trim_end_matches('s') {
        "day" => (Unit::Elapsed, number * 86_400),
        "hour" => (Unit::Elapsed, number * 3_600),
        "minute" => (Unit::Elapsed, number * 60),
        "second" => (Unit::Elapsed, number),
        "business_hour" => (Unit::Business, number * 3_600),
        "business_minute" => (Unit::Business, number * 60),
        "business_second" => (Unit::Business, number),
        "business_day" => (Unit::Days, number),
        unit => bail!("unknown unit {unit}"),
    })
}

/// The same in its largest unit that fits.
fn words((unit, amount): Amount) -> String {
    let units: &[(&str, i64)] = match unit {
        Unit::Elapsed => &[("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)],
        Unit::Business => &[("business_hour", 3_600), ("business_minute", 60), ("business_second", 1)],
        Unit::Days => &[("business_day", 1)],
    };
    let (word, length) =
        units.iter().find(|(_, length)| amount % length == 0).copied().unwrap_or(("second", 1));
    let number = amount / length;
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}
