//! One spelling for each value.

use crate::format::Format;
use serde_json::Value;

/// Largest float below which every whole number is exact.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Rewrites what is right in a value in canonical form, following its JSON
/// Schema into lists and objects. What is wrong stays as it was, for the
/// check to tell.
pub(super) fn value(value: &mut Value, schema: &Value) {
    match value {
        Value::String(text) => {
            let format = schema.get("format").and_then(Value::as_str);
            if let Some(Ok(right)) = format.and_then(Format::named).map(|f| f.canonical(text)) {
                *text = right;
            }
        }
        Value::Number(number) if number.is_f64() && wants_integer(schema) => {
            // JSON Schema takes 65001.0 for an integer; readers want 65001.
            if let Some(whole) = number
                .as_f64()
                .filter(|f| f.fract() == 0.0 && f.abs() < EXACT)
            {
                #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
                let whole = whole as i64;
                *value = Value::from(whole);
            }
        }
        Value::Array(items) => {
            for (i, item) in items.iter_mut().enumerate() {
                let each = schema.get("items");
                let schema = each.and_then(|s| if s.is_array() { s.get(i) } else { Some(s) });
                self::value(item, schema.unwrap_or(&Value::Null));
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let schema = schema.get("properties").and_then(|p| p.get(name));
                self::value(member, schema.unwrap_or(&Value::Null));
            }
        }
        _ => {}
    }
}

fn wants_integer(schema: &Value) -> bool {
    match schema.get("type") {
        Some(Value::Array(types)) => {
            types.iter().any(|t| t == "integer") && !types.iter().any(|t| t == "number")
        }
        Some(one) => one == "integer",
        None => false,
    }
}
