//! Something on the daemon is not ours: single-object calls, on ours only.
//!
//! Nothing replaces a policy in place (`AddPolicy` on an existing name
//! appends), so one that changes while it is assigned is replaced in seven
//! calls and those of its sets: its twin is added and assigned in its place,
//! it is deleted, added again and assigned, and the twin goes. A crash in
//! between leaves one of the two assigned, and the next pass goes on from
//! there.

use super::super::draft::Draft;
use super::super::{Disturbance, Op, OwnedRecord, OwnedWrite, Stage};
use super::assign::assign;
use super::inventory::Inventory;
use super::words::{same, twin};
use super::{direction_of, next, policy_key, resources, rows, set_key};
use crate::config::{Direction, Policy};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

pub(super) fn plan(inventory: &Inventory<'_>, draft: &mut Draft<'_>) {
    let mut single = Single {
        inventory,
        twins: BTreeMap::new(),
    };
    let in_place =
        [Direction::Import, Direction::Export].map(|direction| inventory.grows_in_place(direction));
    for want in inventory.want.values() {
        let name = want.name.as_str();
        if !inventory.is_assigned(name) {
            single.set_up(want, draft);
        } else if !inventory.differs(want) {
            continue;
        } else if in_place[usize::from(direction_of(name) == Direction::Export)] {
            single.grow_and_shrink(want, draft);
        } else {
            single.replace(want, draft);
        }
    }
    single.assign(draft);
    single.sweep(draft);
}

struct Single<'a> {
    inventory: &'a Inventory<'a>,
    /// Policies that are replaced, and who stands in for them.
    twins: BTreeMap<String, String>,
}

impl Single<'_> {
    /// A policy that isn't evaluated yet: everything about it may change.
    fn set_up(&self, want: &Policy, draft: &mut Draft<'_>) {
        let name = want.name.as_str();
        for statement in &want.statements {
            let set = statement.neighbor_set.as_str();
            self.state_set(
                Stage::Sets,
                set,
                self.inventory.wanted_set(set),
                want,
                draft,
            );
        }
        match self.inventory.policies.get(name) {
            Some(have) if same(have, want) => {}
            Some(_) => {
                delete(
                    Stage::Clear,
                    name,
                    "out of date, and not assigned",
                    Vec::new(),
                    draft,
                );
                add(Stage::Policies, want.clone(), "as declared", want, draft);
            }
            None => {
                let why = "declared, and not on the daemon";
                add(Stage::Policies, want.clone(), why, want, draft);
            }
        }
    }

    /// Only members of sets change: those that join first, those that leave
    /// last. What stays in a set is there already, so none runs empty.
    fn grow_and_shrink(&self, want: &Policy, draft: &mut Draft<'_>) {
        for statement in &want.statements {
            let set = statement.neighbor_set.as_str();
            let members = self.inventory.wanted_set(set);
            let (missing, surplus) = self.set_difference(set, &members);
            add_members(Stage::Sets, set, missing, want, draft);
            delete_members(Stage::SweepSets, set, surplus, want, draft);
        }
    }

    /// The twin's way.
    fn replace(&mut self, want: &Policy, draft: &mut Draft<'_>) {
        let (name, twin) = (want.name.as_str(), twin(want));
        if self.inventory.is_assigned(&twin.name) {
            // Both are evaluated, which no plan leads to: the assignment lets
            // go of the twin first.
            for source in rows(want) {
                draft.waiting(
                    source,
                    "waits for an earlier replacement to be cleared away",
                );
            }
            return;
        }
        for (own, stand_in) in want.statements.iter().zip(&twin.statements) {
            let set = stand_in.neighbor_set.as_str();
            let members = self.inventory.wanted_set(&own.neighbor_set);
            self.state_set(Stage::Sets, set, members.clone(), want, draft);
            remember(set_key(set), draft);
            // Not evaluated while the twin stands in.
            self.state_set(Stage::Unload, &own.neighbor_set, members, want, draft);
            let settles = vec![OwnedWrite::Remove(set_key(set))];
            delete_set(set, "stood in", settles, draft);
        }
        match self.inventory.policies.get(twin.name.as_str()) {
            Some(have) if same(have, &twin) => {}
            found => {
                if found.is_some() {
                    delete(
                        Stage::Clear,
                        &twin.name,
                        "out of date, and not assigned",
                        Vec::new(),
                        draft,
                    );
                }
                let why = format!("{name} changes, stands in for it meanwhile");
                add(Stage::Policies, twin.clone(), why, want, draft);
            }
        }
        remember(policy_key(&twin.name), draft);
        delete(
            Stage::Unload,
            name,
            "out of date, its twin stands in",
            Vec::new(),
            draft,
        );
        add(Stage::Restore, want.clone(), "as declared", want, draft);
        let settles = vec![OwnedWrite::Remove(policy_key(&twin.name))];
        delete(Stage::Sweep, &twin.name, "stood in", settles, draft);
        self.twins.insert(name.to_owned(), twin.name);
    }

    fn assign(&self, draft: &mut Draft<'_>) {
        for direction in [Direction::Import, Direction::Export] {
            let target = self.inventory.target(direction);
            let standing_in: BTreeMap<String, String> = self
                .twins
                .iter()
                .filter(|(name, _)| target.policies.contains(name))
                .map(|(name, twin)| (name.clone(), twin.clone()))
                .collect();
            if self.inventory.moves(direction) || !standing_in.is_empty() {
                assign(
                    self.inventory,
                    Stage::Assign,
                    direction,
                    target,
                    &standing_in,
                    draft,
                );
            }
            if !standing_in.is_empty() {
                let none = BTreeMap::new();
                assign(
                    self.inventory,
                    Stage::Reassign,
                    direction,
                    target,
                    &none,
                    draft,
                );
            }
        }
    }

    /// What is no longer used, when nothing refers to it any more.
    fn sweep(&self, draft: &mut Draft<'_>) {
        for policy in self.inventory.going() {
            let name = policy.name.as_str();
            // A twin that this plan uses goes last.
            if self.twins.values().any(|twin| twin == name) {
                continue;
            }
            let settles = vec![OwnedWrite::Remove(policy_key(name))];
            delete(Stage::Unload, name, "no longer declared", settles, draft);
        }
        let used: BTreeSet<String> = self
            .twins
            .keys()
            .filter_map(|name| self.inventory.want.get(name.as_str()))
            .flat_map(|want| want.statements.iter().map(|s| next(&s.neighbor_set)))
            .collect();
        for set in self
            .inventory
            .going_sets()
            .filter(|set| !used.contains(*set))
        {
            let settles = vec![OwnedWrite::Remove(set_key(set))];
            delete_set(set, "nothing refers to it any more", settles, draft);
        }
    }

    /// Gives a set that nothing evaluated refers to exactly these members.
    fn state_set(
        &self,
        stage: Stage,
        set: &str,
        members: BTreeSet<IpAddr>,
        of: &Policy,
        draft: &mut Draft<'_>,
    ) {
        let (missing, surplus) = self.set_difference(set, &members);
        add_members(stage, set, missing, of, draft);
        delete_members(stage, set, surplus, of, draft);
    }

    /// Who is missing from a set on the daemon, and who is too many.
    fn set_difference(
        &self,
        set: &str,
        members: &BTreeSet<IpAddr>,
    ) -> (BTreeSet<IpAddr>, BTreeSet<IpAddr>) {
        match self.inventory.sets.get(set) {
            None => (members.clone(), BTreeSet::new()),
            Some(have) => (
                members.difference(&have.neighbors).copied().collect(),
                have.neighbors.difference(members).copied().collect(),
            ),
        }
    }
}

