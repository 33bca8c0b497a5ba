//! What calendars say of days: checks, spans of other hours, and differences.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::Result;
use jiff::civil::{Date, Weekday};
use masar_domain::BiText;
use masar_worktime::{Calendar, CalendarSpec, DateRange, Day, Hours};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Which, here};
use crate::cli::{Answer, Unsuccessful, table};

/// Consecutive days of which calendars say the same.
#[derive(Serialize)]
struct Span<T> {
    from: Date,
    to: Date,
    #[serde(flatten)]
    says: T,
}

/// What a calendar says of a span.
#[derive(PartialEq, Serialize)]
struct Says {
    hours: Vec<Hours>,
    why: Option<BiText>,
    tentative: bool,
}

/// What two calendars say of a span.
#[derive(PartialEq, Serialize)]
struct Differs {
    was: Says,
    is: Says,
}

impl Says {
    fn of(day: Day<'_>) -> Self {
        Self { hours: day.hours.to_vec(), why: day.why.cloned(), tentative: day.tentative }
    }

    fn hours(&self) -> String {
        match self.hours.as_slice() {
            [] => "closed".to_owned(),
            hours => hours.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        }
    }

    fn why(&self, which: &Which) -> String {
        let why = self.why.as_ref().map(|why| why.in_language(which.language)).unwrap_or_default();
        format!("{why}{}", if self.tentative { " (tentative)" } else { "" })
    }
}

/// Checks each file: a sentence for it, or what is wrong with it.
pub(super) fn check(files: &[PathBuf]) -> Result<Answer> {
    let (mut text, mut found, mut wrong) = (String::new(), Vec::new(), 0);
    for file in files {
        let file = file.display().to_string();
        let checked = here(&file).and_then(|spec| Ok((Calendar::compile(&spec)?, spec)));
        match checked {
            Ok((_, spec)) => {
                writeln!(text, "{}", sound(&spec))?;
                let between = between(&spec);
                for day in &between {
                    writeln!(
                        text,
                        "  {day} is a single working day between days off: decide whether it is one"
                    )?;
                }
                let (name, version) = (&spec.name, spec.version);
                found.push(
                    json!({"file": file, "name": name, "version": version, "single_working_days": between}),
                );
            }
            Err(error) => {
                wrong += 1;
                writeln!(text, "{file}: {error:#}")?;
                found.push(json!({"file": file, "problem": format!("{error:#}")}));
            }
        }
    }
    let answer = Answer { table: text, json: json!({"calendars": found}) };
    if wrong == 0 {
        return Ok(answer);
    }
    let problem = format!("{wrong} of {} calendars cannot be used", files.len());
    Err(Unsuccessful { answer, problem }.into())
}

fn sound(spec: &CalendarSpec) -> String {
    let days = || spec.dates().map(|date| spec.day(date));
    let working = days().filter(|day| !day.hours.is_empty()).count();
    let tentative = days().filter(|day| day.tentative).count();
    let (name, version, covers) = (&spec.name, spec.version, spec.covers);
    format!(
        "{name} version {version} is sound: {working} working days from {} to {}, {tentative} days tentative",
        covers.from, covers.to
    )
}

/// Working days between two days off, at least one of which is a holiday of a day that is otherwise one of work.
fn between(spec: &CalendarSpec) -> Vec<Date> {
    let dates: Vec<_> = spec.dates().map(|date| spec.day(date)).collect();
    let is_off = |day: &Day<'_>| day.hours.is_empty();
    let single = |days: &&[Day<'_>]| {
        let [before, day, after] = days else { return false };
        is_off(before) && !is_off(day) && is_off(after) && (before.why.is_some() || after.why.is_some())
    };
    dates.windows(3).filter(single).map(|days| days[1].date).collect()
}

