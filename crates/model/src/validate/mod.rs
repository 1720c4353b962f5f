//! Is this body right for its kind? Every violation at once, each with its
//! JSON pointer.
//!
//! A body that passes comes out canonical and whole: in the schema's order,
//! defaults filled in, addresses in canonical text, null where a nullable
//! property is not set. Computed properties are never in it.

mod across;
mod canonical;
mod explain;

use crate::document::{child, unknown};
use crate::resource::Body;
use crate::schema::{Kind, MASK, Property};
use crate::value::{deeper_than, discard, type_of};
use serde::Serialize;
use serde_json::Value;

/// Deeper bodies are refused before anything walks through them.
const MAX_DEPTH: usize = 64;

/// More than this of one kind is counted, not told: a refusal is to be read,
/// and must not cost more than what it refuses.
const MAX_TOLD: usize = 100;

/// One thing wrong with a body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// JSON pointer into the body (RFC 6901), empty for the body itself.
    pub pointer: String,
    /// What is wrong and what would be right. Never a secret's value.
    pub message: String,
    /// The other properties of the row that the message tells of: not for who
    /// may not see them.
    #[serde(skip)]
    pub beside: &'static [&'static str],
}

impl Violation {
    /// Says what is wrong at `pointer`.
    pub fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            message: message.into(),
            beside: &[],
        }
    }

    /// Says what is wrong with the property `name`.
    pub fn of(name: &str, message: impl Into<String>) -> Self {
        Self::new(child("", name), message)
    }

    /// The message tells of these properties, too.
    #[must_use]
    pub fn beside(self, beside: &'static [&'static str]) -> Self {
        Self { beside, ..self }
    }
}

/// A body that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// All that is wrong with it.
    pub violations: Vec<Violation>,
    /// What is right in it, as it would have come out, and of an update's wrong
    /// properties what they were before: so that what the rules between rows
    /// have against the rest is told at once with this.
    pub right: Body,
}

/// Checks a body for creation and fills in defaults. Values come out
/// canonical (addresses in canonical text). `id`, where given, is checked;
/// where not, it is absent from the result.
///
/// # Errors
/// Every violation at once.
pub fn create(kind: &Kind, body: Value) -> Result<Body, Refused> {
    let mut given = object(body, &Body::new())?;
    let mut violations = unknown_properties(kind, &given);
    let mut whole = Body::new();
    for (name, property) in &kind.properties {
        let value = match given.remove(name) {
            Some(_) if !property.on_create => {
                violations.push(read_only(name, property, "created"));
                continue;
            }
            Some(value) if name == "id" => taken(name, property, value, &mut violations)
                .filter(|id| is_id(id, &mut violations)),
            Some(value) => taken(name, property, value, &mut violations),
            None if name == "id" || property.computed => None,
            None => absent(kind, name, property, &mut violations),
        };
        whole.extend(value.map(|v| (name.clone(), v)));
    }
    finish(kind, whole, &Body::new(), violations)
}

/// Checks a patch against the row that it changes and gives the whole new
/// body, `id` included. `replace` is PUT: what is absent goes back to its
/// default, except what an update can't give and secrets, which nobody can
/// read back to send them again. A secret given as [`MASK`] stays as it is.
///
/// Secrets in the result are open where the patch gives them, else as they
/// were in `current`.
///
/// # Errors
/// Every violation at once.
pub fn update(kind: &Kind, current: &Body, patch: Value, replace: bool) -> Result<Body, Refused> {
    let mut given = object(patch, current)?;
    let mut violations = unknown_properties(kind, &given);
    let mut whole = Body::new();
    for (name, property) in &kind.properties {
        let before = current.get(name);
        let value = match given.remove(name) {
            Some(_) if name == "id" => {
                violations.push(fixed_id());
                continue;
            }
            Some(value) if property.secret && value == MASK => before.cloned(),
            Some(value) if property.on_update => taken(name, property, value, &mut violations),
            Some(value) => {
                keep_fixed(name, property, before, value, &mut violations);
                before.cloned()
            }
            None if property.computed => None,
            None if replace && property.on_update && !property.secret => {
                absent(kind, name, property, &mut violations)
            }
            None => before.cloned().or_else(|| unset(property)),
        };
        whole.extend(value.map(|v| (name.clone(), v)));
    }
    finish(kind, whole, current, violations)
}

/// What is wrong with an id in the body of an update or a replacement.
pub fn fixed_id() -> Violation {
    let message = "can't be given here: a row's id is in its URL and never changes";
    Violation::of("id", message)
}

/// What a stored row has against its kind, for a schema that has changed
/// since: types, values, required properties and unknown ones. Secrets are
/// sealed and not looked at.
pub fn stored(kind: &Kind, body: &Body) -> Vec<Violation> {
    let mut violations = unknown_properties(kind, body);
    for (name, property) in &kind.properties {
        match body.get(name) {
            Some(_) if property.secret => {}
            Some(_) if property.computed => {
                violations.push(Violation::of(
                    name,
                    "is filled in by the server and never stored",
                ));
            }
            Some(value) => {
                let pointer = child("", name);
                let found = value_violations(property, value);
                violations.extend(found.into_iter().map(|v| under(&pointer, v)));
            }
            None if kind.requires(name) && property.default.is_none() => {
                violations.push(Violation::of(name, "is required"));
            }
            None => {}
        }
    }
    across::judge(kind, body, &mut violations);
    violations
}

