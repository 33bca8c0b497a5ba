//! The vectors that were thought of, rule by rule, and some random ones.

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use masar_clock::{CalendarRef, Entry, Event, Rules};
use masar_worktime::CalendarSpec;

use crate::format::{Case, File, pin};
use crate::{dates, lives};

/// Every file, by its name without the ending.
pub(crate) fn files() -> Result<Vec<(&'static str, File)>> {
    Ok(vec![
        ("receipt", dates::receipt()?),
        ("units", dates::units()?),
        ("pauses", lives::pauses()?),
        ("retargets", lives::retargets()?),
        ("extensions", lives::extensions()?),
        ("entered-pauses", lives::entered_pauses()?),
        ("republished", dates::republished()?),
        ("plans", lives::plans()?),
        ("overlays", dates::overlays()?),
        ("clock-changes", dates::clock_changes()?),
        ("attribution", lives::attribution()?),
        ("seconds", lives::seconds()?),
        ("random", lives::randoms()?),
    ])
}

/// A calendar that the product brings.
pub(crate) fn shipped(name: &str) -> Result<CalendarSpec> {
    let (_, text) =
        masar_worktime::SHIPPED.iter().find(|(known, _)| *known == name).context("not shipped")?;
    Ok(serde_saphyr::from_str(text)?)
}

pub(crate) fn government() -> Result<CalendarSpec> {
    shipped("qa-gov-default")
}

pub(crate) fn at(text: &str) -> Result<Timestamp> {
    // Minutes and seconds may be left out where they say nothing.
    let text = if text.len() == 16 { format!("{text}:00+03:00") } else { format!("{text}+03:00") };
    text.parse().with_context(|| text.clone())
}

pub(crate) fn entry(when: &str, event: Event) -> Result<Entry> {
    Ok(Entry { at: at(when)?, event })
}

pub(crate) fn started(when: &str, target: &str, calendar: &CalendarSpec) -> Result<Entry> {
    let (target, calendar) = (target.parse()?, pin(calendar));
    entry(
        when,
        Event::Started { target, calendar, policy: "complaint@1.0.0/response".into(), not_after: None },
    )
}

pub(crate) fn paused(when: &str) -> Result<Entry> {
    entry(when, Event::Paused { reason: "awaiting_customer".into() })
}

pub(crate) fn resumed(when: &str) -> Result<Entry> {
    entry(when, Event::Resumed)
}

pub(crate) fn retargeted(when: &str, target: &str) -> Result<Entry> {
    entry(
        when,
        Event::Retargeted { target: target.parse()?, not_after: None, cause: "set_importance".into() },
    )
}

pub(crate) fn extended(when: &str, by: &str) -> Result<Entry> {
    let (reason, granted_by) = ("complexity".into(), "lab-director".into());
    entry(when, Event::Extended { by: by.parse()?, reason, granted_by })
}

pub(crate) fn stopped(when: &str) -> Result<Entry> {
    entry(when, Event::Stopped { reason: None })
}

pub(crate) fn case(
    name: String,
    rules: &[&str],
    ledger: Vec<Entry>,
    now: Timestamp,
    today: CalendarRef,
) -> Case {
    let rules = rules.iter().map(|rule| (*rule).to_owned()).collect();
    let today = Rules { calendar: today, target: None };
    Case { name, rules, ledger, now, today, provider: Vec::new(), expected: None }
}

/// Some time after the last entry, when nothing else has happened.
pub(crate) fn after(ledger: &[Entry], hours: i64) -> Result<Timestamp> {
    Ok(ledger.last().context("an empty ledger")?.at + SignedDuration::from_hours(hours))
}
