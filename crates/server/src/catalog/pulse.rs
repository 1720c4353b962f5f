//! How old the mirror is. The store's watch tells what happens, not that
//! nothing did; so the store is asked every few seconds how far it is, and
//! the mirror was right when it was asked once the mirror is there.
//!
//! On a shared etcd others make revisions too, and a deletion of what was
//! gone already makes one that no watch shows. Where the mirror does not get
//! to a revision, it is given one that it does: also for whoever waits.

use super::Catalog;
use crate::keys;
use std::sync::Weak;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// Between two questions.
const PERIOD: Duration = Duration::from_secs(2);

/// How long the mirror may take to a revision that the watch shows.
const ARRIVAL: Duration = Duration::from_secs(1);

/// From here on readers are told how old what they get is. In the worst case
/// of a healthy store it is the period, an arrival and two answers.
const STALE: Duration = Duration::from_secs(6);

/// When the mirror was last known to have everything.
pub(super) struct Pulse(watch::Sender<Instant>);

impl Pulse {
    /// It has, now.
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Instant::now()))
    }
}

impl Catalog {
    /// How old the mirror may be, where that is worth telling: the store does
    /// not answer, or its watch is behind.
    pub fn stale(&self) -> Option<Duration> {
        let age = self.pulse.0.borrow().elapsed();
        (age >= STALE).then_some(age)
    }

    /// Asks for as long as there is a catalog.
    pub(super) async fn keep_pulse(catalog: Weak<Self>) {
        loop {
            sleep(PERIOD).await;
            let Some(catalog) = catalog.upgrade() else {
                return;
            };
            let asked = Instant::now();
            match catalog.feel().await {
                Ok(()) => {
                    let before = catalog.pulse.0.send_replace(asked);
                    let age = asked - before;
                    if age >= STALE {
                        tracing::info!(seconds = age.as_secs(), "the store answers again");
                    }
                }
                Err(error) => tracing::debug!(%error, "how far is the store?"),
            }
        }
    }

    /// Returns once the mirror has everything that was there before.
    async fn feel(&self) -> Result<(), super::Error> {
        let head = self.store.list(keys::FORMAT).await?.revision;
        let arrival = timeout(ARRIVAL, self.mirror.wait_for(head)).await;
        match arrival {
            Ok(()) => Ok(()),
            Err(_) => self.write_after(head).await,
        }
    }
}
