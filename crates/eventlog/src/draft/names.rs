//! Codes of the language for what a log names.

use std::collections::BTreeSet;

/// Codes that mean something of their own.
const TAKEN: [&str; 8] =
    ["open", "ended_elsewhere", "same", "any", "any_open", "any_waiting", "any_resolved", "any_closed"];
/// Letters of a code at most.
const LONGEST: usize = 60;

/// Gives every name a code of its own.
pub(super) struct Codes(BTreeSet<String>);

impl Codes {
    pub(super) fn new() -> Self {
        Self(TAKEN.iter().map(|taken| (*taken).to_owned()).collect())
    }

    /// The code of a name: its Latin letters and digits; a name without any goes by `stem` and a number.
    pub(super) fn of(&mut self, name: &str, stem: &str) -> String {
        let letters = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { ' ' };
        let words: String = name.chars().map(letters).collect();
        let mut code = words.split_whitespace().collect::<Vec<_>>().join("_");
        code.truncate(LONGEST);
        if !code.starts_with(|c: char| c.is_ascii_lowercase()) {
            code = format!("{stem}_{code}").trim_end_matches('_').to_owned();
        }
        let numbered = (2..).map(|number: usize| format!("{code}_{number}"));
        let code = std::iter::once(code.clone()).chain(numbered).find(|code| !self.0.contains(code));
        // There is always one more number.
        let code = code.unwrap_or_default();
        self.0.insert(code.clone());
        code
    }
}

/// The name of a package: as a code, with hyphens.
pub(super) fn package(name: &str) -> String {
    Codes(BTreeSet::new()).of(name, "log").replace('_', "-")
}

/// A text that YAML reads as it is.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') =>
            {
                quoted += &format!("\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A text in both languages.
pub(super) fn both(ar: &str, en: &str) -> String {
    format!("{{ar: {}, en: {}}}", quoted(ar), quoted(en))
}

/// A text that fits into a comment.
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c })
        .collect()
}
