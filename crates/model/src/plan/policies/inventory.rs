//! What is on the daemon, what of it is ours, what is declared, and what of
//! that can't be put in place.

use super::super::effects::{knows_peer_address, version_text};
use super::super::{OwnedKey, OwnedRecord};
use super::{direction_of, next, policy_key, policy_of, rows, set_key};
use crate::action::{Action, NextHop};
use crate::config::{Direction, Policy, RouterConfig, Source};
use crate::observed::{
    self, Assignment, DefaultAction, DefinedSet, Observed, SetKind, StatementBody, Version,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

type Owned = BTreeMap<OwnedKey, OwnedRecord>;

/// Both sides of the policies of one router.
pub(super) struct Inventory<'a> {
    owned: &'a Owned,
    /// On the daemon, whoever's.
    pub(super) policies: BTreeMap<&'a str, &'a observed::Policy>,
    /// Neighbor sets on the daemon, whoever's.
    pub(super) sets: BTreeMap<&'a str, &'a DefinedSet>,
    /// On the daemon.
    import: Assignment,
    export: Assignment,
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
    config: Option<&'a RouterConfig>,
}

impl<'a> Inventory<'a> {
    pub(super) fn take(
        desired: Option<&'a RouterConfig>,
        observed: &'a Observed,
        owned: &'a Owned,
    ) -> Self {
        // Whatever was there before BGP is started is wiped by StartBgp.
        let started = observed.global.is_some();
        let listed = |list: &'a [observed::Policy]| if started { list } else { &[] };
        let fresh = Assignment {
            policies: Vec::new(),
            default: DefaultAction::Accept,
        };
        let assignment = |direction| match started {
            true => observed.assignment(direction).clone(),
            false => fresh.clone(),
        };
        let sets = if started {
            observed.defined_sets.as_slice()
        } else {
            &[]
        };
        let mut inventory = Self {
            owned,
            policies: listed(&observed.policies)
                .iter()
                .map(|p| (p.name.as_str(), p))
                .collect(),
            sets: sets
                .iter()
                .filter(|set| set.kind == SetKind::Neighbor)
                .map(|set| (set.name.as_str(), set))
                .collect(),
            import: assignment(Direction::Import),
            export: assignment(Direction::Export),
            want: BTreeMap::new(),
            want_sets: BTreeMap::new(),
            blocked: BTreeMap::new(),
            failures: Vec::new(),
            notes: Vec::new(),
            alone: false,
            order: desired.map_or([&[], &[]], |config| {
                [config.import.as_slice(), config.export.as_slice()]
            }),
            nothing_goes: desired.is_some_and(|config| config.held.unknown),
            peers: desired.map_or_else(BTreeSet::new, |config| {
                let stays = |address: &&IpAddr| {
                    config.neighbors.contains_key(address) || config.held.peers.contains(address)
                };
                observed.peers.keys().filter(stays).copied().collect()
            }),
            config: desired,
        };
        let loose: &[String] = if started {
            &observed.loose_statements
        } else {
            &[]
        };
        if let Some(config) = desired {
            inventory.blocked.extend(config.held.policies.clone());
            for policy in config.policies.values() {
                inventory.declare(policy, loose, observed.version);
            }
        }
        inventory.keep_shared();
        inventory.alone = loose.is_empty()
            && sets.len() == inventory.sets.len()
            && inventory.sets.keys().all(|name| inventory.is_our_set(name))
            && inventory
                .policies
                .keys()
                .all(|name| inventory.is_ours(name));
        inventory
    }

    /// Puts a declared policy among what is wanted, unless something stands
    /// in its way.
    fn declare(&mut self, policy: &'a Policy, loose: &[String], version: Version) {
        if self.blocked.contains_key(&policy.name) {
            return;
        }
        let Some(config) = self.config else { return };
        if let Some((sources, reason)) = inexpressible(policy, version) {
            self.failures
                .extend(sources.into_iter().map(|s| (s, reason.clone())));
            let why = format!("policy {} stays as it is: {reason}", policy.name);
            self.blocked.insert(policy.name.clone(), why);
            return;
        }
        if let Some(reason) = self.conflict(policy, config, loose) {
            self.fail(policy, reason);
            return;
        }
        for statement in &policy.statements {
            if let Some((name, set)) = config.neighbor_sets.get_key_value(&statement.neighbor_set) {
                self.want_sets.insert(name, set);
            }
        }
        self.want.insert(&policy.name, policy);
    }

