//! Reading a body of the server's own, which no schema describes: member by
//! member, and everything that is wrong is told at once.

use sdwan_model::document::unknown;
use sdwan_model::validate::Violation;
use serde_json::{Map, Value};

/// An object under reading.
pub(super) struct Fields<'a> {
    members: Map<String, Value>,
    place: &'a str,
    pub(super) violations: Vec<Violation>,
}

impl<'a> Fields<'a> {
    /// An object with members of these names alone; `place` is its pointer.
    ///
    /// # Errors
    /// That it is no object.
    pub(super) fn of(value: Value, place: &'a str, names: &[&str]) -> Result<Self, Vec<Violation>> {
        let Value::Object(members) = value else {
            return Err(vec![Violation::new(place, "must be an object")]);
        };
        let strange = members
            .keys()
            .filter(|name| !names.contains(&name.as_str()));
        let violations = strange
            .take(names.len())
            .map(|name| {
                let pointer = format!("{place}{}", Violation::of(name, "").pointer);
                Violation::new(pointer, unknown("property", name, names))
            })
            .collect();
        Ok(Self {
            members,
            place,
            violations,
        })
    }

    /// A member that may be missing or null.
    pub(super) fn optional<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.members.get(name).filter(|value| !value.is_null())?;
        let read = read(value);
        if read.is_none() {
            self.wrong(name, format!("must be {expected}"));
        }
        read
    }

    /// A member that must be there.
    pub(super) fn required<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Option<T> {
        if self.members.get(name).is_none_or(Value::is_null) {
            self.wrong(name, format!("is required: {expected}"));
        }
        self.optional(name, expected, read)
    }

    fn wrong(&mut self, name: &str, message: String) {
        let pointer = format!("{}/{name}", self.place);
        self.violations.push(Violation::new(pointer, message));
    }
}

/// Text of 1 to `most` characters in one line.
pub(super) fn text(value: &Value, most: usize) -> Option<String> {
    let text = value.as_str()?;
    let fits = (1..=most).contains(&text.chars().count()) && !text.contains(char::is_control);
    fits.then(|| text.to_owned())
}
