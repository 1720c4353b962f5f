//! Next hops and the sets of them that routes want: found out once, and again
//! when something moves that the answer stood on.

use super::{Fib, Hop, Notice, Set};
use crate::intern::Id;
use crate::kernel::{Leg, Touched};
use crate::resolve::{Answer, Interfaces, NextHop, On, is_link_local, resolve};
use crate::rows::{NONE, Slot};
use ipnet::IpNet;
use std::collections::BTreeSet;
use std::net::IpAddr;

impl Fib {
    /// The set of these next hops; made if nobody wants it yet.
    pub(super) fn set(&mut self, hops: &[NextHop]) -> Id {
        let mut ids: Vec<Id> = hops.iter().map(|hop| self.hop(hop)).collect();
        ids.sort_unstable();
        ids.dedup();
        if let Some(set) = self.sets.find(&ids) {
            return set;
        }
        let legs = self.union(&ids);
        if let Some(legs) = legs {
            self.legs.hold(legs);
        }
        let set = self.sets.insert(ids.as_slice(), Set { head: NONE, legs });
        for hop in ids {
            self.hops.hold(hop);
            self.hops.get_mut(hop).sets.insert(set);
        }
        set
    }

    fn hop(&mut self, hop: &NextHop) -> Id {
        if let Some(id) = self.hops.find(hop) {
            return id;
        }
        let answer = resolve(&self.view, &self.interfaces, hop);
        if let Err(reason) = &answer.legs {
            self.notices.push(Notice::NextHop {
                address: hop.address,
                reason: Some(reason.clone()),
            });
        }
        let sets = BTreeSet::new();
        let id = self.hops.insert(hop.clone(), Hop { answer, sets });
        self.depend(id);
        id
    }

    /// The legs of all these next hops together.
    fn union(&mut self, hops: &[Id]) -> Option<Id> {
        let answers = hops.iter().map(|id| &self.hops.get(*id).answer);
        let reached = answers.filter_map(|answer| answer.legs.as_ref().ok());
        let legs: BTreeSet<Leg> = reached.flatten().copied().collect();
        let legs: Vec<Leg> = legs.into_iter().collect();
        (!legs.is_empty()).then(|| self.legs_id(&legs))
    }

    /// One route less wants a set; with the last, what only it held goes.
    pub(super) fn release_set(&mut self, set: Id) {
        let Some((hops, value)) = self.sets.release(set) else {
            return;
        };
        if let Some(legs) = value.legs {
            self.legs.release(legs);
        }
        for hop in hops.iter() {
            self.hops.get_mut(*hop).sets.remove(&set);
            if let Some((_, gone)) = self.hops.release(*hop) {
                self.depend_no_more(*hop, &gone.answer);
            }
        }
    }

    /// gobgpd's word on where neighbors are that have only a link-local address.
    pub fn neighbors(&mut self, interfaces: Interfaces) {
        let before = std::mem::replace(&mut self.interfaces, interfaces);
        let both = before.keys().chain(self.interfaces.keys());
        let moved = both.filter(|address| before.get(*address) != self.interfaces.get(*address));
        let hops = moved.flat_map(|address| between(&self.by_address, *address, *address));
        self.resolve_these(hops.collect());
    }

    /// Whether nothing is known of where such a neighbor is.
    #[must_use]
    pub fn misses(&self, hop: &NextHop) -> bool {
        matches!(hop.on, On::Neighbor(neighbor)
            if is_link_local(neighbor) && !self.interfaces.contains_key(&neighbor))
    }

    /// Answers that stood on what was touched are found out again.
    pub(super) fn resolve_again(&mut self, touched: &Touched) {
        let mut hops = BTreeSet::new();
        if let Some(prefix) = &touched.prefix {
            hops.extend(self.within(prefix));
        }
        if let Some(address) = touched.address {
            hops.extend(between(&self.by_address, address, address));
        }
        if let Some(link) = touched.link {
            hops.extend(between(&self.by_link, link, link));
        }
        for name in &touched.names {
            hops.extend(between(&self.by_name, name.clone(), name.clone()));
        }
        self.resolve_these(hops);
    }

    /// Next hops that were looked up within a prefix.
    pub(super) fn within(&self, prefix: &IpNet) -> impl Iterator<Item = Id> {
        let (first, last): (IpAddr, IpAddr) = match prefix {
            IpNet::V4(v4) => (v4.network().into(), v4.broadcast().into()),
            IpNet::V6(v6) => (v6.network().into(), v6.broadcast().into()),
        };
        between(&self.by_address, first, last)
    }

    pub(super) fn resolve_these(&mut self, hops: BTreeSet<Id>) {
        for id in hops {
            let key = std::sync::Arc::clone(self.hops.key(id));
            let answer = resolve(&self.view, &self.interfaces, &key);
            if answer == self.hops.get(id).answer {
                continue;
            }
            let before = std::mem::replace(&mut self.hops.get_mut(id).answer, answer);
            self.depend_no_more(id, &before);
            self.depend(id);
            let now = &self.hops.get(id).answer;
            if now.legs == before.legs {
                continue;
            }
            let reason = now.legs.as_ref().err().cloned();
            if reason.is_some() || before.legs.is_err() {
                let address = key.address;
                self.notices.push(Notice::NextHop { address, reason });
            }
            self.hop_moved(id);
        }
    }

    fn hop_moved(&mut self, hop: Id) {
        let sets: Vec<Id> = self.hops.get(hop).sets.iter().copied().collect();
        for set in sets {
            let hops = std::sync::Arc::clone(self.sets.key(set));
            let legs = self.union(&hops);
            if legs == self.sets.get(set).legs {
                continue;
            }
            if let Some(id) = legs {
                self.legs.hold(id);
            }
            if let Some(id) = std::mem::replace(&mut self.sets.get_mut(set).legs, legs) {
                self.legs.release(id);
            }
            let rows: Vec<Slot> = self.rows.chain(self.sets.get(set).head).collect();
            for slot in rows {
                self.touch(slot);
            }
        }
    }

    fn depend(&mut self, id: Id) {
        let answer = &self.hops.get(id).answer;
        self.by_address
            .extend(answer.addresses.iter().map(|address| (*address, id)));
        self.by_link
            .extend(answer.links.iter().map(|link| (*link, id)));
        self.by_name
            .extend(answer.names.iter().map(|name| (name.clone(), id)));
    }

    fn depend_no_more(&mut self, id: Id, answer: &Answer) {
        for address in &answer.addresses {
            self.by_address.remove(&(*address, id));
        }
        for link in &answer.links {
            self.by_link.remove(&(*link, id));
        }
        for name in &answer.names {
            self.by_name.remove(&(name.clone(), id));
        }
    }
}

fn between<K: Ord>(index: &BTreeSet<(K, Id)>, first: K, last: K) -> impl Iterator<Item = Id> {
    let range = (first, Id::MIN)..=(last, Id::MAX);
    index.range(range).map(|(_, id)| *id)
}
