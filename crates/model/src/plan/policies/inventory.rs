//! What is on the daemon, what of it is ours, and what is declared.

use super::super::{OwnedKey, OwnedRecord};
use super::words::{same, same_set};
use super::{direction_of, policy_key, policy_of, set_key};
use crate::config::{Direction, Policy, RouterConfig, Source};
use crate::observed::{self, Assignment, DefaultAction, DefinedSet, Observed, SetKind};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

type Owned = BTreeMap<OwnedKey, OwnedRecord>;

/// Both sides of the policies of one router.
pub(super) struct Inventory<'a> {
    pub(super) owned: &'a Owned,
    /// On the daemon, whoever's.
    pub(super) policies: BTreeMap<&'a str, &'a observed::Policy>,
    /// Neighbor sets on the daemon, whoever's.
    pub(super) sets: BTreeMap<&'a str, &'a DefinedSet>,
    /// The assignments as the daemon has them.
    have: [Assignment; 2],
    /// The assignments as they should be.
    target: [Assignment; 2],
    /// Whatever is evaluated in any direction.
    assigned: BTreeSet<String>,
    /// Declared, and to be put in place.
    pub(super) want: BTreeMap<&'a str, &'a Policy>,
    /// The neighbor sets of `want`.
    pub(super) want_sets: BTreeMap<&'a str, &'a BTreeSet<IpAddr>>,
    /// Declared or ours, and left as it is for now, and why.
    pub(super) blocked: BTreeMap<String, String>,
    /// Rows that can't get there by trying again, and why.
    pub(super) failures: Vec<(Source, String)>,
    /// For the operator's eye.
    pub(super) notes: Vec<String>,
    /// Every policy object on the daemon is ours.
    pub(super) alone: bool,
    /// The declared order.
    order: [&'a [String]; 2],
    /// Nothing is removed.
    nothing_goes: bool,
    /// Peers that are there and stay.
    peers: BTreeSet<IpAddr>,
    pub(super) config: Option<&'a RouterConfig>,
}

/// What the daemon has of policies. Whatever is there before BGP is started
/// is wiped by StartBgp, and then everything is accepted.
struct Listed<'a> {
    policies: &'a [observed::Policy],
    sets: &'a [DefinedSet],
    loose: &'a [String],
    have: [Assignment; 2],
}

impl<'a> Listed<'a> {
    fn of(observed: &'a Observed) -> Self {
        if observed.global.is_some() {
            return Self {
                policies: &observed.policies,
                sets: &observed.defined_sets,
                loose: &observed.loose_statements,
                have: [observed.import.clone(), observed.export.clone()],
            };
        }
        let accepting = Assignment {
            policies: Vec::new(),
            default: DefaultAction::Accept,
        };
        Self {
            policies: &[],
            sets: &[],
            loose: &[],
            have: [accepting.clone(), accepting],
        }
    }
}

fn by_name<'a, T>(
    all: impl IntoIterator<Item = &'a T>,
    name: impl Fn(&'a T) -> &'a str,
) -> BTreeMap<&'a str, &'a T> {
    all.into_iter().map(|item| (name(item), item)).collect()
}