/// A record that is there before the object is.
fn remember(key: super::OwnedKey, draft: &mut Draft<'_>) {
    if draft.record(&key).is_none() {
        draft.put(key, OwnedRecord::default());
    }
}

fn add(stage: Stage, policy: Policy, why: impl Into<String>, of: &Policy, draft: &mut Draft<'_>) {
    let op = Op::AddPolicy(policy);
    draft.step(
        stage,
        op,
        Disturbance::None,
        why,
        resources([of]),
        Vec::new(),
    );
}

fn delete(stage: Stage, name: &str, why: &str, settles: Vec<OwnedWrite>, draft: &mut Draft<'_>) {
    let op = Op::DeletePolicy(name.to_owned());
    draft.step(stage, op, Disturbance::None, why, Vec::new(), settles);
}

fn add_members(
    stage: Stage,
    set: &str,
    members: BTreeSet<IpAddr>,
    of: &Policy,
    draft: &mut Draft<'_>,
) {
    if members.is_empty() {
        return;
    }
    let why = format!("declared for {}", of.name);
    let op = Op::AddNeighborSet(set.to_owned(), members);
    draft.step(
        stage,
        op,
        Disturbance::None,
        why,
        resources([of]),
        Vec::new(),
    );
}

fn delete_members(
    stage: Stage,
    set: &str,
    members: BTreeSet<IpAddr>,
    of: &Policy,
    draft: &mut Draft<'_>,
) {
    if members.is_empty() {
        return;
    }
    let why = format!("not declared for {}", of.name);
    let op = Op::DeleteNeighborSet(set.to_owned(), Some(members));
    draft.step(
        stage,
        op,
        Disturbance::None,
        why,
        resources([of]),
        Vec::new(),
    );
}

fn delete_set(set: &str, why: &str, settles: Vec<OwnedWrite>, draft: &mut Draft<'_>) {
    let op = Op::DeleteNeighborSet(set.to_owned(), None);
    draft.step(
        Stage::SweepSets,
        op,
        Disturbance::None,
        why,
        Vec::new(),
        settles,
    );
}
