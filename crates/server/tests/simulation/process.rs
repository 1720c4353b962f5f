//! One server process as the world sees it: whether it runs, and what it
//! hears of the store and of the daemons.

use super::chance::Chance;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;
use tokio::sync::Notify;

/// See the module.
pub struct Process {
    pub chance: Arc<Chance>,
    name: OnceLock<String>,
    standing: Mutex<Standing>,
    changed: Notify,
}

#[derive(Default)]
struct Standing {
    dead: bool,
    stopped: bool,
    /// One more call to a daemon happens at the end of this stop.
    late: bool,
    store_cut: bool,
    /// How often the watch of the store broke.
    breaks: u64,
    /// What becomes of the next commits: whether the answer or the request
    /// gets lost.
    lost: std::collections::VecDeque<bool>,
    /// After so many more calls to daemons, one's answer or request gets lost.
    lost_call: Option<(u8, bool)>,
    links: BTreeMap<String, Link>,
}

/// The way to one daemon.
#[derive(Clone, Copy, Default)]
pub struct Link {
    pub cut: Option<Cut>,
    /// Connections of an earlier one are broken.
    pub epoch: u64,
}

/// How a way is cut.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    Refused,
    Silent,
}

impl Process {
    pub fn new(chance: Arc<Chance>) -> Arc<Self> {
        Arc::new(Self {
            chance,
            name: OnceLock::new(),
            standing: Mutex::default(),
            changed: Notify::new(),
        })
    }

    /// Its name as a member; empty before it is one.
    pub fn name(&self) -> &str {
        self.name.get().map_or("", String::as_str)
    }

    pub fn is_called(&self, name: &str) {
        self.name.set(name.to_owned()).unwrap();
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap()
    }

    fn change(&self, change: impl FnOnce(&mut Standing)) {
        change(&mut self.standing());
        self.changed.notify_waiters();
    }

    /// Nothing of it happens any more.
    pub fn die(&self) {
        self.change(|standing| standing.dead = true);
    }

    pub fn stop(&self, late: bool) {
        self.change(|standing| {
            standing.stopped = true;
            standing.late = late;
        });
    }

    pub fn go_on(&self) {
        self.change(|standing| {
            standing.stopped = false;
            standing.late = false;
        });
    }

    pub fn cut_store(&self, cut: bool) {
        self.change(|standing| {
            standing.store_cut = cut;
            standing.breaks += u64::from(cut);
        });
    }

    pub fn break_watch(&self) {
        self.change(|standing| standing.breaks += 1);
    }

    pub fn lose_commits(&self, answers: &[bool]) {
        self.change(|standing| standing.lost.extend(answers));
    }

    pub fn lose_call(&self, after: u8, answer: bool) {
        self.change(|standing| standing.lost_call = Some((after, answer)));
    }

    pub fn cut_router(&self, address: &str, cut: Option<Cut>) {
        self.change(|standing| {
            let link = standing.links.entry(address.to_owned()).or_default();
            link.cut = cut;
            link.epoch += u64::from(cut == Some(Cut::Refused));
        });
    }

    /// All is well with it, and stays so.
    pub fn heal(&self) {
        self.change(|standing| {
            standing.stopped = false;
            standing.late = false;
            standing.store_cut = false;
            standing.lost.clear();
            standing.lost_call = None;
            for link in standing.links.values_mut() {
                link.cut = None;
            }
        });
    }

    pub fn store_is_cut(&self) -> bool {
        self.standing().store_cut
    }

    pub fn breaks(&self) -> u64 {
        self.standing().breaks
    }

    /// What becomes of this commit.
    pub fn loses_commit(&self) -> Option<bool> {
        self.standing().lost.pop_front()
    }

    /// What becomes of this call to a daemon.
    pub fn loses_call(&self) -> Option<bool> {
        let mut standing = self.standing();
        let (after, answer) = standing.lost_call?;
        standing.lost_call = after.checked_sub(1).map(|after| (after, answer));
        (after == 0).then_some(answer)
    }

    pub fn link(&self, address: &str) -> Link {
        self.standing()
            .links
            .get(address)
            .copied()
            .unwrap_or_default()
    }

    /// Whether the call that asks is the one that a stop lets through late.
    pub fn takes_late(&self) -> bool {
        let mut standing = self.standing();
        standing.stopped && std::mem::take(&mut standing.late)
    }

    /// Waits for its next change.
    pub fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }

    /// Between any two of its deeds: waits while it is stopped, for ever once
    /// it is dead.
    pub async fn runs(&self) {
        loop {
            let changed = self.changed();
            let (dead, stopped) = {
                let standing = self.standing();
                (standing.dead, standing.stopped)
            };
            if dead {
                return std::future::pending().await;
            }
            if !stopped {
                return;
            }
            changed.await;
        }
    }

    /// What a message takes on its way.
    pub async fn travel(&self) {
        let time = self.chance.latency();
        if time > Duration::ZERO {
            tokio::time::sleep(time).await;
        }
    }
}
