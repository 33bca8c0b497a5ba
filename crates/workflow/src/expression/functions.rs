//! The functions that expressions have besides those of CEL: sums of lists and rounded numbers, for shares and scores.

use cel::common::types::{CelDouble, CelInt, CelUInt, DOUBLE_TYPE, INT_TYPE, LIST_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{Env, ExecutionError};

/// Digits behind the point that a number can be rounded to.
const DIGITS: i64 = 9;

/// The standard functions and ours.
pub(super) fn environment() -> Env {
    let mut env = Env::stdlib();
    let ours = [
        env.add_overload("sum", "sum_list", vec![LIST_TYPE], sum),
        env.add_overload("round", "round_double", vec![DOUBLE_TYPE, INT_TYPE], round),
        env.add_overload("round", "round_int", vec![INT_TYPE, INT_TYPE], round),
    ];
    ours.into_iter().collect::<Result<(), _>>().expect("each has a name of its own");
    env
}

/// `sum([1, 2.5])` is 3.5: a list of numbers, together, as a number with a point.
fn sum<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let mut total = 0.0;
    for list in &arguments {
        let list = list.as_ref().as_iterable();
        let list = list.ok_or_else(|| ExecutionError::function_error("sum", "it adds up a list"))?;
        let mut parts = list.iter();
        while let Some(part) = parts.next() {
            total +=
                number(part).ok_or_else(|| ExecutionError::function_error("sum", "it adds up numbers"))?;
        }
    }
    Ok(owned(total))
}

/// `round(2.345, 1)` is 2.3: a number with so many digits behind the point.
fn round<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let wrong = || ExecutionError::function_error("round", "it takes a number and up to nine digits");
    let [value, digits] = arguments.as_slice() else { return Err(wrong()) };
    let digits = digits.as_ref().downcast_ref::<CelInt>().map(|digits| *digits.inner());
    let digits = digits.filter(|digits| (0..=DIGITS).contains(digits)).ok_or_else(wrong)?;
    let shift = (0..digits).fold(1.0, |shift, _| shift * 10.0);
    let value = number(value.as_ref()).ok_or_else(wrong)?;
    Ok(owned((value * shift).round() / shift))
}

fn number<'v>(value: &(dyn Val + 'v)) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "amounts that people count are far below where it begins")]
    let whole = |whole: i64| whole as f64;
    let double = value.downcast_ref::<CelDouble>().map(|number| *number.inner());
    let int = || value.downcast_ref::<CelInt>().map(|number| whole(*number.inner()));
    let uint = || {
        let number = value.downcast_ref::<CelUInt>()?;
        i64::try_from(*number.inner()).ok().map(whole)
    };
    double.or_else(int).or_else(uint)
}

fn owned<'b, 'v>(number: f64) -> CowVal<'b, 'v> {
    CowVal::Owned(Box::new(CelDouble::from(number)))
}
