//! Is this body right for its kind? Every violation at once, each with its
//! JSON pointer.

use crate::resource::Body;
use crate::schema::Kind;
use serde::Serialize;
use serde_json::Value;

/// One thing wrong with a body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// JSON pointer into the body (RFC 6901), empty for the body itself.
    pub pointer: String,
    /// What is wrong and what would be right. Never a secret's value.
    pub message: String,
}

/// Checks a body for creation and fills in defaults. Values come out
/// canonical (addresses in canonical text). `id`, where given, is checked.
///
/// # Errors
/// Every violation at once.
pub fn create(_kind: &Kind, _body: Value) -> Result<Body, Vec<Violation>> {
    todo!("validate")
}

/// Checks a patch against the row that it changes and gives the whole new
/// body. `replace` is PUT: what is absent goes back to its default.
///
/// # Errors
/// Every violation at once.
pub fn update(
    _kind: &Kind,
    _current: &Body,
    _patch: Value,
    _replace: bool,
) -> Result<Body, Vec<Violation>> {
    todo!("validate")
}
