//! The closed vocabularies of the domain as the contracts number them.

use masar_domain as domain;

use crate::common::v1::{BiText, Importance, StateCategory};

/// Maps a domain vocabulary onto its contract enum, both ways.
macro_rules! words {
    ($name:ident { $($word:ident),+ }) => {
        impl From<domain::$name> for $name {
            fn from(word: domain::$name) -> Self {
                match word { $(domain::$name::$word => Self::$word),+ }
            }
        }

        impl $name {
            /// The domain's word; none when the field was left unset.
            #[must_use]
            pub fn word(self) -> Option<domain::$name> {
                match self {
                    Self::Unspecified => None,
                    $(Self::$word => Some(domain::$name::$word)),+
                }
            }
        }
    };
}

words!(Importance { Low, Medium, High });
words!(StateCategory { Open, Waiting, Resolved, Closed });

impl From<domain::BiText> for BiText {
    fn from(text: domain::BiText) -> Self {
        Self { ar: text.ar, en: text.en }
    }
}

impl From<BiText> for domain::BiText {
    fn from(text: BiText) -> Self {
        Self { ar: text.ar, en: text.en }
    }
}
