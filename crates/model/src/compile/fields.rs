//! Reads a row's properties, collecting everything that is wrong with them.
//! The catalog has checked rows long before; this is for those that an older
//! version, a restored store or another writer has left behind.

use crate::resource::Row;
use serde_json::Value;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// One row under reading.
pub(super) struct Fields<'a> {
    row: &'a Row,
    wrong: Vec<String>,
}

impl<'a> Fields<'a> {
    pub(super) fn of(row: &'a Row) -> Self {
        Self {
            row,
            wrong: Vec::new(),
        }
    }

    /// Everything that was wrong so far.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.wrong.is_empty() {
            Ok(())
        } else {
            Err(self.wrong.join("; "))
        }
    }

    pub(super) fn wrong(&mut self, property: &str, why: impl std::fmt::Display) {
        self.wrong.push(format!("{property}: {why}"));
    }

    /// Complains about an absent value, unless it was already complained
    /// about because it is there and wrong.
    pub(super) fn required<T>(&mut self, property: &str, value: Option<T>) -> Option<T> {
        if value.is_none() && self.value(property).is_none() {
            self.wrong(property, "is missing");
        }
        value
    }

    /// A property that is there and not null.
    pub(super) fn value(&self, property: &str) -> Option<&'a Value> {
        self.row.body.get(property).filter(|value| !value.is_null())
    }

    pub(super) fn text(&mut self, property: &str) -> Option<&'a str> {
        let value = self.value(property)?;
        if value.as_str().is_none() {
            self.wrong(property, "is not text");
        }
        value.as_str()
    }

    pub(super) fn flag(&mut self, property: &str) -> Option<bool> {
        let value = self.value(property)?;
        if value.as_bool().is_none() {
            self.wrong(property, "is neither true nor false");
        }
        value.as_bool()
    }

    pub(super) fn number<T: TryFrom<u64>>(
        &mut self,
        property: &str,
        range: RangeInclusive<u64>,
    ) -> Option<T> {
        let value = self.value(property)?;
        let number = value.as_u64().filter(|n| range.contains(n));
        if number.is_none() {
            let (least, most) = range.into_inner();
            self.wrong(
                property,
                format_args!("is not a number of {least} to {most}"),
            );
        }
        T::try_from(number?).ok()
    }

    pub(super) fn parsed<T: FromStr>(&mut self, property: &str, expected: &str) -> Option<T> {
        let text = self.text(property)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.wrong(property, format_args!("`{text}` is not {expected}"));
        }
        parsed
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&mut self, property: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(property)?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.wrong(
                property,
                format_args!("`{text}` is none of {}", known.join(", ")),
            );
        }
        found.map(|(_, value)| *value)
    }
}