impl<'a> Inventory<'a> {
    /// Looks at both sides.
    pub(super) fn take(
        desired: Option<&'a RouterConfig>,
        observed: &'a Observed,
        owned: &'a Owned,
    ) -> Self {
        let listed = Listed::of(observed);
        let mut inventory = Self {
            owned,
            policies: by_name(listed.policies, |policy| &policy.name),
            sets: by_name(
                listed
                    .sets
                    .iter()
                    .filter(|set| set.kind == SetKind::Neighbor),
                |set| &set.name,
            ),
            assigned: listed
                .have
                .iter()
                .flat_map(|have| &have.policies)
                .cloned()
                .collect(),
            target: listed.have.clone(),
            have: listed.have,
            want: BTreeMap::new(),
            want_sets: BTreeMap::new(),
            blocked: BTreeMap::new(),
            failures: Vec::new(),
            notes: Vec::new(),
            alone: false,
            order: [&[], &[]],
            nothing_goes: false,
            peers: BTreeSet::new(),
            config: desired,
        };
        if let Some(config) = desired {
            let stays = |address: &&IpAddr| {
                config.neighbors.contains_key(address) || config.held.peers.contains(address)
            };
            inventory.peers = observed.peers.keys().filter(stays).copied().collect();
            inventory.order = [&config.import, &config.export];
            inventory.nothing_goes = config.held.unknown;
            inventory.blocked.extend(config.held.policies.clone());
            for policy in config.policies.values() {
                inventory.declare(policy, listed.loose, observed.version);
            }
        }
        inventory.keep_shared();
        inventory.alone = listed.loose.is_empty()
            && listed.sets.len() == inventory.sets.len()
            && inventory.sets.keys().all(|name| inventory.is_our_set(name))
            && inventory
                .policies
                .keys()
                .all(|name| inventory.is_ours(name));
        inventory.aim();
        inventory
    }

    /// Whether a policy on the daemon is ours; one that is as declared is
    /// taken over.
    pub(super) fn is_ours(&self, name: &str) -> bool {
        self.owned.contains_key(&policy_key(name)) || self.want.contains_key(name)
    }

    fn is_our_set(&self, name: &str) -> bool {
        self.owned.contains_key(&set_key(name)) || self.want_sets.contains_key(name)
    }

    /// Whether a policy stays as it is.
    pub(super) fn is_kept(&self, name: &str) -> bool {
        self.blocked.contains_key(policy_of(name))
            || self.nothing_goes && !self.want.contains_key(name)
    }

    /// Whether a set stays as it is: it belongs to a policy that does.
    pub(super) fn keeps_set(&self, name: &str) -> bool {
        let blocked = self.blocked.contains_key(policy_of(name));
        (blocked || self.nothing_goes) && !self.want_sets.contains_key(name)
    }

    /// Ours, on the daemon, and not declared any more.
    pub(super) fn going(&self) -> impl Iterator<Item = &'a observed::Policy> {
        self.policies
            .values()
            .copied()
            .filter(|policy| self.owned.contains_key(&policy_key(&policy.name)))
            .filter(|policy| !self.want.contains_key(policy.name.as_str()))
            .filter(|policy| !self.is_kept(&policy.name))
    }

    /// Ours, on the daemon, and not declared any more.
    pub(super) fn going_sets(&self) -> impl Iterator<Item = &'a str> {
        self.sets
            .keys()
            .copied()
            .filter(|name| self.owned.contains_key(&set_key(name)))
            .filter(|name| !self.want_sets.contains_key(name))
            .filter(|name| !self.keeps_set(name))
    }

    /// The assignment as the daemon has it.
    pub(super) fn assignment(&self, direction: Direction) -> &Assignment {
        &self.have[place(direction)]
    }

    /// The assignment as it should be.
    pub(super) fn target(&self, direction: Direction) -> &Assignment {
        &self.target[place(direction)]
    }

    /// Whether a policy is evaluated at all.
    pub(super) fn is_assigned(&self, name: &str) -> bool {
        self.assigned.contains(name)
    }

    /// Settles what the assignments should be; to be done again when a
    /// policy turns out to be blocked.
    pub(super) fn aim(&mut self) {
        self.target = [
            self.aim_at(Direction::Import),
            self.aim_at(Direction::Export),
        ];
    }

    /// Foreign policies where they are, ours in their own order in the places
    /// of ours, new ones behind them.
    fn aim_at(&self, direction: Direction) -> Assignment {
        let have = self.assignment(direction);
        let assigned: BTreeSet<&str> = have.policies.iter().map(String::as_str).collect();
        let mut ours: Vec<&str> = self.order[place(direction)]
            .iter()
            .map(String::as_str)
            .filter(|name| {
                self.want.contains_key(name) || assigned.contains(name) && self.is_ours(name)
            })
            .collect();
        let kept = have.policies.iter().map(String::as_str).filter(|name| {
            self.is_ours(name) && self.is_kept(name) && direction_of(name) == direction
        });
        for name in kept {
            if !ours.contains(&name) {
                ours.push(name);
            }
        }
        let default = match have.default {
            // Nothing but ours was ever here, or all of it was taken out:
            // what isn't matched goes on as on a fresh daemon.
            DefaultAction::None if self.alone && !ours.is_empty() => DefaultAction::Accept,
            default => default,
        };
        let last_of_ours = have.policies.iter().rposition(|name| self.is_ours(name));
        let mut ours = ours.into_iter();
        let mut policies: Vec<String> = Vec::new();
        for (place, name) in have.policies.iter().enumerate() {
            if self.is_ours(name) {
                policies.extend(ours.next().map(str::to_owned));
            } else {
                policies.push(name.clone());
            }
            if last_of_ours == Some(place) {
                policies.extend(ours.by_ref().map(str::to_owned));
            }
        }
        policies.extend(ours.map(str::to_owned));
        Assignment { policies, default }
    }
}