    fn fail(&mut self, policy: &Policy, reason: String) {
        for source in rows(policy) {
            self.failures.push((source.clone(), reason.clone()));
        }
        self.blocked.insert(policy.name.clone(), reason);
    }

    /// What somebody else has on the daemon under a name that we need.
    fn conflict(&self, policy: &Policy, config: &RouterConfig, loose: &[String]) -> Option<String> {
        let name = policy.name.as_str();
        let have = self.policies.get(name);
        let equal = have.is_some_and(|have| same(have, policy));
        if have.is_some() && !equal && !self.owned.contains_key(&policy_key(name)) {
            return Some(format!(
                "policy {name} is on the daemon, differs from what is declared, and sdwan did \
                 not make it: delete it there (gobgp policy del {name}) or use another policy_name"
            ));
        }
        let twin = next(name);
        if self.policies.contains_key(twin.as_str()) && !self.owned.contains_key(&policy_key(&twin))
        {
            return Some(format!(
                "policy {twin} is on the daemon and sdwan did not make it: delete it there \
                 (gobgp policy del {twin})"
            ));
        }
        for statement in &policy.statements {
            let set = next(&statement.neighbor_set);
            if self.sets.contains_key(set.as_str()) && !self.owned.contains_key(&set_key(&set)) {
                return Some(format!(
                    "neighbor set {set} is on the daemon and sdwan did not make it: delete it \
                     there (gobgp policy neighbor del {set})"
                ));
            }
            let set = statement.neighbor_set.as_str();
            let foreign = self.sets.get(set).is_some_and(|have| {
                !self.owned.contains_key(&set_key(set))
                    && config
                        .neighbor_sets
                        .get(set)
                        .is_none_or(|want| !same_set(have, want))
            });
            if foreign {
                return Some(format!(
                    "neighbor set {set} is on the daemon, differs from what is declared, and \
                     sdwan did not make it: delete it there (gobgp policy neighbor del {set})"
                ));
            }
        }
        if equal {
            return None;
        }
        let taken = |statement: &str| {
            let elsewhere = self.policies.iter().find(|(holder, held)| {
                **holder != name
                    && **holder != twin
                    && held.statements.iter().any(|s| s.name == statement)
            });
            match elsewhere {
                Some((holder, _)) => Some(format!("policy {holder}")),
                None if loose.iter().any(|s| s == statement) => Some("no policy".to_owned()),
                None => None,
            }
        };
        policy.statements.iter().find_map(|statement| {
            let twin = next(&statement.name);
            [statement.name.as_str(), twin.as_str()]
                .into_iter()
                .find_map(|name| {
                    let holder = taken(name)?;
                    Some(format!(
                        "statement {name} is on the daemon in {holder}, and statement names are \
                     unique: take it out there, then gobgp policy statement del {name}"
                    ))
                })
        })
    }

    /// Somebody's policy may use a statement of ours: then ours stays.
    fn keep_shared(&mut self) {
        let mut kept = Vec::new();
        for (name, policy) in &self.policies {
            if !self.owned.contains_key(&policy_key(name))
                || self.want.contains_key(name)
                || self.blocked.contains_key(*name)
            {
                continue;
            }
            let user = self.policies.iter().find(|(other, held)| {
                !self.owned.contains_key(&policy_key(other))
                    && !self.want.contains_key(*other)
                    && held.statements.iter().any(|theirs| {
                        policy
                            .statements
                            .iter()
                            .any(|ours| ours.name == theirs.name)
                    })
            });
            if let Some((user, _)) = user {
                kept.push((
                    (*name).to_owned(),
                    format!(
                        "policy {name} stays: policy {user}, which is not ours, uses its statements"
                    ),
                ));
            }
        }
        for (name, why) in kept {
            self.notes.push(why.clone());
            self.blocked.insert(name, why);
        }
    }

