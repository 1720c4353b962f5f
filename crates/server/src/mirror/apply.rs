//! From one state to the next: a revision's changes go in whole, and which
//! rows and routers they touch comes out.

use super::record::{Declared, Leaving, Record, Rendering, json};
use super::state::{Context, ROUTER, State};
use super::touched::Touched;
use crate::auth::Known;
use crate::cluster::{Claimed, Keeper};
use crate::keys::Key;
use sdwan_model::schema::Kind;
use sdwan_model::status::{self, Monitoring};
use sdwan_store::{Batch, Change, Entry, Listing};
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::sync::Arc;

impl State {
    /// A state of its own from everything that the store has, and the keys
    /// that make no sense, with the reason.
    pub(crate) fn from_listing(context: Arc<Context>, listing: &Listing) -> (Self, Vec<String>) {
        let mut state = Self::empty(context);
        let mut touched = Touched::default();
        let mut problems = Vec::new();
        for entry in &listing.entries {
            if let Err(problem) = state.put(entry, &mut touched) {
                problems.push(format!("{}: {problem}", entry.key));
            }
        }
        state.revision = listing.revision;
        state.cluster_at = listing.revision;
        (state, problems)
    }

    /// Takes one revision in. What makes no sense is logged and left out.
    pub(crate) fn apply(&mut self, batch: &Batch) -> Touched {
        let mut touched = Touched::default();
        for change in &batch.changes {
            match change {
                Change::Put(entry) => {
                    if let Err(problem) = self.put(entry, &mut touched) {
                        tracing::error!(key = entry.key, problem, "the store holds nonsense");
                    }
                }
                Change::Delete { key } => self.remove(key, &mut touched),
            }
        }
        self.revision = batch.revision;
        if touched.cluster {
            self.cluster_at = batch.revision;
        }
        touched
    }

    fn put(&mut self, entry: &Entry, touched: &mut Touched) -> Result<(), String> {
        match Key::parse(&entry.key) {
            Key::Config(plural, id) => {
                let kind = self.by_plural(plural)?;
                let declared = Declared::parse(&kind, id, entry)?;
                self.edit(&kind.id, id, |record| record.declared = Some(declared));
                touched.input(&kind.id, id);
            }
            Key::Deleting(plural, id) => {
                let kind = self.by_plural(plural)?;
                let leaving = Leaving::parse(&self.context.schemas, &kind, id, entry)?;
                self.leave(&kind.id, id, Some(leaving));
                touched.input(&kind.id, id);
            }
            Key::State(plural, id) => {
                let kind = self.by_plural(plural)?;
                let state = match kind.builtin {
                    true => Some(json(&entry.value)?),
                    false => self.report(&kind, id, entry, |s: &status::State| s.version),
                };
                self.edit(&kind.id, id, |record| record.state = state.map(Arc::new));
                touched.row(&kind.id, id);
            }
            Key::Monitoring(plural, id) => {
                let kind = self.by_plural(plural)?;
                if kind.id == ROUTER {
                    let seen = Arc::new(json(&entry.value)?);
                    self.edit(ROUTER, id, |record| record.fib = Some(seen));
                } else {
                    let seen = match kind.builtin {
                        true => Some(json(&entry.value)?),
                        false => self.report(&kind, id, entry, |m: &Monitoring| m.version),
                    };
                    self.edit(&kind.id, id, |record| {
                        record.monitoring = seen.map(Arc::new)
                    });
                }
                touched.row(&kind.id, id);
            }
            Key::Owned(router, key) => {
                let record = Arc::new(json(&entry.value)?);
                self.owned
                    .entry(router.into())
                    .or_default()
                    .insert(key, record);
            }
            Key::Reachability(router) => {
                let reachability = Arc::new(json(&entry.value)?);
                self.reachability.insert(router.into(), reachability);
                touched.reachability.insert(router.to_owned());
            }
            Key::Hold(scope) => {
                self.holds
                    .insert(scope.clone(), Arc::new(json(&entry.value)?));
                touched.holds.insert(scope);
            }
            Key::Token(id) => {
                let known = Known::new(id, json(&entry.value)?);
                self.tokens.insert(id.into(), Arc::new(known));
            }
            Key::Member(id) => {
                self.members
                    .insert(id.into(), Arc::new(json(&entry.value)?));
                touched.cluster = true;
            }
            Key::Claim(router) => {
                let claim = json(&entry.value)?;
                let claimed = Claimed {
                    claim,
                    at: entry.modified,
                };
                self.claims.insert(router.into(), Arc::new(claimed));
                touched.claim(router);
            }
            Key::Keeper(router) => {
                let member = std::str::from_utf8(&entry.value).map_err(|_| "not an id")?;
                let keeper = Keeper {
                    member: member.into(),
                    at: entry.modified,
                };
                self.keepers.insert(router.into(), keeper);
                touched.cluster = true;
            }
            Key::Format => {
                let text = std::str::from_utf8(&entry.value).ok();
                let format = text.and_then(|text| text.parse().ok());
                self.format = format.ok_or("not a number")?;
                touched.cluster = true;
            }
            Key::Epoch => {
                let text = std::str::from_utf8(&entry.value).ok();
                let epoch = text.and_then(|text| text.parse().ok());
                self.epoch = epoch.ok_or("not a number")?;
            }
            Key::Unique => {
                let id = std::str::from_utf8(&entry.value).map_err(|_| "not an id")?;
                self.unique.insert(entry.key.as_str().into(), id.into());
            }
            Key::Reference { to, by } => {
                self.references.insert(entry.key.as_str().into());
                self.belong(to, by, true);
            }
            Key::Other => {}
        }
        Ok(())
    }

