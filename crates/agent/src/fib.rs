//! What BGP wants, what the kernel has, and the steps from one to the other.
//!
//! Pure: it is told what happened and gives the changes that are due. A route
//! that changes costs its own row; a link or a route of the kernel's costs the
//! next hops that were found over it, and of these only what really moves.
//!
//! ```text
//! BGP's route ─► row ─► set of next hops ─► next hop ─► answer over the view
//!                 │            │                            ▲
//!                 │            └─► legs: what it should be  │ links, addresses,
//!                 └─► legs: what is installed               │ others' routes
//! ```

mod audit;
mod hops;
mod report;
#[cfg(test)]
mod tests;
mod trouble;

pub use audit::{Look, Own};
pub use report::{Counts, Unresolved};

use crate::intern::{Id, Intern};
use crate::kernel::{Event, Leg, MAIN, Route, Touched, View};
use crate::resolve::{Answer, Interfaces, NextHop, Reason};
use crate::rows::{Flags, NONE, Rows, Slot, some};
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

/// Above the metrics of whatever an operator or the host itself configures.
/// FRR's zebra reads the highest byte of a stranger's metric as a distance, and
/// would prefer ours to its own static routes if it were 0: it is iBGP's.
pub const DEFAULT_METRIC: u32 = 200 << 24;

/// What tells our routes from everybody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The table that they are in.
    pub table: u32,
    /// Their protocol number.
    pub protocol: u8,
    /// Their metric.
    pub metric: u32,
}

impl Mark {
    /// The main table, BGP's port, and [`DEFAULT_METRIC`].
    pub const DEFAULT: Self = Self {
        table: MAIN,
        protocol: 179,
        metric: DEFAULT_METRIC,
    };

    /// Whether a route bears our protocol number in our table.
    #[must_use]
    pub fn is_on(&self, route: &Route) -> bool {
        (route.table, route.protocol) == (self.table, self.protocol)
    }
}

/// A step: the route to a prefix gets other legs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which route.
    pub prefix: IpNet,
    /// What is installed; `None`: nothing.
    pub old: Option<Arc<[Leg]>>,
    /// What shall be; `None`: nothing.
    pub new: Option<Arc<[Leg]>>,
}

/// Why the kernel doesn't have a route that could be installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Somebody else's route to that prefix has our metric.
    Taken,
    /// The kernel refused it, in its words.
    Refused(String),
}

/// Something that an operator should hear of once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A next hop can be reached now, or not any more.
    NextHop {
        /// Which.
        address: IpAddr,
        /// Why not; `None`: it can.
        reason: Option<Reason>,
    },
    /// A route that could not be installed.
    Trouble(IpNet, Trouble),
    /// Somebody else took routes of ours away.
    Removed(IpNet),
}

#[derive(Debug)]
struct Hop {
    answer: Answer,
    sets: BTreeSet<Id>,
}

#[derive(Debug)]
struct Set {
    head: Slot,
    legs: Option<Id>,
}

/// The forwarding table.
#[derive(Debug)]
pub struct Fib {
    mark: Mark,
    view: View,
    interfaces: Interfaces,
    rows: Rows,
    hops: Intern<NextHop, Hop>,
    sets: Intern<[Id], Set>,
    legs: Intern<[Leg], ()>,
    by_address: BTreeSet<(IpAddr, Id)>,
    by_link: BTreeSet<(u32, Id)>,
    by_name: BTreeSet<(String, Id)>,
    dirty: VecDeque<Slot>,
    /// Second routes of ours to one prefix, left by a run that was killed between two steps.
    strays: Vec<Change>,
    troubles: BTreeMap<IpNet, Trouble>,
    notices: Vec<Notice>,
    audit_due: bool,
    wanted: usize,
    installed: usize,
    kept: usize,
    fresh: usize,
}

