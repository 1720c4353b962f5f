//! What makes a store sound beyond its single rows: rows that today's schemas
//! take, the `/index` that they call for, nothing left of routers that are
//! gone. A start refuses or repairs by it, a check names it.

use super::ops::Ops;
use super::view::Stored;
use crate::keys;
use crate::mirror::{ROUTER, State};
use sdwan_model::resource::Row;
use sdwan_model::{rules, validate};
use sdwan_store::Op;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Stored rows that today's schemas would refuse.
pub(crate) fn misfits(state: &State) -> Vec<String> {
    let mut problems = Vec::new();
    for kind in state.context.schemas.iter() {
        let rows = state.records(&kind.id).filter_map(|r| r.declared.as_ref());
        for row in rows.map(|declared| &declared.row) {
            for violation in validate::stored(kind, &row.body) {
                let at = keys::config(&kind.plural, &row.id);
                problems.push(format!(
                    "{at}: {}: {}",
                    violation.pointer, violation.message
                ));
            }
        }
    }
    problems
}

/// The `/index` that the rows call for: a schema may have made a property
/// unique, or a relation, since they were stored.
pub(crate) struct Index {
    unique: BTreeMap<String, String>,
    references: BTreeSet<String>,
    collisions: Vec<String>,
}

impl Index {
    /// What this state's rows call for.
    pub(crate) fn of(state: &State) -> Self {
        let schemas = &state.context.schemas;
        let kinds = schemas.iter().flat_map(|kind| state.records(&kind.id));
        let declared = kinds.filter_map(|record| record.declared.as_ref());
        let rows: Vec<&Arc<Row>> = declared.map(|declared| &declared.row).collect();
        let mut unique = BTreeMap::new();
        let mut collisions = Vec::new();
        for row in &rows {
            let plural = state.plural(&row.kind);
            for (label, value) in rules::unique_values(schemas, row) {
                let key = keys::unique(plural, &label, &value);
                if let Some(other) = unique.insert(key, row.id.clone()) {
                    let at = keys::config(plural, &row.id);
                    collisions.push(format!("{at}: {label} {value} is {other}'s too"));
                }
            }
        }
        // References lead through unique values, so these must stand first.
        let indexed = state.with_unique(&unique);
        let mut references = BTreeSet::new();
        for row in rows {
            for (target, _) in rules::references(schemas, &Stored(&indexed), row) {
                let of = state.plural(&target.kind);
                let by = state.plural(&row.kind);
                references.insert(keys::reference(of, &target.id, by, &row.id));
            }
        }
        Self {
            unique,
            references,
            collisions,
        }
    }

    /// This state, were its unique values these.
    pub(crate) fn over(&self, state: &State) -> State {
        state.with_unique(&self.unique)
    }

    /// Unique values that several rows have.
    pub(crate) fn collisions(&self) -> &[String] {
        &self.collisions
    }

    /// What is missing, and what is too much.
    pub(crate) fn repairs(&self, state: &State) -> Vec<Op> {
        let (unique, references) = state.index();
        let missing = self.unique.iter().filter(|(key, id)| {
            let stands = unique.get(key.as_str());
            stands.is_none_or(|stands| **stands != ***id)
        });
        let mut ops: Vec<Op> = missing
            .map(|(key, id)| Op::put(key, id.as_bytes()))
            .collect();
        let missing = self.references.iter();
        let missing = missing.filter(|key| !references.contains(key.as_str()));
        ops.extend(missing.map(|key| Op::put(key, "")));
        let extra = unique
            .keys()
            .filter(|key| !self.unique.contains_key(&***key));
        ops.extend(extra.map(|key| Op::delete(&**key)));
        let extra = references
            .iter()
            .filter(|key| !self.references.contains(&***key));
        ops.extend(extra.map(|key| Op::delete(&**key)));
        ops
    }
}

/// What is left of routers that were deleted by force, if the server stopped
/// before all of it was gone.
pub(crate) fn leftovers(state: &State) -> Vec<Op> {
    let mut ops = Ops::default();
    let present = |id: &str| state.record(ROUTER, id).is_some_and(|r| r.row().is_some());
    for router in state.known_routers().filter(|id| !present(id)) {
        ops.forget_router(state, router);
    }
    ops.into_ops()
}
