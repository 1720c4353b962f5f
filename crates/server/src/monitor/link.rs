//! One router's connection: the monitor opens and closes it, everybody else
//! borrows it. A pass never waits for it; who asks at a terminal may.

use crate::speaker::{Error, Speaker};
use std::sync::Arc;
use tokio::sync::{Notify, watch};

/// Where the connection stands.
#[derive(Clone)]
pub(crate) enum Standing {
    /// Not known yet, or lost a moment ago.
    Connecting,
    /// There it is.
    Up(Arc<dyn Speaker>),
    /// Three attempts in a row have failed; the last one so.
    Down(Error),
}

/// See the module.
pub(crate) struct Link {
    standing: watch::Sender<Standing>,
    doubt: Notify,
}

impl Link {
    pub(crate) fn new() -> Self {
        Self {
            standing: watch::Sender::new(Standing::Connecting),
            doubt: Notify::new(),
        }
    }

    pub(crate) fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    /// Where it stands once that is known.
    pub(crate) async fn settled(&self) -> Standing {
        let mut standing = self.standing.subscribe();
        match standing
            .wait_for(|s| !matches!(s, Standing::Connecting))
            .await
        {
            Ok(standing) => standing.clone(),
            // Unreachable: the sender lives as long as `self`.
            Err(_) => Standing::Connecting,
        }
    }

    /// Waits until it is there.
    pub(crate) async fn up(&self) {
        let mut standing = self.standing.subscribe();
        // An error would mean that the link itself is gone.
        let _ = standing.wait_for(|s| matches!(s, Standing::Up(_))).await;
    }

    pub(super) fn stand(&self, standing: Standing) {
        self.standing.send_replace(standing);
    }

    /// Ends when this connection is not the one that stands any more.
    pub(crate) async fn left(&self, speaker: &Arc<dyn Speaker>) {
        let stands = |standing: &Standing| match standing {
            Standing::Up(current) => Arc::ptr_eq(current, speaker),
            Standing::Connecting | Standing::Down(_) => false,
        };
        let mut standing = self.standing.subscribe();
        // An error would mean that the link itself is gone.
        let _ = standing.wait_for(|standing| !stands(standing)).await;
    }

    /// A call has gone unanswered: the next heartbeat is due now.
    pub(crate) fn doubt(&self) {
        self.doubt.notify_one();
    }

    pub(super) async fn doubted(&self) {
        self.doubt.notified().await;
    }
}
