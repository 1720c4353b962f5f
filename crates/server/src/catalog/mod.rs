//! Resources on top of the store: the one way in for writes from the API and
//! for reports from the reconciler and the monitor.
//!
//! Reads come from the mirror (the whole store in memory, kept by one watch);
//! a writer waits until the mirror has its own write. A write reads through a
//! view that records what it read, and the commit makes that its conditions,
//! so two servers can't both be right.

use crate::secrets::SecretBox;
use futures::stream::BoxStream;
use sdwan_model::compile::Inputs;
use sdwan_model::plan::{OwnedKey, OwnedRecord, OwnedWrite, Verdict};
use sdwan_model::resource::{ResourceRef, Row};
use sdwan_model::schema::Schemas;
use sdwan_model::status::{Folded, Monitoring, Reachability, State};
use sdwan_model::validate::Violation;
use sdwan_store::{Revision, Store};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::Uuid;

/// Why a request to the catalog was not done. Nothing was stored.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// No such kind or row (404).
    #[error("{0} not found")]
    NotFound(String),
    /// The body is wrong (400), every violation at once.
    #[error("{}", join(.0))]
    Invalid(Vec<Violation>),
    /// A unique value is taken, or the row is still referenced (409).
    #[error("{}", join(.0))]
    Conflict(Vec<Violation>),
    /// The row is at another version than the caller expected (412).
    #[error("{resource} is at version {actual}, not {expected}: read it again")]
    VersionMismatch {
        /// Which row.
        resource: ResourceRef,
        /// The caller's.
        expected: u64,
        /// The row's.
        actual: u64,
    },
    /// Other writers were faster every time (503): nothing was written.
    #[error("too many writers at once: try again")]
    Contended,
    /// The store holds what this server can't work with; only from
    /// [`Catalog::open`].
    #[error("{0}")]
    Open(String),
    /// A secret can't be sealed (503).
    #[error(transparent)]
    Secret(#[from] crate::secrets::Error),
    /// The store does not answer (503): nothing is known to be written.
    #[error(transparent)]
    Store(#[from] sdwan_store::Error),
}

fn join(violations: &[Violation]) -> String {
    violations
        .iter()
        .map(|v| {
            if v.pointer.is_empty() {
                v.message.clone()
            } else {
                format!("{}: {}", v.pointer, v.message)
            }
        })
        .collect::<Vec<_>>()
        .join("; ")
}

/// A row with what is known of it, as readers see it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The row; secrets are masked.
    pub row: Arc<Row>,
    /// `None` for a kind that nobody reports on.
    pub status: Option<Folded>,
    /// The watching side's last word, for the wide columns.
    pub monitoring: Option<Arc<Monitoring>>,
    /// The revision of the store that this is true at.
    pub revision: Revision,
}

/// What a pass over one router starts from: one consistent look at the mirror.
#[derive(Clone, Debug)]
pub struct RouterView {
    /// The look's revision.
    pub revision: Revision,
    /// The router's id.
    pub router: String,
    /// Where its gobgpd listens, `host:port`.
    pub address: String,
    /// The declared rows, secrets opened; `router` is `None` while the router
    /// is being deleted.
    pub inputs: Inputs,
    /// Rows whose secrets can't be opened, with the reason: not in `inputs`,
    /// to be reported as failed, and nothing of theirs may be sent or removed.
    pub sealed: BTreeMap<ResourceRef, String>,
    /// Rows that wait under `/deleting` for the router to let go.
    pub deleting: Vec<Row>,
    /// `/owned/ROUTER/...`.
    pub owned: BTreeMap<OwnedKey, OwnedRecord>,
    /// Declared GoBGP minor version, e.g. `4.8`.
    pub gobgp_version: Option<String>,
    /// Observe and plan, but send nothing.
    pub hold: bool,
    /// What was last reported, by row; only what changes is written again.
    pub states: BTreeMap<ResourceRef, State>,
}

/// What a pass has to say, committed at once.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The router's id.
    pub router: String,
    /// The revision of the view that the pass started from: a row that was
    /// created, or whose deletion began, after it is not meant.
    pub at: Revision,
    /// A word for each row; a version older than the row's is dropped.
    pub verdicts: BTreeMap<ResourceRef, Verdict>,
    /// Changes to `/owned`.
    pub owned: Vec<OwnedWrite>,
    /// Rows of `/deleting` that the router has let go of.
    pub released: Vec<ResourceRef>,
}

/// A burst of what the monitor saw, committed at once; only transitions.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    /// The router's id.
    pub router: String,
    /// Whether it answers, if that changed.
    pub reachability: Option<Reachability>,
    /// By neighbor row.
    pub sessions: BTreeMap<ResourceRef, Monitoring>,
}

/// What the catalog needs from outside.
pub struct Options {
    /// Seals and opens secrets.
    pub secrets: SecretBox,
    /// Makes the ids of new rows and of commits.
    pub ids: Arc<dyn Fn() -> Uuid + Send + Sync>,
    /// Now.
    pub clock: Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>,
    /// Names this process in what it observes: another process's word on
    /// reachability proves nothing.
    pub instance: String,
}

