//! Two ways in which entries are put together: a second entry of a built-in
//! kind adds to it, and an entry takes over what it extends.

use super::Property;
use super::declaration::Declaration;
use super::property::Declared;
use crate::document::{Error, Node};
use indexmap::IndexMap;
use serde_json::Value;

/// One entry a kind. An operator's entry of a built-in kind may add to it and
/// change how it looks; whatever would change what a row means is an error.
pub(super) fn merge<'a>(
    declarations: Vec<Declaration<'a>>,
    errors: &mut Vec<Error>,
) -> IndexMap<String, Declaration<'a>> {
    let mut merged: IndexMap<String, Declaration<'a>> = IndexMap::new();
    for declaration in declarations {
        match merged.get_mut(&declaration.id) {
            None => {
                merged.insert(declaration.id.clone(), declaration);
            }
            Some(first) if first.builtin => add(first, declaration, errors),
            Some(first) => {
                let place = first.node.error("");
                errors.push(declaration.node.error(format!(
                    "the schema {:?} is declared twice, first in {}:{}",
                    declaration.id, place.file, place.line
                )));
            }
        }
    }
    merged
}

/// Adds an operator's entry to a built-in kind.
fn add<'a>(base: &mut Declaration<'a>, more: Declaration<'a>, errors: &mut Vec<Error>) {
    errors.extend(conflicts(base, &more));
    base.title = more.title.or(base.title.take());
    base.description = more.description.or(base.description.take());
    for (key, value) in more.metadata {
        base.metadata.entry(key).or_insert(value);
    }
    for (name, action) in more.actions {
        base.actions.entry(name).or_insert(action);
    }
    base.broken.extend(more.broken);
    for (name, declared) in more.properties {
        match base.properties.get_mut(&name) {
            None => {
                base.properties.insert(name, declared);
            }
            Some(ours) => restate(&name, ours, declared, errors),
        }
    }
    if !more.order.is_empty() {
        base.order = more.order;
    }
}

/// What of an operator's entry would change what rows of a built-in kind mean.
fn conflicts(base: &Declaration<'_>, more: &Declaration<'_>) -> Vec<Error> {
    let id = &base.id;
    let mut errors = Vec::new();
    let mut refuse = |key: &str, why: &str| {
        let message = format!("{key} of the built-in kind {id:?} can't be changed{why}");
        let at = more.node.get(key);
        errors.push(at.as_ref().unwrap_or(&more.node).error(message));
    };
    for (key, ours, theirs) in [
        ("singular", &base.singular, &more.singular),
        ("plural", &base.plural, &more.plural),
        ("prefix", &base.prefix, &more.prefix),
        ("parent", &base.parent, &more.parent),
        ("namespace", &base.namespace, &more.namespace),
    ] {
        if theirs.is_some() && ours != theirs {
            let ours = ours.as_deref().unwrap_or("not set");
            refuse(key, &format!(": it is {ours}"));
        }
    }
    if more.is_abstract {
        refuse("type", "");
    }
    if !more.extends.is_empty() {
        refuse("extends", "");
    }
    for item in &more.required {
        let name = item.text();
        if !base.required.iter().any(|r| r.text() == name) {
            let name = name.unwrap_or_default();
            errors.push(item.error(format!(
                "{name:?} can't be required of the built-in kind {id:?}: rows without it exist"
            )));
        }
    }
    for columns in &more.unique {
        if !base.unique.iter().any(|ours| names(ours) == names(columns)) {
            let at = columns.first().unwrap_or(&more.node);
            let message = format!("a unique index can't be added to the built-in kind {id:?}");
            errors.push(at.error(message));
        }
    }
    errors
}

fn names<'a>(columns: &[Node<'a>]) -> Vec<&'a str> {
    columns.iter().filter_map(|n| n.text().ok()).collect()
}

/// A built-in property written again: it must mean the same, and may look
/// different.
fn restate<'a>(name: &str, ours: &mut Declared<'a>, theirs: Declared<'a>, errors: &mut Vec<Error>) {
    /// Keys that only say how a property looks, or nothing to us.
    const LOOKS: [&str; 6] = [
        "title",
        "description",
        "view",
        "detail_view",
        "sql",
        "indexed",
    ];
    let written = theirs.node.value().as_object();
    for (key, value) in written.into_iter().flatten() {
        let same = match key.as_str() {
            looks if LOOKS.contains(&looks) => true,
            "type" => theirs.property.types == ours.property.types,
            "permission" => same_permission(&ours.property, &theirs.property),
            "unique" | "on_delete_cascade" => {
                value.as_bool().unwrap_or(false)
                    == ours
                        .property
                        .source
                        .get(key)
                        .and_then(Value::as_bool)
                        .unwrap_or(false)
            }
            _ => ours.property.source.get(key) == Some(value),
        };
        if !same {
            let ours = ours
                .property
                .source
                .get(key)
                .map_or("not set".to_owned(), Value::to_string);
            let at = theirs.node.get(key);
            errors.push(at.as_ref().unwrap_or(&theirs.node).error(format!(
                "{key} of the built-in property {name:?} can't be changed: it is {ours}"
            )));
        }
    }
    look(&mut ours.property, theirs);
}

