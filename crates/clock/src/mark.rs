//! Marks: the moments of a clock at which somebody is told (T12, section 4.4).

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use masar_worktime::Target;
use serde::{Deserialize, Serialize};

use crate::Error;

/// A moment of a clock: a share of its target, its due time, or some time after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Mark {
    /// A share of the target in percent, 1 to 99.
    Share(u8),
    /// The due time.
    Breach,
    /// So long after the due time, whatever pauses follow.
    Overdue(Target),
}

/// When a mark is reached if nothing else happens to the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarkDue {
    /// The mark.
    pub mark: Mark,
    /// When.
    pub at: Timestamp,
}

impl FromStr for Mark {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let unreadable = || Error::Mark(text.to_owned());
        let trimmed = text.trim();
        if let Some(share) = trimmed.strip_suffix('%') {
            let share = share.trim().parse().ok().filter(|share| (1..=99).contains(share));
            return share.map(Self::Share).ok_or_else(unreadable);
        }
        match trimmed.strip_prefix("breach").map(str::trim) {
            Some("") => Ok(Self::Breach),
            Some(rest) => {
                let late = rest.strip_prefix('+').ok_or_else(unreadable)?;
                late.trim().parse().map(Self::Overdue).map_err(|_| unreadable())
            }
            None => Err(unreadable()),
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(percent) => write!(f, "{percent}%"),
            Self::Breach => f.write_str("breach"),
            Self::Overdue(late) => write!(f, "breach + {late}"),
        }
    }
}

impl TryFrom<String> for Mark {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Mark> for String {
    fn from(mark: Mark) -> Self {
        mark.to_string()
    }
}