/// How to write.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// Judge and show, store nothing.
    pub dry_run: bool,
    /// The parent's id, from a nested URL.
    pub parent: Option<String>,
}

/// What an update does with properties that it does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// PATCH: they stay.
    Merge,
    /// PUT: they go back to their defaults.
    Replace,
}

/// How to delete.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    /// Rows that refer to it go too, instead of a 409.
    pub cascade: bool,
    /// Its router is gone for good: forget the row and what we own there,
    /// without waiting for the router to let go.
    pub force: bool,
    /// Only at this version.
    pub if_match: Option<u64>,
    /// Judge, store nothing.
    pub dry_run: bool,
}

/// One of several changes that happen together or not at all.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new row.
    Create {
        /// The schema's id.
        kind: String,
        /// The properties; `id` may be among them.
        body: Value,
        /// The parent's id, from a nested URL.
        parent: Option<String>,
    },
    /// A new version of a row.
    Update {
        /// The schema's id.
        kind: String,
        /// The row's id.
        id: String,
        /// The properties to change.
        patch: Value,
        /// What happens to the others.
        mode: Mode,
        /// Only at this version.
        if_match: Option<u64>,
    },
    /// Replaces the row, or creates it under this id.
    Upsert {
        /// The schema's id.
        kind: String,
        /// The row's id.
        id: String,
        /// All properties.
        body: Value,
        /// The parent's id, from a nested URL.
        parent: Option<String>,
        /// Only at this version.
        if_match: Option<u64>,
    },
    /// Away with a row.
    Delete {
        /// The schema's id.
        kind: String,
        /// The row's id.
        id: String,
        /// Rows that refer to it go too.
        cascade: bool,
        /// Only at this version.
        if_match: Option<u64>,
    },
}

/// What became of a row that a watcher follows.
#[derive(Clone, Debug)]
pub enum What {
    /// It is there, or it changed.
    Put(Shown),
    /// It is gone.
    Deleted,
}

/// One row's change.
#[derive(Clone, Debug)]
pub struct Event {
    /// Which row.
    pub resource: ResourceRef,
    /// What became of it.
    pub what: What,
}

/// One revision's changes, whole; shared by all watchers.
#[derive(Clone, Debug)]
pub struct Changes {
    /// The revision: resume after it.
    pub revision: Revision,
    /// By kind and id.
    pub events: Vec<Event>,
}

/// Why a router, or all of them, is observed but not touched.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Hold {
    /// RFC 3339.
    pub since: String,
    /// The operator's words.
    pub why: String,
}

/// Whom a hold is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Every router, also ones to come.
    All,
    /// One, by id.
    Router(String),
}

/// One consistent look at everything; cheap to take, holds nobody up.
#[derive(Clone)]
pub struct Snapshot(());

impl Snapshot {
    /// The revision that this is true at.
    pub fn revision(&self) -> Revision {
        todo!()
    }

    /// A row, live or on its way out.
    pub fn get(&self, _kind: &str, _id: &str) -> Option<Shown> {
        todo!()
    }

    /// Every row of a kind in order of id, unfolded: filter and page these,
    /// then [`Snapshot::show`] what is left.
    pub fn rows(&self, _kind: &str) -> impl Iterator<Item = &Arc<Row>> {
        [].iter()
    }

    /// The row with its status.
    pub fn show(&self, _row: &Arc<Row>) -> Shown {
        todo!()
    }

    /// By id, else by name (`host_name`, `name` or the kind's first unique
    /// property).
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] when the name fits several rows.
    pub fn resolve(&self, _kind: &str, _id_or_name: &str) -> Result<Shown, Error> {
        todo!()
    }

    /// The rows of `kind` whose `property` names this value; quick for
    /// relations and unique properties.
    pub fn find(&self, _kind: &str, _property: &str, _value: &Value) -> Vec<Arc<Row>> {
        todo!()
    }
}

/// Follows which routers' inputs have changed; marks coalesce while nobody waits.
pub struct Dirty(());

impl Dirty {
    /// Waits for the next marks. The first answer names every router.
    pub async fn next(&mut self) -> BTreeSet<String> {
        todo!()
    }
}

/// The resources. One for the whole server.
pub struct Catalog(());

impl Catalog {
    /// Reads the whole store, checks that this server can work with it and
    /// starts to follow it.
    ///
    /// # Errors
    /// [`Error::Open`] when the store's format is newer or stored rows don't
    /// fit the schemas, all of them named; [`Error::Store`].
    pub async fn open(
        _store: Arc<dyn Store>,
        _schemas: Arc<Schemas>,
        _options: Options,
    ) -> Result<Arc<Self>, Error> {
        todo!()
    }

    /// The kinds.
    pub fn schemas(&self) -> &Arc<Schemas> {
        todo!()
    }