/// What a value has against its property; pointers are relative to the value.
pub(crate) fn value(property: &Property, value: &Value) -> Vec<Violation> {
    let mut value = value.clone();
    canonical::value(&mut value, &property.source);
    value_violations(property, &value)
}

/// The body without its wrapper `{SINGULAR: {..}}`, if it has one.
pub fn unwrap(kind: &Kind, body: Value) -> Value {
    match body {
        Value::Object(mut members)
            if members.len() == 1
                && !kind.properties.contains_key(&kind.singular)
                && members.get(&kind.singular).is_some_and(Value::is_object) =>
        {
            members.remove(&kind.singular).unwrap_or_default()
        }
        bare => bare,
    }
}

/// The body's members.
fn object(body: Value, current: &Body) -> Result<Body, Refused> {
    let message = if deeper_than(&body, MAX_DEPTH) {
        discard(body);
        format!("is nested deeper than {MAX_DEPTH} levels")
    } else {
        match body {
            Value::Object(members) => return Ok(members),
            other => format!("the body must be an object, not {}", type_of(&other)),
        }
    };
    Err(Refused {
        violations: vec![Violation::new("", message)],
        right: current.clone(),
    })
}

fn unknown_properties(kind: &Kind, given: &Body) -> Vec<Violation> {
    let known: Vec<&str> = kind.properties.keys().map(String::as_str).collect();
    let mut names = given
        .keys()
        .filter(|name| !kind.properties.contains_key(*name));
    let told = names.by_ref().take(MAX_TOLD);
    let mut violations: Vec<Violation> = told
        .map(|name| Violation::of(name, unknown("property", name, &known)))
        .collect();
    match names.count() {
        0 => {}
        more => violations.push(Violation::new(
            "",
            format!("{more} more unknown properties"),
        )),
    }
    violations
}

/// Safe in URLs and in the store's keys, whatever the kind says of its ids.
fn is_id(value: &Value, violations: &mut Vec<Violation>) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b"-_.:~".contains(&b);
    let safe = value.as_str().is_some_and(|id| {
        (1..=128).contains(&id.len()) && id.bytes().all(word) && id != "." && id != ".."
    });
    if !safe {
        let message = "must be 1 to 128 letters, digits or any of - _ . : ~";
        violations.push(Violation::of("id", message));
    }
    safe
}

fn read_only(name: &str, property: &Property, event: &str) -> Violation {
    if property.computed || (!property.on_create && !property.on_update) {
        return Violation::of(name, "is read-only");
    }
    Violation::of(name, format!("can't be set when a row is {event}"))
}

/// A given value, checked and canonical; `None` where it is wrong.
fn taken(
    name: &str,
    property: &Property,
    mut value: Value,
    violations: &mut Vec<Violation>,
) -> Option<Value> {
    // First one spelling, then the rules: they compare values.
    canonical::value(&mut value, &property.source);
    let found = value_violations(property, &value);
    if found.is_empty() {
        return Some(value);
    }
    let pointer = child("", name);
    violations.extend(found.into_iter().map(|v| under(&pointer, v)));
    None
}

fn value_violations(property: &Property, value: &Value) -> Vec<Violation> {
    if value.is_null() && property.nullable {
        return Vec::new();
    }
    if property.secret && value == MASK {
        let message = "is the mask that answers show, not a secret: leave it out";
        return vec![Violation::new("", message)];
    }
    explain::violations(property, value)
}

/// A property that an update can't give may be sent as it is.
fn keep_fixed(
    name: &str,
    property: &Property,
    before: Option<&Value>,
    mut value: Value,
    violations: &mut Vec<Violation>,
) {
    canonical::value(&mut value, &property.source);
    if property.computed || before != Some(&value) {
        let mut violation = read_only(name, property, "updated");
        if property.on_create {
            "can't be changed: delete the row and create it anew"
                .clone_into(&mut violation.message);
        }
        violations.push(violation);
    }
}

/// What stands for a property that a whole body leaves out. A required one
/// may be null, but somebody has to say so.
fn absent(
    kind: &Kind,
    name: &str,
    property: &Property,
    violations: &mut Vec<Violation>,
) -> Option<Value> {
    let value = unset(property);
    if kind.requires(name) && matches!(value, None | Some(Value::Null)) {
        violations.push(Violation::of(name, "is required"));
    }
    value
}

/// What stands for a property that was not given.
fn unset(property: &Property) -> Option<Value> {
    match &property.default {
        Some(default) => {
            let mut default = default.clone();
            canonical::value(&mut default, &property.source);
            Some(default)
        }
        None if property.nullable => Some(Value::Null),
        None => None,
    }
}

fn under(pointer: &str, mut violation: Violation) -> Violation {
    violation.pointer.insert_str(0, pointer);
    violation
}

fn finish(
    kind: &Kind,
    mut whole: Body,
    current: &Body,
    mut violations: Vec<Violation>,
) -> Result<Body, Refused> {
    across::judge(kind, &whole, &mut violations);
    if violations.is_empty() {
        return Ok(whole);
    }
    for (name, value) in current {
        whole.entry(name).or_insert_with(|| value.clone());
    }
    Err(Refused {
        violations,
        right: whole,
    })
}

#[cfg(test)]
mod tests;
