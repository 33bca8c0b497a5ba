//! Why a plan cannot be played.

use std::fmt;

/// Something that is wrong with a plan, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line of the plan, from 1, where it is known.
    pub line: Option<u64>,
    /// Column, from 1, where it is known.
    pub column: Option<u64>,
    /// What is wrong, and what was expected.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, "{line}:{column}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Why nothing could be played.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The plan is wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Plan(Vec<Problem>),
    /// The calendar ends before what was asked for has happened.
    #[error("{0}: play fewer cases, or begin earlier")]
    Calendar(#[from] masar_worktime::Error),
    /// A case came to a queue where nobody works.
    #[error(
        "a case of `{package}` in the state `{state}` waits in the queue `{queue}`, where nobody works: add it under `staff`"
    )]
    NoStaff {
        /// The package of the case.
        package: String,
        /// The queue.
        queue: String,
        /// The state of the case.
        state: String,
    },
    /// Somebody must work on a case that is in no queue.
    #[error(
        "in the state `{state}` a case of `{package}` is in no queue: say which with `queue`, or give `after` instead of `takes`"
    )]
    NoQueue {
        /// The package of the case.
        package: String,
        /// The state of the case.
        state: String,
    },
}
