//! The store in memory: one watch over everything, each revision applied
//! whole. Reads come from here, and a writer waits here for its own write.
//!
//! When the watch breaks or its history is compacted, a fresh listing is
//! compared with what was known; nobody but the log notices.

mod apply;
mod feed;
pub(crate) mod record;
mod shown;
pub(crate) mod state;
mod tip;
mod touched;

pub use shown::{Changes, Event, Hold, Shown, What};
pub(crate) use state::{Context, Found, NEIGHBOR, POLICY, ROUTER, State};

use crate::keys;
use feed::Feed;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use sdwan_store::{Error, Revision, Store};
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;
use tip::Tip;

/// Waits between attempts to watch again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// See the module.
pub(crate) struct Mirror {
    store: Arc<dyn Store>,
    context: Arc<Context>,
    shared: RwLock<Shared>,
    tip: Tip,
}

/// Under one lock, so that who has seen a state can follow on from it.
struct Shared {
    state: Arc<State>,
    feed: Feed,
}

impl Mirror {
    /// A mirror that starts at this state; [`Mirror::follow`] keeps it.
    pub(crate) fn new(store: Arc<dyn Store>, state: State) -> Self {
        Self {
            store,
            context: Arc::clone(&state.context),
            tip: Tip::new(state.revision),
            shared: RwLock::new(Shared {
                feed: Feed::new(state.revision),
                state: Arc::new(state),
            }),
        }
    }

    /// Everything as it is now.
    pub(crate) fn now(&self) -> Arc<State> {
        Arc::clone(&self.shared().state)
    }

    fn shared(&self) -> RwLockReadGuard<'_, Shared> {
        self.shared.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the mirror is at `revision` or later.
    pub(crate) async fn wait_for(&self, revision: Revision) {
        self.tip.until(|tip| tip >= revision).await;
    }

    /// Waits until this holds of the state.
    pub(crate) async fn until(&self, holds: impl Fn(&State) -> bool) {
        self.tip.until(|_| holds(&self.now())).await;
    }

    /// Follows the store for ever.
    pub(crate) async fn follow(self: Arc<Self>) {
        let mut wait = BACKOFF.0;
        loop {
            let at = self.now().revision;
            let broken = self.watch(at).await;
            if self.now().revision > at {
                wait = BACKOFF.0;
            }
            let failed = match broken {
                Error::Compacted { oldest } => {
                    tracing::info!(%at, %oldest, "the watch is compacted: listing afresh");
                    self.relist().await.err()
                }
                other => Some(other),
            };
            if let Some(error) = failed {
                tracing::warn!(%error, %at, "the store's watch is broken: trying again");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(BACKOFF.1);
            }
        }
    }

    /// Takes revisions in until the watch breaks.
    async fn watch(&self, after: Revision) -> Error {
        let mut batches = match self.store.watch(keys::ALL, after).await {
            Ok(batches) => batches,
            Err(error) => return error,
        };
        while let Some(batch) = batches.next().await {
            match batch {
                Ok(batch) => {
                    let before = self.now();
                    let mut after = State::clone(&before);
                    let touched = after.apply(&batch);
                    self.publish(&before, after, touched);
                }
                Err(error) => return error,
            }
        }
        Error::Unavailable("the watch ended".into())
    }

    async fn relist(&self) -> Result<(), Error> {
        let listing = self.store.list(keys::ALL).await?;
        let (after, problems) = State::from_listing(Arc::clone(&self.context), &listing);
        for problem in problems {
            tracing::error!(problem, "the store holds nonsense");
        }
        let before = self.now();
        let touched = before.difference(&after);
        self.publish(&before, after, touched);
        Ok(())
    }

    fn publish(&self, before: &State, after: State, touched: touched::Touched) {
        let step = touched.step(before, &after);
        let revision = after.revision;
        let after = Arc::new(after);
        {
            let mut shared = self.shared.write().unwrap_or_else(PoisonError::into_inner);
            shared.state = after;
            shared.feed.push(step);
        }
        self.tip.move_to(revision);
    }

    /// Whole revisions after `after`; ends with [`Error::Compacted`].
    pub(crate) fn changes(
        self: &Arc<Self>,
        after: Revision,
    ) -> BoxStream<'static, Result<Arc<Changes>, Error>> {
        let follower = Follower {
            mirror: Arc::clone(self),
            cursor: Some(after),
            ready: VecDeque::new(),
        };
        stream::unfold(follower, |mut follower| async {
            let item = follower.next().await?;
            Some((item, follower))
        })
        .boxed()
    }

    /// Follows which routers' inputs change.
    pub(crate) fn dirty(self: &Arc<Self>) -> Dirty {
        Dirty {
            mirror: Arc::clone(self),
            cursor: None,
        }
    }
}

struct Follower {
    mirror: Arc<Mirror>,
    /// `None` after the end.
    cursor: Option<Revision>,
    ready: VecDeque<Arc<Changes>>,
}

impl Follower {
    async fn next(&mut self) -> Option<Result<Arc<Changes>, Error>> {
        loop {
            if let Some(changes) = self.ready.pop_front() {
                return Some(Ok(changes));
            }
            let cursor = self.cursor?;
            let news = self.mirror.shared().feed.after(cursor);
            match news {
                Ok((steps, tip)) => {
                    let changes = steps.iter().map(|step| Arc::clone(&step.changes));
                    self.ready.extend(changes.filter(|c| !c.events.is_empty()));
                    self.cursor = Some(tip);
                    if self.ready.is_empty() {
                        self.mirror.tip.until(|now| now > tip).await;
                    }
                }
                Err(error) => {
                    self.cursor = None;
                    return Some(Err(error));
                }
            }
        }
    }
}

/// Follows which routers' inputs have changed; marks coalesce while nobody
/// waits.
pub struct Dirty {
    mirror: Arc<Mirror>,
    /// `None` before the first answer.
    cursor: Option<Revision>,
}

/// What has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Marks {
    /// Whatever there is, and what there was: at first, and after falling
    /// behind.
    All,
    /// What these routers are made of.
    Of(BTreeSet<String>),
}

impl Dirty {
    /// Waits for the next marks; the first are all. Safe to drop and call
    /// again: no mark is lost.
    pub async fn next(&mut self) -> Marks {
        loop {
            let news = self
                .cursor
                .map(|cursor| self.mirror.shared().feed.after(cursor));
            let Some(Ok((steps, tip))) = news else {
                self.cursor = Some(self.mirror.now().revision);
                return Marks::All;
            };
            self.cursor = Some(tip);
            let marks: BTreeSet<String> = steps.iter().flat_map(|s| s.dirty.clone()).collect();
            if !marks.is_empty() {
                return Marks::Of(marks);
            }
            self.mirror.tip.until(|now| now > tip).await;
        }
    }
}
