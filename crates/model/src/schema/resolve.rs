//! Kinds out of merged entries.

use super::declaration::Declaration;
use super::property;
use super::{Kind, Property, Schemas, judge, parent_property};
use crate::document::{Document, Error, Node};
use indexmap::IndexMap;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) type Declarations<'a> = IndexMap<String, Declaration<'a>>;

/// Every kind that is not abstract.
pub(super) fn resolve(declarations: &Declarations<'_>, errors: &mut Vec<Error>) -> Schemas {
    let mut kinds: IndexMap<String, Arc<Kind>> = IndexMap::new();
    for declaration in declarations.values().filter(|d| !d.is_abstract) {
        judge::parent(declaration, declarations, errors);
        let Some(kind) = kind(declaration, errors) else {
            continue;
        };
        judge::routes(&kind, declaration, &kinds, errors);
        kinds.insert(kind.id.clone(), Arc::new(kind));
    }
    for declaration in declarations.values().filter(|d| !d.is_abstract) {
        if let Some(kind) = kinds.get(&declaration.id) {
            judge::relations(kind, declaration, declarations, &kinds, errors);
        }
    }
    Schemas { kinds }
}

fn kind(declaration: &Declaration<'_>, errors: &mut Vec<Error>) -> Option<Kind> {
    let mut need = |key: &str, value: &Option<String>| {
        if value.is_none() && declaration.node.get(key).is_none() {
            let message = format!("the schema {:?} needs a {key}", declaration.id);
            errors.push(declaration.node.error(message));
        }
        value.clone()
    };
    let singular = need("singular", &declaration.singular);
    let plural = need("plural", &declaration.plural);
    let properties = properties(declaration, errors);
    let required = required(declaration, &properties, errors);
    let unique_together = unique_together(declaration, &properties, errors);
    let mut kind = Kind {
        id: declaration.id.clone(),
        singular: singular?,
        plural: plural?,
        title: declaration
            .title
            .clone()
            .unwrap_or_else(|| declaration.id.clone()),
        description: declaration.description.clone().unwrap_or_default(),
        prefix: declaration.prefix.clone().unwrap_or_default(),
        namespace: declaration.namespace.clone(),
        parent: declaration.parent.clone(),
        on_parent_delete_cascade: declaration.on_parent_delete_cascade.unwrap_or(false),
        properties,
        required,
        unique_together,
        actions: declaration.actions.clone(),
        metadata: Value::Object(declaration.metadata.clone()),
        builtin: declaration.builtin,
        source: Value::Null,
    };
    kind.refresh_source();
    Some(kind)
}

/// `id`, then `propertiesOrder`, then the rest as written; the parent's id
/// last unless it was ordered.
fn properties(
    declaration: &Declaration<'_>,
    errors: &mut Vec<Error>,
) -> IndexMap<String, Property> {
    let mut declared: IndexMap<String, Property> = IndexMap::new();
    if !declaration.properties.contains_key("id") {
        declared.extend(implied(
            "id",
            &json!({
                "title": "ID",
                "description": "Made by the server unless given",
                "type": "string",
                "permission": ["create"],
            }),
        ));
    }
    let written = declaration.properties.iter();
    declared.extend(written.map(|(name, d)| (name.clone(), d.property.clone())));
    judge_id(declaration, &declared, errors);
    if let Some(parent) = &declaration.parent {
        link_parent(declaration, parent, &mut declared);
    }
    if reported(declaration) {
        add_status(declaration, &mut declared, errors);
    }
    let mut ordered = IndexMap::new();
    let names = Names::of(declaration, &declared);
    for item in &declaration.order {
        let name = item.text().unwrap_or_default();
        match declared.shift_remove_entry(name) {
            Some((name, property)) => {
                ordered.insert(name, property);
            }
            None if ordered.contains_key(name) => {}
            None => names.missing(item, errors),
        }
    }
    ordered.extend(declared);
    ordered
}

/// The names of a kind's properties, for who refers to one of them.
struct Names {
    known: Vec<String>,
    /// Written, but not understood: that is told where they stand.
    broken: Vec<String>,
}

impl Names {
    fn of(declaration: &Declaration<'_>, properties: &IndexMap<String, Property>) -> Self {
        Self {
            known: properties.keys().cloned().collect(),
            broken: declaration.broken.clone(),
        }
    }

    /// Says that the property named at `node` is not known.
    fn missing(&self, node: &Node<'_>, errors: &mut Vec<Error>) {
        let name = node.text().unwrap_or_default();
        if self.broken.iter().any(|b| b == name) {
            return;
        }
        let all = self.known.iter().chain(&self.broken);
        let all: Vec<&str> = all.map(String::as_str).collect();
        errors.push(node.unknown("property", name, &all));
    }
}

/// A property that every kind has without writing it.
fn implied(name: &str, source: &Value) -> Option<(String, Property)> {
    let document = Document::made(source.clone());
    let declared = property::read(name, document.root(), true, &mut Vec::new())?;
    Some((name.to_owned(), declared.property))
}

/// An operator's kind whose workers report versions, as Gohan calls it.
fn reported(declaration: &Declaration<'_>) -> bool {
    let versioned = declaration.metadata.get("state_versioning");
    !declaration.builtin && versioned.and_then(Value::as_bool) == Some(true)
}

