//! Why a package cannot be used.

/// What is wrong with a package; each message names the place and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The YAML text cannot be read.
    #[error("workflow.yaml: {0}")]
    Yaml(String),
    /// A form is no JSON Schema.
    #[error("forms/{form}.json: {problem}")]
    Form {
        /// Name of the form.
        form: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A condition is no CEL expression over the names that it may use.
    #[error("{place}: `{expression}`: {problem}")]
    Expression {
        /// Where it stands.
        place: String,
        /// The expression.
        expression: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The machine does not hold together.
    #[error("{}", .0.join("; "))]
    Findings(Vec<String>),
    /// The folder of a package cannot be read.
    #[error("{0}")]
    Folder(String),
    /// A package is there twice, or a needed one is not.
    #[error("{0}")]
    Catalog(String),
}
