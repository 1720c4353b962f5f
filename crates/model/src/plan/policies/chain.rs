//! What is evaluated for each peer, before and after: tells which sessions
//! have to be refreshed and where routes would be left behind.

use super::inventory::Inventory;
use super::{Affected, direction_of};
use crate::action::Action;
use crate::config::{Direction, Disposition};
use crate::observed::{DefaultAction, Observed};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Our statements for one peer, in order.
type Chain<'a> = Vec<(Option<&'a Action>, Option<Disposition>)>;

/// The chains of one direction.
#[derive(Default)]
struct Chains<'a> {
    by_peer: BTreeMap<IpAddr, Chain<'a>>,
    /// A statement is there that matches more than we can tell.
    murky: bool,
}

impl<'a> Chains<'a> {
    fn of(&self, address: &IpAddr) -> &[(Option<&'a Action>, Option<Disposition>)] {
        self.by_peer.get(address).map_or(&[], Vec::as_slice)
    }

    fn add(
        &mut self,
        set: &BTreeSet<IpAddr>,
        action: Option<&'a Action>,
        disposition: Option<Disposition>,
    ) {
        // gobgpd takes an empty set for every peer.
        self.murky |= set.is_empty();
        for address in set {
            self.by_peer
                .entry(*address)
                .or_default()
                .push((action, disposition));
        }
    }
}

/// The peers on the daemon for which the plan changes something.
pub(super) fn affected(
    inventory: &Inventory<'_>,
    observed: &Observed,
) -> BTreeMap<IpAddr, Affected> {
    let mut affected: BTreeMap<IpAddr, Affected> = BTreeMap::new();
    for direction in [Direction::Import, Direction::Export] {
        let (have, target) = (inventory.assignment(direction), inventory.target(direction));
        if have == target && !content_changes(inventory, direction) {
            continue;
        }
        let before = before(inventory, &have.policies);
        let after = after(inventory, &target.policies);
        // Routes that none of our statements decides go on to these.
        let onward = target.default == DefaultAction::Reject
            || target.policies.iter().any(|name| !inventory.is_ours(name));
        for address in observed.peers.keys() {
            let (old, new) = (before.of(address), after.of(address));
            let unclear = before.murky || after.murky || have.default != target.default;
            if old == new && !unclear {
                continue;
            }
            let entry = affected.entry(*address).or_default();
            match direction {
                Direction::Import => entry.import = true,
                Direction::Export => {
                    entry.export = true;
                    entry.narrowed =
                        narrows(old, new, onward) || before.murky && may_reject(new, onward);
                }
            }
        }
    }
    affected
}

fn content_changes(inventory: &Inventory<'_>, direction: Direction) -> bool {
    let mut policies = inventory.want.values();
    policies.any(|want| direction_of(&want.name) == direction && inventory.differs(want))
}

fn before<'a>(inventory: &Inventory<'a>, assigned: &[String]) -> Chains<'a> {
    let mut chains = Chains::default();
    for name in assigned.iter().filter(|name| inventory.is_ours(name)) {
        listed(inventory, name, &mut chains);
    }
    chains
}

fn after<'a>(inventory: &Inventory<'a>, assigned: &[String]) -> Chains<'a> {
    let mut chains = Chains::default();
    for name in assigned.iter().filter(|name| inventory.is_ours(name)) {
        let Some(want) = inventory.want.get(name.as_str()) else {
            listed(inventory, name, &mut chains);
            continue;
        };
        for statement in &want.statements {
            if let Some(set) = inventory.want_sets.get(statement.neighbor_set.as_str()) {
                chains.add(set, statement.action.as_ref(), statement.disposition);
            }
        }
    }
    chains
}

/// A policy's statements as the daemon has them.
fn listed<'a>(inventory: &Inventory<'a>, name: &str, chains: &mut Chains<'a>) {
    let Some(policy) = inventory.policies.get(name) else {
        return;
    };
    for statement in &policy.statements {
        match &statement.ours {
            Some(body) => match inventory.sets.get(body.neighbor_set.as_str()) {
                Some(set) if set.complete => {
                    chains.add(&set.neighbors, body.action.as_ref(), body.disposition);
                }
                _ => chains.murky = true,
            },
            None => chains.murky = true,
        }
    }
}

/// The first statement that decides.
fn decision(chain: &[(Option<&Action>, Option<Disposition>)]) -> Option<Disposition> {
    chain.iter().find_map(|(_, disposition)| *disposition)
}

fn may_reject(chain: &[(Option<&Action>, Option<Disposition>)], onward: bool) -> bool {
    match decision(chain) {
        Some(Disposition::Accept) => false,
        Some(Disposition::Reject) => true,
        None => onward,
    }
}

/// Whether routes that passed may be rejected now. Errs towards yes.
fn narrows(
    old: &[(Option<&Action>, Option<Disposition>)],
    new: &[(Option<&Action>, Option<Disposition>)],
    onward: bool,
) -> bool {
    decision(old) != decision(new)
        && decision(old) != Some(Disposition::Reject)
        && may_reject(new, onward)
}
