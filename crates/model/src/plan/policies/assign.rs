//! The assignment: the call by which a change of what is evaluated takes
//! effect.

use super::super::draft::Draft;
use super::super::{Disturbance, Op, Stage};
use super::inventory::Inventory;
use super::{direction_of, resources};
use crate::config::Direction;
use crate::observed::Assignment;
use std::collections::BTreeMap;

/// One assignment, with twins in the places of those that they stand in for.
pub(super) fn assign(
    inventory: &Inventory<'_>,
    stage: Stage,
    direction: Direction,
    target: &Assignment,
    twins: &BTreeMap<String, String>,
    draft: &mut Draft<'_>,
) {
    let policies = target
        .policies
        .iter()
        .map(|name| twins.get(name).unwrap_or(name).clone())
        .collect();
    let why = match stage {
        Stage::Reassign => "own names again".to_owned(),
        _ => why(inventory.assignment(direction), target, twins),
    };
    let concerned = inventory
        .want
        .iter()
        .filter(|(name, _)| direction_of(name) == direction)
        .map(|(_, policy)| *policy);
    draft.step(
        stage,
        Op::SetAssignment {
            direction,
            policies,
            default: target.default,
        },
        Disturbance::None,
        why,
        resources(concerned),
        Vec::new(),
    );
}

/// What is different from what the daemon has.
fn why(have: &Assignment, target: &Assignment, twins: &BTreeMap<String, String>) -> String {
    let missing_in = |list: &[String], of: &[String]| -> Vec<String> {
        let missing = of.iter().filter(|name| !list.contains(name));
        missing.cloned().collect()
    };
    let standing_in: Vec<String> = twins.keys().cloned().collect();
    let mut parts: Vec<String> = [
        ("adds", missing_in(&have.policies, &target.policies)),
        ("takes out", missing_in(&target.policies, &have.policies)),
        ("twins stand in for", standing_in),
    ]
    .into_iter()
    .filter(|(_, names)| !names.is_empty())
    .map(|(what, names)| format!("{what} {}", names.join(", ")))
    .collect();
    if have.default != target.default {
        parts.push("the default rejected everything".to_owned());
    }
    if parts.is_empty() {
        parts.push("their order".to_owned());
    }
    parts.join("; ")
}
