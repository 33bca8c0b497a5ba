//! Keyset pages: a token says after which row a list goes on, so that no page costs more than the first.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;

/// Rows of a page when the caller does not say.
pub const DEFAULT: u32 = 50;

/// The most rows that a page can have.
pub const MAX: u32 = 500;

/// How many rows a page has: what was asked for, within bounds.
#[must_use]
pub fn size(wanted: u32) -> u64 {
    u64::from(if wanted == 0 { DEFAULT } else { wanted.min(MAX) })
}

/// The token of the place after a row.
///
/// # Errors
/// When the key cannot be written as JSON, which plain keys can.
pub fn encode<T: Serialize>(key: &T) -> Result<String, Error> {
    Ok(URL_SAFE_NO_PAD.encode(serde_json::to_vec(key).map_err(|_| Error::PageToken)?))
}

/// The place that a token names; none for the empty token of the first page.
///
/// # Errors
/// `PageToken` when it is not one of ours.
pub fn decode<T: DeserializeOwned>(token: &str) -> Result<Option<T>, Error> {
    if token.is_empty() {
        return Ok(None);
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| Error::PageToken)?;
    serde_json::from_slice(&bytes).map(Some).map_err(|_| Error::PageToken)
}

/// Cuts one row too many off a page and says where the next begins; ask the database for `size + 1` rows.
///
/// # Errors
/// As `encode`.
pub fn cut<R, T: Serialize>(rows: &mut Vec<R>, size: u64, key: impl Fn(&R) -> T) -> Result<String, Error> {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if rows.len() <= size {
        return Ok(String::new());
    }
    rows.truncate(size);
    rows.last().map_or_else(|| Ok(String::new()), |last| encode(&key(last)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_foreign_tokens() {
        assert!(matches!(decode::<(i64, String)>("%%"), Err(Error::PageToken)));
        assert!(matches!(decode::<(i64, String)>("eA"), Err(Error::PageToken)));
    }

    #[test]
    fn the_last_page_has_no_next() {
        let mut rows = vec![1, 2, 3];
        let token = cut(&mut rows, 2, |row| *row).unwrap();
        assert_eq!((rows.as_slice(), decode::<i32>(&token).unwrap()), ([1, 2].as_slice(), Some(2)));
        assert_eq!(cut(&mut rows, 2, |row| *row).unwrap(), "");
    }

    proptest! {
        #[test]
        fn reads_what_it_wrote(number: i64, text: String) {
            let key = (number, text);
            prop_assert_eq!(decode(&encode(&key).unwrap()).unwrap(), Some(key));
        }
    }
}