    /// An outside worker's report on an operator's kind. One about a version
    /// that was not there yet when it was written says nothing, now or later;
    /// neither does nonsense. Neither keeps a server from starting.
    fn report<T: DeserializeOwned>(
        &self,
        kind: &Kind,
        id: &str,
        entry: &Entry,
        version: impl Fn(&T) -> u64,
    ) -> Option<T> {
        let key = &entry.key;
        let report: T = json(&entry.value)
            .inspect_err(|why| tracing::warn!(key, why, "a worker's report is refused"))
            .ok()?;
        let declared = self.record(&kind.id, id)?.declared.as_ref()?;
        let (reported, actual) = (version(&report), declared.row.version);
        let future = reported > actual || reported == actual && entry.modified < declared.modified;
        if future {
            tracing::warn!(
                key,
                reported,
                actual,
                "a worker's report is refused: when it was written, there was no such version yet"
            );
        }
        (!future).then_some(report)
    }

    fn remove(&mut self, key: &str, touched: &mut Touched) {
        match Key::parse(key) {
            Key::Config(plural, id) => self.forget(plural, id, touched, true, |record| {
                record.declared = None;
            }),
            Key::Deleting(plural, id) => {
                if let Ok(kind) = self.by_plural(plural) {
                    self.leave(&kind.id, id, None);
                    touched.input(&kind.id, id);
                }
            }
            Key::State(plural, id) => {
                self.forget(plural, id, touched, false, |record| record.state = None);
            }
            Key::Monitoring(plural, id) => {
                self.forget(plural, id, touched, false, |record| {
                    (record.monitoring, record.fib) = (None, None);
                });
            }
            Key::Owned(router, key) => {
                if let Some(owned) = self.owned.get_mut(router) {
                    owned.remove(&key);
                    if owned.is_empty() {
                        self.owned.remove(router);
                    }
                }
            }
            Key::Reachability(router) => {
                self.reachability.remove(router);
                touched.reachability.insert(router.to_owned());
            }
            Key::Hold(scope) => {
                self.holds.remove(&scope);
                touched.holds.insert(scope);
            }
            Key::Token(id) => {
                self.tokens.remove(id);
            }
            Key::Member(id) => {
                self.members.remove(id);
                touched.cluster = true;
            }
            Key::Claim(router) => {
                self.claims.remove(router);
                touched.claim(router);
            }
            Key::Keeper(router) => {
                self.keepers.remove(router);
                touched.cluster = true;
            }
            Key::Format => {
                self.format = 0;
                touched.cluster = true;
            }
            Key::Epoch => self.epoch = 0,
            Key::Unique => {
                self.unique.remove(key);
            }
            Key::Reference { to, by } => {
                self.references.remove(key);
                self.belong(to, by, false);
            }
            Key::Other => {}
        }
    }

    fn by_plural(&self, plural: &str) -> Result<Arc<sdwan_model::schema::Kind>, String> {
        self.context
            .schemas
            .by_plural(plural)
            .cloned()
            .ok_or_else(|| format!("no schema has the plural {plural}"))
    }

    fn edit(&mut self, kind: &str, id: &str, change: impl FnOnce(&mut Record)) {
        let table = match self.tables.get_mut(kind) {
            Some(table) => table,
            None => self.tables.entry(kind.into()).or_default(),
        };
        match table.records.get_mut(id) {
            Some(record) => {
                let record = Arc::make_mut(record);
                table.rows -= usize::from(record.row().is_some());
                change(record);
                record.rendering = Rendering::default();
                table.rows += usize::from(record.row().is_some());
                if record.is_empty() {
                    table.records.remove(id);
                }
            }
            None => {
                let mut record = Record::default();
                change(&mut record);
                table.rows += usize::from(record.row().is_some());
                if !record.is_empty() {
                    table.records.insert(id.into(), Arc::new(record));
                }
            }
        }
    }

    fn forget(
        &mut self,
        plural: &str,
        id: &str,
        touched: &mut Touched,
        input: bool,
        change: impl FnOnce(&mut Record),
    ) {
        let Ok(kind) = self.by_plural(plural) else {
            return;
        };
        self.edit(&kind.id, id, change);
        if input {
            touched.input(&kind.id, id);
        } else {
            touched.row(&kind.id, id);
        }
    }

    /// Notes on a row which router it belongs to, so that nobody has to look
    /// the name up for every status.
    fn belong(&mut self, to: (&str, &str), by: (&str, &str), belongs: bool) {
        let (Ok(target), Ok(kind)) = (self.by_plural(to.0), self.by_plural(by.0)) else {
            return;
        };
        if target.id != ROUTER || !kind.builtin {
            return;
        }
        self.edit(&kind.id, by.1, |record| {
            if belongs {
                record.router = Some(to.1.into());
            } else if record.router.as_deref() == Some(to.1) {
                record.router = None;
            }
        });
    }

    /// Sets what stands under `/deleting`, and the index by router.
    fn leave(&mut self, kind: &str, id: &str, leaving: Option<Leaving>) {
        let before = self.record(kind, id).and_then(|r| r.leaving.clone());
        let entry = |leaving: &Leaving| {
            let router = leaving.router.as_deref()?;
            Some((Arc::from(router), Arc::from(kind), Arc::from(id)))
        };
        if let Some(key) = before.as_deref().and_then(entry) {
            self.leaving.remove(&key);
        }
        if let Some(key) = leaving.as_ref().and_then(entry) {
            self.leaving.insert(key);
        }
        self.edit(kind, id, |record| record.leaving = leaving.map(Arc::new));
    }

    /// Every router that has work, ones on their way out included.
    pub(crate) fn routers(&self) -> BTreeSet<String> {
        self.router_ids().map(|id| id.to_string()).collect()
    }
}
