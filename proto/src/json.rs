//! `google.protobuf.Struct` and JSON: forms travel as the first and are checked as the second.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as ProtoValue};
use serde_json::{Number, Value};

/// The largest integer that a double holds exactly (2^53).
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The JSON object of a struct. Numbers without a fraction become integers again.
#[must_use]
pub fn from_struct(data: Struct) -> Value {
    Value::Object(data.fields.into_iter().map(|(name, value)| (name, from_value(value))).collect())
}

/// The struct of a JSON object; anything but an object gives an empty struct.
#[must_use]
pub fn to_struct(data: &Value) -> Struct {
    let fields = data.as_object().into_iter().flatten();
    Struct { fields: fields.map(|(name, value)| (name.clone(), to_value(value))).collect() }
}

fn from_value(value: ProtoValue) -> Value {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(value),
        Some(Kind::NumberValue(value)) => number(value),
        Some(Kind::StringValue(value)) => Value::String(value),
        Some(Kind::ListValue(list)) => Value::Array(list.values.into_iter().map(from_value).collect()),
        Some(Kind::StructValue(data)) => from_struct(data),
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the bound makes the cast exact")]
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() <= EXACT {
        return Value::Number(Number::from(value as i64));
    }
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

fn to_value(value: &Value) -> ProtoValue {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Number(value) => Kind::NumberValue(value.as_f64().unwrap_or(f64::NAN)),
        Value::String(value) => Kind::StringValue(value.clone()),
        Value::Array(values) => Kind::ListValue(ListValue { values: values.iter().map(to_value).collect() }),
        Value::Object(_) => Kind::StructValue(to_struct(value)),
    };
    ProtoValue { kind: Some(kind) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_form_comes_back_as_it_went() {
        let form = json!({"days": 5, "share": 0.5, "told": true, "none": null, "list": [1, "ب"], "in": {"ar": "نص"}});
        assert_eq!(from_struct(to_struct(&form)), form);
    }

    #[test]
    fn what_is_no_object_is_empty() {
        assert_eq!(from_struct(to_struct(&json!([1]))), json!({}));
    }
}
