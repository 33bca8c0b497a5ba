//! Why reference data is not taken, and what the caller sees of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use masar_runtime::refuse;
use tonic::Status;

/// A field that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where it stands, such as `people[mun-triage-1].email`.
    pub field: String,
    /// What is wrong and what to do.
    pub problem: String,
}

/// Why reference data was not loaded or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is no YAML, or has other fields than an entity or a calendar has.
    #[error("the text cannot be read: {0}")]
    Text(String),
    /// The data does not hold together; every problem is named.
    #[error("{}", sentences(.0))]
    Findings(Vec<Finding>),
    /// A file or folder cannot be read.
    #[error("{file} cannot be read: {source}")]
    File {
        /// Which.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Something is wrong within a file.
    #[error("{file}: {source}")]
    Within {
        /// Which.
        file: PathBuf,
        /// What.
        #[source]
        source: Box<Error>,
    },
    /// The tenant has no reference data yet.
    #[error("there is no reference data of `{0}`: load its file first")]
    UnknownEntity(String),
    /// What the database holds is not what this program wrote.
    #[error("the stored reference data of `{tenant}` cannot be read: {problem}")]
    Stored {
        /// Whose.
        tenant: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The database refused.
    #[error(transparent)]
    Store(#[from] masar_store::Error),
    /// The event was not written.
    #[error(transparent)]
    Bus(#[from] masar_bus::Error),
}

impl Error {
    /// The error with the file that it was found in.
    #[must_use]
    pub fn within(self, file: &Path) -> Self {
        match self {
            Self::Text(_) | Self::Findings(_) => {
                Self::Within { file: file.to_owned(), source: Box::new(self) }
            }
            other => other,
        }
    }

    /// A single finding.
    pub(crate) fn finding(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Findings(vec![Finding { field: field.into(), problem: problem.into() }])
    }
}

fn sentences(findings: &[Finding]) -> String {
    let sentence = |finding: &Finding| format!("{}: {}", finding.field, finding.problem);
    findings.iter().map(sentence).collect::<Vec<_>>().join("; ")
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::Text(problem) => refuse::invalid(vec![("yaml".to_owned(), problem)]),
            Error::Findings(findings) => refuse::invalid(
                findings.into_iter().map(|finding| (finding.field, finding.problem)).collect(),
            ),
            Error::Within { source, .. } => (*source).into(),
            Error::UnknownEntity(tenant) => refuse::not_found("entity", &tenant),
            Error::Store(error) if error.is_retryable() => refuse::overloaded(Duration::from_secs(1)),
            error @ (Error::File { .. } | Error::Stored { .. } | Error::Store(_) | Error::Bus(_)) => {
                refuse::internal(&error)
            }
        }
    }
}
