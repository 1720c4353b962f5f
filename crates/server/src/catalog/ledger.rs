//! What a request's writes come to, row by row, kept beside the answer for
//! whoever has to account for them.
//!
//! It goes with the task and not with the calls: it is asked for around
//! everything that a request may do, and filled in at the few places that
//! commit. Where nobody asks, nothing is kept.
//!
//! Work may go on when its request is answered: then whoever closed the ledger
//! is told the [`Rest`] step by step, and nothing more is done before it is
//! accounted for.

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

/// Who is told what work comes to that no request waits for.
#[async_trait::async_trait]
pub(crate) trait Rest: Send + Sync {
    /// Comes back once it is accounted for.
    async fn tell(&self, account: Account);

    /// Waits until something may be done that has to be accounted for.
    async fn ready(&self);
}

/// One request's, or one of work that no request waits for.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    done: Vec<Effect>,
    /// Sent to the store, which has not said yet what became of it.
    tried: Vec<Effect>,
    revision: Option<Revision>,
    /// Pieces of work in tasks of their own.
    working: usize,
    /// Is told what comes from here on.
    rest: Option<Arc<dyn Rest>>,
}

/// What a ledger holds in the end.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) done: Vec<Effect>,
    /// Sent to the store, and nobody knows whether it is done.
    pub(crate) tried: Vec<Effect>,
    /// The last revision that has what was done.
    pub(crate) revision: Option<Revision>,
}

impl Account {
    /// Whether nothing may have changed.
    pub(crate) fn is_empty(&self) -> bool {
        self.done.is_empty() && self.tried.is_empty()
    }
}

impl Kept {
    fn take(&mut self, tried: bool) -> Account {
        let tried = match tried {
            true => std::mem::take(&mut self.tried),
            false => Vec::new(),
        };
        Account {
            done: std::mem::take(&mut self.done),
            tried,
            revision: self.revision.take(),
        }
    }
}

impl Ledger {
    /// Of work that no request waits for.
    pub(super) fn telling(rest: Arc<dyn Rest>) -> Self {
        let ledger = Self::default();
        ledger.kept().rest = Some(rest);
        ledger
    }

    /// Does the work, and keeps what it writes.
    pub(crate) async fn during<F: Future>(&self, work: F) -> F::Output {
        LEDGER.scope(self.clone(), work).await
    }

    /// What was kept so far. What comes of work that goes on is told to
    /// `rest`.
    pub(crate) fn close(&self, rest: impl FnOnce() -> Arc<dyn Rest>) -> Account {
        let mut kept = self.kept();
        let goes_on = kept.working > 0;
        if goes_on {
            kept.rest = Some(rest());
        }
        kept.take(!goes_on)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells what was done, if anybody is told; of work that has `ended`, also
    /// what was tried.
    async fn settle(&self, ended: bool) {
        let (rest, account) = {
            let mut kept = self.kept();
            kept.working -= usize::from(ended);
            let Some(rest) = kept.rest.clone() else {
                return;
            };
            (rest, kept.take(ended))
        };
        if !account.is_empty() {
            rest.tell(account).await;
        }
    }
}

/// Work of this task's that goes on in another one.
pub(super) fn inherited<F: Future>(work: F) -> impl Future<Output = F::Output> {
    apart(LEDGER.try_with(Clone::clone).unwrap_or_default(), work)
}

/// Work that this ledger keeps account of to its end.
pub(super) fn apart<F: Future>(ledger: Ledger, work: F) -> impl Future<Output = F::Output> {
    let working = Working::on(&ledger);
    async move {
        let output = ledger.during(work).await;
        working.ended();
        ledger.settle(true).await;
        output
    }
}

/// A piece of work in a task of its own; `None` once it has ended well.
struct Working(Option<Ledger>);

impl Working {
    fn on(ledger: &Ledger) -> Self {
        ledger.kept().working += 1;
        Self(Some(ledger.clone()))
    }

    fn ended(mut self) {
        self.0.take();
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        if let Some(ledger) = &self.0 {
            ledger.kept().working -= 1;
        }
    }
}

/// Waits until more may be done.
pub(super) async fn ready() {
    let rest = LEDGER.try_with(|ledger| ledger.kept().rest.clone());
    if let Ok(Some(rest)) = rest {
        rest.ready().await;
    }
}

/// Waits until what was done is accounted for, where the request does not.
pub(super) async fn settle() {
    if let Ok(ledger) = LEDGER.try_with(Clone::clone) {
        ledger.settle(false).await;
    }
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
