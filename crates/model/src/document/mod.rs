//! YAML (and so JSON) with the place of every node kept, so that an error in
//! a schema or configuration file names file, line and column.
//!
//! YAML has two ways to drown a reader in a small file: nesting and aliases
//! of aliases. Both are bounded here, and a key that stands twice, which
//! most readers silently resolve, is an error.

mod node;
mod parse;

pub use node::Node;

use serde_json::Value;
use std::collections::HashMap;

/// A parsed document: plain JSON values plus where each stood.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// The file's name for messages.
    pub name: String,
    /// The content; null where the file is empty.
    pub value: Value,
    /// JSON pointer to 1-based line and column. An object's member stands
    /// where its key does.
    places: HashMap<String, Place>,
}

/// 1-based line and column, in characters.
type Place = (usize, usize);

/// Why a document can't be read: one per problem, each with its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
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
    /// Parses; duplicate keys, aliases that explode and nesting over 64
    /// levels are errors.
    ///
    /// # Errors
    /// The first error with its place.
    pub fn parse(name: &str, text: &str) -> Result<Self, Error> {
        parse::parse(name, text)
    }

    /// A value that the program itself made: it stands nowhere.
    pub(crate) fn made(value: Value) -> Self {
        Self {
            value,
            ..Self::default()
        }
    }

    /// The whole content, for reading it piece by piece.
    pub fn root(&self) -> Node<'_> {
        Node::root(self)
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

    /// One error for every key of the object at `pointer` that is not among
    /// `known`, naming the nearest known one. Nothing where there is no object.
    pub fn unknown_keys(&self, pointer: &str, known: &[&str]) -> Vec<Error> {
        let Some(Value::Object(object)) = self.value.pointer(pointer) else {
            return Vec::new();
        };
        object
            .keys()
            .filter(|key| !known.contains(&key.as_str()))
            .map(|key| self.error(&child(pointer, key), unknown("key", key, known)))
            .collect()
    }
}

/// The JSON pointer of a member: `key` escaped as RFC 6901 asks.
pub fn child(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// Words for a name that is not among those known: the nearest one, or, where
/// none is near, all of them if they are few.
pub fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    let shown = crate::value::quote(name);
    if let Some(near) = nearest(name, known.iter().copied()) {
        return format!("unknown {what} {shown}, did you mean {near:?}?");
    }
    if known.is_empty() || known.len() > 16 {
        return format!("unknown {what} {shown}");
    }
    format!("unknown {what} {shown}: known are {}", known.join(", "))
}

/// The known key closest to a mistyped one, for "did you mean".
pub fn nearest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Nobody mistypes at such length, and comparing costs its square.
    if unknown.len() > 64 {
        return None;
    }
    known
        .into_iter()
        .map(|k| (strsim::damerau_levenshtein(unknown, k), k))
        .filter(|(distance, k)| *distance <= 1 + k.len() / 4 && *distance < k.len())
        .min()
        .map(|(_, k)| k)
}

#[cfg(test)]
mod tests;