impl Inventory<'_> {
    /// Whether the daemon's policy, or a member of its sets, is not as
    /// declared.
    pub(super) fn differs(&self, want: &Policy) -> bool {
        self.policies
            .get(want.name.as_str())
            .is_none_or(|have| !same(have, want))
            || self.sets_differ(want).next().is_some()
    }

    /// The policy's sets whose members are not as declared.
    pub(super) fn sets_differ<'s>(&'s self, want: &'s Policy) -> impl Iterator<Item = &'s str> {
        want.statements
            .iter()
            .map(|statement| statement.neighbor_set.as_str())
            .filter(|set| match (self.sets.get(set), self.want_sets.get(set)) {
                (Some(have), Some(want)) => !same_set(have, want),
                _ => true,
            })
    }

    /// What is declared of a set.
    pub(super) fn wanted_set(&self, name: &str) -> BTreeSet<IpAddr> {
        self.want_sets
            .get(name)
            .map(|set| (*set).clone())
            .unwrap_or_default()
    }

    /// Whether an assignment changes.
    pub(super) fn moves(&self, direction: Direction) -> bool {
        self.assignment(direction) != self.target(direction)
    }

    /// Whether sets may grow and shrink under the statements that refer to
    /// them: nothing else changes in this direction, and each peer that is
    /// there joins or leaves one set at most, so that every call is a whole
    /// change for whomever it is about.
    pub(super) fn grows_in_place(&self, direction: Direction) -> bool {
        if self.moves(direction) {
            return false;
        }
        let mut moved: BTreeSet<IpAddr> = BTreeSet::new();
        let policies = self
            .want
            .values()
            .filter(|want| direction_of(&want.name) == direction);
        for want in policies.filter(|want| self.is_assigned(&want.name)) {
            let have = self.policies.get(want.name.as_str());
            if !have.is_some_and(|have| same(have, want)) {
                return false;
            }
            for set in self.sets_differ(want) {
                let (Some(have), Some(want)) = (self.sets.get(set), self.want_sets.get(set)) else {
                    return false;
                };
                // An empty set is everybody's.
                if have.neighbors.is_empty() {
                    return false;
                }
                let mut moves = have
                    .neighbors
                    .symmetric_difference(want)
                    .filter(|address| self.peers.contains(address));
                if moves.any(|address| !moved.insert(*address)) {
                    return false;
                }
            }
        }
        true
    }
}

/// Where a direction's value stands in a pair.
fn place(direction: Direction) -> usize {
    match direction {
        Direction::Import => 0,
        Direction::Export => 1,
    }
}
