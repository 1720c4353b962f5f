//! One entry of a schema file as written, before it is known what it
//! extends, adds to or refers to.

use super::property::{self, Declared};
use super::{ActionSchema, keys};
use crate::document::{Error, Node};
use indexmap::IndexMap;
use serde_json::{Map, Value};

/// An entry of `schemas`. What is `None` was not written.
#[derive(Clone, Debug)]
pub(super) struct Declaration<'a> {
    /// Where it stands.
    pub(super) node: Node<'a>,
    /// From an embedded file.
    pub(super) builtin: bool,
    pub(super) id: String,
    /// Only to be extended.
    pub(super) is_abstract: bool,
    pub(super) extends: Vec<Node<'a>>,
    pub(super) singular: Option<String>,
    pub(super) plural: Option<String>,
    pub(super) title: Option<String>,
    pub(super) description: Option<String>,
    pub(super) prefix: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) parent: Option<String>,
    pub(super) on_parent_delete_cascade: Option<bool>,
    pub(super) metadata: Map<String, Value>,
    pub(super) actions: IndexMap<String, ActionSchema>,
    pub(super) properties: IndexMap<String, Declared<'a>>,
    /// Names of properties that could not be read: they are there, so that
    /// nobody who refers to them is told otherwise.
    pub(super) broken: Vec<String>,
    /// Items of `propertiesOrder`.
    pub(super) order: Vec<Node<'a>>,
    /// Items of `required`.
    pub(super) required: Vec<Node<'a>>,
    /// Columns of each unique index.
    pub(super) unique: Vec<Vec<Node<'a>>>,
}

/// Takes the value out of a result and puts its error among the others.
pub(crate) fn keep<T>(result: Result<T, Error>, errors: &mut Vec<Error>) -> Option<T> {
    result.map_err(|e| errors.push(e)).ok()
}

/// Reads one entry. `None` where nothing can be made of it; whatever is wrong
/// is in `errors`.
pub(super) fn read<'a>(
    node: Node<'a>,
    builtin: bool,
    errors: &mut Vec<Error>,
) -> Option<Declaration<'a>> {
    keep(node.object(), errors)?;
    errors.extend(node.unknown_keys(&keys::KIND));
    let Some(id) = node.get("id") else {
        errors.push(node.error("a schema needs an id"));
        return None;
    };
    let id = keep(name(&id), errors)?;
    let is_abstract = match text(&node, "type", errors).as_deref() {
        None | Some("") => false,
        Some("abstract") => true,
        Some(other) => {
            let known = ["abstract"];
            errors.extend(node.get("type").map(|n| n.unknown("type", other, &known)));
            false
        }
    };
    let mut declaration = Declaration {
        builtin,
        id,
        is_abstract,
        extends: nodes(&node, "extends", errors),
        singular: named(&node, "singular", errors),
        plural: named(&node, "plural", errors),
        title: text(&node, "title", errors),
        description: text(&node, "description", errors),
        prefix: prefix(&node, errors),
        namespace: text(&node, "namespace", errors),
        parent: text(&node, "parent", errors).filter(|p| !p.is_empty()),
        on_parent_delete_cascade: flag(&node, "on_parent_delete_cascade", errors),
        metadata: object(&node, "metadata", errors),
        actions: actions(&node, errors),
        properties: IndexMap::new(),
        broken: Vec::new(),
        order: Vec::new(),
        required: Vec::new(),
        unique: Vec::new(),
        node,
    };
    read_schema(&mut declaration, errors);
    Some(declaration)
}

/// The entry's `schema`: type, properties, their order, required, indexes.
fn read_schema(declaration: &mut Declaration<'_>, errors: &mut Vec<Error>) {
    let Some(schema) = declaration.node.get("schema") else {
        errors.push(
            declaration
                .node
                .error("a schema needs its properties, under schema"),
        );
        return;
    };
    if keep(schema.object(), errors).is_none() {
        return;
    }
    errors.extend(schema.unknown_keys(&keys::OBJECT));
    if let Some(kind) = text(&schema, "type", errors).filter(|t| t != "object") {
        errors.extend(
            schema
                .get("type")
                .map(|n| n.unknown("type", &kind, &["object"])),
        );
    }
    declaration.order = nodes(&schema, "propertiesOrder", errors);
    declaration.required = nodes(&schema, "required", errors);
    declaration.unique = unique_indexes(&schema, errors);
    let Some(properties) = schema.get("properties") else {
        return;
    };
    for (name, node) in keep(properties.members(), errors).unwrap_or_default() {
        match property::read(name, node, declaration.builtin, errors) {
            Some(declared) => {
                declaration.properties.insert(name.to_owned(), declared);
            }
            None => declaration.broken.push(name.to_owned()),
        }
    }
}

