//! Routes that the kernel would not take.

use super::{Fib, Notice, Trouble};
use crate::kernel::Route;
use crate::rows::Flags;
use ipnet::IpNet;

impl Fib {
    /// A change that was given could not be made: nothing is installed there.
    pub fn failed(&mut self, prefix: IpNet, trouble: Trouble) {
        let Some(slot) = self.rows.find(&prefix) else {
            return;
        };
        self.move_installed(slot, None);
        if self.rows.wanted(slot).is_none() {
            self.rows.remove_if_empty(slot);
            return;
        }
        let foreign =
            |route: &Route| (route.table, route.metric) == (self.mark.table, self.mark.metric);
        if trouble == Trouble::Taken && !self.view.routes_to(&prefix).iter().any(foreign) {
            // By a route that is not known here: it may be one of ours.
            self.audit_due = true;
        }
        self.rows.get_mut(slot).flags.put(Flags::TROUBLED, true);
        if self.troubles.insert(prefix, trouble.clone()).is_none() {
            self.notices.push(Notice::Trouble(prefix, trouble));
        }
    }

    /// Every route that could not be installed is tried again.
    pub fn try_all_again(&mut self) {
        let prefixes: Vec<IpNet> = self.troubles.keys().copied().collect();
        for prefix in prefixes {
            self.try_again(&prefix);
        }
    }

    pub(super) fn try_again(&mut self, prefix: &IpNet) {
        if !self.troubles.contains_key(prefix) {
            return;
        }
        if let Some(slot) = self.rows.find(prefix) {
            self.touch(slot);
        }
    }
}
