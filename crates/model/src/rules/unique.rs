//! Values that no two rows of a kind may share.

use super::{Broken, View};
use crate::format::Format;
use crate::resource::Row;
use crate::schema::{Kind, Schemas};
use crate::validate::Violation;
use crate::value::brief;
use serde_json::Value;

/// The values that this row keeps unique: `/index` keys are made from them.
/// Pairs of a stable label (`host_name`, `router_id+local_as`) and the value
/// in canonical text. Null is no value: a pair with a null in it is not kept.
pub fn unique_values(schemas: &Schemas, row: &Row) -> Vec<(String, String)> {
    schemas
        .get(&row.kind)
        .map(|kind| of(kind, row))
        .unwrap_or_default()
}

fn of(kind: &Kind, row: &Row) -> Vec<(String, String)> {
    let text = |name: &String| key(kind, name, row.body.get(name)?);
    let single = kind
        .properties
        .iter()
        .filter(|(name, property)| property.unique && *name != "id")
        .filter_map(|(name, _)| Some((name.clone(), text(name)?)));
    let groups = kind.unique_together.iter().filter_map(|(label, names)| {
        let values: Option<Vec<String>> = names.iter().map(text).collect();
        // As JSON, so that no value can look like two.
        Some((label.clone(), Value::from(values?).to_string()))
    });
    single.chain(groups).collect()
}

/// A property's value as the text under which it is unique.
pub(super) fn key(kind: &Kind, name: &str, value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => {
            let format = kind.properties.get(name).and_then(|p| p.format());
            Some(format.map_or_else(|| text.clone(), |f: Format| f.key(text)))
        }
        other => Some(other.to_string()),
    }
}

/// Judges the row's unique values against the rows as they will be.
pub(super) fn check(kind: &Kind, view: &dyn View, row: &Row, broken: &mut Vec<Broken>) {
    for (label, value) in of(kind, row) {
        let Some(by) = view.holder(&kind.id, &label, &value) else {
            continue;
        };
        if by == row.reference() {
            continue;
        }
        // The last column is the narrowest: the neighbor's address, not its router.
        let (scope, name) = label.rsplit_once('+').unwrap_or(("", &label));
        let shown = |name: &str| brief(row.body.get(name).unwrap_or(&Value::Null));
        let told = |name: &&str| view.tells(row, name);
        let columns = scope.split_terminator('+').filter(told);
        let within: Vec<String> = columns
            .map(|name| format!("{name} {}", shown(name)))
            .collect();
        let within = match within.as_slice() {
            [] => String::new(),
            several => format!(" with {}", several.join(", ")),
        };
        let value = match told(&name) {
            true => format!("{}{within} ", shown(name)),
            false => String::new(),
        };
        let by_whom = match view.sees(&by) {
            true => format!(" by {by}"),
            false => String::new(),
        };
        let message = format!("{value}is taken{by_whom}");
        broken.push(Broken::Taken {
            violation: Violation::of(name, message),
            by,
        });
    }
}
