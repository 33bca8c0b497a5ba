//! Whose time it was (T14): the time that the customer waited, told apart to the second.

use jiff::{SignedDuration, Timestamp};
use masar_worktime::Calendar;
use serde::{Deserialize, Serialize};

use crate::{Clock, Error};

/// A span of time; its end is outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// When it began.
    pub from: Timestamp,
    /// When it ended.
    pub to: Timestamp,
}

/// Where the time of a customer went, in whole seconds. The parts are the whole: `department + customer + provider + closed`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribution {
    /// Open time in which the entity had to act.
    pub department_seconds: i64,
    /// Open time in which the customer had to act: the clock stood still (T8).
    pub customer_seconds: i64,
    /// Open time in which a provider had to act.
    pub provider_seconds: i64,
    /// Time outside of opening hours.
    pub closed_seconds: i64,
}

impl Attribution {
    /// All of it: what passed on the wall.
    #[must_use]
    pub fn total_seconds(&self) -> i64 {
        self.department_seconds + self.customer_seconds + self.provider_seconds + self.closed_seconds
    }
}

/// Tells apart whose time a span was. Each second is somebody's: outside of opening hours nobody's who works, then the
/// customer's while the clock stood still, then a provider's while one had to act, and else the department's.
///
/// # Errors
/// `Calendar` when the span is not covered.
pub fn attribute(
    whole: Span,
    customer: &[Span],
    provider: &[Span],
    calendar: &Calendar,
) -> Result<Attribution, Error> {
    let whole = Span { from: second(whole.from), to: second(whole.to).max(second(whole.from)) };
    let customer = merged(customer, whole);
    let provider = without(&merged(provider, whole), &customer);
    let open = |spans: &[Span]| -> Result<i64, Error> {
        let open = spans.iter().map(|span| calendar.open_between(span.from, span.to).map(|it| it.as_secs()));
        Ok(open.sum::<Result<i64, _>>()?)
    };
    let (customer_seconds, provider_seconds) = (open(&customer)?, open(&provider)?);
    let all = open(&[whole])?;
    Ok(Attribution {
        department_seconds: all - customer_seconds - provider_seconds,
        customer_seconds,
        provider_seconds,
        closed_seconds: whole.to.duration_since(whole.from).as_secs() - all,
    })
}

impl Clock {
    /// From the start of the clock to its end, or up to now.
    #[must_use]
    pub fn lasted(&self, now: Timestamp) -> Span {
        Span { from: self.started_at(), to: self.ended_at().unwrap_or(now) }
    }

    /// The spans in which it stood still, the last one up to now if it goes on.
    #[must_use]
    pub fn stood_still(&self, now: Timestamp) -> Vec<Span> {
        let span = |pause: &crate::Pause| Span { from: pause.from, to: pause.to.unwrap_or(now) };
        self.pauses().iter().map(span).collect()
    }

    /// The spans in which it counted.
    #[must_use]
    pub fn counted(&self, now: Timestamp) -> Vec<Span> {
        without(&[self.lasted(now)], &self.stood_still(now))
    }
}

/// The second in which an instant lies.
fn second(at: Timestamp) -> Timestamp {
    at - SignedDuration::from_nanos(i64::from(at.subsec_nanosecond()).rem_euclid(1_000_000_000))
}

/// Spans in order, cut to the whole, none overlapping another.
fn merged(spans: &[Span], whole: Span) -> Vec<Span> {
    let cut =
        |span: &Span| Span { from: second(span.from).max(whole.from), to: second(span.to).min(whole.to) };
    let mut cut: Vec<_> = spans.iter().map(cut).filter(|span| span.from < span.to).collect();
    cut.sort_by_key(|span| span.from);
    let mut merged: Vec<Span> = Vec::new();
    for span in cut {
        match merged.last_mut() {
            Some(last) if span.from <= last.to => last.to = last.to.max(span.to),
            _ => merged.push(span),
        }
    }
    merged
}

/// What is left of spans without others; both in order and without overlaps.
fn without(spans: &[Span], others: &[Span]) -> Vec<Span> {
    let mut left = Vec::new();
    for span in spans {
        let mut from = span.from;
        for other in others.iter().filter(|other| other.from < span.to && span.from < other.to) {
            left.push(Span { from, to: other.from });
            from = other.to;
        }
        left.push(Span { from, to: span.to });
    }
    left.retain(|span| span.from < span.to);
    left
}
