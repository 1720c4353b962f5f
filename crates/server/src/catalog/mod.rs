//! Resources on top of the store: the one way in for writes from the API and
//! for reports from the reconciler and the monitor.
//!
//! Reads come from the mirror (the whole store in memory, kept by one watch);
//! a writer waits until the mirror has its own write. A write is worked out
//! on one state of the mirror by pure functions (`txn.rs`), through a view
//! that records what it read; the commit makes that its conditions, so two
//! servers can't both be right. Nothing is locked while the store commits:
//! writers that don't touch the same rows share its fsync.
//!
//! ```text
//! Change -> draft (judge, validate) -> txn (follow, rules, unique, references)
//!        -> write (commit, again on conflict) -> store -> mirror -> Shown
//! Report, Observation, intents -> worker -> commit -> store -> mirror
//! ```

mod cascade;
mod cluster;
mod draft;
mod fib;
mod follow;
mod hold;
mod judge;
mod key;
pub(crate) mod ledger;
mod open;
mod ops;
mod point;
mod pulse;
mod refusals;
mod snapshot;
pub(crate) mod soundness;
mod takeover;
mod txn;
mod types;
mod view;
mod worker;
mod write;

pub use crate::keys::Scope;
pub use crate::mirror::{Changes, Dirty, Event, Hold, Marks, Shown, What};
pub use key::{forget_key, secrets_of};
pub(crate) use ledger::{Account, Effect, Held, Ledger, Rest};
pub use open::FORMAT;
pub(crate) use open::stored_format;
pub use point::{Point, Unreached};
pub use snapshot::Snapshot;
pub use types::{
    Change, DeleteOptions, Error, Mode, Observation, Options, OurRouter, Report, RouterView,
    WriteOptions,
};
pub(crate) use view::Stored;

use crate::mirror::Mirror;
use futures::stream::BoxStream;
use sdwan_model::schema::Schemas;
use sdwan_store::{Revision, Store};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

/// The resources. One for the whole server.
pub struct Catalog {
    store: Arc<dyn Store>,
    schemas: Arc<Schemas>,
    options: Options,
    mirror: Arc<Mirror>,
    /// Whose turn it is to write where the mirror has to be led on.
    leading: tokio::sync::Mutex<()>,
    pulse: pulse::Pulse,
    /// What workers have to say takes turns: after an outage all of them have
    /// something.
    words: Semaphore,
    /// Deletions in several commits.
    cascades: TaskTracker,
    ending: CancellationToken,
    /// End with the catalog.
    _tasks: [AbortOnDropHandle<()>; 2],
}

impl Catalog {
    /// The kinds.
    pub fn schemas(&self) -> &Arc<Schemas> {
        &self.schemas
    }

    /// Everything as it is now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.mirror.now())
    }

    /// A row as it is now, live or on its way out.
    pub fn get(&self, kind: &str, id: &str) -> Option<Shown> {
        self.mirror.now().show(kind, id)
    }

    /// All rows of a kind as they are now, by id. For a page of many use
    /// [`Catalog::snapshot`].
    pub fn list(&self, kind: &str) -> Vec<Shown> {
        let now = self.snapshot();
        now.rows(kind).map(|row| now.show(row)).collect()
    }

    /// See [`Snapshot::resolve`].
    ///
    /// # Errors
    /// See [`Snapshot::resolve`].
    pub fn resolve(&self, kind: &str, id_or_name: &str) -> Result<Shown, Error> {
        self.snapshot().resolve(kind, id_or_name)
    }

    /// How far the mirror is.
    pub fn revision(&self) -> Revision {
        self.mirror.now().revision
    }

    /// Waits until the mirror is at `revision` or later.
    pub async fn wait_for(&self, revision: Revision) {
        self.mirror.wait_for(revision).await;
    }

    /// Every revision after `after` that changed a row or its status. Ends
    /// with [`sdwan_store::Error::Compacted`] when `after` is no longer
    /// retained, or the reader is too slow: list again.
    pub fn changes(
        &self,
        after: Revision,
    ) -> BoxStream<'static, Result<Arc<Changes>, sdwan_store::Error>> {
        self.mirror.changes(after)
    }

    /// Follows which routers' inputs change. What workers write marks nothing.
    pub fn dirty(&self) -> Dirty {
        self.mirror.dirty()
    }

    /// Every hold there is.
    pub fn holds(&self) -> BTreeMap<Scope, Hold> {
        self.snapshot().holds()
    }

    /// The holds on one router: its own, and the one on all.
    pub fn holds_on(&self, router: &str) -> Vec<(Scope, Hold)> {
        let holds = self.holds();
        [Scope::Router(router.to_owned()), Scope::All]
            .into_iter()
            .filter_map(|scope| Some((scope.clone(), holds.get(&scope)?.clone())))
            .collect()
    }

    /// Now.
    pub(crate) fn timestamp(&self) -> jiff::Timestamp {
        (self.options.clock)()
    }

    /// An id that nothing has.
    pub(crate) fn new_id(&self) -> uuid::Uuid {
        (self.options.ids)()
    }

    /// RFC 3339, to the millisecond: people read it.
    fn now(&self) -> String {
        format!("{:.3}", (self.options.clock)())
    }

    /// The same without fractions, for words.
    pub(crate) fn now_in_seconds(&self) -> String {
        let now = (self.options.clock)();
        let whole = jiff::Timestamp::from_second(now.as_second());
        whole.unwrap_or(now).to_string()
    }
}
