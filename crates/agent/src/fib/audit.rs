//! Comparing with a full look at the kernel: when the agent starts, when
//! events were lost, and when the kernel may have dropped routes silently.

use super::{Change, Fib};
use crate::kernel::{Route, View};
use crate::rows::{Flags, NONE, Slot};
use ipnet::IpNet;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A full look at the routes.
#[derive(Debug, Default)]
pub struct Look {
    /// Everybody else's.
    pub others: View,
    /// Those with our mark, as they were told.
    pub own: Vec<Route>,
}

impl Fib {
    /// Takes over what an earlier run left. It stays until [`Self::sweep`],
    /// or until BGP wants something else there. Gives how many routes that are.
    pub fn take_over(&mut self, own: Vec<Route>) -> usize {
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

    fn compare(&mut self, own: Vec<Route>, keep: bool) {
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

    fn compare_one(&mut self, route: &Route, keep: bool) {
        let slot = self.rows.find_or_insert(route.prefix);
        let row = self.rows.get_mut(slot);
        if row.flags.put(Flags::SEEN, true) {
            // The first is the one that the kernel uses.
            self.strays.push(Change {
                prefix: route.prefix,
                old: Some(Arc::from(route.legs.as_slice())),
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
