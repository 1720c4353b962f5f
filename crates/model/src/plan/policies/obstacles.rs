//! What stands in the way of a declared policy: somebody else's object under
//! a name that we need, a version that has no words for it.

use super::super::effects::{knows_peer_address, version_text};
use super::inventory::Inventory;
use super::words::{same, same_set};
use super::{next, policy_key, rows, set_key};
use crate::action::{Action, NextHop};
use crate::config::{Policy, RouterConfig, Source};
use crate::observed::Version;

impl<'a> Inventory<'a> {
    /// Puts a declared policy among what is wanted, unless something stands
    /// in its way.
    pub(super) fn declare(&mut self, policy: &'a Policy, loose: &[String], version: Version) {
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
    pub(super) fn keep_shared(&mut self) {
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
        self.aim();
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
