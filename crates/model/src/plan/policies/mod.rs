//! Neighbor sets, policies and their assignment.
//!
//! Two ways, because no call compares and sets: where everything on the
//! daemon is ours, `SetPolicies` replaces all of it at once ([`bulk`]); with
//! anything foreign there, single-object calls touch only what is ours
//! ([`single`]). Both keep two rules at every step:
//!
//! - A change of what is evaluated takes effect in one call, or through a
//!   state in which the old and the new both apply. So a policy that changes
//!   while it is assigned has a *twin* (`P/next`) take its place first.
//! - A policy in an assignment is never deleted, and a set that a statement
//!   refers to is never empty: gobgpd lets both fail open.

mod assign;
mod bulk;
mod chain;
mod inventory;
mod obstacles;
mod single;
mod words;

use super::draft::Draft;
use super::{OwnedKey, OwnedKind, OwnedRecord};
use crate::config::{Direction, Policy, RouterConfig, Source};
use crate::observed::Observed;
use crate::resource::ResourceRef;
use inventory::Inventory;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What policies mean for peers and their sessions.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Neighbors that may not be brought up, because a policy of theirs is
    /// not in place, and why.
    pub(super) withheld: BTreeMap<IpAddr, String>,
    /// Peers for which this plan changes what is evaluated.
    pub(super) affected: BTreeMap<IpAddr, Affected>,
    /// Sets of policies that have been ours for longer than this pass.
    standing: Vec<(Direction, BTreeSet<IpAddr>)>,
}

/// What changes for one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Affected {
    /// Its received routes are evaluated differently.
    pub(super) import: bool,
    /// Routes to it are evaluated differently.
    pub(super) export: bool,
    /// Routes that went to it may be rejected now.
    pub(super) narrowed: bool,
}

impl Outcome {
    /// Directions in which a peer has policies whose refreshes it may have
    /// missed.
    pub(super) fn unrefreshed(&self, address: IpAddr) -> BTreeSet<Direction> {
        self.standing
            .iter()
            .filter(|(_, set)| set.contains(&address))
            .map(|(direction, _)| *direction)
            .collect()
    }
}

/// Plans sets, policies and assignments.
pub(super) fn plan(
    desired: Option<&RouterConfig>,
    observed: &Observed,
    draft: &mut Draft<'_>,
) -> Outcome {
    let mut inventory = Inventory::take(desired, observed, draft.owned());
    let bulk = bulk::possible(&inventory);
    if !bulk {
        inventory.block_incomplete_sets();
    }
    let outcome = Outcome {
        withheld: withheld(desired, &inventory),
        affected: chain::affected(&inventory, observed),
        standing: standing(desired, &inventory, draft),
    };
    verdicts(desired, &inventory, draft);
    records(&inventory, draft);
    if bulk {
        bulk::plan(&inventory, draft);
    } else {
        single::plan(&inventory, draft);
    }
    outcome
}

/// The daemon's name of the twin that stands in for a policy, or for one of
/// its statements or sets, while it is replaced. A policy's name holds one
/// `/`, a statement's and a set's two, a twin's one more: no two meet.
fn next(name: &str) -> String {
    format!("{name}/next")
}

/// The policy that an object of ours belongs to, by its name.
fn policy_of(name: &str) -> &str {
    match name.match_indices('/').nth(1) {
        Some((end, _)) => &name[..end],
        None => name,
    }
}

/// The direction that a name of ours tells.
fn direction_of(name: &str) -> Direction {
    match policy_of(name).rsplit('/').next() {
        Some("import") => Direction::Import,
        _ => Direction::Export,
    }
}

fn policy_key(name: &str) -> OwnedKey {
    OwnedKey::new(OwnedKind::Policy, name)
}

fn set_key(name: &str) -> OwnedKey {
    OwnedKey::new(OwnedKind::NeighborSet, name)
}

