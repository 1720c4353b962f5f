//! The kinds of resources there are: Gohan-format schema files, the one
//! source of REST paths, validation, CLI flags, tables, OpenAPI and storage.
//!
//! `schemas/*.yaml` are embedded; an operator's own files are added to them.

use crate::document;
use indexmap::IndexMap;
use serde_json::Value;
use std::sync::Arc;

/// Every kind, by id, in order of declaration; abstract ones are resolved away.
#[derive(Clone, Debug, Default)]
pub struct Schemas {
    kinds: IndexMap<String, Arc<Kind>>,
}

/// One kind of resource.
#[derive(Clone, Debug, PartialEq)]
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
    /// URL prefix, e.g. `/v2.0`.
    pub prefix: String,
    /// The parent's kind; adds the property `PARENT_id` and nested URLs.
    pub parent: Option<String>,
    /// Deleting the parent deletes this.
    pub on_parent_delete_cascade: bool,
    /// Properties in display order (`propertiesOrder`, then as written);
    /// `id` first where it is declared.
    pub properties: IndexMap<String, Property>,
    /// Needed on create.
    pub required: Vec<String>,
    /// Groups of properties that are unique together, by name of the group.
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
#[derive(Clone, Debug, PartialEq)]
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
    /// Its value names a row of this kind.
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
    /// The property's JSON Schema as written, for validation and OpenAPI.
    pub source: Value,
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
    /// HTTP method.
    pub method: String,
    /// JSON Schema of the input, or null.
    pub input: Value,
}

impl Schemas {
    /// The built-in kinds alone.
    pub fn builtin() -> Self {
        todo!("schema")
    }

    /// The built-in kinds and the operator's own files on top. A file that
    /// redefines a built-in kind may add properties; anything else is an error.
    ///
    /// # Errors
    /// Every problem of every file at once, each with its place and, for an
    /// unknown key, the nearest known one.
    pub fn load(_files: &[document::Document]) -> Result<Self, Vec<document::Error>> {
        todo!("schema")
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
}
