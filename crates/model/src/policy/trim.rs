//! The kinds as one caller may know them: what he may neither see nor give is
//! not there, so that whatever is built from the schemas (lists of kinds,
//! OpenAPI, commands, forms) tells him of nothing else.

use super::{Access, Fields};
use crate::schema::{Kind, Property, Schemas};
use serde_json::{Value, json};
use std::sync::Arc;

/// The actions that every kind has.
const ACTIONS: [&str; 4] = ["create", "read", "update", "delete"];

impl Schemas {
    /// What this caller may know of the kinds, with the actions that he has.
    #[must_use]
    pub fn for_caller(&self, access: &Access) -> Self {
        let known = |kind: &&Arc<Kind>| access.knows("*", kind);
        let trim = |kind: &Arc<Kind>| Arc::new(trimmed(kind, self, access));
        self.iter().filter(known).map(trim).collect()
    }
}

fn trimmed(kind: &Kind, schemas: &Schemas, access: &Access) -> Kind {
    let mut kind = kind.clone();
    let knows = |id: &str| schemas.get(id).is_some_and(|kind| access.knows("*", kind));
    let fields = |action: &str| match access.knows(action, &kind) {
        true => access.fields(action, &kind),
        false => Fields::none(),
    };
    let (seen, new, changed) = (fields("read"), fields("create"), fields("update"));
    let may: Vec<&str> = ACTIONS
        .into_iter()
        .filter(|action| access.knows(action, &kind))
        .collect();
    let creates = may.contains(&"create");
    let updates = may.contains(&"update");
    let actions = kind.actions.clone();
    let denied = |name: &String| !access.knows(name, &kind);
    let denied: Vec<String> = actions
        .keys()
        .filter(|name| denied(name))
        .cloned()
        .collect();

    kind.properties.retain(|name, _| {
        seen.contains(name) || new.contains(name) && creates || changed.contains(name) && updates
    });
    for (name, property) in &mut kind.properties {
        property.on_create &= creates && new.contains(name);
        property.on_update &= updates && changed.contains(name);
        trim_property(property, knows);
    }
    kind.required
        .retain(|name| kind.properties.contains_key(name));
    kind.unique_together
        .retain(|_, names| names.iter().all(|name| kind.properties.contains_key(name)));
    kind.actions.retain(|name, _| !denied.contains(name));
    kind.parent = kind.parent.filter(|parent| knows(parent));
    kind.refresh_source();
    kind.source["schema"]["permission"] = json!(may);
    kind
}

/// What the caller may do with it, as Gohan's clients read that, and no word
/// on kinds that he may not know.
fn trim_property(property: &mut Property, knows: impl Fn(&str) -> bool) {
    const RELATION: [&str; 4] = [
        "relation",
        "relation_column",
        "relation_property",
        "on_delete_cascade",
    ];
    if property.relation.as_ref().is_some_and(|r| !knows(&r.kind)) {
        property.relation = None;
        if let Value::Object(source) = &mut property.source {
            source.retain(|key, _| !RELATION.contains(&key.as_str()));
        }
    }
    if property.computed {
        return;
    }
    let may = [
        ("create", property.on_create),
        ("update", property.on_update),
    ];
    let may: Vec<&str> = may
        .into_iter()
        .filter_map(|(action, may)| may.then_some(action))
        .collect();
    property.source["permission"] = json!(may);
}
