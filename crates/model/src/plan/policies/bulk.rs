//! Everything on the daemon is ours: `SetPolicies` states all of it at once.
//!
//! It keeps assignments by name, empties an assignment to ACCEPT if a policy
//! in it is missing, and takes a default of NONE for ACCEPT. So it always
//! names a superset of what is assigned, and is not used where a default is
//! NONE.

use super::super::draft::Draft;
use super::super::{Disturbance, Op, OwnedKey, OwnedRecord, OwnedWrite, Stage};
use super::assign::assign;
use super::inventory::Inventory;
use super::words::{restate, same, same_set, twin};
use super::{direction_of, next, policy_key, resources, set_key};
use crate::config::{Direction, Policy};
use crate::observed::{self, Assignment, DefaultAction};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

const DIRECTIONS: [Direction; 2] = [Direction::Import, Direction::Export];

/// Sets and policies as one call states them.
#[derive(Clone, Default, PartialEq)]
struct Content {
    sets: BTreeMap<String, BTreeSet<IpAddr>>,
    policies: BTreeMap<String, Policy>,
}

impl Content {
    fn put(&mut self, policy: Policy, set: impl Fn(&str) -> BTreeSet<IpAddr>) {
        for name in policy.statements.iter().map(|s| &s.neighbor_set) {
            self.sets.insert(name.clone(), set(name));
        }
        self.policies.insert(policy.name.clone(), policy);
    }

    /// The declared policy under its twin's names.
    fn put_twin(&mut self, want: &Policy, inventory: &Inventory<'_>) {
        for name in want.statements.iter().map(|s| &s.neighbor_set) {
            self.sets.insert(next(name), inventory.wanted_set(name));
        }
        let twin = twin(want);
        self.policies.insert(twin.name.clone(), twin);
    }

    fn take_out(&mut self, policy: &Policy) {
        for name in policy.statements.iter().map(|s| &s.neighbor_set) {
            self.sets.remove(name);
        }
        self.policies.remove(&policy.name);
    }

    /// What is there without its rows, for comparing.
    fn bare(&self) -> Self {
        let mut bare = self.clone();
        for statement in bare.policies.values_mut().flat_map(|p| &mut p.statements) {
            statement.sources.clear();
        }
        bare
    }

    fn call(self) -> Op {
        Op::SetPolicies {
            neighbor_sets: self.sets,
            policies: self.policies.into_values().collect(),
        }
    }
}

/// Whether everything may be stated at once: nothing foreign, no NONE, and
/// what has to stay for now is in words that we have.
pub(super) fn possible(inventory: &Inventory<'_>) -> bool {
    let plain = |policy: &&observed::Policy| {
        let moves = DIRECTIONS
            .iter()
            .any(|direction| inventory.moves(*direction));
        let overwritten = !moves && inventory.want.contains_key(policy.name.as_str());
        overwritten || restate(policy).is_some_and(|p| has_its_sets(&p, inventory))
    };
    inventory.alone
        && DIRECTIONS
            .iter()
            .all(|direction| inventory.assignment(*direction).default != DefaultAction::None)
        && inventory.policies.values().all(plain)
}

fn has_its_sets(policy: &Policy, inventory: &Inventory<'_>) -> bool {
    policy.statements.iter().all(|statement| {
        inventory
            .sets
            .get(statement.neighbor_set.as_str())
            .is_some_and(|set| set.complete && !set.neighbors.is_empty())
    })
}

pub(super) fn plan(inventory: &Inventory<'_>, draft: &mut Draft<'_>) {
    let moves: Vec<(Direction, &Assignment)> = DIRECTIONS
        .into_iter()
        .filter(|direction| inventory.moves(*direction))
        .map(|direction| (direction, inventory.target(direction)))
        .collect();
    let end = end(inventory);
    let (first, twins) = first(inventory, &end);
    let mut middle = end.clone();
    for name in &twins {
        if let Some(want) = inventory.want.get(name.as_str()) {
            middle.put_twin(want, inventory);
        }
    }
    if !stated(inventory, &first) {
        let (op, why) = (first.clone().call(), why(inventory));
        let changed = inventory.want.values().filter(|p| inventory.differs(p));
        let rows = resources(changed.copied());
        let settles = if first.bare() == end.bare() {
            gone(inventory, &twins)
        } else {
            Vec::new()
        };
        draft.step(Stage::Policies, op, Disturbance::None, why, rows, settles);
    }
    for key in twin_keys(inventory, &twins) {
        draft.put(key, OwnedRecord::default());
    }
    let standing_in: BTreeMap<String, String> = twins
        .iter()
        .map(|name| (name.clone(), next(name)))
        .collect();
    for (direction, target) in &moves {
        assign(
            inventory,
            Stage::Assign,
            *direction,
            target,
            &standing_in,
            draft,
        );
    }
    if !twins.is_empty() {
        let why = format!("{} again under its own name", twins.join(", "));
        let rows = resources(
            twins
                .iter()
                .filter_map(|n| inventory.want.get(n.as_str()).copied()),
        );
        let op = middle.clone().call();
        draft.step(Stage::Restore, op, Disturbance::None, why, rows, Vec::new());
        for (direction, target) in &moves {
            if twins.iter().any(|name| direction_of(name) == *direction) {
                let none = BTreeMap::new();
                assign(inventory, Stage::Reassign, *direction, target, &none, draft);
            }
        }
    }
    let before = if twins.is_empty() { &first } else { &middle };
    if before.bare() != end.bare() {
        draft.step(
            Stage::Sweep,
            end.call(),
            Disturbance::None,
            "takes away what nothing uses any more",
            Vec::new(),
            gone(inventory, &twins),
        );
    }
}

