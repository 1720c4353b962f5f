//! One property of an entry: Gohan's keys on top of JSON Schema's.

use super::declaration::{flag, is_name, keep, text};
use super::{Check, Property, Relation, keys};
use crate::document::{Error, Node};
use crate::format;
use serde_json::Value;

/// A property and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Declared<'a> {
    pub(super) node: Node<'a>,
    pub(super) property: Property,
}

/// Reads one property. `None` where nothing can be made of it.
pub(super) fn read<'a>(
    name: &str,
    node: Node<'a>,
    builtin: bool,
    errors: &mut Vec<Error>,
) -> Option<Declared<'a>> {
    judge_name(name, &node, errors);
    keep(node.object(), errors)?;
    let before = errors.len();
    walk(&node, true, errors);
    if node.get("type").is_none() {
        errors.push(node.error(format!("the property {name:?} needs a type")));
    }
    // What is wrong so far, a validator would only say again in other words.
    if errors.len() > before {
        return None;
    }
    let check = Check::compile(node.value())
        .map_err(|message| errors.push(node.error(message)))
        .ok()?;
    let property = assemble(&node, check, errors);
    judge(&node, &property, builtin, errors);
    Some(Declared { node, property })
}

fn assemble(node: &Node<'_>, check: Check, errors: &mut Vec<Error>) -> Property {
    let (types, nullable) = types(node.value());
    let format = text(node, "format", errors);
    let permission = permission(node, errors);
    let computed = flag(node, "computed", errors).unwrap_or(false);
    let views = views(node, errors);
    let may = |what: &str| {
        !computed
            && permission
                .as_ref()
                .is_none_or(|p| p.iter().any(|w| w == what))
    };
    Property {
        title: text(node, "title", errors).unwrap_or_default(),
        description: text(node, "description", errors).unwrap_or_default(),
        types,
        nullable,
        secret: format.as_deref() == Some("secret"),
        format,
        default: node.get("default").map(|n| n.value().clone()),
        enumeration: node.get("enum").and_then(|n| n.value().as_array().cloned()),
        on_create: may("create"),
        on_update: may("update"),
        unique: flag(node, "unique", errors).unwrap_or(false),
        relation: text(node, "relation", errors)
            .filter(|kind| !kind.is_empty())
            .map(|kind| Relation {
                kind,
                by: text(node, "relation_column", errors).unwrap_or_else(|| "id".to_owned()),
                joined_as: text(node, "relation_property", errors).filter(|p| !p.is_empty()),
                on_delete_cascade: flag(node, "on_delete_cascade", errors).unwrap_or(false),
            }),
        view: views.as_ref().is_none_or(|v| v.contains(&"list")),
        detail_view: flag(node, "detail_view", errors)
            .unwrap_or(views.is_none_or(|v| v.contains(&"detail"))),
        computed,
        source: node.value().clone(),
        check,
    }
}

/// What JSON Schema can't say of a property.
fn judge(node: &Node<'_>, property: &Property, builtin: bool, errors: &mut Vec<Error>) {
    if property.types.is_empty() {
        errors.push(node.error("null alone is no type for a property"));
    }
    if let Some(computed) = node
        .get("computed")
        .filter(|_| property.computed && !builtin)
    {
        errors.push(computed.error("only the server's own kinds have computed properties"));
    }
    if property.secret && property.types != ["string"] {
        errors.push(node.error("a secret's type must be string"));
    }
    if property.secret && (property.unique || property.relation.is_some()) {
        errors.push(node.error("a secret can't be unique or name another row"));
    }
    if property.secret && property.default.is_some() {
        errors.push(node.error("a secret can't have a default"));
    }
    for key in ["relation_column", "relation_property", "on_delete_cascade"] {
        if let Some(lone) = node.get(key).filter(|_| property.relation.is_none()) {
            errors.push(lone.error(format!("{key} means nothing without relation")));
        }
    }
    if let (Some(node), Some(default)) = (node.get("default"), &property.default) {
        let violations = crate::validate::value(property, default);
        errors.extend(
            violations
                .iter()
                .map(|v| node.error(format!("the default {}", v.message))),
        );
    }
}

fn judge_name(name: &str, node: &Node<'_>, errors: &mut Vec<Error>) {
    if !is_name(name) {
        errors.push(node.error(format!(
            "the property's name {name:?} must start with a letter and be made of letters, \
             digits, - and _: it becomes an option and a query parameter"
        )));
    } else if keys::RESERVED_PROPERTIES.contains(&name) {
        errors.push(node.error(format!(
            "the property can't be named {name:?}: that is an option or a query parameter already"
        )));
    }
}