/// A neighbor is brought up only if all its policies are in place: as
/// declared, or in the next stages of this plan.
fn withheld(desired: Option<&RouterConfig>, inventory: &Inventory<'_>) -> BTreeMap<IpAddr, String> {
    let mut withheld = BTreeMap::new();
    let Some(config) = desired else {
        return withheld;
    };
    for (name, why) in &inventory.blocked {
        let statements = config
            .policies
            .get(name)
            .into_iter()
            .flat_map(|p| &p.statements);
        for set in statements.filter_map(|s| config.neighbor_sets.get(&s.neighbor_set)) {
            for address in set {
                withheld.entry(*address).or_insert_with(|| why.clone());
            }
        }
    }
    withheld
}

fn standing(
    desired: Option<&RouterConfig>,
    inventory: &Inventory<'_>,
    draft: &Draft<'_>,
) -> Vec<(Direction, BTreeSet<IpAddr>)> {
    // Only peers that are adopted in this pass ask, so this is not filled
    // for routers on which everything is ours.
    let strangers = desired.is_some_and(|config| {
        let unknown = |address: &IpAddr| {
            let key = OwnedKey::new(OwnedKind::Peer, address);
            !draft.owned().contains_key(&key)
        };
        config.neighbors.keys().any(unknown)
    });
    if !strangers {
        return Vec::new();
    }
    inventory
        .want
        .iter()
        .filter(|(name, _)| draft.owned().contains_key(&policy_key(name)))
        .flat_map(|(name, policy)| policy.statements.iter().map(|s| (direction_of(name), s)))
        .filter_map(|(direction, statement)| {
            let set = inventory.want_sets.get(statement.neighbor_set.as_str())?;
            Some((direction, (*set).clone()))
        })
        .collect()
}

fn verdicts(desired: Option<&RouterConfig>, inventory: &Inventory<'_>, draft: &mut Draft<'_>) {
    for (source, reason) in &inventory.failures {
        draft.failed(source, reason.clone());
    }
    let Some(config) = desired else { return };
    for (name, policy) in &config.policies {
        for source in policy.statements.iter().flat_map(|s| &s.sources) {
            match inventory.blocked.get(name) {
                Some(why) => draft.waiting(&source.row, why.clone()),
                None => draft.applied(&source.row),
            }
        }
    }
    for note in &inventory.notes {
        draft.note(note.clone());
    }
}

/// Records before anything is sent; and those of objects that are gone.
fn records(inventory: &Inventory<'_>, draft: &mut Draft<'_>) {
    for name in inventory.want.keys() {
        if draft.record(&policy_key(name)).is_none() {
            draft.put(policy_key(name), OwnedRecord::default());
        }
    }
    for name in inventory.want_sets.keys() {
        if draft.record(&set_key(name)).is_none() {
            draft.put(set_key(name), OwnedRecord::default());
        }
    }
    for key in draft.owned().keys() {
        let name = key.name.as_str();
        let gone = match key.kind {
            OwnedKind::Peer | OwnedKind::Zebra => false,
            OwnedKind::Policy => {
                !inventory.want.contains_key(name)
                    && !inventory.is_kept(name)
                    && !inventory.policies.contains_key(name)
            }
            OwnedKind::NeighborSet => {
                !inventory.want_sets.contains_key(name)
                    && !inventory.keeps_set(name)
                    && !inventory.sets.contains_key(name)
            }
        };
        if gone {
            draft.forget(key.clone());
        }
    }
}

/// The rows behind a policy.
fn rows(policy: &Policy) -> impl Iterator<Item = &Source> {
    policy
        .statements
        .iter()
        .flat_map(|statement| statement.sources.iter().map(|source| &source.row))
}

/// The rows behind some policies, each once.
fn resources<'p>(policies: impl IntoIterator<Item = &'p Policy>) -> Vec<ResourceRef> {
    let all: BTreeSet<&ResourceRef> = policies
        .into_iter()
        .flat_map(rows)
        .map(|source| &source.resource)
        .collect();
    all.into_iter().cloned().collect()
}
