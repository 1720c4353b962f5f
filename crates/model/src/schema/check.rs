//! A property's JSON Schema, compiled once.

use crate::format::{self, Format};
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;
use std::sync::Arc;

/// A compiled JSON Schema with our formats.
#[derive(Clone, Debug)]
pub(crate) struct Check(Arc<jsonschema::Validator>);

impl Check {
    /// Compiles. Draft 7, where `items` may still be a list as in Gohan's files.
    ///
    /// # Errors
    /// What is wrong with the schema itself.
    pub(super) fn compile(source: &Value) -> Result<Self, String> {
        let mut options = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft7)
            .should_validate_formats(true);
        for (name, format) in format::all() {
            options = options.with_format(name, move |text: &str| format.canonical(text).is_ok());
        }
        match options.build(source) {
            Ok(validator) => Ok(Self(Arc::new(validator))),
            Err(error) => Err(wrong(&error)),
        }
    }

    /// Everything that the schema has against a value.
    pub(crate) fn errors<'a>(
        &'a self,
        value: &'a Value,
    ) -> impl Iterator<Item = jsonschema::ValidationError<'a>> {
        self.0.iter_errors(value)
    }
}

/// What is wrong with a schema, where in it.
fn wrong(error: &jsonschema::ValidationError<'_>) -> String {
    let text = error.instance().as_str().unwrap_or_default();
    let why = match error.kind() {
        ValidationErrorKind::Format { format } if format == "regex" => {
            Format::Regex.canonical(text).err()
        }
        _ => None,
    };
    let why = why.unwrap_or_else(|| error.to_string());
    match error.instance_path().as_str().trim_start_matches('/') {
        "" => why,
        at => format!("{at}: {why}"),
    }
}