/// The columns of every index of type unique. Others only tell a database
/// how to be fast.
fn unique_indexes<'a>(schema: &Node<'a>, errors: &mut Vec<Error>) -> Vec<Vec<Node<'a>>> {
    let Some(indexes) = schema.get("indexes") else {
        return Vec::new();
    };
    let mut unique = Vec::new();
    for (_, index) in keep(indexes.members(), errors).unwrap_or_default() {
        if keep(index.object(), errors).is_none() {
            continue;
        }
        errors.extend(index.unknown_keys(&keys::INDEX));
        let columns = nodes(&index, "columns", errors);
        if columns.is_empty() {
            errors.push(index.error("an index needs columns"));
        }
        let kind = text(&index, "type", errors).unwrap_or_default();
        match kind.to_ascii_lowercase().as_str() {
            "unique" => unique.push(columns),
            "" | "fulltext" | "spatial" => {}
            _ => {
                let known = ["unique", "fulltext", "spatial"];
                errors.extend(index.get("type").map(|n| n.unknown("type", &kind, &known)));
            }
        }
    }
    unique
}

fn actions(node: &Node<'_>, errors: &mut Vec<Error>) -> IndexMap<String, ActionSchema> {
    let Some(actions) = node.get("actions") else {
        return IndexMap::new();
    };
    let members = keep(actions.members(), errors).unwrap_or_default();
    members
        .into_iter()
        .filter_map(|(id, action)| Some((id.to_owned(), action_of(&action, errors)?)))
        .collect()
}

fn action_of(node: &Node<'_>, errors: &mut Vec<Error>) -> Option<ActionSchema> {
    const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
    keep(node.object(), errors)?;
    errors.extend(node.unknown_keys(&keys::ACTION));
    let path = text(node, "path", errors);
    let method = text(node, "method", errors).map(|m| m.to_ascii_uppercase());
    let (Some(path), Some(method)) = (path, method) else {
        errors.push(node.error("an action needs a path and a method"));
        return None;
    };
    if !path.starts_with('/') {
        errors.push(node.error(format!("the path {path:?} must start with /")));
    }
    if !METHODS.contains(&method.as_str()) {
        errors.push(node.unknown("method", &method, &METHODS));
    }
    let schema = |key| node.get(key).map_or(Value::Null, |n| n.value().clone());
    let description = text(node, "description", errors);
    let title = text(node, "title", errors);
    Some(ActionSchema {
        path,
        method,
        description: description.or(title).unwrap_or_default(),
        input: schema("input"),
        output: schema("output"),
    })
}

/// A member that must be text; null is as good as absent.
pub(crate) fn text(node: &Node<'_>, key: &str, errors: &mut Vec<Error>) -> Option<String> {
    let member = member(node, key)?;
    keep(member.text(), errors).map(str::to_owned)
}

/// A member that must be true or false.
pub(super) fn flag(node: &Node<'_>, key: &str, errors: &mut Vec<Error>) -> Option<bool> {
    keep(member(node, key)?.flag(), errors)
}

fn member<'a>(node: &Node<'a>, key: &str) -> Option<Node<'a>> {
    node.get(key).filter(|n| !n.value().is_null())
}

fn object(node: &Node<'_>, key: &str, errors: &mut Vec<Error>) -> Map<String, Value> {
    let member = member(node, key);
    member
        .and_then(|n| keep(n.object(), errors).cloned())
        .unwrap_or_default()
}

/// The items of a list of texts.
fn nodes<'a>(node: &Node<'a>, key: &str, errors: &mut Vec<Error>) -> Vec<Node<'a>> {
    let Some(list) = member(node, key) else {
        return Vec::new();
    };
    let items = keep(list.items(), errors).unwrap_or_default();
    items
        .into_iter()
        .filter(|item| keep(item.text(), errors).is_some())
        .collect()
}

fn named(node: &Node<'_>, key: &str, errors: &mut Vec<Error>) -> Option<String> {
    keep(name(&member(node, key)?), errors)
}

/// A name that stands in URLs, in keys and on command lines.
fn name(node: &Node<'_>) -> Result<String, Error> {
    let text = node.text()?;
    if is_name(text) {
        return Ok(text.to_owned());
    }
    Err(node.error(format!(
        "the name {text:?} must start with a letter and be made of letters, digits, - and _"
    )))
}

/// Safe in URLs, in keys and as a command-line option.
pub(super) fn is_name(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(word)
}

/// `/v2.0` and the like; empty is the top.
fn prefix(node: &Node<'_>, errors: &mut Vec<Error>) -> Option<String> {
    let written = text(node, "prefix", errors)?;
    let right = written.trim_end_matches('/');
    let word = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    let segment = |s: &str| !s.is_empty() && s != "." && s != ".." && s.bytes().all(word);
    let valid = match right.strip_prefix('/') {
        Some(segments) => segments.split('/').all(segment),
        None => right.is_empty(),
    };
    if !valid {
        let message = format!("the prefix {written:?} must be a path such as /v2.0");
        errors.extend(node.get("prefix").map(|n| n.error(message)));
        return None;
    }
    Some(right.to_owned())
}
