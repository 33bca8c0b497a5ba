//! The format of the vectors, and what this implementation answers.

use anyhow::{Context, Result};
use jiff::Timestamp;
use jiff::civil::Date;
use masar_clock::{
    Attribution, Breach, CalendarRef, Calendars, Entry, Event, Judgement, Mark, Phase, Rules, Run, Span,
    attribute,
};
use masar_domain::BiText;
use masar_worktime::{Calendar, CalendarSpec, Target};
use serde::{Deserialize, Serialize};

/// What the files are called in their first field; changes when their form does.
pub(crate) const FORMAT: &str = "masar-clock-vectors/1";

/// The marks of which every vector says when they are reached.
const MARKS: [&str; 5] = ["50%", "75%", "90%", "breach", "breach + 2 business_days"];

/// A file of vectors.
#[derive(Serialize, Deserialize)]
pub(crate) struct File {
    pub(crate) format: String,
    pub(crate) about: BiText,
    /// Every version of every calendar to which the cases are pinned.
    pub(crate) calendars: Vec<CalendarSpec>,
    pub(crate) cases: Vec<Case>,
}

/// A clock, a moment, and what holds of the clock then.
#[derive(Serialize, Deserialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// The rules that it is about.
    pub(crate) rules: Vec<String>,
    pub(crate) ledger: Vec<Entry>,
    /// The moment.
    pub(crate) now: Timestamp,
    /// The rules of today.
    pub(crate) today: Rules,
    /// When a provider had to act.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) provider: Vec<Span>,
    /// None while a case is made.
    pub(crate) expected: Option<Expected>,
}

/// What holds of a clock at a moment.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Expected {
    /// The working day that counts as day 0 (T3).
    day0: Date,
    /// As first promised.
    original_due_at: Timestamp,
    phase: Phase,
    /// By the ledger. While the clock stands still: if it had been resumed at the last entry.
    due_at: Timestamp,
    used: Target,
    breach: Option<Breach>,
    as_promised: Judgement,
    under_todays_rules: Judgement,
    /// Whose time it was (T14).
    attribution: Attribution,
    /// Mark and when it is reached, whether or not it has fired.
    marks: Vec<(String, Timestamp)>,
}

/// The answer of this implementation.
pub(crate) fn answer(case: &Case, calendars: &[Calendar]) -> Result<Expected> {
    let run = Run { ledger: case.ledger.clone(), marks: Vec::new(), is_window: false };
    let (now, clock) = (case.now, masar_clock::Clock::fold(&case.ledger, calendars)?);
    let pinned = calendars.pinned(clock.calendar())?;
    let Some(Event::Started { calendar, .. }) = case.ledger.first().map(|entry| &entry.event) else {
        anyhow::bail!("`{}` does not begin with a start", case.name)
    };
    let mark = |text: &&str| -> Result<_> {
        Ok(((*text).to_owned(), clock.mark_due(text.parse::<Mark>()?, calendars)?.at))
    };
    Ok(Expected {
        day0: calendars.pinned(calendar)?.received_day(clock.started_at())?.date,
        original_due_at: clock.original_due_at(),
        phase: clock.phase(),
        due_at: clock.due_at(calendars)?,
        used: clock.used_by(now, calendars)?,
        breach: clock.breach_by(now, calendars)?,
        as_promised: run.as_promised(now, calendars)?,
        under_todays_rules: run.under(&case.today, now, calendars)?,
        attribution: attribute(clock.lasted(now), &clock.stood_still(now), &case.provider, pinned)?,
        marks: MARKS.iter().map(mark).collect::<Result<_>>()?,
    })
}

impl File {
    /// The file with what this implementation answers to each case.
    pub(crate) fn new(about: BiText, calendars: Vec<CalendarSpec>, mut cases: Vec<Case>) -> Result<Self> {
        let compiled: Vec<_> = calendars.iter().map(Calendar::compile).collect::<Result<_, _>>()?;
        for case in &mut cases {
            let expected = answer(case, &compiled).with_context(|| format!("the case `{}`", case.name))?;
            case.expected = Some(expected);
        }
        Ok(Self { format: FORMAT.to_owned(), about, calendars, cases })
    }

    /// Its text: a line for each calendar and each case, so that a change shows what it changes.
    pub(crate) fn text(&self) -> Result<String> {
        let lines = |items: Vec<serde_json::Result<String>>| -> Result<String> {
            Ok(items.into_iter().collect::<Result<Vec<_>, _>>()?.join(",\n    "))
        };
        let calendars = lines(self.calendars.iter().map(serde_json::to_string).collect())?;
        let cases = lines(self.cases.iter().map(serde_json::to_string).collect())?;
        let (format, about) = (serde_json::to_string(&self.format)?, serde_json::to_string(&self.about)?);
        Ok(format!(
            "{{\n  \"format\": {format},\n  \"about\": {about},\n  \"calendars\": [\n    {calendars}\n  ],\n  \"cases\": [\n    {cases}\n  ]\n}}\n"
        ))
    }
}

/// The pin of a calendar as people wrote it.
pub(crate) fn pin(spec: &CalendarSpec) -> CalendarRef {
    CalendarRef { name: spec.name.clone(), version: spec.version }
}
