//! Properties whose value names another row.

use super::{Broken, View, unique};
use crate::resource::{ResourceRef, Row};
use crate::schema::{Kind, Relation, Schemas};
use crate::validate::Violation;
use serde_json::Value;

/// The rows that this row refers to, each with whether deleting the named
/// row deletes this one too. Names that lead nowhere are left out.
pub fn references(schemas: &Schemas, view: &dyn View, row: &Row) -> Vec<(ResourceRef, bool)> {
    let Some(kind) = schemas.get(&row.kind) else {
        return Vec::new();
    };
    let mut found: Vec<(ResourceRef, bool)> = Vec::new();
    for (_, relation, value) in relations(kind, row) {
        let Some(named) = resolve(schemas.get(&relation.kind), view, relation, value) else {
            continue;
        };
        // Two properties may name one row: it goes with either.
        match found.iter_mut().find(|(r, _)| *r == named) {
            Some((_, cascade)) => *cascade |= relation.on_delete_cascade,
            None => found.push((named, relation.on_delete_cascade)),
        }
    }
    found
}

/// The row's relations that have a value.
pub(super) fn relations<'a>(
    kind: &'a Kind,
    row: &'a Row,
) -> impl Iterator<Item = (&'a str, &'a Relation, &'a Value)> {
    kind.properties.iter().filter_map(|(name, property)| {
        let value = row.body.get(name).filter(|v| !v.is_null())?;
        Some((name.as_str(), property.relation.as_ref()?, value))
    })
}

/// The row that a relation's value names.
pub(super) fn resolve(
    target: Option<&std::sync::Arc<Kind>>,
    view: &dyn View,
    relation: &Relation,
    value: &Value,
) -> Option<ResourceRef> {
    let target = target?;
    if relation.by == "id" {
        let row = view.get(&target.id, value.as_str()?)?;
        return Some(row.reference());
    }
    view.holder(
        &target.id,
        &relation.by,
        &unique::key(target, &relation.by, value)?,
    )
}

/// Every relation's value must name a row.
pub(super) fn check(
    schemas: &Schemas,
    kind: &Kind,
    view: &dyn View,
    row: &Row,
    broken: &mut Vec<Broken>,
) {
    for (name, relation, value) in relations(kind, row) {
        let named = resolve(schemas.get(&relation.kind), view, relation, value);
        if named.is_some_and(|named| view.may_name(row, name, &named)) {
            continue;
        }
        let mut message = "Related resource does not exist".to_owned();
        if view.knows(&relation.kind) && view.tells(row, name) {
            let value = crate::value::brief(value);
            let Relation { kind, by, .. } = relation;
            message += &format!(": no {kind} has the {by} {value}");
        }
        broken.push(Broken::Invalid(Violation::of(name, message)));
    }
}
