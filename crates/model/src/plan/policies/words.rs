//! The declared and the observed in each other's words.

use super::next;
use crate::config::{Policy, Statement};
use crate::observed::{self, DefinedSet, StatementBody};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The body that a declared statement has on the daemon.
fn body(statement: &Statement) -> StatementBody {
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
        Some(Statement {
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
