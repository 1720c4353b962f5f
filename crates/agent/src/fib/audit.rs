//! Comparing with a full look at the kernel: when the agent starts, when
//! events were lost, and when the kernel may have dropped routes silently.

use super::{Change, Fib, Mark};
use crate::kernel::{Event, Leg, Place, Route, View};
use crate::rows::{Flags, NONE, Slot};
use ipnet::IpNet;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// A full look at the routes.
#[derive(Debug, Default)]
pub struct Look {
    others: View,
    own: Vec<Own>,
    legs: HashSet<Arc<[Leg]>>,
}

/// A route with our mark. There may be a million: what they share is shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// Where to.
    pub prefix: IpNet,
    /// Its metric: ours, unless somebody else uses our mark.
    pub metric: u32,
    /// How it sends.
    pub legs: Arc<[Leg]>,
}

impl Look {
    /// With nobody of ours.
    #[must_use]
    pub fn new(others: View) -> Self {
        Self {
            others,
            ..Self::default()
        }
    }

    /// Takes a route in, in the order in which the kernel tells them.
    pub fn take(&mut self, mark: Mark, route: Route) {
        if !mark.is_on(&route) {
            self.others.apply(Event::Route(route, Place::Last));
            return;
        }
        let legs = match self.legs.get(route.legs.as_slice()) {
            Some(legs) => Arc::clone(legs),
            None => {
                let legs = Arc::from(route.legs);
                self.legs.insert(Arc::clone(&legs));
                legs
            }
        };
        self.own.push(Own {
            prefix: route.prefix,
            metric: route.metric,
            legs,
        });
    }

    /// The routes with our mark.
    #[must_use]
    pub fn own(&self) -> &[Own] {
        &self.own
    }

    /// Everybody else's, and those with our mark.
    #[must_use]
    pub fn into_parts(self) -> (View, Vec<Own>) {
        (self.others, self.own)
    }
}

impl Fib {
    /// Takes over what an earlier run left. It stays until [`Self::sweep`],
    /// or until BGP wants something else there. Gives how many routes that are.
    pub fn take_over(&mut self, own: Vec<Own>) -> usize {
        let count = own.len();
        self.compare(own, true);
        count
    }

    /// Whether the kernel may differ from what is known of it.
    #[must_use]
    pub fn is_audit_due(&self) -> bool {
        self.audit_due
    }

    /// Asks for a full look.
    pub fn ask_for_audit(&mut self) {
        self.audit_due = true;
    }

    /// Takes in a full look: others' routes as they are, ours put right with
    /// the next changes. Gives the prefixes of others that differ. No change
    /// that was given may be under way.
    pub fn audit(&mut self, look: Look) -> Vec<IpNet> {
        self.audit_due = false;
        let changed = self.view.take_routes(look.others);
        let hops: BTreeSet<_> = changed
            .iter()
            .flat_map(|prefix| self.within(prefix))
            .collect();
        self.resolve_these(hops);
        self.compare(look.own, false);
        self.try_all_again();
        changed
    }

    fn compare(&mut self, own: Vec<Own>, keep: bool) {
        self.rows.put_on_all(Flags::SEEN, false);
        for route in own {
            if route.metric == self.mark.metric {
                self.compare_one(&route, keep);
            }
        }
        let lost = |slot: &Slot| {
            let row = self.rows.get(*slot);
            row.installed != NONE && !row.flags.has(Flags::SEEN)
        };
        let lost: Vec<Slot> = self.rows.slots().filter(lost).collect();
        for slot in lost {
            self.move_installed(slot, None);
            // What nobody wants yet is lost for good.
            self.keep_no_more(slot);
            self.touch(slot);
        }
    }

    fn compare_one(&mut self, route: &Own, keep: bool) {
        let slot = self.rows.find_or_insert(route.prefix);
        let row = self.rows.get_mut(slot);
        if row.flags.put(Flags::SEEN, true) {
            // The first is the one that the kernel uses.
            self.strays.push(Change {
                prefix: route.prefix,
                old: Some(Arc::clone(&route.legs)),
                new: None,
            });
            return;
        }
        let nobodys = self.rows.wanted(slot).is_none();
        if keep && nobodys && !self.rows.get_mut(slot).flags.put(Flags::KEPT, true) {
            self.kept += 1;
        }
        let legs = self.legs_id(&route.legs);
        if self.rows.get(slot).installed != legs {
            self.move_installed(slot, Some(legs));
            self.touch(slot);
        }
    }
}
