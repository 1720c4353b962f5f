//! YAML (and so JSON) with the place of every node kept, so that an error in
//! a schema or configuration file names file, line and column.

use serde_json::Value;
use std::collections::HashMap;

/// A parsed document: plain JSON values plus where each stood.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// The file's name for messages.
    pub name: String,
    /// The content.
    pub value: Value,
    /// JSON pointer to 1-based line and column.
    places: HashMap<String, (usize, usize)>,
}

/// Why a document can't be read: one per problem, each with its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct Error {
    /// The file's name.
    pub file: String,
    /// 1-based.
    pub line: usize,
    /// 1-based.
    pub column: usize,
    /// What is wrong and what to do.
    pub message: String,
}

impl Document {
    /// Parses; duplicate keys, anchors that explode and nesting over 64
    /// levels are errors.
    ///
    /// # Errors
    /// The first syntax error with its place.
    pub fn parse(_name: &str, _text: &str) -> Result<Self, Error> {
        todo!("document")
    }

    /// An error at the node that a JSON pointer names, or its nearest parent.
    pub fn error(&self, pointer: &str, message: impl Into<String>) -> Error {
        let mut at = pointer;
        let (line, column) = loop {
            if let Some(place) = self.places.get(at) {
                break *place;
            }
            match at.rfind('/') {
                Some(cut) => at = &at[..cut],
                None => break (1, 1),
            }
        };
        Error {
            file: self.name.clone(),
            line,
            column,
            message: message.into(),
        }
    }
}

/// The known key closest to a mistyped one, for "did you mean".
pub fn nearest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|k| (strsim::damerau_levenshtein(unknown, k), k))
        .filter(|(distance, k)| *distance <= 1 + k.len() / 4)
        .min()
        .map(|(_, k)| k)
}
