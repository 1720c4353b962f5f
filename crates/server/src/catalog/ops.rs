//! A commit's operations, being gathered: one a key, the last word counts.

use crate::keys;
use crate::mirror::record::{Declared, Leaving};
use crate::mirror::{ROUTER, State};
use sdwan_model::resource::Row;
use sdwan_store::{Error, MAX_BYTES, MAX_OPS, Op, Revision};
use std::collections::BTreeMap;
use std::sync::Arc;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ops(BTreeMap<String, Option<Vec<u8>>>);

impl Ops {
    pub(super) fn put(&mut self, key: String, value: impl Into<Vec<u8>>) {
        self.0.insert(key, Some(value.into()));
    }

    pub(super) fn delete(&mut self, key: String) {
        self.0.insert(key, None);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one commit takes them.
    ///
    /// # Errors
    /// [`Error::TooLarge`]; the store would say the same.
    pub(super) fn check(&self) -> Result<(), Error> {
        let too_large = |count: usize, limit: usize, what: &str| Error::TooLarge {
            what: format!("{count} {what}"),
            limit: format!("{limit} {what}"),
        };
        let size = |(key, value): (&String, &Option<Vec<u8>>)| {
            key.len() + value.as_ref().map_or(0, Vec::len)
        };
        let bytes = self.0.iter().map(size).sum();
        if self.0.len() > MAX_OPS {
            return Err(too_large(self.0.len(), MAX_OPS, "operations"));
        }
        if bytes > MAX_BYTES {
            return Err(too_large(bytes, MAX_BYTES, "bytes"));
        }
        Ok(())
    }

    pub(super) fn into_ops(self) -> Vec<Op> {
        let op = |(key, value)| match value {
            Some(value) => Op::put(key, value),
            None => Op::Delete { key },
        };
        self.0.into_iter().map(op).collect()
    }

    /// A row goes: at once, or to `/deleting` where a router has to let go of
    /// it first. What it keeps unique and refers to is the caller's.
    pub(super) fn leave(&mut self, base: &State, before: &Declared, now: &str, force: bool) {
        let row = &before.row;
        let plural = base.plural(&row.kind);
        self.delete(keys::config(plural, &row.id));
        self.forget(base, row);
        let router = base.router_of(row);
        let known = |router: &String| base.record(ROUTER, router).is_some();
        match router.filter(known) {
            Some(router) if !force => {
                let leaving = leaving(row, router, now);
                self.put(keys::deleting(plural, &row.id), leaving.encode());
            }
            _ => self.delete(keys::deleting(plural, &row.id)),
        }
    }

    /// What was said of a row, or is being said while this commit is on its
    /// way: a word that comes after it finds no row.
    pub(super) fn forget(&mut self, base: &State, row: &Row) {
        let reported = base.kind(&row.kind).is_some_and(|kind| kind.has_status());
        let known = base.record(&row.kind, &row.id);
        let plural = base.plural(&row.kind);
        if reported || known.is_some_and(|known| known.state.is_some()) {
            self.delete(keys::state(plural, &row.id));
        }
        if reported || known.is_some_and(|known| known.monitoring.is_some()) {
            self.delete(keys::monitoring(plural, &row.id));
        }
    }

    /// Everything that we know of a router's daemon: it is gone for good.
    pub(super) fn forget_router(&mut self, base: &State, router: &str) {
        for key in base.owned(router).into_iter().flat_map(imbl::OrdMap::keys) {
            self.delete(keys::owned(router, key));
        }
        for (kind, id) in base.leaving(router) {
            self.delete(keys::deleting(base.plural(kind), id));
        }
        // Only what is there: the caller goes on until nothing is left.
        if base.reached(router) {
            self.delete(keys::reachability(router));
        }
        let hold = super::Scope::Router(router.to_owned());
        if base.holds().contains_key(&hold) {
            self.delete(keys::hold(&hold));
        }
    }
}

/// A row as it waits under `/deleting`.
pub(super) fn leaving(row: &Arc<Row>, router: String, now: &str) -> Leaving {
    Leaving {
        row: Arc::clone(row),
        router: Some(router),
        cascade: false,
        force: false,
        since: now.to_owned(),
        freed: Vec::new(),
        modified: Revision::default(),
    }
}
