//! What a request's writes come to, row by row, kept beside the answer for
//! whoever has to account for them.
//!
//! It goes with the task and not with the calls: it is asked for around
//! everything that a request may do, and filled in at the few places that
//! commit. Where nobody asks, nothing is kept.

use sdwan_model::resource::Row;
use sdwan_store::Revision;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};

tokio::task_local! {
    static LEDGER: Ledger;
}

/// What became of one row, or of something else that has a name.
#[derive(Clone, Debug)]
pub(crate) struct Effect {
    /// The schema's id, or what else it is: `hold`, `token`.
    pub(crate) kind: String,
    pub(crate) id: String,
    /// `None` where it is new.
    pub(crate) before: Option<Held>,
    /// `None` where it is gone.
    pub(crate) after: Option<Held>,
    /// The properties whose secrets were set.
    pub(crate) secrets: Vec<String>,
}

impl Effect {
    /// A row that goes.
    pub(super) fn gone(row: Arc<Row>) -> Self {
        Self {
            kind: row.kind.clone(),
            id: row.id.clone(),
            before: Some(Held::Row(row)),
            after: None,
            secrets: Vec::new(),
        }
    }
}

/// What was, or is, there. Never a secret.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    /// Secrets are masked.
    Row(Arc<Row>),
    Other(Value),
}

/// One request's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    done: Vec<Effect>,
    /// Sent to the store, which has not said yet what became of it.
    tried: Vec<Effect>,
    revision: Option<Revision>,
}

/// What a ledger holds in the end.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// What was done, then what was tried.
    pub(crate) effects: Vec<Effect>,
    /// The last revision that has it.
    pub(crate) revision: Option<Revision>,
    /// The last of it was tried, and nobody knows whether it is done.
    pub(crate) unknown: bool,
}

impl Ledger {
    /// Does the work, and keeps what it writes.
    pub(crate) async fn during<F: Future>(&self, work: F) -> F::Output {
        LEDGER.scope(self.clone(), work).await
    }

    /// What was kept, once.
    pub(crate) fn close(&self) -> Account {
        let kept = std::mem::take(&mut *self.kept());
        let unknown = !kept.tried.is_empty();
        Account {
            effects: kept.done.into_iter().chain(kept.tried).collect(),
            revision: kept.revision,
            unknown,
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Work of this task's that goes on in another one.
pub(super) fn inherited<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let ledger = LEDGER.try_with(Clone::clone).unwrap_or_default();
    async move { ledger.during(work).await }
}

/// About to be sent to the store, in place of what was before.
pub(crate) fn trying(effects: impl FnOnce() -> Vec<Effect>) {
    // Nobody keeps account of what nobody asked for.
    let _ = LEDGER.try_with(|ledger| ledger.kept().tried = effects());
}

/// The store has done it.
pub(crate) fn done(revision: Revision) {
    let _ = LEDGER.try_with(|ledger| {
        let mut kept = ledger.kept();
        let tried = std::mem::take(&mut kept.tried);
        if !tried.is_empty() {
            kept.done.extend(tried);
            kept.revision = Some(revision);
        }
    });
}

/// The store has not done it.
pub(crate) fn undone() {
    trying(Vec::new);
}
