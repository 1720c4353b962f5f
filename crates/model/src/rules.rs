//! What must hold between rows: unique values, references, sister rows that
//! must agree. Read through a [`View`] so that the catalog can turn what was
//! read into the commit's conditions.

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
    fn holder(&self, kind: &str, label: &str, value: &str) -> Option<ResourceRef>;
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

/// Judges one written row at the end of its transaction; computed values
/// that come from other rows (a neighbor's `mgmt_addr`) are filled in.
///
/// # Errors
/// Every broken rule at once.
pub fn check(_schemas: &Schemas, _view: &dyn View, _row: &mut Row) -> Result<(), Vec<Broken>> {
    todo!("rules")
}

/// The values that this row keeps unique: `/index` keys are made from them.
/// Pairs of a stable label (`host_name`, `router_id+local_as`) and the value
/// in canonical text.
pub fn unique_values(_schemas: &Schemas, _row: &Row) -> Vec<(String, String)> {
    todo!("rules")
}

/// The rows that this row refers to, each with whether deleting the named
/// row deletes this one too.
pub fn references(_schemas: &Schemas, _view: &dyn View, _row: &Row) -> Vec<(ResourceRef, bool)> {
    todo!("rules")
}