    /// Creates a row (201).
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Conflict`], [`Error::NotFound`] for the
    /// kind, and what [`Error`] says of the store.
    pub async fn create(
        &self,
        _kind: &str,
        _body: Value,
        _options: WriteOptions,
    ) -> Result<Shown, Error> {
        todo!()
    }

    /// Changes a row; its version goes up by 1, or stays if nothing changes.
    ///
    /// # Errors
    /// As [`Catalog::create`], and [`Error::VersionMismatch`].
    pub async fn update(
        &self,
        _kind: &str,
        _id: &str,
        _patch: Value,
        _mode: Mode,
        _if_match: Option<u64>,
        _dry_run: bool,
    ) -> Result<Shown, Error> {
        todo!()
    }

    /// Replaces or creates the row; true when it was created (201).
    ///
    /// # Errors
    /// As [`Catalog::update`].
    pub async fn upsert(
        &self,
        _kind: &str,
        _id: &str,
        _body: Value,
        _if_match: Option<u64>,
        _options: WriteOptions,
    ) -> Result<(Shown, bool), Error> {
        todo!()
    }

    /// Deletes a row: a built-in kind's stays as PENDING_DELETE until its
    /// router has let go. Deleting it again meanwhile is no error.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] while it is still referred to;
    /// [`Error::VersionMismatch`].
    pub async fn delete(
        &self,
        _kind: &str,
        _id: &str,
        _options: DeleteOptions,
    ) -> Result<(), Error> {
        todo!()
    }

    /// Several changes in one commit. Rules are judged at the end, so unique
    /// values can swap. Answers each change's row, `None` for a deletion.
    ///
    /// # Errors
    /// As the single ones; of all changes at once. The pointer of a violation
    /// starts with the change's index when there are several.
    pub async fn transact(
        &self,
        _changes: Vec<Change>,
        _dry_run: bool,
    ) -> Result<Vec<Option<Shown>>, Error> {
        todo!()
    }

    /// Everything as it is now.
    pub fn snapshot(&self) -> Snapshot {
        todo!()
    }

    /// A row as it is now.
    pub fn get(&self, _kind: &str, _id: &str) -> Option<Shown> {
        todo!()
    }

    /// All rows of a kind as they are now, by id. For a page of many use
    /// [`Catalog::snapshot`].
    pub fn list(&self, _kind: &str) -> Vec<Shown> {
        todo!()
    }

    /// See [`Snapshot::resolve`].
    ///
    /// # Errors
    /// See [`Snapshot::resolve`].
    pub fn resolve(&self, _kind: &str, _id_or_name: &str) -> Result<Shown, Error> {
        todo!()
    }

    /// How far the mirror is.
    pub fn revision(&self) -> Revision {
        todo!()
    }

    /// Waits until the mirror is at `revision` or later.
    pub async fn wait_for(&self, _revision: Revision) {
        todo!()
    }

    /// Every revision after `after` that changed a row or its status. Ends
    /// with [`sdwan_store::Error::Compacted`] when `after` is no longer
    /// retained, or the reader is too slow: list again.
    pub fn changes(
        &self,
        _after: Revision,
    ) -> BoxStream<'static, Result<Arc<Changes>, sdwan_store::Error>> {
        todo!()
    }

    /// Every router that has work, ones on their way out included: id and
    /// address, `host:port`.
    pub fn routers(&self) -> Vec<(String, String)> {
        todo!()
    }

    /// What a pass starts from; `None` when there is no such router.
    pub fn router_view(&self, _router: &str) -> Option<RouterView> {
        todo!()
    }

    /// Follows which routers' inputs change. What workers write marks nothing.
    pub fn dirty(&self) -> Dirty {
        todo!()
    }

    /// Commits ownership records before the calls that they are about.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the router has gone meanwhile: send nothing.
    pub async fn intents(&self, _router: &str, _writes: Vec<OwnedWrite>) -> Result<(), Error> {
        todo!()
    }

    /// Commits what a pass has to say; only what changes is written.
    ///
    /// # Errors
    /// [`Error::Store`]; what is about rows that have gone is dropped silently.
    pub async fn report(&self, _report: Report) -> Result<(), Error> {
        todo!()
    }

    /// Commits a burst of what the monitor saw; only what changes is written.
    /// `observer`, `since` and `flaps` are filled in here.
    ///
    /// # Errors
    /// [`Error::Store`]; what is about rows that have gone is dropped silently.
    pub async fn observe(&self, _observation: Observation) -> Result<(), Error> {
        todo!()
    }

    /// Observe and plan, but send nothing, from the next step on.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown router.
    pub async fn hold(&self, _scope: Scope, _why: &str) -> Result<(), Error> {
        todo!()
    }

    /// Ends a hold; no error where there is none.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown router.
    pub async fn resume(&self, _scope: Scope) -> Result<(), Error> {
        todo!()
    }

    /// Every hold there is.
    pub fn holds(&self) -> BTreeMap<Scope, Hold> {
        todo!()
    }
}
