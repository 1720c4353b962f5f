//! The kinds of resources there are: Gohan-format schema files, the one
//! source of REST paths, validation, CLI flags, tables, OpenAPI and storage.
//!
//! `schemas/*.yaml` are embedded; an operator's own files are added to them.
//! `declaration` and `property` read one entry of a file, `merge` resolves
//! `extends` and additions to built-in kinds, `resolve` makes kinds of the
//! result, `judge` looks at what they say of each other, `keys` is the
//! vocabulary.

mod check;
mod declaration;
mod judge;
mod keys;
mod load;
mod merge;
mod property;
mod resolve;

pub(crate) use check::Check;
pub(crate) use declaration::{keep, text};

use crate::document;
use crate::document::Document;
use indexmap::IndexMap;
use serde_json::Value;
use std::sync::{Arc, LazyLock};

/// What stands in answers where a secret is set.
pub const MASK: &str = "********";

/// Every kind, by id, in order of declaration; abstract ones are resolved away.
#[derive(Clone, Debug, Default)]
pub struct Schemas {
    kinds: IndexMap<String, Arc<Kind>>,
}

/// One kind of resource.
#[derive(Clone, Debug)]
pub struct Kind {
    /// E.g. `router`.
    pub id: String,
    /// E.g. `router`; the wrapper of one in a body.
    pub singular: String,
    /// E.g. `routers`; in URLs, keys and the wrapper of a list.
    pub plural: String,
    /// For people.
    pub title: String,
    /// For people.
    pub description: String,
    /// URL prefix, e.g. `/v2.0`; empty for kinds at the top.
    pub prefix: String,
    /// Gohan's grouping of kinds; shown, without effect.
    pub namespace: Option<String>,
    /// The parent's kind; adds the property `PARENT_id` and nested URLs.
    pub parent: Option<String>,
    /// Deleting the parent deletes this.
    pub on_parent_delete_cascade: bool,
    /// Properties in display order (`propertiesOrder`, then as written).
    /// `id` is always among them.
    pub properties: IndexMap<String, Property>,
    /// Needed on create.
    pub required: Vec<String>,
    /// Groups of properties that are unique together, by the group's label:
    /// the properties' names joined by `+`, e.g. `router_id+local_as`.
    pub unique_together: IndexMap<String, Vec<String>>,
    /// Custom actions: declared, shown, answered 501.
    pub actions: IndexMap<String, ActionSchema>,
    /// As written, for who reads it.
    pub metadata: Value,
    /// Built-in kinds have rules and workers; a user's own have none.
    pub builtin: bool,
    /// The whole schema as the API shows it (Gohan's trimmed form).
    pub source: Value,
}

/// One property of a kind.
#[derive(Clone, Debug)]
pub struct Property {
    /// For people.
    pub title: String,
    /// For people.
    pub description: String,
    /// JSON Schema types without `null`.
    pub types: Vec<String>,
    /// Whether null is a value.
    pub nullable: bool,
    /// A format of [`crate::format`].
    pub format: Option<String>,
    /// Filled in on create.
    pub default: Option<Value>,
    /// The allowed values.
    pub enumeration: Option<Vec<Value>>,
    /// May be given on create.
    pub on_create: bool,
    /// May be given on update.
    pub on_update: bool,
    /// No two rows share its value.
    pub unique: bool,
    /// Its value names a row of another kind, or of this one.
    pub relation: Option<Relation>,
    /// In default lists.
    pub view: bool,
    /// In default single-row tables, even when null. One that is false is
    /// still printed there when it has a value.
    pub detail_view: bool,
    /// `format: secret`: write-only, sealed in the store.
    pub secret: bool,
    /// Filled in from status, never stored in the row (`status`, ...).
    pub computed: bool,
    /// The property's JSON Schema as written, for OpenAPI and clients.
    pub source: Value,
    /// `source`, compiled once.
    pub(crate) check: Check,
}

/// A property whose value names another row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// The kind that it names.
    pub kind: String,
    /// Which of that kind's properties holds the value: `id`, or a unique
    /// one such as `host_name`.
    pub by: String,
    /// The joined object's name in answers (`relation_property`).
    pub joined_as: Option<String>,
    /// Deleting the named row deletes this one.
    pub on_delete_cascade: bool,
}

