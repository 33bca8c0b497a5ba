//! Small closed vocabularies: importance, state categories, languages, bilingual text, case ids.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A word that is not in one of the closed vocabularies of this module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not a {vocabulary}: use one of {allowed}")]
pub struct UnknownWord {
    /// What was given.
    pub value: String,
    /// The vocabulary it should belong to.
    pub vocabulary: &'static str,
    /// The words that are allowed, comma separated.
    pub allowed: &'static str,
}

/// Declares a closed vocabulary: an enum whose text form is the canonical code word.
macro_rules! vocabulary {
    ($(#[$meta:meta])* $name:ident, $what:literal, { $($(#[$vmeta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// Every word of the vocabulary, in its natural order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The canonical code word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord {
                        value: word.to_owned(),
                        vocabulary: $what,
                        allowed: concat!($("`", $word, "` "),+).trim_ascii_end(),
                    }),
                }
            }
        }
    };
}

vocabulary!(
    /// Degree of importance of a case; exactly three values (CMP-11).
    Importance, "degree of importance", {
        /// Longest targets, shortest ladder.
        Low = "low",
        /// The default when nobody said otherwise.
        Medium = "medium",
        /// Shortest targets; forced by a safety risk.
        High = "high",
    }
);

vocabulary!(
    /// What kind of state a case is in (E03). Only `Waiting` states may pause a clock (T8).
    StateCategory, "state category", {
        /// Somebody of the entity must act.
        Open = "open",
        /// The customer, or something else outside the entity's control, must act.
        Waiting = "waiting",
        /// Answered, and still open to dissent.
        Resolved = "resolved",
        /// Over.
        Closed = "closed",
    }
);

vocabulary!(
    /// A language of the product's texts (NFR-01).
    Language, "language", {
        /// Arabic, written from right to left.
        Ar = "ar",
        /// English.
        En = "en",
    }
);

impl StateCategory {
    /// True when the case still needs an owner: it is open or waiting.
    #[must_use]
    pub const fn needs_owner(self) -> bool {
        matches!(self, Self::Open | Self::Waiting)
    }
}

/// A text in Arabic and English (NFR-01).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BiText {
    /// The Arabic text.
    pub ar: String,
    /// The English text.
    pub en: String,
}

impl BiText {
    /// Builds a text from its two languages.
    pub fn new(ar: impl Into<String>, en: impl Into<String>) -> Self {
        Self { ar: ar.into(), en: en.into() }
    }

    /// The text in the language, or in the other one when that is all there is.
    #[must_use]
    pub fn in_language(&self, language: Language) -> &str {
        let (first, second) = match language {
            Language::Ar => (&self.ar, &self.en),
            Language::En => (&self.en, &self.ar),
        };
        if first.is_empty() { second } else { first }
    }

    /// True when both languages say something.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        !self.ar.trim().is_empty() && !self.en.trim().is_empty()
    }
}

/// The identity of a case: a version 7 UUID chosen at intake, so that ids sort by time of submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CaseId(pub Uuid);

impl fmt::Display for CaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for CaseId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::parse_str(text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back_as_itself() {
        for word in Importance::ALL {
            assert_eq!(word.as_str().parse(), Ok(*word));
        }
        for word in StateCategory::ALL {
            assert_eq!(word.as_str().parse(), Ok(*word));
        }
        for word in Language::ALL {
            assert_eq!(word.as_str().parse(), Ok(*word));
        }
    }

    #[test]
    fn text_and_serde_forms_agree() {
        for word in Importance::ALL {
            assert_eq!(serde_json::json!(word), serde_json::json!(word.as_str()));
        }
    }

    #[test]
    fn an_unknown_word_names_the_allowed_ones() {
        let error = "urgent".parse::<Importance>().unwrap_err().to_string();
        assert_eq!(error, "`urgent` is not a degree of importance: use one of `low` `medium` `high`");
    }

    #[test]
    fn a_missing_language_falls_back_to_the_other() {
        assert_eq!(BiText::new("", "Closed").in_language(Language::Ar), "Closed");
        assert_eq!(BiText::new("مغلقة", "Closed").in_language(Language::Ar), "مغلقة");
        assert!(!BiText::new(" ", "Closed").is_complete());
    }
}
