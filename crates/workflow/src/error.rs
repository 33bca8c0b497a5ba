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
    /// A guard is no CEL expression over `case`, `actor` and `form`.
    #[error("transition `{action}`: guard `{guard}`: {problem}")]
    Guard {
        /// The action of the transition.
        action: String,
        /// The expression.
        guard: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The machine does not hold together.
    #[error("{}", .0.join("; "))]
    Findings(Vec<String>),
}
