//! What JSON Schema has against a value, in words for people.

use super::{MAX_TOLD, Violation};
use crate::format::Format;
use crate::schema::Property;
use crate::value::{alternatives, brief, describe, type_of};
use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_json::Value;

/// Everything wrong with a value that is not null, pointers relative to it.
pub(super) fn violations(property: &Property, value: &Value) -> Vec<Violation> {
    let mut found = property.check.errors(value);
    let errors: Vec<ValidationError<'_>> = found.by_ref().take(MAX_TOLD).collect();
    let more = found.count();
    // Of a value of the wrong type nothing else is worth saying.
    let mistyped: Vec<&str> = errors
        .iter()
        .filter(|e| matches!(e.kind(), ValidationErrorKind::Type { .. }))
        .map(|e| e.instance_path().as_str())
        .collect();
    let mut violations = Vec::new();
    for error in &errors {
        let at = error.instance_path().as_str();
        let is_type = matches!(error.kind(), ValidationErrorKind::Type { .. });
        if is_type || !mistyped.contains(&at) {
            violations.extend(explain(property, error));
        }
    }
    violations.dedup();
    violations.truncate(MAX_TOLD);
    if more > 0 {
        violations.push(Violation::new(
            "",
            format!("and {more} more are wrong in it"),
        ));
    }
    violations
}

fn explain(property: &Property, error: &ValidationError<'_>) -> Vec<Violation> {
    let at = error.instance_path().as_str();
    let found = error.instance().as_ref();
    let message = match error.kind() {
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            return vec![Violation::new(
                crate::document::child(at, name),
                "is required",
            )];
        }
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let each = |name: &String| {
                Violation::new(crate::document::child(at, name), "is an unknown property")
            };
            return unexpected.iter().map(each).collect();
        }
        kind => words(property, at.is_empty(), kind, found),
    };
    let message = message.unwrap_or_else(|| match property.secret {
        true => "is not right".to_owned(),
        false => error.masked_with("the value").to_string(),
    });
    vec![Violation::new(at, message)]
}

/// The sentence's end for one kind of error; `None` where JSON Schema's own
/// words have to do.
fn words(
    property: &Property,
    top: bool,
    kind: &ValidationErrorKind,
    found: &Value,
) -> Option<String> {
    // A secret's value is in no message.
    let not = match property.secret {
        true => String::new(),
        false => format!(", not {}", brief(found)),
    };
    Some(match kind {
        ValidationErrorKind::Type { kind } => {
            let found = if property.secret {
                type_of(found).to_owned()
            } else {
                describe(found)
            };
            format!("must be {}, not {found}", expected(property, top, kind))
        }
        ValidationErrorKind::Enum { options } => {
            format!("must be {}{not}", alternatives(&listed(options)))
        }
        ValidationErrorKind::Constant { expected_value } => {
            format!("must be {}{not}", brief(expected_value))
        }
        ValidationErrorKind::Format { format } => {
            match (
                Format::named(format).and_then(|f| f.canonical(found.as_str()?).err()),
                property.secret,
            ) {
                (Some(why), false) => why,
                _ => format!("must be of the format {format}{not}"),
            }
        }
        ValidationErrorKind::Minimum { limit } | ValidationErrorKind::Maximum { limit } => {
            let least = matches!(kind, ValidationErrorKind::Minimum { .. });
            format!("must be {}{not}", range(property, top, least, limit))
        }
        ValidationErrorKind::ExclusiveMinimum { limit } => {
            format!("must be more than {limit}{not}")
        }
        ValidationErrorKind::ExclusiveMaximum { limit } => {
            format!("must be less than {limit}{not}")
        }
        ValidationErrorKind::Pattern { pattern } => match property.description.as_str() {
            hint if top && !hint.is_empty() => format!("must match {pattern} ({hint}){not}"),
            _ => format!("must match {pattern}{not}"),
        },
        ValidationErrorKind::Not { schema } => {
            let excluded = schema.get("enum").map(listed)?;
            format!("must not be {}", alternatives(&excluded))
        }
        _ => return size(kind),
    })
}

/// How much is too little or too much.
fn size(kind: &ValidationErrorKind) -> Option<String> {
    Some(match kind {
        ValidationErrorKind::MinLength { limit: 1 }
        | ValidationErrorKind::MinItems { limit: 1 } => "must not be empty".to_owned(),
        ValidationErrorKind::MinLength { limit } => {
            format!("must have at least {limit} characters")
        }
        ValidationErrorKind::MaxLength { limit } => format!("must have at most {limit} characters"),
        ValidationErrorKind::MinItems { limit } => format!("must have at least {limit} items"),
        ValidationErrorKind::MaxItems { limit } => format!("must have at most {limit} items"),
        ValidationErrorKind::UniqueItems => "must not have an item twice".to_owned(),
        _ => return None,
    })
}

/// Both bounds where the property has both, else the one that was crossed.
fn range(property: &Property, top: bool, least: bool, limit: &Value) -> String {
    let bound = |key: &str| property.source.get(key).filter(|_| top);
    match (bound("minimum"), bound("maximum")) {
        (Some(low), Some(high)) => format!("{low} to {high}"),
        _ if least => format!("at least {limit}"),
        _ => format!("at most {limit}"),
    }
}

fn listed(options: &Value) -> Vec<String> {
    let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
    options.iter().map(brief).collect()
}

/// The types that would have been right. Null is not offered: who means it
/// knows it, everybody else it only confuses.
fn expected(property: &Property, top: bool, kind: &TypeKind) -> String {
    let types: Vec<String> = match kind {
        _ if top => property.types.clone(),
        TypeKind::Single(one) => vec![one.to_string()],
        TypeKind::Multiple(several) => several.iter().map(|t| t.to_string()).collect(),
    };
    let words: Vec<String> = types
        .iter()
        .filter(|t| *t != "null")
        .map(|t| {
            match t.as_str() {
                "string" => "text",
                "integer" => "an integer",
                "number" => "a number",
                "boolean" => "true or false",
                "array" => "a list",
                "object" => "an object",
                other => other,
            }
            .to_owned()
        })
        .collect();
    alternatives(&words)
}
