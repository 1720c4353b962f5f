//! What entries say of each other: parents, relations, paths that must not
//! collide.

use super::declaration::Declaration;
use super::property::Declared;
use super::resolve::Declarations;
use super::{Kind, Property, keys};
use crate::document::{Error, Node};
use indexmap::IndexMap;
use std::sync::Arc;

/// A parent must be there, have rows, and not be its own descendant.
pub(super) fn parent(
    declaration: &Declaration<'_>,
    declarations: &Declarations<'_>,
    errors: &mut Vec<Error>,
) {
    let mut path = vec![declaration.id.as_str()];
    let mut at = declaration;
    while let Some(parent) = &at.parent {
        let place = || member(&declaration.node, "parent");
        match declarations.get(parent) {
            None if path.len() == 1 => {
                let known: Vec<&str> = declarations.keys().map(String::as_str).collect();
                errors.push(place().unknown("schema", parent, &known));
                return;
            }
            None => return,
            Some(next) if next.is_abstract => {
                errors.push(
                    place().error(format!("the parent {parent:?} is abstract: it has no rows")),
                );
                return;
            }
            Some(_) if path.contains(&parent.as_str()) => {
                let message = format!("parents go in a circle: {} -> {parent}", path.join(" -> "));
                errors.push(place().error(message));
                return;
            }
            Some(next) => {
                path.push(parent);
                at = next;
            }
        }
    }
}

/// The member's place, or the object's where it has none.
fn member<'a>(node: &Node<'a>, key: &str) -> Node<'a> {
    node.get(key).unwrap_or_else(|| node.clone())
}

/// Every kind must be told apart by its path, and by its plural in keys.
pub(super) fn routes(
    kind: &Kind,
    declaration: &Declaration<'_>,
    kinds: &IndexMap<String, Arc<Kind>>,
    errors: &mut Vec<Error>,
) {
    let plural = member(&declaration.node, "plural");
    if let Some(other) = kinds.values().find(|k| k.plural == kind.plural) {
        let message = format!(
            "the plural {:?} is taken by the schema {:?}",
            kind.plural, other.id
        );
        errors.push(plural.error(message));
    }
    if keys::RESERVED_URLS.contains(&(kind.prefix.as_str(), kind.plural.as_str()))
        || kind.prefix == "/gohan"
        || kind.prefix.starts_with("/gohan/")
    {
        errors.push(plural.error(format!("{} is a path of the server's own", kind.url())));
    }
    // Another kind's list would answer at the path of this one's rows.
    for other in kinds.values() {
        for (outer, inner) in [(kind, other.as_ref()), (other.as_ref(), kind)] {
            if inner.prefix == outer.url() || inner.prefix.starts_with(&format!("{}/", outer.url()))
            {
                let message = format!(
                    "{} lies under {} of the schema {:?}",
                    inner.url(),
                    outer.url(),
                    outer.id
                );
                errors.push(member(&declaration.node, "prefix").error(message));
            }
        }
    }
}

/// A relation must name a kind that is there, has rows, and is named by one
/// of them; what it joins must have a name of its own.
pub(super) fn relations(
    kind: &Kind,
    declaration: &Declaration<'_>,
    declarations: &Declarations<'_>,
    kinds: &IndexMap<String, Arc<Kind>>,
    errors: &mut Vec<Error>,
) {
    let mut joined: Vec<&str> = Vec::new();
    for (name, property) in &kind.properties {
        let Some(relation) = &property.relation else {
            continue;
        };
        let Some(Declared { node, .. }) = declaration.properties.get(name) else {
            continue;
        };
        match (kinds.get(&relation.kind), declarations.get(&relation.kind)) {
            (Some(target), _) => column(name, property, target, node, errors),
            (None, Some(other)) if other.is_abstract => errors.push(
                member(node, "relation")
                    .error(format!("{:?} is abstract: it has no rows", relation.kind)),
            ),
            // It is declared, and what is wrong with it is told there.
            (None, Some(_)) => {}
            (None, None) => {
                let known: Vec<&str> = declarations.keys().map(String::as_str).collect();
                errors.push(member(node, "relation").unknown("schema", &relation.kind, &known));
            }
        }
        if let Some(join) = relation.joined_as.as_deref() {
            if kind.properties.contains_key(join) || joined.contains(&join) {
                errors.push(
                    member(node, "relation_property")
                        .error(format!("the name {join:?} is taken by another property")),
                );
            }
            joined.push(join);
        }
    }
}

/// A relation must name one row: by id, or by a property that is unique.
fn column(
    name: &str,
    property: &Property,
    target: &Kind,
    node: &Node<'_>,
    errors: &mut Vec<Error>,
) {
    let by = property.relation.as_ref().map_or("id", |r| r.by.as_str());
    let Some(column) = target.properties.get(by) else {
        let known: Vec<&str> = target.properties.keys().map(String::as_str).collect();
        errors.push(member(node, "relation_column").unknown("property", by, &known));
        return;
    };
    if by != "id" && !column.unique {
        errors.push(member(node, "relation_column").error(format!(
            "{by:?} of the schema {:?} is not unique: it can't name a row",
            target.id
        )));
    }
    if column.types != property.types {
        errors.push(member(node, "type").error(format!(
            "{name:?} must have the type of {by:?} of the schema {:?}: {}",
            target.id,
            column.types.join(", ")
        )));
    }
}
