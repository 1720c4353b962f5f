//! A declared row, as every room passes it around.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A row's properties, in the schema's order.
pub type Body = Map<String, Value>;

/// Names one row: the schema's id (`router`) and the row's own id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResourceRef {
    /// The schema's id, e.g. `neighbor`.
    pub kind: String,
    /// The row's id.
    pub id: String,
}

impl ResourceRef {
    /// Names the row `id` of kind `kind`.
    pub fn new(kind: impl Into<String>, id: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            id: id.into(),
        }
    }
}

impl std::fmt::Display for ResourceRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind, self.id)
    }
}

/// One declared resource. Secrets in `body` are sealed envelopes unless a
/// function says that it takes or gives them open.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The schema's id, e.g. `neighbor`.
    pub kind: String,
    /// Unique within the kind.
    pub id: String,
    /// 1 when created, one more with each update. Observations never bump it.
    pub version: u64,
    /// The store's revision that created it: the order of creation.
    pub created: u64,
    /// The properties, defaults filled in, `id` included.
    pub body: Body,
}

impl Row {
    /// This row's name.
    pub fn reference(&self) -> ResourceRef {
        ResourceRef::new(&self.kind, &self.id)
    }

    /// A text property; `None` when absent, null or not text.
    pub fn text(&self, property: &str) -> Option<&str> {
        self.body.get(property)?.as_str()
    }
}
