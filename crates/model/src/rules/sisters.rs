//! Rows of policyinfo that are one statement on the daemon must say the same
//! of it.

use super::router::HOST_NAME;
use super::{Broken, View};
use crate::resource::Row;
use crate::validate::Violation;
use crate::value::brief;
use serde_json::Value;

/// What makes rows of one router sisters.
const SHARED: [&str; 3] = ["policy_name", "statement_name", "apply_direction"];

/// What sisters must agree on.
const AGREED: [&str; 3] = ["statement_action", "route_disposition", "position"];

/// Judges a policyinfo row against its sisters.
pub(super) fn check(view: &dyn View, row: &Row, broken: &mut Vec<Broken>) {
    let Some(router) = row.body.get(HOST_NAME).filter(|_| row.kind == "policyinfo") else {
        return;
    };
    let same = |other: &Row, name: &str| value(other, name) == value(row, name);
    let mut sisters: Vec<Row> = view.find(&row.kind, HOST_NAME, router);
    sisters.retain(|other| other.id != row.id && SHARED.iter().all(|name| same(other, name)));
    for name in AGREED {
        let Some(other) = sisters.iter().find(|other| !same(other, name)) else {
            continue;
        };
        let sister = match view.sees(&other.reference()) {
            true => other.reference().to_string(),
            false => "another row".to_owned(),
        };
        let right = match value(other, name) {
            _ if !view.tells(other, name) => "the same".to_owned(),
            Value::Null => "left unset".to_owned(),
            set => brief(set),
        };
        let statement = match SHARED.iter().all(|name| view.tells(row, name)) {
            true => format!(
                "statement {} of policy {} for {}",
                brief(value(row, "statement_name")),
                brief(value(row, "policy_name")),
                value(row, "apply_direction").as_str().unwrap_or_default(),
            ),
            false => "one statement".to_owned(),
        };
        let message = format!(
            "must be {right} as in {sister}: both rows are {statement}; \
             change all of them in one transaction, or delete the others first"
        );
        broken.push(Broken::Invalid(Violation::of(name, message)));
    }
}

/// A property's value; null where it is not set.
fn value<'a>(row: &'a Row, name: &str) -> &'a Value {
    row.body.get(name).unwrap_or(&Value::Null)
}
