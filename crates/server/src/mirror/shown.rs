//! What a state shows: a row to readers, a revision's changes to watchers.

use sdwan_model::resource::{ResourceRef, Row};
use sdwan_model::status::fib::Seen;
use sdwan_model::status::{Folded, Monitoring};
use sdwan_store::Revision;
use std::sync::Arc;

/// A row with what is known of it, as readers see it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The row; secrets are masked.
    pub row: Arc<Row>,
    /// `None` for a kind that nobody reports on.
    pub status: Option<Folded>,
    /// The watching side's last word, for the wide columns.
    pub monitoring: Option<Arc<Monitoring>>,
    /// The last word of a router's agent, if one ever reported.
    pub fib: Option<Arc<Seen>>,
    /// The revision of the store that this is true at.
    pub revision: Revision,
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

impl std::fmt::Display for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "on hold since {}", self.since)?;
        match self.why.as_str() {
            "" => Ok(()),
            why => write!(f, ": {why}"),
        }
    }
}