/// A declared custom action.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionSchema {
    /// Below the resource's URL, e.g. `/:id/reboot`.
    pub path: String,
    /// HTTP method in upper case.
    pub method: String,
    /// For people; empty where nothing is said.
    pub description: String,
    /// JSON Schema of the input, or null.
    pub input: Value,
    /// JSON Schema of the output, or null.
    pub output: Value,
}

/// The embedded files, in order of declaration.
const BUILTIN: [(&str, &str); 3] = [
    (
        "schemas/router.yaml",
        include_str!("../../../../schemas/router.yaml"),
    ),
    (
        "schemas/neighbor.yaml",
        include_str!("../../../../schemas/neighbor.yaml"),
    ),
    (
        "schemas/policyinfo.yaml",
        include_str!("../../../../schemas/policyinfo.yaml"),
    ),
];

static BUILTIN_SCHEMAS: LazyLock<Schemas> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "the files are part of the program and a test loads them"
    )]
    load::load(&[]).expect("the embedded schemas are right")
});

/// The embedded files, parsed once.
static BUILTIN_DOCUMENTS: LazyLock<Vec<Document>> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "the files are part of the program and a test loads them"
    )]
    let parse = |(name, text): &(&str, &str)| {
        Document::parse(name, text).expect("the embedded schemas are YAML")
    };
    BUILTIN.iter().map(parse).collect()
});

impl Schemas {
    /// The built-in kinds alone.
    pub fn builtin() -> Self {
        BUILTIN_SCHEMAS.clone()
    }

    /// The built-in kinds and the operator's own files on top. A file that
    /// redefines a built-in kind may add properties; anything else is an error.
    ///
    /// # Errors
    /// Every problem of every file at once, each with its place and, for an
    /// unknown key, the nearest known one.
    pub fn load(files: &[Document]) -> Result<Self, Vec<document::Error>> {
        load::load(files)
    }

    /// A kind by its id.
    pub fn get(&self, id: &str) -> Option<&Arc<Kind>> {
        self.kinds.get(id)
    }

    /// Every kind in order of declaration.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Kind>> {
        self.kinds.values()
    }

    /// A kind by its plural, as it stands in URLs and keys.
    pub fn by_plural(&self, plural: &str) -> Option<&Arc<Kind>> {
        self.kinds.values().find(|k| k.plural == plural)
    }

    /// The kinds whose parent is `kind`.
    pub fn children<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Arc<Kind>> {
        let is_child = move |k: &&Arc<Kind>| k.parent.as_deref() == Some(kind);
        self.kinds.values().filter(is_child)
    }
}

impl FromIterator<Arc<Kind>> for Schemas {
    fn from_iter<I: IntoIterator<Item = Arc<Kind>>>(kinds: I) -> Self {
        let kinds = kinds.into_iter();
        Self {
            kinds: kinds.map(|kind| (kind.id.clone(), kind)).collect(),
        }
    }
}

impl Kind {
    /// Where its rows are listed, e.g. `/v2.0/routers`.
    pub fn url(&self) -> String {
        format!("{}/{}", self.prefix, self.plural)
    }

    /// The property that names the parent's row, e.g. `network_id`.
    pub fn parent_property(&self) -> Option<String> {
        self.parent.as_deref().map(parent_property)
    }

    /// A worker reports on it, so that its rows have a status.
    pub fn has_status(&self) -> bool {
        self.properties.get("status").is_some_and(|p| p.computed)
    }

    /// Its rows are BGP sessions: UP and DOWN rather than ACTIVE.
    pub fn has_session(&self) -> bool {
        self.properties
            .get("session_state")
            .is_some_and(|p| p.computed)
    }

    /// Whether a write must give this property.
    pub fn requires(&self, property: &str) -> bool {
        self.required.iter().any(|r| r == property)
    }
}

impl Property {
    /// The format's rules; `None` where it has none or only JSON Schema's own.
    pub fn format(&self) -> Option<crate::format::Format> {
        crate::format::Format::named(self.format.as_deref()?)
    }
}

/// The name of the property by which a child names its parent.
fn parent_property(parent: &str) -> String {
    format!("{parent}_id")
}

#[cfg(test)]
mod tests;