/// The ordinary week and everything that is otherwise.
pub(super) fn show(spec: &CalendarSpec, which: &Which) -> Result<Answer> {
    let week: Vec<(String, Vec<Hours>)> = Weekday::Sunday
        .cycle_forward()
        .take(7)
        .map(|day| (format!("{day:?}").to_lowercase(), spec.week.hours(day).to_vec()))
        .collect();
    let spans = named(spec, which);
    let mut text = format!("{} version {}, {}\n", spec.name, spec.version, spec.time_zone);
    let rows = week.iter().map(|(day, hours)| {
        let says = Says { hours: hours.clone(), why: None, tentative: false };
        [day.clone(), says.hours()]
    });
    write!(
        text,
        "{}\n{}",
        table(["day", "hours"], rows),
        table(
            ["from", "to", "hours", ""],
            spans.iter().map(|span| {
                [span.from.to_string(), span.to.to_string(), span.says.hours(), span.says.why(which)]
            }),
        )
    )?;
    let week: serde_json::Map<String, Value> =
        week.into_iter().map(|(day, hours)| (day, json!(hours))).collect();
    let (name, version, zone) = (&spec.name, spec.version, &spec.time_zone);
    Ok(Answer {
        table: text,
        json: json!({"name": name, "version": version, "time_zone": zone, "week": week, "otherwise": spans}),
    })
}

/// The spans of days that a calendar names, each with its hours and whether it is still to be announced.
pub(super) fn otherwise(spec: &CalendarSpec, which: &Which) -> Vec<(DateRange, Vec<Hours>, BiText, bool)> {
    named(spec, which)
        .into_iter()
        .map(|Span { from, to, says }| {
            (DateRange { from, to }, says.hours, says.why.unwrap_or_default(), says.tentative)
        })
        .collect()
}

fn named(spec: &CalendarSpec, which: &Which) -> Vec<Span<Says>> {
    let days = spec.dates().filter(|date| which.has(*date)).map(|date| spec.day(date));
    spans(days.map(|day| (day.date, day.why.is_some().then(|| Says::of(day)))))
}

/// Where two calendars differ in hours, or in whether these are announced.
pub(super) fn diff(from: &CalendarSpec, to: &CalendarSpec, which: &Which) -> Result<Answer> {
    let first = from.covers.from.min(to.covers.from);
    let last = from.covers.to.max(to.covers.to);
    let dates = first.series(jiff::ToSpan::day(1)).take_while(|date| *date <= last);
    let says = |spec: &CalendarSpec, date: Date| {
        // Of days that it does not cover a calendar says nothing.
        spec.covers.contains(date).then(|| Says::of(spec.day(date)))
    };
    let days = dates.filter(|date| which.has(*date)).map(|date| {
        let both = says(from, date).zip(says(to, date));
        let differ = both.filter(|(was, is)| was.hours != is.hours || was.tentative != is.tentative);
        (date, differ.map(|(was, is)| Differs { was, is }))
    });
    let spans = spans(days);
    let rows = spans.iter().map(|span| {
        let Differs { was, is } = &span.says;
        let (was, is) = ((was.hours(), was.why(which)), (is.hours(), is.why(which)));
        [span.from.to_string(), span.to.to_string(), was.0, was.1, is.0, is.1]
    });
    let mut text = table(["from", "to", "was", "", "is", ""], rows);
    if from.covers != to.covers {
        let (was, is) = (from.covers, to.covers);
        writeln!(text, "covers {} to {}, was {} to {}", is.from, is.to, was.from, was.to)?;
    }
    Ok(Answer {
        table: text,
        json: json!({"differences": spans, "covered": from.covers, "covers": to.covers}),
    })
}

/// Days of which the same is said, one after the other, as spans; those of which nothing is said are left out.
fn spans<T: PartialEq>(days: impl Iterator<Item = (Date, Option<T>)>) -> Vec<Span<T>> {
    let mut spans: Vec<Span<T>> = Vec::new();
    for (date, says) in days {
        let Some(says) = says else { continue };
        match spans.last_mut() {
            Some(last) if last.to.tomorrow().is_ok_and(|next| next == date) && last.says == says => {
                last.to = date
            }
            _ => spans.push(Span { from: date, to: date, says }),
        }
    }
    spans
}
