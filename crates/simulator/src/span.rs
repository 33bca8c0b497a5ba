//! How long something takes, as people say it.

use std::fmt;
use std::str::FromStr;

use fastrand::Rng;
use serde::{Deserialize, Serialize};

/// Seconds of the units that a span may have.
const UNITS: [(&str, f64); 4] = [("second", 1.0), ("minute", 60.0), ("hour", 3_600.0), ("day", 86_400.0)];

/// How long something takes: `10 minutes` always, `5 to 20 minutes` each as likely, `5 to 60 minutes, mostly 10` with a
/// peak, or `about 10 minutes`: ten on average, mostly less and now and then far more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span {
    text: String,
    shape: Shape,
}

/// The distribution, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    Always(f64),
    Between(f64, f64),
    Mostly { least: f64, mostly: f64, most: f64 },
    About(f64),
}

/// A text that says no span.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no span: write `10 minutes`, `5 to 20 minutes`, `5 to 60 minutes, mostly 10` or `about 10 minutes`, in seconds, minutes, hours or days"
)]
pub struct NoSpan(String);

impl Span {
    /// A span by chance, in seconds.
    pub(crate) fn draw(&self, rng: &mut Rng) -> f64 {
        match self.shape {
            Shape::Always(seconds) => seconds,
            Shape::Between(least, most) => least + rng.f64() * (most - least),
            Shape::Mostly { least, mostly, most } => peaked(rng.f64(), least, mostly, most),
            Shape::About(mean) => exponential(rng, mean),
        }
    }

    /// The mean, in seconds.
    #[must_use]
    pub fn mean_seconds(&self) -> f64 {
        match self.shape {
            Shape::Always(seconds) | Shape::About(seconds) => seconds,
            Shape::Between(least, most) => f64::midpoint(least, most),
            Shape::Mostly { least, mostly, most } => (least + mostly + most) / 3.0,
        }
    }
}

/// A draw of the triangular distribution.
fn peaked(share: f64, least: f64, mostly: f64, most: f64) -> f64 {
    let width = most - least;
    if width <= 0.0 {
        return least;
    }
    match share * width < mostly - least {
        true => least + (share * width * (mostly - least)).sqrt(),
        false => most - ((1.0 - share) * width * (most - mostly)).sqrt(),
    }
}

/// A draw of the exponential distribution, as of gaps between arrivals that know nothing of each other.
pub(crate) fn exponential(rng: &mut Rng, mean: f64) -> f64 {
    // 1 minus a draw is never 0.
    -mean * (1.0 - rng.f64()).ln()
}

impl FromStr for Span {
    type Err = NoSpan;

    fn from_str(text: &str) -> Result<Self, NoSpan> {
        let shape = shape(text.trim()).ok_or_else(|| NoSpan(text.to_owned()))?;
        Ok(Self { text: text.trim().to_owned(), shape })
    }
}

fn shape(text: &str) -> Option<Shape> {
    if let Some(rest) = text.strip_prefix("about ") {
        let (number, unit) = rest.trim().split_once(' ')?;
        return Some(Shape::About(number_of(number)? * unit_of(unit)?));
    }
    let (range, mostly) = match text.split_once(", mostly ") {
        Some((range, mostly)) => (range, Some(mostly)),
        None => (text, None),
    };
    let (numbers, unit) = range.trim().rsplit_once(' ')?;
    let unit = unit_of(unit)?;
    let (least, most) = match numbers.split_once(" to ") {
        Some((least, most)) => (number_of(least)? * unit, number_of(most)? * unit),
        None if mostly.is_none() => return Some(Shape::Always(number_of(numbers)? * unit)),
        None => return None,
    };
    match mostly.map(number_of) {
        None if least <= most => Some(Shape::Between(least, most)),
        Some(Some(mostly)) if (least..=most).contains(&(mostly * unit)) => {
            Some(Shape::Mostly { least, mostly: mostly * unit, most })
        }
        _ => None,
    }
}

fn number_of(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| (0.0..1e6).contains(number))
}

fn unit_of(text: &str) -> Option<f64> {
    let unit = text.trim();
    let unit = unit.strip_suffix('s').unwrap_or(unit);
    UNITS.iter().find(|(word, _)| *word == unit).map(|(_, seconds)| *seconds)
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Span {
    type Error = NoSpan;

    fn try_from(text: String) -> Result<Self, NoSpan> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(text: &str) -> Vec<f64> {
        let (span, mut rng): (Span, _) = (text.parse().expect("it is a span"), Rng::with_seed(1));
        (0..20_000).map(|_| span.draw(&mut rng)).collect()
    }

    /// What is drawn stays within what was said, and has the mean that was said.
    #[test]
    fn draws_are_what_was_said() {
        for (text, least, most, mean) in [
            ("10 minutes", 600.0, 600.0, 600.0),
            ("5 to 20 minutes", 300.0, 1_200.0, 750.0),
            ("5 to 60 minutes, mostly 10", 300.0, 3_600.0, 1_500.0),
            ("1 to 1 days", 86_400.0, 86_400.0, 86_400.0),
            ("0 to 2 hours, mostly 0", 0.0, 7_200.0, 2_400.0),
            ("about 0.5 hours", 0.0, f64::MAX, 1_800.0),
        ] {
            let draws = draws(text);
            let found = draws.iter().sum::<f64>() / draws.len() as f64;
            assert!(draws.iter().all(|draw| (least..=most).contains(draw)), "{text}");
            assert!((found / mean - 1.0).abs() < 0.03, "{text}: {found} and not {mean}");
            let span: Span = text.parse().expect("it is a span");
            assert!((span.mean_seconds() - mean).abs() < 1e-6 && span.to_string() == text);
        }
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in [
            "",
            "10",
            "ten minutes",
            "20 to 5 minutes",
            "5 minutes, mostly 3",
            "5 to 9 hours, mostly 10",
            "-1 days",
            "about 5",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
