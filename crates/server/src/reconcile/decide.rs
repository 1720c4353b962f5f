//! From one look at the store and one at the daemon to a plan. Pure; what
//! `sdwan plan` prints and what a pass does come from here alike.

use crate::catalog::RouterView;
use sdwan_model::compile::{Compiled, compile};
use sdwan_model::config::RouterConfig;
use sdwan_model::observed::Observed;
use sdwan_model::plan::{OwnedKey, OwnedKind, Plan, Verdict, plan};
use sdwan_model::resource::{ResourceRef, Row};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A plan and what it leads to.
#[derive(Debug, Default)]
pub(super) struct Decision {
    /// `None` when the router is on its way out, or nothing may be sent.
    pub(super) desired: Option<RouterConfig>,
    /// With a verdict for every row, refused ones included.
    pub(super) plan: Plan,
}

/// Compiles and plans. Rows that can't be compiled get their verdict; one
/// whose object already runs on the router stops everything, because a plan
/// without it would take that object, or a policy from under it, away.
pub(super) fn decide(view: &RouterView, observed: &Observed) -> Decision {
    let compiled = compile(&view.inputs);
    let mut decision = match obstacle(view, &compiled) {
        Some(obstacle) => Decision {
            desired: None,
            plan: Plan {
                verdicts: waiting(view, &obstacle),
                ..Plan::default()
            },
        },
        None => Decision {
            plan: plan(compiled.config.as_ref(), observed, &view.owned),
            desired: compiled.config.clone(),
        },
    };
    decision
        .plan
        .verdicts
        .extend(refusals(view, &compiled.refused));
    decision
}

/// The verdicts that need no look at the daemon.
pub(super) fn refused(view: &RouterView) -> BTreeMap<ResourceRef, Verdict> {
    refusals(view, &compile(&view.inputs).refused)
}

/// Every declared row of this router whose secrets are open.
pub(super) fn declared(view: &RouterView) -> impl Iterator<Item = &Row> {
    let inputs = &view.inputs;
    inputs
        .router
        .iter()
        .chain(&inputs.neighbors)
        .chain(&inputs.policies)
}

/// A neighbor's address; `None` for a row that was never right.
pub(super) fn address(row: &Row) -> Option<IpAddr> {
    row.text("neighbor_addr")?.parse().ok()
}

/// Why nothing at all may be sent to this router.
fn obstacle(view: &RouterView, compiled: &Compiled) -> Option<String> {
    if let Some((row, reason)) = view.sealed.iter().next() {
        return Some(format!("nothing is sent to this router: {row}: {reason}"));
    }
    let runs = |row: &&Row| {
        address(row).is_some_and(|address| {
            view.owned.contains_key(&OwnedKey {
                kind: OwnedKind::Peer,
                name: address.to_string(),
            })
        })
    };
    view.inputs
        .router
        .iter()
        .chain(view.inputs.neighbors.iter().filter(runs))
        .find_map(|row| {
            let reason = compiled.refused.get(&row.reference())?;
            Some(format!(
                "nothing is sent to this router: {}: {reason}",
                row.reference()
            ))
        })
}

fn waiting(view: &RouterView, reason: &str) -> BTreeMap<ResourceRef, Verdict> {
    declared(view)
        .filter(|row| {
            view.states
                .get(&row.reference())
                .is_none_or(|state| state.applied < row.version)
        })
        .map(|row| {
            let verdict = Verdict::Waiting {
                version: row.version,
                reason: reason.to_owned(),
            };
            (row.reference(), verdict)
        })
        .collect()
}

fn refusals(
    view: &RouterView,
    refused: &BTreeMap<ResourceRef, String>,
) -> BTreeMap<ResourceRef, Verdict> {
    declared(view)
        .filter_map(|row| {
            let verdict = Verdict::Failed {
                version: row.version,
                reason: refused.get(&row.reference())?.clone(),
            };
            Some((row.reference(), verdict))
        })
        .collect()
}