impl Fib {
    /// An empty one over what is known of the kernel.
    #[must_use]
    pub fn new(mark: Mark, view: View) -> Self {
        Self {
            mark,
            view,
            interfaces: Interfaces::new(),
            rows: Rows::default(),
            hops: Intern::default(),
            sets: Intern::default(),
            legs: Intern::default(),
            by_address: BTreeSet::new(),
            by_link: BTreeSet::new(),
            by_name: BTreeSet::new(),
            dirty: VecDeque::new(),
            strays: Vec::new(),
            troubles: BTreeMap::new(),
            notices: Vec::new(),
            audit_due: false,
            wanted: 0,
            installed: 0,
            kept: 0,
            fresh: 0,
        }
    }

    /// What is known of the kernel.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.view
    }

    /// What tells our routes.
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.mark
    }

    /// BGP's best paths to a prefix; none: it is withdrawn.
    pub fn want(&mut self, prefix: IpNet, hops: &[NextHop]) {
        if hops.is_empty() {
            if let Some(slot) = self.rows.find(&prefix) {
                self.drop_wanted(slot);
            }
            return;
        }
        let slot = self.rows.find_or_insert(prefix);
        let set = self.set(hops);
        let flags = &mut self.rows.get_mut(slot).flags;
        if !flags.put(Flags::FRESH, true) {
            self.fresh += 1;
        }
        self.keep_no_more(slot);
        if self.rows.wanted(slot) == Some(set) {
            return;
        }
        self.sets.hold(set);
        self.unlink(slot);
        self.rows.link(slot, set, &mut self.sets.get_mut(set).head);
        self.wanted += 1;
        self.touch(slot);
    }

    /// gobgpd begins to tell its whole table: nothing is confirmed yet.
    pub fn begin(&mut self) {
        self.rows.put_on_all(Flags::FRESH, false);
        self.fresh = 0;
    }

    /// What gobgpd has not told since [`Self::begin`] goes, of one family.
    /// Gives how many prefixes that are.
    pub fn sweep(&mut self, v6: bool) -> usize {
        let stale = |slot: &Slot| {
            let row = self.rows.get(*slot);
            let known = self.rows.wanted(*slot).is_some() || row.flags.has(Flags::KEPT);
            row.prefix.addr().is_ipv6() == v6 && known && !row.flags.has(Flags::FRESH)
        };
        let slots: Vec<Slot> = self.rows.slots().filter(stale).collect();
        for slot in &slots {
            self.drop_wanted(*slot);
        }
        slots.len()
    }

    /// Something of the kernel's changed.
    pub fn kernel(&mut self, event: Event) -> Touched {
        match event {
            Event::Route(route, _) if self.mark.is_on(&route) => {
                self.own_came();
                Touched::default()
            }
            Event::RouteGone(route) if self.mark.is_on(&route) => {
                self.own_went(&route);
                Touched::default()
            }
            event => {
                let touched = self.view.apply(event);
                self.audit_due |= touched.silent_loss;
                self.resolve_again(&touched);
                if let Some(prefix) = touched.prefix {
                    self.try_again(&prefix);
                }
                touched
            }
        }
    }

    /// Not ours, by its port: somebody uses our mark. What it means is found
    /// out by looking at all.
    fn own_came(&mut self) {
        self.audit_due = true;
    }

    fn own_went(&mut self, route: &Route) {
        if route.metric != self.mark.metric {
            return;
        }
        let Some(slot) = self.rows.find(&route.prefix) else {
            return;
        };
        let Some(installed) = some(self.rows.get(slot).installed) else {
            return;
        };
        let legs = Arc::clone(self.legs.key(installed));
        let rest: Vec<Leg> = if route.prefix.addr().is_ipv6() {
            let stays = |leg: &&Leg| !route.legs.iter().any(|gone| is_one(leg, gone));
            legs.iter().filter(stays).copied().collect()
        } else if *legs == *route.legs {
            Vec::new()
        } else {
            return;
        };
        if rest.len() == legs.len() {
            return;
        }
        self.put_installed(slot, &rest);
        if rest.is_empty() {
            // What nobody wants yet is lost for good.
            self.keep_no_more(slot);
        }
        // One that was to change anyway may have gone with its link.
        if !self.rows.get(slot).flags.has(Flags::DIRTY) {
            self.notices.push(Notice::Removed(route.prefix));
        }
        self.touch(slot);
    }

    /// Gives at most `limit` changes that are due, and takes them as made.
    pub fn due(&mut self, limit: usize) -> Vec<Change> {
        let strays = self.strays.len().min(limit);
        let mut changes: Vec<Change> = self.strays.drain(..strays).collect();
        while changes.len() < limit {
            let Some(slot) = self.dirty.pop_front() else {
                break;
            };
            self.rows.get_mut(slot).flags.put(Flags::DIRTY, false);
            changes.extend(self.settle(slot));
            self.rows.remove_if_empty(slot);
        }
        changes
    }

    /// Whether a change is due.
    #[must_use]
    pub fn is_due(&self) -> bool {
        !self.dirty.is_empty() || !self.strays.is_empty()
    }

    fn settle(&mut self, slot: Slot) -> Option<Change> {
        let row = *self.rows.get(slot);
        let target = match self.rows.wanted(slot) {
            Some(set) => self.sets.get(set).legs,
            None if row.flags.has(Flags::KEPT) => return None,
            None => None,
        };
        if row.flags.has(Flags::TROUBLED) {
            self.rows.get_mut(slot).flags.put(Flags::TROUBLED, false);
            self.troubles.remove(&row.prefix);
        }
        let installed = some(row.installed);
        if target == installed {
            return None;
        }
        let legs = |id: Id| Arc::clone(self.legs.key(id));
        let change = Change {
            prefix: row.prefix,
            old: installed.map(legs),
            new: target.map(legs),
        };
        self.move_installed(slot, target);
        Some(change)
    }

    fn touch(&mut self, slot: Slot) {
        if !self.rows.get_mut(slot).flags.put(Flags::DIRTY, true) {
            self.dirty.push_back(slot);
        }
    }

    fn drop_wanted(&mut self, slot: Slot) {
        let flags = &mut self.rows.get_mut(slot).flags;
        if flags.put(Flags::FRESH, false) {
            self.fresh -= 1;
        }
        self.keep_no_more(slot);
        self.unlink(slot);
        self.touch(slot);
    }

    fn keep_no_more(&mut self, slot: Slot) {
        if self.rows.get_mut(slot).flags.put(Flags::KEPT, false) {
            self.kept -= 1;
        }
    }

    fn unlink(&mut self, slot: Slot) {
        let Some(set) = self.rows.wanted(slot) else {
            return;
        };
        self.rows.unlink(slot, &mut self.sets.get_mut(set).head);
        self.wanted -= 1;
        self.release_set(set);
    }

    /// The kernel turned out to have these legs.
    fn put_installed(&mut self, slot: Slot, legs: &[Leg]) {
        let id = (!legs.is_empty()).then(|| self.legs_id(legs));
        self.move_installed(slot, id);
    }

    fn move_installed(&mut self, slot: Slot, legs: Option<Id>) {
        if let Some(id) = legs {
            self.legs.hold(id);
            self.installed += 1;
        }
        let row = self.rows.get_mut(slot);
        let before = std::mem::replace(&mut row.installed, legs.unwrap_or(NONE));
        if let Some(id) = some(before) {
            self.legs.release(id);
            self.installed -= 1;
        }
    }

    fn legs_id(&mut self, legs: &[Leg]) -> Id {
        match self.legs.find(legs) {
            Some(id) => id,
            None => self.legs.insert(legs, ()),
        }
    }
}

/// IPv6 tells a leg that goes by where it leads.
fn is_one(a: &Leg, b: &Leg) -> bool {
    (a.gateway, a.device) == (b.gateway, b.device)
}
