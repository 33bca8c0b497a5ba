//! Bands of numbers, such as ages: every number falls into exactly one (AMB-20).

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Bands of numbers from the least that may come up.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Bands {
    /// The least number, such as the age from which somebody may take part.
    pub from: u32,
    /// The bands, as long as nothing else is said.
    #[serde(default)]
    pub of: Vec<Band>,
    /// `form.field` of a form of the case: a list of rows with `code`, `from` and `to`, which are the bands once they are there.
    pub rows: Option<String>,
}

/// A band, both ends included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// Its code, by which rules and facts name it.
    pub code: String,
    /// Its least number.
    pub from: u32,
    /// Its greatest; the highest band has none.
    pub to: Option<u32>,
}

impl Bands {
    /// What is wrong with bands: the place of one, and that it leaves out a number or takes another's.
    pub(crate) fn fault(&self, bands: &[Band]) -> Option<(usize, String)> {
        let mut sorted: Vec<(usize, &Band)> = bands.iter().enumerate().collect();
        sorted.sort_by_key(|(_, band)| band.from);
        // The least number that no band before has; none once one takes all.
        let mut next = Some(self.from);
        for (number, band) in &sorted {
            let Band { code, from, to } = band;
            if to.is_some_and(|to| to < *from) {
                return Some((*number, format!("the band `{code}` ends before it begins")));
            }
            match next {
                Some(next) if *from > next => {
                    return Some((*number, format!("{next} falls into no band: let one begin there")));
                }
                Some(next) if *from == next => {}
                Some(_) if *from < self.from => {
                    let message =
                        format!("the band `{code}` begins before {}, the least there is", self.from);
                    return Some((*number, message));
                }
                Some(_) | None => {
                    return Some((*number, format!("{from} falls into `{code}` and into another band")));
                }
            }
            next = to.map(|to| to.saturating_add(1));
        }
        let last = sorted.last().map_or(0, |(number, _)| *number);
        next.map(|next| (last, format!("{next} falls into no band: let the highest have no end")))
    }
}

impl Band {
    /// What people call it, in any language.
    pub(crate) fn label(&self) -> String {
        match self.to {
            Some(to) => format!("{}–{to}", self.from),
            None => format!("{}+", self.from),
        }
    }

    /// True when a number falls into it.
    pub(crate) fn takes(&self, number: u32) -> bool {
        self.from <= number && self.to.is_none_or(|to| number <= to)
    }
}

/// The bands that a list of a form says; a row that is none says nothing.
pub(super) fn read(list: Option<&Value>) -> Vec<Band> {
    let rows = list.and_then(Value::as_array).into_iter().flatten();
    let number =
        |value: Option<&Value>| value.and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
    let band = |row: &Value| {
        let code = row.get("code")?.as_str()?.to_owned();
        Some(Band { code, from: number(row.get("from"))?, to: number(row.get("to")) })
    };
    rows.filter_map(band).collect()
}
