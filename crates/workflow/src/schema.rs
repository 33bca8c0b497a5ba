//! The language as JSON Schema, for editors. The files are derived from what the parser reads; a test holds them to it.

/// A kind of file of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// `workflow.yaml`.
    Workflow,
    /// A file of `scenarios/`.
    Scenarios,
    /// `overlay.yaml`.
    Overlay,
}

/// The text of the JSON Schema of a kind of file. The parser and the schema know the same words; whether they hold together is
/// for the checker to say.
#[must_use]
pub const fn schema(of: FileKind) -> &'static str {
    match of {
        FileKind::Workflow => include_str!("../schemas/workflow.json"),
        FileKind::Scenarios => include_str!("../schemas/scenarios.json"),
        FileKind::Overlay => include_str!("../schemas/overlay.json"),
    }
}
