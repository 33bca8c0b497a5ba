//! Text as search sees it: Arabic spelling variants folded, digits made Latin (NFR-01, NFR-02).

use unicode_normalization::UnicodeNormalization;

/// Folds a text for comparison: compatibility forms, Arabic letter variants, marks, digits and case.
///
/// Alef with hamza or madda becomes alef, alef maksura becomes yeh, teh marbuta becomes heh; tashkeel and
/// tatweel vanish (NFR-02). What is shown to people is never folded.
#[must_use]
pub fn fold(text: &str) -> String {
    text.nfkc().filter(|c| !is_mark(*c)).map(fold_letter).flat_map(char::to_lowercase).collect()
}

/// The words of a folded text, in order: runs of letters and digits.
pub fn words(folded: &str) -> impl Iterator<Item = &str> {
    folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// Replaces Arabic-Indic and Persian digits by Latin ones and leaves all else (NFR-01).
#[must_use]
pub fn latin_digits(text: &str) -> String {
    text.chars().map(latin_digit).collect()
}

fn is_mark(c: char) -> bool {
    matches!(c, '\u{0640}' | '\u{064B}'..='\u{0652}' | '\u{0653}'..='\u{0655}' | '\u{0670}')
}

fn fold_letter(c: char) -> char {
    match c {
        'أ' | 'إ' | 'آ' | 'ٱ' => 'ا',
        'ى' => 'ي',
        'ة' => 'ه',
        _ => latin_digit(c),
    }
}

fn latin_digit(c: char) -> char {
    let zero = match c {
        '\u{0660}'..='\u{0669}' => '\u{0660}',
        '\u{06F0}'..='\u{06F9}' => '\u{06F0}',
        _ => return c,
    };
    char::from_digit(c as u32 - zero as u32, 10).unwrap_or(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Acceptance check 23: spelling variants of one word are found by each other.
    #[test]
    fn variants_of_a_word_fold_alike() {
        for (one, other) in [
            ("شكوى", "شكوي"),
            ("المتعاملين", "المتعـــاملين"),
            ("المُتَعَامِلِينَ", "المتعاملين"),
            ("حفرة", "حفره"),
            ("إحالة", "احاله"),
            ("٠٠١٢٣٤", "001234"),
            ("۱۲", "12"),
            ("Bill", "BILL"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} and {other}");
        }
    }

    #[test]
    fn different_words_stay_different() {
        assert_ne!(fold("شكوى"), fold("شكر"));
    }

    #[test]
    fn words_are_runs_of_letters_and_digits() {
        let folded = fold("حفرة، MUN-2026 (عاجل)");
        assert_eq!(words(&folded).collect::<Vec<_>>(), ["حفره", "mun", "2026", "عاجل"]);
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(text in "[\\u0600-\\u06FFa-zA-Z0-9 ]{0,40}") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }
    }
}
