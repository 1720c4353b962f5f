//! Reading a [`Document`] piece by piece with errors that know their place.

use super::{Document, Error, child, unknown};
use serde_json::{Map, Value};

/// One value of a document and its JSON pointer.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    document: &'a Document,
    pointer: String,
    value: &'a Value,
}

impl<'a> Node<'a> {
    pub(super) fn root(document: &'a Document) -> Self {
        Self {
            document,
            pointer: String::new(),
            value: &document.value,
        }
    }

    /// The value itself.
    pub fn value(&self) -> &'a Value {
        self.value
    }

    /// The document that it stands in.
    pub fn document(&self) -> &'a Document {
        self.document
    }

    /// Where it stands in the document (RFC 6901).
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// An error that points here.
    pub fn error(&self, message: impl Into<String>) -> Error {
        self.document.error(&self.pointer, message)
    }

    /// The member `key`; `None` when there is no such member or no object.
    pub fn get(&self, key: &str) -> Option<Self> {
        let value = self.value.get(key)?;
        Some(self.at(key, value))
    }

    /// This object's members in order.
    ///
    /// # Errors
    /// It is no object.
    pub fn members(&self) -> Result<Vec<(&'a str, Self)>, Error> {
        let members = self.object()?;
        let pair = |(key, value): (&'a String, &'a Value)| (key.as_str(), self.at(key, value));
        Ok(members.iter().map(pair).collect())
    }

    /// This list's items in order.
    ///
    /// # Errors
    /// It is no list.
    pub fn items(&self) -> Result<Vec<Self>, Error> {
        let items = self.value.as_array().ok_or_else(|| self.must("a list"))?;
        let item = |(i, value): (usize, &'a Value)| self.at(&i.to_string(), value);
        Ok(items.iter().enumerate().map(item).collect())
    }

    /// # Errors
    /// It is no object.
    pub fn object(&self) -> Result<&'a Map<String, Value>, Error> {
        self.value.as_object().ok_or_else(|| self.must("a mapping"))
    }

    /// # Errors
    /// It is no text.
    pub fn text(&self) -> Result<&'a str, Error> {
        self.value.as_str().ok_or_else(|| self.must("text"))
    }

    /// # Errors
    /// It is neither true nor false.
    pub fn flag(&self) -> Result<bool, Error> {
        self.value
            .as_bool()
            .ok_or_else(|| self.must("true or false"))
    }

    /// A list of texts.
    ///
    /// # Errors
    /// It is no list, or something else than text is in it.
    pub fn texts(&self) -> Result<Vec<&'a str>, Error> {
        self.items()?.iter().map(Node::text).collect()
    }

    /// One error for every member that is not among `known`.
    pub fn unknown_keys(&self, known: &[&str]) -> Vec<Error> {
        self.document.unknown_keys(&self.pointer, known)
    }

    /// An error here: `name` is none of `known`.
    pub fn unknown(&self, what: &str, name: &str, known: &[&str]) -> Error {
        self.error(unknown(what, name, known))
    }

    fn at(&self, key: &str, value: &'a Value) -> Self {
        Self {
            document: self.document,
            pointer: child(&self.pointer, key),
            value,
        }
    }

    fn must(&self, expected: &str) -> Error {
        let name = self.pointer.rsplit('/').next().unwrap_or_default();
        // Its type only: a configuration file holds passwords too.
        let found = crate::value::type_of(self.value);
        let what = match name {
            "" => "the file".to_owned(),
            // An item of a list: its place says which.
            item if item.bytes().all(|b| b.is_ascii_digit()) => "this".to_owned(),
            name => format!("{name:?}"),
        };
        self.error(format!("{what} must be {expected}, not {found}"))
    }
}