/// Judges keys, types and formats here and in all that is nested.
fn walk(node: &Node<'_>, top: bool, errors: &mut Vec<Error>) {
    let known: Vec<&str> = keys::JSON_SCHEMA
        .iter()
        .chain(&keys::PROPERTY)
        .copied()
        .collect();
    errors.extend(node.unknown_keys(&known));
    walk_type(node, errors);
    walk_format(node, top, errors);
    for key in ["properties", "patternProperties"] {
        for (_, nested) in members(node.get(key), errors) {
            walk_nested(&nested, errors);
        }
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        if let Some(list) = node.get(key) {
            for nested in keep(list.items(), errors).unwrap_or_default() {
                walk_nested(&nested, errors);
            }
        }
    }
    for key in ["items", "not", "additionalProperties"] {
        let Some(nested) = node.get(key) else {
            continue;
        };
        match nested.value() {
            Value::Bool(_) => {}
            Value::Array(_) => {
                for nested in nested.items().unwrap_or_default() {
                    walk_nested(&nested, errors);
                }
            }
            _ => walk_nested(&nested, errors),
        }
    }
}

fn walk_nested(node: &Node<'_>, errors: &mut Vec<Error>) {
    if keep(node.object(), errors).is_some() {
        walk(node, false, errors);
    }
}

fn members<'a>(node: Option<Node<'a>>, errors: &mut Vec<Error>) -> Vec<(&'a str, Node<'a>)> {
    node.and_then(|n| keep(n.members(), errors))
        .unwrap_or_default()
}

fn walk_type(node: &Node<'_>, errors: &mut Vec<Error>) {
    let Some(types) = node.get("type") else {
        return;
    };
    let listed = match types.value() {
        Value::Array(_) => keep(types.items(), errors).unwrap_or_default(),
        _ => vec![types],
    };
    for item in listed {
        let Some(name) = keep(item.text(), errors) else {
            continue;
        };
        if !keys::TYPES.contains(&name) {
            errors.push(item.unknown("type", name, &keys::TYPES));
        }
    }
}

fn walk_format(node: &Node<'_>, top: bool, errors: &mut Vec<Error>) {
    let Some(written) = node.get("format") else {
        return;
    };
    let Some(name) = keep(written.text(), errors) else {
        return;
    };
    let known = format::names();
    if !known.contains(&name) {
        errors.push(written.unknown("format", name, &known));
    } else if name == "secret" && !top {
        errors.push(written.error("a secret must be a property of its own, not inside another"));
    } else if !types(node.value()).0.iter().any(|t| t == "string") && node.get("type").is_some() {
        errors.push(written.error(format!(
            "the format {name:?} is a rule for text: the type must be string"
        )));
    }
}

/// The types but null, and whether null is among them.
fn types(source: &Value) -> (Vec<String>, bool) {
    let listed: Vec<&str> = match source.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let nullable = listed.contains(&"null");
    let types = listed
        .into_iter()
        .filter(|t| *t != "null")
        .map(str::to_owned);
    (types.collect(), nullable)
}

/// Gohan's `view`: true or false for lists, or a list of views. `None` where
/// nothing keeps the property out of any.
fn views<'a>(node: &Node<'a>, errors: &mut Vec<Error>) -> Option<Vec<&'a str>> {
    let view = node.get("view").filter(|n| !n.value().is_null())?;
    if !view.value().is_array() {
        let shown = keep(view.flag(), errors)?;
        return (!shown).then(|| keys::VIEWS[1..].to_vec());
    }
    let mut views = Vec::new();
    for item in keep(view.items(), errors)? {
        match keep(item.text(), errors) {
            Some(name) if keys::VIEWS.contains(&name) => views.push(name),
            Some(name) => errors.push(item.unknown("view", name, &keys::VIEWS)),
            None => {}
        }
    }
    Some(views)
}

/// `None` where nothing is said: then everything is allowed.
fn permission(node: &Node<'_>, errors: &mut Vec<Error>) -> Option<Vec<String>> {
    const KNOWN: [&str; 2] = ["create", "update"];
    let list = node.get("permission").filter(|n| !n.value().is_null())?;
    let mut permission = Vec::new();
    for item in keep(list.items(), errors)? {
        match keep(item.text(), errors) {
            Some(name) if KNOWN.contains(&name) => permission.push(name.to_owned()),
            Some(name) => errors.push(item.unknown("permission", name, &KNOWN)),
            None => {}
        }
    }
    Some(permission)
}