/// Takes over how the operator wants the property to look.
fn look(ours: &mut Property, theirs: Declared<'_>) {
    let (node, theirs) = (theirs.node, theirs.property);
    let written = |key: &str| node.get(key).is_some();
    if written("title") {
        ours.title = theirs.title;
        ours.source["title"] = Value::from(ours.title.as_str());
    }
    if written("description") {
        ours.description = theirs.description;
        ours.source["description"] = Value::from(ours.description.as_str());
    }
    if written("view") {
        ours.view = theirs.view;
        ours.source["view"] = Value::from(ours.view);
    }
    if written("detail_view") {
        ours.detail_view = theirs.detail_view;
        ours.source["detail_view"] = Value::from(ours.detail_view);
    }
}

fn same_permission(ours: &Property, theirs: &Property) -> bool {
    (ours.on_create, ours.on_update) == (theirs.on_create, theirs.on_update)
}

/// Every entry with what it extends taken over: its own word goes first.
pub(super) fn extend<'a>(
    declarations: &IndexMap<String, Declaration<'a>>,
    errors: &mut Vec<Error>,
) -> IndexMap<String, Declaration<'a>> {
    let mut done = IndexMap::new();
    for id in declarations.keys() {
        visit(id, declarations, &mut done, &mut Vec::new(), errors);
    }
    // In order of declaration again.
    declarations
        .keys()
        .filter_map(|id| Some((id.clone(), done.swap_remove(id)?)))
        .collect()
}

fn visit<'a>(
    id: &str,
    declarations: &IndexMap<String, Declaration<'a>>,
    done: &mut IndexMap<String, Declaration<'a>>,
    path: &mut Vec<String>,
    errors: &mut Vec<Error>,
) {
    let Some(declaration) = declarations.get(id) else {
        return;
    };
    if done.contains_key(id) {
        return;
    }
    path.push(id.to_owned());
    let mut whole = declaration.clone();
    let known: Vec<&str> = declarations.keys().map(String::as_str).collect();
    for base in &declaration.extends {
        let name = base.text().unwrap_or_default();
        if path.iter().any(|p| p == name) {
            errors.push(base.error(format!(
                "{} extends itself: {} -> {name}",
                id,
                path.join(" -> ")
            )));
        } else if !declarations.contains_key(name) {
            errors.push(base.unknown("schema", name, &known));
        } else {
            visit(name, declarations, done, path, errors);
            if let Some(base) = done.get(name) {
                take_over(&mut whole, base);
            }
        }
    }
    path.pop();
    done.insert(id.to_owned(), whole);
}

fn take_over<'a>(whole: &mut Declaration<'a>, base: &Declaration<'a>) {
    let inherit = |own: &mut Option<String>, base: &Option<String>| {
        if own.is_none() {
            own.clone_from(base);
        }
    };
    inherit(&mut whole.prefix, &base.prefix);
    inherit(&mut whole.namespace, &base.namespace);
    inherit(&mut whole.parent, &base.parent);
    whole.on_parent_delete_cascade = whole
        .on_parent_delete_cascade
        .or(base.on_parent_delete_cascade);
    for (key, value) in &base.metadata {
        whole
            .metadata
            .entry(key.clone())
            .or_insert_with(|| value.clone());
    }
    for (name, action) in &base.actions {
        whole
            .actions
            .entry(name.clone())
            .or_insert_with(|| action.clone());
    }
    // The base's properties stand first, in its order.
    let mut properties = base.properties.clone();
    properties.extend(std::mem::take(&mut whole.properties));
    whole.properties = properties;
    whole.broken.extend(base.broken.iter().cloned());
    whole.order.splice(0..0, base.order.iter().cloned());
    whole.required.splice(0..0, base.required.iter().cloned());
    whole.unique.splice(0..0, base.unique.iter().cloned());
}
