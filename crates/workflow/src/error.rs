//! Why a package cannot be used.

use crate::Finding;

/// What is wrong with a package; each message names the place and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The package does not hold together.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Findings(Vec<Finding>),
    /// A package is there twice, or a needed one is not.
    #[error("{0}")]
    Catalog(String),
}
