//! One simulated gobgpd that is served: its watchers, and the clock that the simulator lacks.

use crate::sim::event::Event;
use crate::sim::{Flavor, Gobgpd};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// See the module.
#[derive(Debug)]
pub struct Router {
    flavor: Flavor,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    daemon: Gobgpd,
    watchers: Vec<mpsc::UnboundedSender<Event>>,
    /// When the newest of them came.
    watched: Option<Instant>,
    /// Sessions that wait in IDLE.
    waiting: BTreeMap<IpAddr, (Duration, AbortHandle)>,
}

impl Router {
    pub(super) fn start(flavor: Flavor) -> Arc<Self> {
        Arc::new(Self {
            flavor,
            state: Mutex::new(State {
                daemon: Gobgpd::new(flavor),
                watchers: Vec::new(),
                watched: None,
                waiting: BTreeMap::new(),
            }),
        })
    }

    pub(super) fn flavor(&self) -> Flavor {
        self.flavor
    }

    /// When somebody began to watch its peers; the newest one counts.
    pub fn watched(&self) -> Option<Instant> {
        self.lock().watched
    }

    /// How many peers it has.
    pub fn peers(&self) -> usize {
        self.lock().daemon.peers().len()
    }

    pub(super) fn look<T>(&self, look: impl FnOnce(&Gobgpd) -> T) -> T {
        look(&self.lock().daemon)
    }

    /// Changes something; its watchers hear what comes of it.
    pub(super) fn change<T>(self: &Arc<Self>, change: impl FnOnce(&mut Gobgpd) -> T) -> T {
        let mut state = self.lock();
        let answer = change(&mut state.daemon);
        state.tell();
        state.wait(self);
        answer
    }

    /// Every peer now, and then each change.
    pub(super) fn watch(&self) -> (Vec<Event>, mpsc::UnboundedReceiver<Event>) {
        let mut state = self.lock();
        let (tell, changes) = mpsc::unbounded_channel();
        state.watchers.push(tell);
        state.watched = Some(Instant::now());
        (state.daemon.watch(), changes)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The simulator changes whole or not at all.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn tell(&mut self) {
        for event in self.daemon.heard() {
            self.watchers
                .retain(|watcher| watcher.send(event.clone()).is_ok());
        }
    }

    /// Starts a timer for each session that waits, and ends those of sessions that don't any more.
    fn wait(&mut self, router: &Arc<Router>) {
        let daemon = &self.daemon;
        self.waiting.retain(|peer, (hold, timer)| {
            let waits = daemon.idle_hold(*peer) == Some(*hold);
            if !waits {
                timer.abort();
            }
            waits
        });
        for peer in self.daemon.peers().keys() {
            if let Some(hold) = self.daemon.idle_hold(*peer)
                && !self.waiting.contains_key(peer)
            {
                let timer = tokio::spawn(expire(Arc::downgrade(router), *peer, hold));
                self.waiting.insert(*peer, (hold, timer.abort_handle()));
            }
        }
    }
}

async fn expire(router: Weak<Router>, peer: IpAddr, hold: Duration) {
    tokio::time::sleep(hold).await;
    if let Some(router) = router.upgrade() {
        router.change(|daemon| daemon.idle_hold_expires(peer));
    }
}
