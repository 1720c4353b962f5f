//! What must hold between rows: unique values, references, sister rows that
//! must agree. Read through a [`View`] so that the catalog can turn what was
//! read into the commit's conditions.

mod reference;
mod rename;
mod router;
mod sisters;
mod unique;

pub use reference::references;
pub use rename::follow_renames;
pub use unique::unique_values;

use crate::resource::{ResourceRef, Row};
use crate::schema::Schemas;
use crate::validate::Violation;

/// The rows as they will be when the transaction ends.
pub trait View {
    /// A row by kind and id.
    fn get(&self, kind: &str, id: &str) -> Option<Row>;
    /// Every row of `kind` whose `property` has this value.
    fn find(&self, kind: &str, property: &str, value: &serde_json::Value) -> Vec<Row>;
    /// The row that holds a unique value, by a label and a canonical value of
    /// [`unique_values`]. One look-up, however many rows there are: judge
    /// uniqueness with this, not with [`View::find`].
    ///
    /// Where rows collide, one that the transaction does not write goes
    /// first, else any of them: so of rows that collide at least one is told
    /// of another.
    fn holder(&self, kind: &str, label: &str, value: &str) -> Option<ResourceRef>;
    /// Whether whoever writes may be told of this row. One that is hidden from
    /// him reads like one that is not there; only that a value is taken can't
    /// be hidden.
    fn sees(&self, _row: &ResourceRef) -> bool {
        true
    }
    /// Whether whoever writes may be told this property of this row, by name
    /// and value.
    fn tells(&self, _row: &Row, _property: &str) -> bool {
        true
    }
    /// Whether whoever writes may be told that there is this kind.
    fn knows(&self, _kind: &str) -> bool {
        true
    }
    /// Whether `row` may name that row by this property: it sees the row, or
    /// the name was there before.
    fn may_name(&self, _row: &Row, _property: &str, _named: &ResourceRef) -> bool {
        true
    }
}

/// One rule broken by one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The body is wrong given the other rows (400).
    Invalid(Violation),
    /// A value that must be unique is taken (409).
    Taken {
        /// Where and what.
        violation: Violation,
        /// By whom.
        by: ResourceRef,
    },
}

impl Broken {
    /// What to tell, whichever it is.
    pub fn violation(&self) -> &Violation {
        match self {
            Self::Invalid(violation) | Self::Taken { violation, .. } => violation,
        }
    }
}

/// Judges one written row at the end of its transaction; computed values
/// that come from other rows (a neighbor's `mgmt_addr`) are filled in.
///
/// # Errors
/// Every broken rule at once.
pub fn check(schemas: &Schemas, view: &dyn View, row: &mut Row) -> Result<(), Vec<Broken>> {
    let Some(kind) = schemas.get(&row.kind) else {
        let message = format!("there is no schema {:?}", row.kind);
        return Err(vec![Broken::Invalid(Violation::new("", message))]);
    };
    let mut broken = Vec::new();
    reference::check(schemas, kind, view, row, &mut broken);
    if kind.builtin {
        router::check(schemas, kind, view, row, &mut broken);
        sisters::check(view, row, &mut broken);
    }
    unique::check(kind, view, row, &mut broken);
    if broken.is_empty() {
        return Ok(());
    }
    Err(broken)
}

#[cfg(test)]
mod tests;
