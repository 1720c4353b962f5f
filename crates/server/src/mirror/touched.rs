//! What a change of state means to others: events for watchers, work for
//! routers.

use super::feed::Step;
use super::shown::{Changes, Event, What};
use super::state::{ROUTER, Records, State};
use crate::keys::Scope;
use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use sdwan_model::resource::ResourceRef;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a change of state is about.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    /// Rows of which anything changed.
    rows: BTreeSet<ResourceRef>,
    /// Those of them whose declaration changed: work for their router.
    inputs: BTreeSet<ResourceRef>,
    /// Routers whose reachability changed.
    pub(super) reachability: BTreeSet<String>,
    /// Routers, or all, whose hold changed.
    pub(super) holds: BTreeSet<Scope>,
    /// Routers that somebody else looks after now, or nobody.
    pub(super) claims: BTreeSet<String>,
    /// Members, claims, the format, or which routers there are.
    pub(super) cluster: bool,
}

impl Touched {
    pub(super) fn row(&mut self, kind: &str, id: &str) {
        self.rows.insert(ResourceRef::new(kind, id));
    }

    pub(super) fn claim(&mut self, router: &str) {
        self.claims.insert(router.to_owned());
        self.cluster = true;
    }

    pub(super) fn input(&mut self, kind: &str, id: &str) {
        self.row(kind, id);
        self.cluster |= kind == ROUTER;
        self.inputs.insert(ResourceRef::new(kind, id));
    }

    /// What watchers and workers are told of this change.
    pub(crate) fn step(self, before: &State, after: &State) -> Step {
        let dirty = self.dirty(before, after);
        let mut rows = self.rows;
        // With the claim goes whose word on the router counts.
        for router in self.reachability.union(&self.claims) {
            rows.extend(after.rows_of(router));
        }
        let events = rows
            .into_iter()
            .filter_map(|resource| event(before, after, resource))
            .collect();
        Step {
            changes: Arc::new(Changes {
                revision: after.revision,
                events,
            }),
            dirty,
        }
    }

    fn dirty(&self, before: &State, after: &State) -> BTreeSet<String> {
        if self.holds.contains(&Scope::All) {
            return after.routers();
        }
        let mut dirty = self.claims.clone();
        for scope in &self.holds {
            if let Scope::Router(id) = scope {
                dirty.insert(id.clone());
            }
        }
        for ResourceRef { kind, id } in &self.inputs {
            for state in [before, after] {
                let Some(record) = state.record(kind, id) else {
                    continue;
                };
                match kind.as_str() {
                    ROUTER => dirty.extend(record.row().map(|row| row.id.clone())),
                    _ => dirty.extend(record.router().map(str::to_owned)),
                }
            }
        }
        dirty
    }
}

impl State {
    /// What is different in `next`: how a fresh listing tells what a broken
    /// watch did not.
    pub(crate) fn difference(&self, next: &Self) -> Touched {
        let mut touched = Touched::default();
        for kind in self.context.schemas.iter() {
            let empty = Records::new();
            let old = self.table(&kind.id).unwrap_or(&empty);
            let new = next.table(&kind.id).unwrap_or(&empty);
            for item in old.diff(new) {
                let (id, input) = match item {
                    DiffItem::Add(id, _) | DiffItem::Remove(id, _) => (id, true),
                    DiffItem::Update { old, new } => {
                        let (was, is) = (old.1, new.1);
                        (
                            new.0,
                            was.declared != is.declared || was.leaving != is.leaving,
                        )
                    }
                };
                touched.row(&kind.id, id);
                if input {
                    touched.input(&kind.id, id);
                }
            }
        }
        let names =
            |routers: Vec<&Arc<str>>| routers.into_iter().map(ToString::to_string).collect();
        touched.reachability = names(differing(&self.reachability, &next.reachability));
        touched.claims = names(differing(&self.claims, &next.claims));
        touched.holds = differing(&self.holds, &next.holds)
            .into_iter()
            .cloned()
            .collect();
        touched
    }
}

/// The keys that only one of them has, or another value of.
fn differing<'a, K: Ord, V: PartialEq>(old: &'a OrdMap<K, V>, new: &'a OrdMap<K, V>) -> Vec<&'a K> {
    let key = |item| match item {
        DiffItem::Add(key, _) | DiffItem::Remove(key, _) => key,
        DiffItem::Update { new: (key, _), .. } => key,
    };
    old.diff(new).map(key).collect()
}

/// The row's change, if a reader can see one.
fn event(before: &State, after: &State, resource: ResourceRef) -> Option<Event> {
    let was = before.show(&resource.kind, &resource.id);
    let is = after.show(&resource.kind, &resource.id);
    let what = match (was, is) {
        (None, None) => return None,
        (Some(_), None) => What::Deleted,
        (Some(was), Some(is))
            if was.row == is.row
                && was.status == is.status
                && was.monitoring == is.monitoring
                && was.fib == is.fib =>
        {
            return None;
        }
        (_, Some(is)) => What::Put(is),
    };
    Some(Event { resource, what })
}
