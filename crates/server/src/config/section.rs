//! Reading one mapping of the file: every wrong type, unknown key and key
//! without a meaning is noted with its place, and reading goes on.

use super::Password;
use super::keys::Keys;
use sdwan_model::document::{self, Node};
use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::path::Path;

/// What reading the file brought up so far.
#[derive(Default)]
pub(super) struct Findings {
    errors: RefCell<Vec<document::Error>>,
    warnings: RefCell<Vec<document::Error>>,
}

impl Findings {
    pub(super) fn error(&self, error: document::Error) {
        self.errors.borrow_mut().push(error);
    }

    pub(super) fn warn(&self, warning: document::Error) {
        self.warnings.borrow_mut().push(warning);
    }

    /// Errors and warnings, in order of their places.
    pub(super) fn into_parts(self) -> (Vec<document::Error>, Vec<document::Error>) {
        let (mut errors, mut warnings) = (self.errors.into_inner(), self.warnings.into_inner());
        errors.sort();
        warnings.sort();
        (errors, warnings)
    }

    fn ok<T>(&self, result: Result<T, document::Error>) -> Option<T> {
        result.map_err(|e| self.error(e)).ok()
    }
}

/// One mapping of the file; one that the file lacks is empty.
pub(super) struct Section<'a> {
    node: Option<Node<'a>>,
    findings: &'a Findings,
}

impl<'a> Section<'a> {
    /// The mapping at `node`, its keys checked.
    pub(super) fn new(node: Option<Node<'a>>, findings: &'a Findings, keys: &Keys) -> Self {
        let node = node.filter(|n| !n.value().is_null());
        if let Some(node) = &node {
            check_keys(node, findings, keys);
        }
        Self { node, findings }
    }

    /// The mapping under `key`.
    pub(super) fn section(&self, key: &str, keys: &Keys) -> Self {
        Self::new(self.get(key), self.findings, keys)
    }

    /// The value under `key`, where there is one that is not null.
    pub(super) fn get(&self, key: &str) -> Option<Node<'a>> {
        self.node
            .as_ref()?
            .get(key)
            .filter(|n| !n.value().is_null())
    }

    /// Whether the key is there, with or without a value.
    pub(super) fn names(&self, key: &str) -> bool {
        self.node
            .as_ref()
            .is_some_and(|node| node.get(key).is_some())
    }

    /// A text that is not empty.
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        let node = self.get(key)?;
        let text = self.findings.ok(node.text())?;
        if text.is_empty() {
            self.findings.error(node.error(format!("{key:?} is empty")));
            return None;
        }
        Some(text)
    }

    /// A text that parses; the parser's error is told at its place.
    pub(super) fn parsed<T: std::str::FromStr<Err = String>>(&self, key: &str) -> Option<T> {
        let parsed = self.text(key)?.parse();
        parsed.map_err(|why: String| self.error(key, why)).ok()
    }

    /// A secret under `key`, or in the file that `KEY_file` names.
    pub(super) fn password(&self, key: &str, folder: &Path) -> Option<Password> {
        let written = self.text(key).map(|text| Password::Is(text.into()));
        let filed = self.text(&format!("{key}_file"));
        let filed = filed.map(|path| Password::In(folder.join(path)));
        if written.is_some() && filed.is_some() {
            self.error(key, format!("give a {key} or a {key}_file, not both"));
        }
        filed.or(written)
    }

    /// `true` or `false`; absent is false.
    pub(super) fn flag(&self, key: &str) -> bool {
        self.get(key)
            .and_then(|n| self.findings.ok(n.flag()))
            .unwrap_or(false)
    }

    /// A whole number in this range.
    pub(super) fn number(&self, key: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let node = self.get(key)?;
        let number = node.value().as_u64().filter(|n| range.contains(n));
        if number.is_none() {
            let (least, most) = (range.start(), range.end());
            let message = format!("{key:?} must be a whole number from {least} to {most}");
            self.findings.error(node.error(message));
        }
        number
    }

    /// A list of texts; one text stands for a list of one.
    pub(super) fn texts(&self, key: &str) -> Vec<(Node<'a>, &'a str)> {
        let Some(node) = self.get(key) else {
            return Vec::new();
        };
        if let Some(one) = node.value().as_str() {
            return vec![(node, one)];
        }
        let mut texts = Vec::new();
        for item in self.findings.ok(node.items()).unwrap_or_default() {
            if let Some(text) = self.findings.ok(item.text()) {
                texts.push((item, text));
            }
        }
        texts
    }

    /// Notes an error at `key`.
    pub(super) fn error(&self, key: &str, message: impl Into<String>) {
        if let Some(node) = self.get(key).or_else(|| self.node.clone()) {
            self.findings.error(node.error(message));
        }
    }

    /// Notes a warning at `key`.
    pub(super) fn warn(&self, key: &str, message: impl Into<String>) {
        if let Some(node) = self.get(key).or_else(|| self.node.clone()) {
            self.findings.warn(node.error(message));
        }
    }
}

fn check_keys(node: &Node<'_>, findings: &Findings, keys: &Keys) {
    let Some(members) = findings.ok(node.members()) else {
        return;
    };
    let ignored = keys.ignored.iter().map(|(key, _)| *key);
    let all: Vec<&str> = keys.known.iter().copied().chain(ignored).collect();
    for (key, member) in members {
        if let Some((_, why)) = keys.ignored.iter().find(|(k, _)| *k == key) {
            findings.warn(member.error(format!("{key:?} is not used: {why}")));
        } else if !all.contains(&key) {
            findings.error(member.error(document::unknown("key", key, &all)));
        }
    }
}