    /// Single-object calls can't take out of a set what isn't an address.
    pub(super) fn block_incomplete_sets(&mut self) {
        let bad: Vec<(&'a Policy, String)> = self
            .want
            .values()
            .filter_map(|policy| {
                let set = policy.statements.iter().find_map(|statement| {
                    let set = self.sets.get(statement.neighbor_set.as_str())?;
                    (!set.complete).then_some(&set.name)
                })?;
                let reason = format!(
                    "somebody put a prefix into neighbor set {set}: take it out there (gobgp \
                     policy neighbor del {set} PREFIX)"
                );
                Some((*policy, reason))
            })
            .collect();
        for (policy, reason) in bad {
            self.want.remove(policy.name.as_str());
            for statement in &policy.statements {
                self.want_sets.remove(statement.neighbor_set.as_str());
            }
            self.fail(policy, reason);
        }
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
        match direction {
            Direction::Import => &self.import,
            Direction::Export => &self.export,
        }
    }

    /// Whether a policy is evaluated at all.
    pub(super) fn is_assigned(&self, name: &str) -> bool {
        [&self.import, &self.export]
            .into_iter()
            .any(|assignment| assignment.policies.iter().any(|p| p == name))
    }

    /// The assignment as it should be: foreign policies where they are, ours
    /// in their own order in the places of ours, new ones behind them.
    pub(super) fn target(&self, direction: Direction) -> Assignment {
        let have = self.assignment(direction);
        let assigned: BTreeSet<&str> = have.policies.iter().map(String::as_str).collect();
        let declared = match direction {
            Direction::Import => self.order[0],
            Direction::Export => self.order[1],
        };
        let mut ours: Vec<&str> = declared
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
        *self.assignment(direction) != self.target(direction)
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

/// A statement that this version has no words for.
fn inexpressible(policy: &Policy, version: Version) -> Option<(Vec<Source>, String)> {
    if knows_peer_address(version) {
        return None;
    }
    let statement = policy
        .statements
        .iter()
        .find(|s| s.action == Some(Action::NextHop(NextHop::PeerAddress)))?;
    let sources = statement
        .sources
        .iter()
        .map(|source| source.row.clone())
        .collect();
    let reason = format!(
        "`next-hop peer-address` needs GoBGP 3.28 or newer, this is {}",
        version_text(version)
    );
    Some((sources, reason))
}

/// The body that a declared statement has on the daemon.
fn body(statement: &crate::config::Statement) -> StatementBody {
    StatementBody {
        neighbor_set: statement.neighbor_set.clone(),
        action: statement.action.clone(),
        disposition: statement.disposition,
    }
}

/// Whether the daemon's policy is what is declared, members of sets aside.
pub(super) fn same(have: &observed::Policy, want: &Policy) -> bool {
    have.statements.len() == want.statements.len()
        && have
            .statements
            .iter()
            .zip(&want.statements)
            .all(|(have, want)| have.name == want.name && have.ours == Some(body(want)))
}

/// Whether the daemon's set is what is declared.
pub(super) fn same_set(have: &DefinedSet, want: &BTreeSet<IpAddr>) -> bool {
    have.complete && have.neighbors == *want
}

/// The policy under its twin's names, with sets of its own.
pub(super) fn twin(policy: &Policy) -> Policy {
    let mut twin = policy.clone();
    twin.name = next(&policy.name);
    for statement in &mut twin.statements {
        statement.name = next(&statement.name);
        statement.neighbor_set = next(&statement.neighbor_set);
    }
    twin
}

/// A policy of the daemon's in our terms; `None` where it holds what we have
/// no words for.
pub(super) fn restate(policy: &observed::Policy) -> Option<Policy> {
    let statements = policy.statements.iter().map(|statement| {
        let body = statement.ours.clone()?;
        Some(crate::config::Statement {
            name: statement.name.clone(),
            sources: Vec::new(),
            neighbor_set: body.neighbor_set,
            action: body.action,
            disposition: body.disposition,
        })
    });
    Some(Policy {
        name: policy.name.clone(),
        statements: statements.collect::<Option<Vec<_>>>()?,
    })
}
