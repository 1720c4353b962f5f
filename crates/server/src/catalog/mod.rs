//! Resources on top of the store: the one way in for writes from the API and
//! for reports from the reconciler and the monitor.
//!
//! Reads come from the mirror (the whole store in memory, kept by one watch);
//! a writer waits until the mirror has its own write. A write reads through a
//! view that records what it read, and the commit makes that its conditions,
//! so two servers can't both be right.

use sdwan_model::compile::Inputs;
use sdwan_model::plan::{OwnedKey, OwnedRecord, OwnedWrite, Verdict};
use sdwan_model::resource::{ResourceRef, Row};
use sdwan_model::status::{Folded, Monitoring, Reachability, State};
use sdwan_model::validate::Violation;
use sdwan_store::Revision;
use std::collections::BTreeMap;

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
    pub row: Row,
    /// `None` for a kind that nobody reports on.
    pub status: Option<Folded>,
    /// The watching side's last word, for the wide columns.
    pub monitoring: Option<Monitoring>,
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
    /// The declared rows, secrets opened.
    pub inputs: Inputs,
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
