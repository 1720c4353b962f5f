//! Something on the daemon is not ours: single-object calls, on ours only.
//!
//! Nothing replaces a policy in place (`AddPolicy` on an existing name
//! appends), so one that changes while it is assigned is replaced in seven
//! calls: its twin is added and assigned in its place, it is deleted, added
//! again and assigned, and the twin goes. A crash in between leaves either
//! name assigned, and the next pass goes on from there.

use super::super::draft::Draft;
use super::super::{Disturbance, Op, OwnedRecord, OwnedWrite, Stage};
use super::bulk::assign;
use super::inventory::{Inventory, same, twin};
use super::{next, policy_key, resources, rows, set_key};
use crate::config::{Direction, Policy};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

pub(super) fn plan(inventory: &Inventory<'_>, draft: &mut Draft<'_>) {
    grow_sets(inventory, draft);
    let mut twins: BTreeMap<String, String> = BTreeMap::new();
    for want in inventory.want.values() {
        let name = want.name.as_str();
        match inventory.policies.get(name) {
            None => add(Stage::Policies, (*want).clone(), "declared, and not on the daemon", want, draft),
            Some(have) if same(have, want) => {}
            Some(_) if !inventory.is_assigned(name) => {
                delete(Stage::Clear, name, "out of date, and not assigned", Vec::new(), draft);
                add(Stage::Policies, (*want).clone(), "as declared", want, draft);
            }
            Some(_) => {
                if replace(want, inventory, draft) {
                    twins.insert(name.to_owned(), next(name));
                }
            }
        }
    }
    for direction in [Direction::Import, Direction::Export] {
        let target = inventory.target(direction);
        let standing_in: BTreeMap<String, String> = twins
            .iter()
            .filter(|(name, _)| target.policies.contains(name))
            .map(|(name, twin)| (name.clone(), twin.clone()))
            .collect();
        if inventory.assignment(direction) != &target || !standing_in.is_empty() {
            assign(inventory, Stage::Assign, direction, &target, &standing_in, draft);
        }
        if !standing_in.is_empty() {
            assign(inventory, Stage::Reassign, direction, &target, &BTreeMap::new(), draft);
        }
    }
    for policy in inventory.going() {
        let name = policy.name.as_str();
        // A twin that this plan uses goes last.
        if twins.values().any(|twin| twin == name) {
            continue;
        }
        let settles = vec![OwnedWrite::Remove(policy_key(name))];
        delete(Stage::Unload, name, "no longer declared", settles, draft);
    }
    shrink_sets(inventory, draft);
}

/// The twin's way; false where an outdated twin is still assigned, which has
/// to be taken out first.
fn replace(want: &Policy, inventory: &Inventory<'_>, draft: &mut Draft<'_>) -> bool {
    let (name, twin) = (want.name.as_str(), twin(want));
    match inventory.policies.get(twin.name.as_str()) {
        Some(have) if same(have, &twin) => {}
        Some(_) if inventory.is_assigned(&twin.name) => {
            for source in rows(want) {
                draft.waiting(source, "waits for an earlier replacement to be cleared away");
            }
            return false;
        }
        found => {
            if found.is_some() {
                delete(Stage::Clear, &twin.name, "out of date, and not assigned", Vec::new(), draft);
            }
            let why = format!("{name} changes, stands in for it meanwhile");
            add(Stage::Policies, twin.clone(), why, want, draft);
        }
    }
    if draft.record(&policy_key(&twin.name)).is_none() {
        draft.put(policy_key(&twin.name), OwnedRecord::default());
    }
    delete(Stage::Unload, name, "out of date, its twin stands in", Vec::new(), draft);
    add(Stage::Restore, want.clone(), "as declared", want, draft);
    let settles = vec![OwnedWrite::Remove(policy_key(&twin.name))];
    delete(Stage::Sweep, &twin.name, "stood in", settles, draft);
    true
}

fn add(stage: Stage, policy: Policy, why: impl Into<String>, of: &Policy, draft: &mut Draft<'_>) {
    let op = Op::AddPolicy(policy);
    draft.step(stage, op, Disturbance::None, why, resources([of]), Vec::new());
}

fn delete(stage: Stage, name: &str, why: &str, settles: Vec<OwnedWrite>, draft: &mut Draft<'_>) {
    let op = Op::DeletePolicy(name.to_owned());
    draft.step(stage, op, Disturbance::None, why, Vec::new(), settles);
}

/// New sets and new members, before anything refers to them.
fn grow_sets(inventory: &Inventory<'_>, draft: &mut Draft<'_>) {
    for want in inventory.want.values() {
        for statement in &want.statements {
            let name = statement.neighbor_set.as_str();
            let Some(members) = inventory.want_sets.get(name) else {
                continue;
            };
            let (missing, why): (BTreeSet<IpAddr>, String) = match inventory.sets.get(name) {
                None => ((*members).clone(), format!("{} refers to it", statement.name)),
                Some(have) => {
                    let missing: BTreeSet<IpAddr> =
                        members.difference(&have.neighbors).copied().collect();
                    let why = format!("{} joins", names(&missing));
                    (missing, why)
                }
            };
            if !missing.is_empty() {
                let op = Op::AddNeighborSet(name.to_owned(), missing);
                let rows = resources([*want]);
                draft.step(Stage::Sets, op, Disturbance::None, why, rows, Vec::new());
            }
        }
    }
}

/// What is no longer used, when nothing refers to it any more. What stays in
/// a set is there already, so none runs empty.
fn shrink_sets(inventory: &Inventory<'_>, draft: &mut Draft<'_>) {
    for name in inventory.going_sets() {
        draft.step(
            Stage::SweepSets,
            Op::DeleteNeighborSet(name.to_owned(), None),
            Disturbance::None,
            "nothing refers to it any more",
            Vec::new(),
            vec![OwnedWrite::Remove(set_key(name))],
        );
    }
    for (name, members) in &inventory.want_sets {
        let Some(have) = inventory.sets.get(name) else {
            continue;
        };
        let surplus: BTreeSet<IpAddr> = have.neighbors.difference(members).copied().collect();
        if !surplus.is_empty() {
            let why = format!("{} leaves", names(&surplus));
            let op = Op::DeleteNeighborSet((*name).to_owned(), Some(surplus));
            draft.step(Stage::SweepSets, op, Disturbance::None, why, Vec::new(), Vec::new());
        }
    }
}

/// A few addresses by name, many by number.
fn names(addresses: &BTreeSet<IpAddr>) -> String {
    if addresses.len() > 3 {
        return format!("{} neighbors", addresses.len());
    }
    let texts: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
    texts.join(", ")
}