/// What workers' reports come to, as the built-in kinds have it.
fn add_status(
    declaration: &Declaration<'_>,
    declared: &mut IndexMap<String, Property>,
    errors: &mut Vec<Error>,
) {
    for (name, title, description, view) in [
        (
            "status",
            "Status",
            "What its worker's reports come to",
            true,
        ),
        (
            "status_reason",
            "Status reason",
            "Why the status is what it is",
            false,
        ),
        (
            "status_since",
            "Status since",
            "When the status became so (RFC 3339)",
            false,
        ),
    ] {
        if let Some(own) = declaration.properties.get(name) {
            let message = format!(
                "{name:?} is filled in from its worker's reports where \
                 \"state_versioning\" is true: take it out"
            );
            errors.push(own.node.error(message));
            continue;
        }
        declared.extend(implied(
            name,
            &json!({
                "title": title,
                "description": description,
                "type": ["string", "null"],
                "permission": [],
                "computed": true,
                "view": view,
                "detail_view": view,
            }),
        ));
    }
}

fn judge_id(
    declaration: &Declaration<'_>,
    declared: &IndexMap<String, Property>,
    errors: &mut Vec<Error>,
) {
    let Some(id) = declared.get("id") else { return };
    if id.types != ["string"] || id.nullable || !id.on_create || id.secret || id.relation.is_some()
    {
        let node = declaration.properties.get("id").map(|d| &d.node);
        let message = "the property \"id\" must be a string that may be given on create";
        errors.push(node.unwrap_or(&declaration.node).error(message));
    }
}

/// A child names its parent in `PARENT_id`, a relation like any other.
fn link_parent(
    declaration: &Declaration<'_>,
    parent: &str,
    declared: &mut IndexMap<String, Property>,
) {
    let name = parent_property(parent);
    if !declared.contains_key(&name) {
        declared.extend(implied(
            &name,
            &json!({
                "title": parent,
                "description": "The parent's id",
                "type": "string",
                "relation": parent,
                "permission": ["create"],
            }),
        ));
    }
    if let Some(property) = declared.get_mut(&name) {
        let mut relation = property.relation.take().unwrap_or(super::Relation {
            kind: parent.to_owned(),
            by: "id".to_owned(),
            joined_as: None,
            on_delete_cascade: false,
        });
        relation.on_delete_cascade |= declaration.on_parent_delete_cascade.unwrap_or(false);
        property.relation = Some(relation);
    }
}

fn required(
    declaration: &Declaration<'_>,
    properties: &IndexMap<String, Property>,
    errors: &mut Vec<Error>,
) -> Vec<String> {
    let mut required: Vec<String> = Vec::new();
    let names = Names::of(declaration, properties);
    for item in &declaration.required {
        let name = item.text().unwrap_or_default();
        match properties.get(name) {
            None => names.missing(item, errors),
            Some(property) if !property.on_create => errors.push(item.error(format!(
                "{name:?} can't be required: its permission does not let it be given on create"
            ))),
            Some(_) if required.iter().any(|r| r == name) => {}
            Some(_) => required.push(name.to_owned()),
        }
    }
    let parent = declaration.parent.as_deref().map(parent_property);
    required.extend(parent.filter(|p| !required.contains(p)));
    required
}

fn unique_together(
    declaration: &Declaration<'_>,
    properties: &IndexMap<String, Property>,
    errors: &mut Vec<Error>,
) -> IndexMap<String, Vec<String>> {
    let known = Names::of(declaration, properties);
    let mut groups = IndexMap::new();
    for columns in &declaration.unique {
        let mut names = Vec::new();
        for column in columns {
            let name = column.text().unwrap_or_default();
            match properties.get(name) {
                None => known.missing(column, errors),
                Some(p) if p.computed || p.secret => {
                    errors.push(column.error(format!(
                        "{name:?} is not kept in the row: it can't be indexed"
                    )));
                }
                Some(_) => names.push(name.to_owned()),
            }
        }
        groups.insert(names.join("+"), names);
    }
    groups
}

/// The form in which Gohan's API shows a schema.
impl Kind {
    /// Says in `source` what the kind is by now.
    pub(crate) fn refresh_source(&mut self) {
        self.source = source(self);
    }
}

fn source(kind: &Kind) -> Value {
    let properties: serde_json::Map<String, Value> = kind
        .properties
        .iter()
        .map(|(name, p)| (name.clone(), p.source.clone()))
        .collect();
    let order: Vec<&String> = kind.properties.keys().collect();
    let actions: serde_json::Map<String, Value> = kind
        .actions
        .iter()
        .map(|(name, a)| {
            let shown = json!({
                "path": a.path,
                "method": a.method,
                "description": a.description,
                "input": a.input,
                "output": a.output,
            });
            (name.clone(), shown)
        })
        .collect();
    let indexes: serde_json::Map<String, Value> = kind
        .unique_together
        .iter()
        .map(|(name, columns)| (name.clone(), json!({"columns": columns, "type": "unique"})))
        .collect();
    json!({
        "id": kind.id,
        "singular": kind.singular,
        "plural": kind.plural,
        "title": kind.title,
        "description": kind.description,
        "prefix": kind.prefix,
        "url": kind.url(),
        "namespace": kind.namespace.as_deref().unwrap_or_default(),
        "parent": kind.parent.as_deref().unwrap_or_default(),
        "on_parent_delete_cascade": kind.on_parent_delete_cascade,
        "metadata": kind.metadata,
        "actions": actions,
        "schema": {
            "type": "object",
            "properties": properties,
            "propertiesOrder": order,
            "required": kind.required,
            "indexes": indexes,
        },
    })
}
