//! How far the mirror is, for those who wait for it. They are woken in the
//! order in which they came (tokio's `watch` shuffles them), so that one
//! history of a server is always the same.

use sdwan_store::Revision;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

/// See the module.
pub(super) struct Tip {
    at: AtomicU64,
    moved: Notify,
}

impl Tip {
    pub(super) fn new(at: Revision) -> Self {
        Self {
            at: AtomicU64::new(at.0),
            moved: Notify::new(),
        }
    }

    pub(super) fn move_to(&self, revision: Revision) {
        self.at.store(revision.0, Ordering::Release);
        self.moved.notify_waiters();
    }

    /// Waits until this holds of the tip, or of what stands behind it.
    pub(super) async fn until(&self, holds: impl Fn(Revision) -> bool) {
        loop {
            // First, so that no move after the look is missed.
            let moved = self.moved.notified();
            if holds(Revision(self.at.load(Ordering::Acquire))) {
                return;
            }
            moved.await;
        }
    }
}
