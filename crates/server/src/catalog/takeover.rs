//! Declaring again what is still on its way out takes over what is there:
//! nothing is torn down to be built up anew, so no session flaps.
//!
//! What is on a daemon is known by `/owned`, and a pass removes only what is
//! owned and no longer declared. So for neighbors and policies it is enough
//! that the new row ends the old one's wait; for a router, what is owned under
//! the old id moves to the new one.

use super::ops::Ops;
use crate::keys;
use crate::mirror::record::{Leaving, encode};
use crate::mirror::{ROUTER, State};
use sdwan_model::resource::Row;
use sdwan_model::rules;
use sdwan_model::validate::Violation;
use sdwan_store::MAX_OPS;

/// What a new row takes over, added to its commit.
///
/// # Errors
/// Why it has to wait.
pub(super) fn take(base: &State, row: &Row, ops: &mut Ops) -> Result<(), Violation> {
    if let Some(record) = base.record(&row.kind, &row.id) {
        if record.leaving.is_some() {
            ops.delete(keys::deleting(base.plural(&row.kind), &row.id));
        }
        ops.forget(base, row);
    }
    let values = rules::unique_values(&base.context.schemas, row);
    let same = |leaving: &Leaving| leaving.freed.iter().any(|value| values.contains(value));
    if row.kind == ROUTER {
        return take_router(base, row, &values, ops);
    }
    let Some(router) = base.router_of(row) else {
        return Ok(());
    };
    for (kind, id) in base.leaving(&router).filter(|(kind, _)| *kind == row.kind) {
        let leaving = base.record(kind, id).and_then(|r| r.leaving.as_deref());
        if leaving.is_some_and(same) {
            ops.delete(keys::deleting(base.plural(kind), id));
        }
    }
    Ok(())
}

/// A router on its way out at the same management address is the same daemon.
fn take_router(
    base: &State,
    row: &Row,
    values: &[(String, String)],
    ops: &mut Ops,
) -> Result<(), Violation> {
    let address = values.iter().find(|(label, _)| label == "mgmt_addr");
    let same = |leaving: &Leaving| address.is_some_and(|a| leaving.freed.contains(a));
    let old = base
        .records(ROUTER)
        .filter_map(|record| record.leaving.as_deref())
        .find(|leaving| same(leaving) && leaving.row.id != row.id);
    let Some(old) = old else { return Ok(()) };
    let id = &old.row.id;
    let owned = base.owned(id);
    let size = owned.map_or(0, imbl::OrdMap::len) * 2 + base.leaving(id).count();
    if old.cascade || size > MAX_OPS / 2 {
        let message = "the router at this address is still being deleted: wait";
        return Err(Violation::of("mgmt_addr", message));
    }
    for (key, record) in owned.into_iter().flatten() {
        ops.delete(keys::owned(id, key));
        ops.put(keys::owned(&row.id, key), encode(&**record));
    }
    for (kind, child) in base.leaving(id).filter(|(kind, _)| *kind != ROUTER) {
        if let Some(leaving) = base.record(kind, child).and_then(|r| r.leaving.as_deref()) {
            let moved = Leaving {
                router: Some(row.id.clone()),
                ..leaving.clone()
            };
            ops.put(keys::deleting(base.plural(kind), child), moved.encode());
        }
    }
    ops.delete(keys::deleting(base.plural(ROUTER), id));
    ops.delete(keys::reachability(id));
    if !base.context.alone {
        // Whoever looks after the old row may have calls under way to this
        // very daemon: the new one's first server waits for them.
        ops.put(keys::keeper(&row.id), id.as_bytes());
    }
    Ok(())
}
