//! The values that cross the catalog's door.

use crate::cluster::Tenure;
use crate::secrets::SecretBox;
use sdwan_model::compile::Inputs;
use sdwan_model::config::Source;
use sdwan_model::plan::{OwnedKey, OwnedRecord, OwnedWrite, Verdict};
use sdwan_model::resource::{ResourceRef, Row};
use sdwan_model::status::{Monitoring, Reachability, State};
use sdwan_model::validate::Violation;
use sdwan_store::Revision;
use serde_json::Value;
use std::collections::BTreeMap;
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
    /// The caller may not do this (401, as Gohan has it).
    #[error("{0}")]
    NotAllowed(String),
    /// The caller sees the row, and may not delete it (403).
    #[error("{0}")]
    NotDeletable(String),
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
    /// The store has not answered for so many seconds (503): nothing was sent.
    #[error("the store has not answered for {0} s: nothing was written, try again later")]
    Away(u64),
    /// Another server looks after the router by now (503): nothing was written.
    #[error("this server does not look after router {0} any more")]
    Unclaimed(String),
    /// The store holds what this server can't work with; only from
    /// [`Catalog::open`](super::Catalog::open).
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

/// A router that this process looks after.
#[derive(Clone, Debug)]
pub struct OurRouter {
    /// Its id.
    pub id: String,
    /// Where its gobgpd listens, `host:port`.
    pub address: String,
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
    pub sealed: Vec<(Source, String)>,
    /// Rows that wait under `/deleting` for the router to let go.
    pub deleting: Vec<Row>,
    /// `/owned/ROUTER/...`.
    pub owned: BTreeMap<OwnedKey, OwnedRecord>,
    /// The daemon's version as its agent reports it, e.g. `4.8.0`, else as it
    /// is declared, e.g. `4.8`.
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
    /// This process's standing; its name is in what it observes.
    pub tenure: Arc<Tenure>,
    /// The newest format of the store that it knows:
    /// [`FORMAT`](super::FORMAT), but where upgrades are tried out.
    pub format: u64,
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
