//! A row that others name by a value of its own may change that value: what
//! they say follows in the same commit, so that they go on naming it.

use super::View;
use super::router::{HOST_NAME, MGMT_ADDR, ROUTER, same};
use crate::resource::{ResourceRef, Row};
use crate::schema::Schemas;
use serde_json::Value;
use std::collections::BTreeMap;

/// The rows that must be written besides, or instead of, those of `changes`
/// with the same name: their references, and the `mgmt_addr` that they repeat
/// of their router, follow.
///
/// `before` are the rows before the transaction; `changes` its updates, each
/// before and after. All renames count at once, so names can be swapped. A
/// row whose own change already says something else is left as it is. The
/// rows that only follow keep their version: nothing about them has to be
/// applied anew.
pub fn follow_renames(schemas: &Schemas, before: &dyn View, changes: &[(Row, Row)]) -> Vec<Row> {
    let mut after: BTreeMap<ResourceRef, Row> = changes
        .iter()
        .map(|(_, new)| (new.reference(), new.clone()))
        .collect();
    let mut followed: BTreeMap<ResourceRef, Row> = BTreeMap::new();
    let mut renamed: Vec<(Row, Row)> = changes.to_vec();
    while let Some((old, new)) = renamed.pop() {
        for (property, old_value, new_value, row) in followers(schemas, before, &old, &new) {
            let name = row.reference();
            let now = after.entry(name.clone()).or_insert_with(|| row.clone());
            if now.body.get(&property) != Some(&old_value) {
                continue;
            }
            now.body.insert(property, new_value);
            let now = now.clone();
            followed.insert(name, now.clone());
            // Others may name this one by what has just followed.
            renamed.push((row, now));
        }
    }
    followed.into_values().collect()
}

/// Property, its value before and after, and the row as it was before.
type Follower = (String, Value, Value, Row);

/// Every property of every row that repeats something that `new` changed.
fn followers(schemas: &Schemas, before: &dyn View, old: &Row, new: &Row) -> Vec<Follower> {
    let mut found = Vec::new();
    for kind in schemas.iter() {
        for (name, property) in &kind.properties {
            let Some(relation) = property.relation.as_ref().filter(|r| r.kind == old.kind) else {
                continue;
            };
            let value = |row: &Row| row.body.get(&relation.by).cloned().unwrap_or_default();
            let (was, is) = (value(old), value(new));
            if relation.by == "id" || was.is_null() {
                continue;
            }
            let address = kind.builtin && old.kind == ROUTER && name == HOST_NAME;
            let moved = address && old.text(MGMT_ADDR) != new.text(MGMT_ADDR);
            if was == is && !moved {
                continue;
            }
            for row in before.find(&kind.id, name, &was) {
                if was != is && !is.is_null() {
                    found.push((name.clone(), was.clone(), is.clone(), row.clone()));
                }
                if let Some((was, is)) = address_of(&row, old, new).filter(|_| moved) {
                    found.push((MGMT_ADDR.to_owned(), was, is, row));
                }
            }
        }
    }
    found
}

/// A row's `mgmt_addr` and what it becomes; `None` where it is not the
/// router's.
fn address_of(row: &Row, old: &Row, new: &Row) -> Option<(Value, Value)> {
    let (was, is) = (row.text(MGMT_ADDR)?, new.text(MGMT_ADDR)?);
    let follows = was != is && same(was, old.text(MGMT_ADDR)?);
    follows.then(|| (Value::from(was), Value::from(is)))
}
