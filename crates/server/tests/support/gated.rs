//! A store whose commits can be stopped before and after they happen: where a
//! crash test kills the server.

use futures::future::BoxFuture;
use sdwan_store::{Commit, Error, LeaseId, Listing, Outcome, Revision, Store, Watch};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use uuid::Uuid;

/// Told what is about to happen or has happened; whoever calls waits for it.
pub type Gate = Arc<dyn Fn(String) -> BoxFuture<'static, ()> + Send + Sync>;

pub struct Gated {
    inner: Arc<dyn Store>,
    gate: Mutex<Option<Gate>>,
}

impl Gated {
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            gate: Mutex::default(),
        }
    }

    pub fn gate(&self, gate: Option<Gate>) {
        *self.gate.lock().unwrap() = gate;
    }

    async fn pass(&self, place: &str) {
        let gate = self.gate.lock().unwrap().clone();
        if let Some(gate) = gate {
            gate(place.to_owned()).await;
        }
    }
}

#[async_trait::async_trait]
impl Store for Gated {
    async fn list(&self, prefix: &str) -> Result<Listing, Error> {
        self.inner.list(prefix).await
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, Error> {
        self.inner.watch(prefix, after).await
    }

    async fn commit(&self, commit: Commit) -> Result<Outcome, Error> {
        self.pass("before a commit").await;
        let outcome = self.inner.commit(commit).await;
        self.pass("after a commit").await;
        outcome
    }

    async fn committed(&self, id: Uuid) -> Result<Option<Revision>, Error> {
        self.inner.committed(id).await
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, Error> {
        self.inner.grant(ttl).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), Error> {
        self.inner.keep_alive(lease).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), Error> {
        self.inner.revoke(lease).await
    }

    async fn compact(&self, revision: Revision) -> Result<(), Error> {
        self.inner.compact(revision).await
    }
}
