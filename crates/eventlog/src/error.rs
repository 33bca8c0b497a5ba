//! Why a log cannot be used.

/// What is wrong with a log, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is compressed, and cannot be unpacked.
    #[error("it cannot be unpacked: {0}")]
    Gzip(String),
    /// It is larger than what is read.
    #[error("it says more than {most} bytes: cut it into several")]
    TooLarge {
        /// Bytes that are read at most.
        most: u64,
    },
    /// It is in no format that is known.
    #[error("it is neither XES, which begins with `<`, nor OCEL 2.0 in JSON, which begins with `{{`")]
    Format,
    /// Something in it cannot be read.
    #[error("line {line}: {problem}")]
    Place {
        /// Line of the text, from 1.
        line: usize,
        /// What is wrong there, and what was expected.
        problem: String,
    },
    /// It tells of objects of several types, and nobody said which of them are the cases.
    #[error("no object of the type `{asked}` takes part in an event: there are {}", .known.join(", "))]
    ObjectType {
        /// The type that was asked for.
        asked: String,
        /// The types that take part in events.
        known: Vec<String>,
    },
    /// Nothing in it can be made a package of.
    #[error("no event has both a name and a time: there is nothing to derive a package from")]
    Empty,
    /// It names more activities than anybody can read as a package.
    #[error(
        "it names {found} activities: a package of more than {most} helps nobody; name them more coarsely"
    )]
    TooMany {
        /// Activities that it names.
        found: usize,
        /// Activities that a draft has at most.
        most: usize,
    },
}
