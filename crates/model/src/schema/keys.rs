//! The vocabulary of schema files: which keys and names are understood.
//! Everything else is an error, since a key that is silently ignored is a
//! rule that silently does not hold.

/// At the top of a file. `policies` are read on their own; of `extensions`,
/// whoever loads the file says that nothing comes of them.
pub(super) const FILE: [&str; 3] = ["schemas", "policies", "extensions"];

/// The views that a property may be in, where `view` lists them.
pub(super) const VIEWS: [&str; 4] = ["list", "detail", "create", "update"];

/// Of an entry of `schemas`.
pub(super) const KIND: [&str; 14] = [
    "id",
    "singular",
    "plural",
    "title",
    "description",
    "prefix",
    "namespace",
    "parent",
    "on_parent_delete_cascade",
    "type",
    "extends",
    "metadata",
    "actions",
    "schema",
];

/// Of an entry's `schema`.
pub(super) const OBJECT: [&str; 5] = [
    "type",
    "properties",
    "propertiesOrder",
    "required",
    "indexes",
];

/// Of an index.
pub(super) const INDEX: [&str; 2] = ["columns", "type"];

/// Of an action.
pub(super) const ACTION: [&str; 6] = ["path", "method", "description", "title", "input", "output"];

/// Of a property, besides [`JSON_SCHEMA`]: Gohan's, and our `computed`.
pub(super) const PROPERTY: [&str; 12] = [
    "permission",
    "unique",
    "indexed",
    "relation",
    "relation_column",
    "relation_property",
    "on_delete_cascade",
    "view",
    "detail_view",
    "sql",
    "propertiesOrder",
    "computed",
];

/// Of a property and of what is nested in it: JSON Schema's.
pub(super) const JSON_SCHEMA: [&str; 29] = [
    "type",
    "format",
    "title",
    "description",
    "default",
    "enum",
    "const",
    "items",
    "minItems",
    "maxItems",
    "uniqueItems",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "properties",
    "patternProperties",
    "additionalProperties",
    "required",
    "minProperties",
    "maxProperties",
    "not",
    "allOf",
    "anyOf",
    "oneOf",
];

/// JSON's types.
pub(super) const TYPES: [&str; 7] = [
    "string", "integer", "number", "boolean", "array", "object", "null",
];

/// Query parameters and options of the client that a property of this name
/// would shadow.
pub(super) const RESERVED_PROPERTIES: [&str; 10] = [
    "limit",
    "offset",
    "sort_key",
    "sort_order",
    "any_of",
    "dry_run",
    "watch",
    "help",
    "fields",
    "verbosity",
];

/// Paths of the server's own, by prefix and plural.
pub(super) const RESERVED_URLS: [(&str, &str); 8] = [
    ("/v2.0", "holds"),
    ("", "gohan"),
    ("", "healthz"),
    ("", "healthcheck"),
    ("", "readyz"),
    ("", "metrics"),
    ("", "openapi.json"),
    ("", "v2.0"),
];
