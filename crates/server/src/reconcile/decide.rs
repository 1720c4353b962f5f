//! From one look at the store and one at the daemon to a plan. Pure; what
//! `sdwan plan` prints and what a pass does come from here alike.

use crate::catalog::RouterView;
use sdwan_model::compile::{Compiled, compile};
use sdwan_model::config::Desired;
use sdwan_model::observed::Observed;
use sdwan_model::plan::{Plan, Verdict, plan};
use sdwan_model::resource::{ResourceRef, Row};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A plan and what it leads to.
#[derive(Debug, Default)]
pub(super) struct Decision {
    /// `None` when nothing may be sent.
    pub(super) desired: Option<Desired>,
    /// With a verdict for every row, refused ones included.
    pub(super) plan: Plan,
}

/// Compiles and plans. What refused rows stand for is held by the plan; a
/// router whose own row is refused, or any of whose secrets can't be opened,
/// is sent nothing at all.
pub(super) fn decide(view: &RouterView, observed: &Observed) -> Decision {
    let Compiled { desired, refused } = compile(&view.inputs);
    let mut decision = match sendable(view, desired) {
        Ok(desired) => Decision {
            plan: plan(&desired, observed, &view.owned),
            desired: Some(desired),
        },
        Err(obstacle) => Decision {
            desired: None,
            plan: Plan {
                verdicts: waiting(view, &obstacle),
                ..Plan::default()
            },
        },
    };
    let refused = refusals(view, &refused);
    decision.plan.verdicts.extend(refused);
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

/// Whether the row was applied at its version, as far as was reported.
pub(super) fn applied(view: &RouterView, row: &Row) -> bool {
    let state = view.states.get(&row.reference());
    state.is_some_and(|state| state.applied() >= row.version)
}

/// A neighbor's address; `None` for a row that was never right.
pub(super) fn address(row: &Row) -> Option<IpAddr> {
    row.text("neighbor_addr")?.parse().ok()
}

/// What this router is to be, or why nothing at all may be sent to it.
fn sendable(view: &RouterView, desired: Result<Desired, String>) -> Result<Desired, String> {
    let nothing = |row: &ResourceRef, reason: &str| {
        format!("nothing is sent to this router: {row}: {reason}")
    };
    if let Some((source, reason)) = view.sealed.first() {
        return Err(nothing(&source.resource, reason));
    }
    let router = ResourceRef::new("router", &view.router);
    desired.map_err(|reason| nothing(&router, &reason))
}

fn waiting(view: &RouterView, reason: &str) -> BTreeMap<ResourceRef, Verdict> {
    declared(view)
        .filter(|row| !applied(view, row))
        .map(|row| {
            let verdict = Verdict::Waiting {
                version: row.version,
                reason: reason.to_owned(),
            };
            (row.reference(), verdict)
        })
        .collect()
}

/// Rows that can't be compiled, and rows whose secrets can't be opened.
fn refusals(
    view: &RouterView,
    refused: &BTreeMap<ResourceRef, String>,
) -> BTreeMap<ResourceRef, Verdict> {
    let refused = declared(view).filter_map(|row| {
        let resource = row.reference();
        let reason = refused.get(&resource)?.clone();
        Some((resource, row.version, reason))
    });
    let sealed = view.sealed.iter();
    let sealed = sealed.map(|(row, reason)| (row.resource.clone(), row.version, reason.clone()));
    refused
        .chain(sealed)
        .map(|(resource, version, reason)| (resource, Verdict::Failed { version, reason }))
        .collect()
}
