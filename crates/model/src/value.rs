//! JSON values in words, for messages.

use serde_json::Value;

/// Longer texts are cut: a message is to be read.
const SHOWN: usize = 60;

/// A value as a message says it, e.g. `the text "abc"` or `a list`.
pub(crate) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text {}", quote(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// A value's type in words, for messages that must not show the value.
pub(crate) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A value as short JSON, e.g. `"abc"`, `7`, `[..]`.
pub(crate) fn brief(value: &Value) -> String {
    match value {
        Value::String(text) => quote(text),
        Value::Array(_) => "[..]".to_owned(),
        Value::Object(_) => "{..}".to_owned(),
        plain => plain.to_string(),
    }
}

/// Text in quotes, escaped so that no terminal is moved by it, cut where long.
pub(crate) fn quote(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    format!("{shown:?}")
}

/// `a`, `a or b`, `a, b or c`.
pub(crate) fn alternatives(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// Whether nesting is deeper than `limit`. A loop: depth is what it guards against.
pub(crate) fn deeper_than(value: &Value, limit: usize) -> bool {
    let mut level = vec![value];
    for _ in 0..=limit {
        let below: Vec<&Value> = level.into_iter().flat_map(children).collect();
        if below.is_empty() {
            return false;
        }
        level = below;
    }
    true
}

/// Drops a value level by level: the derived drop recurses and would run out
/// of stack on hostile depth.
pub(crate) fn discard(value: Value) {
    let mut rest = vec![value];
    while let Some(value) = rest.pop() {
        match value {
            Value::Array(items) => rest.extend(items),
            Value::Object(members) => rest.extend(members.into_iter().map(|(_, v)| v)),
            _ => {}
        }
    }
}

fn children(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(members) => Box::new(members.values()),
        _ => Box::new(std::iter::empty()),
    }
}
