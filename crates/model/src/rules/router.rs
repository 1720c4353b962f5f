//! What a built-in row repeats of its router: the management address.

use super::{Broken, View, reference};
use crate::format::Format;
use crate::resource::{Body, Row};
use crate::schema::{Kind, Schemas};
use crate::validate::Violation;
use serde_json::Value;

/// The property that is repeated.
pub(super) const MGMT_ADDR: &str = "mgmt_addr";

/// The property by which a row names its router.
pub(super) const HOST_NAME: &str = "host_name";

/// The kind that others belong to.
pub(super) const ROUTER: &str = "router";

/// A row's `mgmt_addr` must be its router's; left out, it is filled in with
/// the router's own text.
pub(super) fn check(
    schemas: &Schemas,
    kind: &Kind,
    view: &dyn View,
    row: &mut Row,
    broken: &mut Vec<Broken>,
) {
    let Some(router) = router_of(schemas, kind, view, row) else {
        return;
    };
    let Some(right) = router.text(MGMT_ADDR) else {
        return;
    };
    match row.text(MGMT_ADDR) {
        None => set(kind, &mut row.body, right.to_owned()),
        Some(given) if same(given, right) => {}
        Some(given) => {
            let told = view.tells(&router, MGMT_ADDR) && view.tells(row, MGMT_ADDR);
            let words = match told {
                true => format!("must be {right:?}, the mgmt_addr of its router, not {given:?}"),
                false => "must be the mgmt_addr of its router".to_owned(),
            };
            let message = words + ": leave it out to have it filled in";
            broken.push(Broken::Invalid(Violation::of(MGMT_ADDR, message)));
        }
    }
}

/// Two spellings of one endpoint.
pub(super) fn same(a: &str, b: &str) -> bool {
    Format::MgmtAddr.key(a) == Format::MgmtAddr.key(b)
}

/// The router that a row with a management address belongs to.
fn router_of(schemas: &Schemas, kind: &Kind, view: &dyn View, row: &Row) -> Option<Row> {
    kind.properties.get(MGMT_ADDR)?;
    let mut relations = reference::relations(kind, row);
    let (property, relation, value) =
        relations.find(|(name, r, _)| *name == HOST_NAME && r.kind == ROUTER)?;
    let named = reference::resolve(schemas.get(ROUTER), view, relation, value)?;
    if !view.may_name(row, property, &named) {
        return None;
    }
    view.get(&named.kind, &named.id)
}

/// Puts a value in, keeping the schema's order.
fn set(kind: &Kind, body: &mut Body, right: String) {
    body.insert(MGMT_ADDR.to_owned(), Value::from(right));
    let mut before = std::mem::take(body);
    for name in kind.properties.keys() {
        body.extend(before.remove_entry(name));
    }
    body.extend(before);
}
