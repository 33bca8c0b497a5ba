//! The reference number that a customer reads out over the telephone: prefix, year, number, check character.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The 36 characters of ISO 7064 MOD 37,36; the value of a character is its position.
const ALPHABET: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// A reference such as `MUN-2026-0000123-K`.
///
/// The check character is ISO 7064 MOD 37,36 over the letters and digits before it, so every single wrong
/// character is noticed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    prefix: String,
    year: u16,
    number: u64,
}

/// What a case is asked for by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum CaseKey {
    /// Its id.
    Id(Uuid),
    /// Its reference.
    Reference(Reference),
}

/// Why a text is not a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// The parts are not where they should be.
    #[error("`{0}` is not a reference: expected PREFIX-YEAR-NUMBER-CHECK, such as MUN-2026-0000123-K")]
    Shape(String),
    /// The check character does not fit the rest: a character was misread.
    #[error("`{given}` has a wrong check character: read the reference again, one character differs")]
    Check {
        /// What was given.
        given: String,
    },
}

impl Reference {
    /// Builds a reference.
    ///
    /// # Errors
    /// `Shape` when the prefix is not one to eight capital letters or digits, or the year has not four digits.
    pub fn new(prefix: &str, year: u16, number: u64) -> Result<Self, ReferenceError> {
        let prefix_fits = (1..=8).contains(&prefix.len())
            && prefix.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        if !prefix_fits || !(1000..=9999).contains(&year) {
            return Err(ReferenceError::Shape(format!("{prefix}-{year}-{number}")));
        }
        Ok(Self { prefix: prefix.to_owned(), year, number })
    }

    fn body(&self) -> String {
        format!("{}-{}-{:07}", self.prefix, self.year, self.number)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = self.body();
        write!(f, "{body}-{}", check_character(&body))
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    /// Reads a reference in any case and with Arabic-Indic digits (NFR-01).
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let shape = || ReferenceError::Shape(text.to_owned());
        let plain = crate::text::latin_digits(text.trim()).to_ascii_uppercase();
        let parts: Vec<&str> = plain.split('-').collect();
        let [prefix, year, number, check] = parts.as_slice() else { return Err(shape()) };
        let reference =
            Self::new(prefix, year.parse().map_err(|_| shape())?, number.parse().map_err(|_| shape())?)
                .map_err(|_| shape())?;
        if check.chars().eq([check_character(&reference.body())]) {
            Ok(reference)
        } else {
            Err(ReferenceError::Check { given: text.to_owned() })
        }
    }
}

impl FromStr for CaseKey {
    type Err = ReferenceError;

    /// Reads an id, or else a reference.
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        text.parse().map(Self::Id).or_else(|_| text.parse().map(Self::Reference))
    }
}

impl TryFrom<String> for Reference {
    type Error = ReferenceError;

    fn try_from(text: String) -> Result<Self, ReferenceError> {
        text.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}

/// ISO 7064 MOD 37,36 (hybrid system); characters outside the alphabet, the hyphens, are skipped.
fn check_character(body: &str) -> char {
    let product = body.bytes().filter_map(value_of).fold(36, |product, value| {
        let sum = match (product + value) % 36 {
            0 => 36,
            sum => sum,
        };
        sum * 2 % 37
    });
    char::from(ALPHABET[(37 - product) % 36])
}

fn value_of(byte: u8) -> Option<usize> {
    ALPHABET.iter().position(|c| *c == byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The worked example of ISO 7064 for the hybrid system MOD 37,36.
    #[test]
    fn check_character_matches_the_published_example() {
        assert_eq!(check_character("A12425GABC1234002"), 'M');
    }

    #[test]
    fn reads_lower_case_and_arabic_digits() {
        let reference = Reference::new("MUN", 2026, 123).unwrap();
        let spoken = reference.to_string().to_lowercase().replace("2026", "٢٠٢٦");
        assert_eq!(spoken.parse(), Ok(reference));
    }

    #[test]
    fn a_case_is_asked_for_by_its_id_or_its_reference() {
        let reference = Reference::new("MUN", 2026, 123).unwrap();
        assert_eq!(Uuid::max().to_string().parse(), Ok(CaseKey::Id(Uuid::max())));
        assert_eq!(reference.to_string().to_lowercase().parse(), Ok(CaseKey::Reference(reference)));
        assert!("MUN".parse::<CaseKey>().is_err());
    }

    #[test]
    fn refuses_other_shapes() {
        for text in ["", "MUN", "MUN-2026-1", "m n-2026-1-A", "MUN-26-1-A", "MUN-2026-x-A"] {
            assert!(matches!(text.parse::<Reference>(), Err(ReferenceError::Shape(_))), "{text}");
        }
    }

    proptest! {
        #[test]
        fn reads_what_it_wrote(prefix in "[A-Z0-9]{1,8}", year in 1000u16..=9999, number in 0u64..10_000_000_000) {
            let reference = Reference::new(&prefix, year, number).unwrap();
            prop_assert_eq!(reference.to_string().parse(), Ok(reference));
        }

        #[test]
        fn notices_every_single_wrong_character(number in 0u64..10_000_000, at in 0usize..7, wrong in 0u8..10) {
            let right = Reference::new("MUN", 2026, number).unwrap().to_string();
            let mut bytes = right.clone().into_bytes();
            bytes["MUN-2026-".len() + at] = b'0' + wrong;
            let read = String::from_utf8(bytes).unwrap();
            prop_assume!(read != right);
            prop_assert!(read.parse::<Reference>().is_err());
        }
    }
}