/// What is on the daemon when all is done.
fn end(inventory: &Inventory<'_>) -> Content {
    let mut end = Content::default();
    for want in inventory.want.values() {
        end.put((*want).clone(), |set| inventory.wanted_set(set));
    }
    for kept in inventory
        .policies
        .values()
        .filter(|p| inventory.is_kept(&p.name))
    {
        if let Some(policy) = restate(kept) {
            end.put(policy, |set| had(inventory, set));
        }
    }
    end
}

/// What is stated before the assignment moves: what is evaluated until then,
/// and all that is evaluated after. Where nothing moves, that is the end
/// itself, and the call is the moment of the change. Also names the policies
/// that need a twin.
fn first(inventory: &Inventory<'_>, end: &Content) -> (Content, Vec<String>) {
    let mut first = end.clone();
    let mut twins = Vec::new();
    for have in inventory.policies.values() {
        let name = have.name.as_str();
        if inventory.is_kept(name) || !inventory.is_assigned(name) {
            continue;
        }
        let Some(old) = restate(have) else { continue };
        match inventory.want.get(name) {
            None => first.put(old, |set| had(inventory, set)),
            Some(want) if inventory.moves(direction_of(name)) && inventory.differs(want) => {
                twins.push(name.to_owned());
                first.take_out(want);
                first.put(old, |set| had(inventory, set));
                first.put_twin(want, inventory);
            }
            Some(_) => {}
        }
    }
    (first, twins)
}

fn had(inventory: &Inventory<'_>, set: &str) -> BTreeSet<IpAddr> {
    inventory
        .sets
        .get(set)
        .map(|set| set.neighbors.clone())
        .unwrap_or_default()
}

/// Whether the daemon has exactly this.
fn stated(inventory: &Inventory<'_>, content: &Content) -> bool {
    inventory.policies.len() == content.policies.len()
        && inventory.sets.len() == content.sets.len()
        && content.policies.iter().all(|(name, policy)| {
            inventory
                .policies
                .get(name.as_str())
                .is_some_and(|have| same(have, policy))
        })
        && content.sets.iter().all(|(name, set)| {
            inventory
                .sets
                .get(name.as_str())
                .is_some_and(|have| same_set(have, set))
        })
}

/// Records that end with what they are about.
fn gone(inventory: &Inventory<'_>, twins: &[String]) -> Vec<OwnedWrite> {
    let policies = inventory.going().map(|policy| policy_key(&policy.name));
    let sets = inventory.going_sets().map(set_key);
    let mut gone: BTreeSet<OwnedKey> = policies.chain(sets).collect();
    gone.extend(twin_keys(inventory, twins));
    gone.into_iter().map(OwnedWrite::Remove).collect()
}

/// The records of twins and their sets.
fn twin_keys(inventory: &Inventory<'_>, twins: &[String]) -> Vec<OwnedKey> {
    let mut keys = Vec::new();
    for want in twins
        .iter()
        .filter_map(|name| inventory.want.get(name.as_str()))
    {
        keys.push(policy_key(&next(&want.name)));
        keys.extend(
            want.statements
                .iter()
                .map(|s| set_key(&next(&s.neighbor_set))),
        );
    }
    keys
}

fn why(inventory: &Inventory<'_>) -> String {
    const NAMED: usize = 4;
    let mut parts: Vec<String> = Vec::new();
    for (name, want) in &inventory.want {
        match inventory.policies.get(name) {
            None => parts.push(format!("{name} is new")),
            Some(have) if !same(have, want) => parts.push(format!("{name} changes")),
            Some(_) if inventory.differs(want) => parts.push(format!("neighbors of {name} change")),
            Some(_) => {}
        }
    }
    parts.extend(
        inventory
            .going()
            .map(|policy| format!("{} goes", policy.name)),
    );
    if parts.is_empty() {
        parts.extend(
            inventory
                .going_sets()
                .map(|set| format!("neighbor set {set} goes")),
        );
    }
    let more = parts.len().saturating_sub(NAMED);
    parts.truncate(NAMED);
    if more > 0 {
        parts.push(format!("{more} more"));
    }
    parts.join(", ")
}
