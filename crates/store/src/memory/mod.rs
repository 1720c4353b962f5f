//! The store that forgets: for tests, and for a simulation that owns the
//! clock. It keeps every promise of the trait but durability, and no thread.

mod state;

use crate::follow::{Source, follow};
use crate::history::Page;
use crate::lease::{self, Timers};
use crate::{Commit, Error, LeaseId, Listing, Outcome, Revision, Store, Watch};
use state::State;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Revisions of history that [`Memory::new`] retains.
const RETAINED: usize = 10_000;

/// A store in this process's memory.
///
/// Leases run on tokio's clock: granting one needs a tokio runtime.
#[derive(Debug)]
pub struct Memory {
    engine: Arc<Engine>,
    expiry: OnceLock<JoinHandle<()>>,
}

#[derive(Debug)]
struct Engine {
    state: Arc<Mutex<State>>,
    head: watch::Sender<Revision>,
    timers: Arc<Timers>,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::retaining(RETAINED)
    }

    /// An empty store whose watches can resume from the latest `revisions`
    /// revisions only.
    #[must_use]
    pub fn retaining(revisions: usize) -> Self {
        Self {
            engine: Arc::new(Engine {
                state: Arc::new(Mutex::new(State::new(revisions))),
                head: watch::Sender::new(Revision(0)),
                timers: Arc::default(),
            }),
            expiry: OnceLock::new(),
        }
    }

    /// The task that ends leases as they run out, from the first grant on.
    fn start_expiry(&self) {
        self.expiry.get_or_init(|| {
            let engine = Arc::downgrade(&self.engine);
            self.engine.timers.expire(move |lease| {
                if let Some(engine) = engine.upgrade() {
                    engine.end(lease);
                }
                std::future::ready(Ok(()))
            })
        });
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Some(expiry) = self.expiry.get() {
            expiry.abort();
        }
    }
}

impl Engine {
    /// Applies one revision's changes and tells the watches.
    fn write<T>(&self, apply: impl FnOnce(&mut State) -> T) -> T {
        let mut state = lock(&self.state);
        let result = apply(&mut state);
        // Under the lock, so that no later revision is told before.
        self.head.send_if_modified(|head| {
            let before = std::mem::replace(head, state.revision());
            before != *head
        });
        result
    }

    fn end(&self, lease: LeaseId) {
        self.write(|state| state.end(lease));
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Source for Arc<Mutex<State>> {
    async fn page(&self, _prefix: &str, after: Revision) -> Result<Page, Error> {
        lock(self).history().page(after)
    }
}

#[async_trait::async_trait]
impl Store for Memory {
    async fn list(&self, prefix: &str) -> Result<Listing, Error> {
        Ok(lock(&self.engine.state).list(prefix))
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, Error> {
        let source = Arc::clone(&self.engine.state);
        follow(source, self.engine.head.subscribe(), prefix, after).await
    }

    async fn commit(&self, commit: Commit) -> Result<Outcome, Error> {
        commit.check()?;
        self.engine.write(|state| state.commit(commit))
    }

    async fn committed(&self, id: Uuid) -> Result<Option<Revision>, Error> {
        Ok(lock(&self.engine.state).committed(id))
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, Error> {
        let ttl = lease::check(ttl)?;
        self.start_expiry();
        let lease = lock(&self.engine.state).grant();
        self.engine.timers.start(lease, ttl);
        Ok(lease)
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), Error> {
        self.engine.timers.restart(lease)
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), Error> {
        self.engine.timers.stop(lease);
        self.engine.end(lease);
        Ok(())
    }

    async fn compact(&self, revision: Revision) -> Result<(), Error> {
        lock(&self.engine.state).compact(revision)
    }
}
