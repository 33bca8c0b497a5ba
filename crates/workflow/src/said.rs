//! What fills a fact of a case, or a field of a child's form: a field of a form, or what an expression gives.

use crate::Code;
use crate::expression::{Expression, Reader, Spot};
use crate::form::Form;

pub(crate) enum Said {
    /// What stands in a field of this name.
    Field(String),
    /// What it gives.
    Computed(Expression),
}

impl Said {
    /// Reads it as packages write it: the name of a field, which the form must know if there is one, or `=` and an expression.
    /// None when the expression cannot be used.
    pub(crate) fn read(
        reader: &Reader<'_>,
        spot: &Spot<'_>,
        form: Option<&Form>,
        text: &str,
    ) -> Option<Self> {
        if let Some(expression) = text.strip_prefix('=') {
            return reader.read(spot, expression).map(Self::Computed);
        }
        if form.is_some_and(|form| !form.knows(text)) {
            let message = format!("{} is said by `{text}`, which is no field of the form", spot.words);
            reader.found.add(Code::UnknownField, &spot.path, message);
        }
        Some(Self::Field(text.to_owned()))
    }
}
