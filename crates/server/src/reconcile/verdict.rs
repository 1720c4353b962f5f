//! What a pass has to tell: from the plan and what became of its steps to a
//! word for every row, the records that are settled and the rows that the
//! router has let go of. Pure.

use super::decide::{Decision, address, applied, declared, refused};
use super::execute::{Fate, met};
use crate::catalog::{Report, RouterView};
use crate::speaker::Error;
use sdwan_model::config::{Desired, RouterConfig};
use sdwan_model::plan::{OwnedKey, OwnedKind, OwnedRecord, OwnedWrite, Plan, Stage, Step, Verdict};
use sdwan_model::resource::{ResourceRef, Row};
use sdwan_model::status::FAILED;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

type Records = BTreeMap<OwnedKey, OwnedRecord>;

/// The report of a pass that got as far as a plan; `fates` are parallel to
/// its steps.
pub(super) fn of_plan(view: &RouterView, decision: &Decision, fates: &[Fate]) -> Report {
    let plan = &decision.plan;
    let steps = by_row(plan, fates);
    let verdicts = plan
        .verdicts
        .iter()
        .map(|(row, verdict)| {
            let verdict = match (verdict, steps.get(row)) {
                (Verdict::Applied { version }, Some(steps)) => outcome(*version, steps),
                _ => verdict.clone(),
            };
            (row.clone(), verdict)
        })
        .collect();
    let owned: Vec<OwnedWrite> = plan
        .steps
        .iter()
        .zip(fates)
        .filter(|(_, fate)| matches!(fate, Fate::Done))
        .flat_map(|(step, _)| step.settles.iter().cloned())
        .collect();
    let mut records = view.owned.clone();
    for write in plan.intents.iter().chain(&owned) {
        write_record(&mut records, write);
    }
    let settled = Settled {
        desired: decision.desired.as_ref().and_then(Desired::config),
        policies: policies_in_step(view, plan, fates),
    };
    Report {
        router: view.router.clone(),
        at: view.revision,
        verdicts,
        owned,
        released: released(view, &records, &settled),
    }
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// It does not answer. Whose word that is, the monitor's, also tells why.
    Unreachable,
    /// Time, or the operator's next change, will tell.
    Waiting(String),
    /// Somebody has to do something about the daemon.
    Broken(String),
}

impl From<&Error> for Silence {
    fn from(error: &Error) -> Self {
        match error {
            Error::Unreachable(_) | Error::Unanswered(_) => Self::Unreachable,
            Error::Incomplete(reason) => Self::Waiting(reason.clone()),
            Error::Refused(reason) | Error::NeedsRestart(reason) => Self::Broken(reason.clone()),
        }
    }
}

/// The report of a pass that could not look at the router: what is not
/// applied yet waits, what was never sent is let go.
pub(super) fn of_silence(view: &RouterView, why: &Silence) -> Report {
    let mut verdicts = refused(view);
    match why {
        Silence::Unreachable => {}
        Silence::Waiting(reason) => wait(view, reason, &mut verdicts),
        Silence::Broken(reason) => {
            if let Some(router) = &view.inputs.router {
                let (version, reason) = (router.version, reason.clone());
                let failed = Verdict::Failed { version, reason };
                verdicts.entry(router.reference()).or_insert(failed);
            }
            wait(view, reason, &mut verdicts);
        }
    }
    Report {
        router: view.router.clone(),
        at: view.revision,
        verdicts,
        owned: Vec::new(),
        released: released(view, &view.owned, &Settled::default()),
    }
}

/// What is not applied yet waits, if nothing else is said of it.
fn wait(view: &RouterView, reason: &str, verdicts: &mut BTreeMap<ResourceRef, Verdict>) {
    for row in declared(view) {
        let name = row.reference();
        let version = row.version;
        // A reason that an operator can act on is not hidden by an outage.
        let failed = view
            .states
            .get(&name)
            .is_some_and(|state| state.version == version && state.state == FAILED);
        if !failed && !applied(view, row) {
            let reason = reason.to_owned();
            let waiting = Verdict::Waiting { version, reason };
            verdicts.entry(name).or_insert(waiting);
        }
    }
}

/// The report of a pass that may look but not touch: what is not applied yet
/// says so.
pub(super) fn of_hold(view: &RouterView, decision: &Decision, why: &str) -> Report {
    let applied = |row: &ResourceRef, version| {
        let state = view.states.get(row);
        state.is_some_and(|state| state.applied() >= version)
    };
    let verdicts = decision
        .plan
        .verdicts
        .iter()
        .filter_map(|(row, verdict)| match *verdict {
            Verdict::Applied { version } if applied(row, version) => None,
            Verdict::Applied { version } => Some((
                row.clone(),
                Verdict::Waiting {
                    version,
                    reason: why.to_owned(),
                },
            )),
            _ => Some((row.clone(), verdict.clone())),
        })
        .collect();
    Report {
        router: view.router.clone(),
        at: view.revision,
        verdicts,
        ..Report::default()
    }
}

/// A step and what became of it.
type Sent<'a> = (&'a Step, &'a Fate);

/// The steps that each row needs.
fn by_row<'a>(plan: &'a Plan, fates: &'a [Fate]) -> BTreeMap<&'a ResourceRef, Vec<Sent<'a>>> {
    let mut steps: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for sent in plan.steps.iter().zip(fates) {
        for row in &sent.0.resources {
            steps.entry(row).or_default().push(sent);
        }
    }
    steps
}

/// A row that is applied once its steps are: are they?
fn outcome(version: u64, steps: &[Sent<'_>]) -> Verdict {
    let mut permanent = false;
    let mut reasons = BTreeSet::new();
    for (step, fate) in steps {
        match fate {
            Fate::Done => {}
            Fate::Held(reason) => {
                reasons.insert(reason.clone());
            }
            Fate::Failed(error) => {
                permanent |= matches!(error, Error::Refused(_) | Error::NeedsRestart(_));
                reasons.insert(met(step, error));
            }
        }
    }
    let reason = reasons.into_iter().collect::<Vec<_>>().join("; ");
    match (reason.is_empty(), permanent) {
        (true, _) => Verdict::Applied { version },
        (false, true) => Verdict::Failed { version, reason },
        (false, false) => Verdict::Waiting { version, reason },
    }
}

fn write_record(records: &mut Records, write: &OwnedWrite) {
    match write {
        OwnedWrite::Put(key, record) => {
            records.insert(key.clone(), record.clone());
        }
        OwnedWrite::Remove(key) => {
            records.remove(key);
        }
        OwnedWrite::Done(key, effect) => {
            if let Some(record) = records.get_mut(key) {
                record.owed.remove(effect);
            }
        }
    }
}

/// What is known of the router at the end of a pass, beside the records.
#[derive(Default)]
struct Settled<'a> {
    /// What the remaining rows declare.
    desired: Option<&'a RouterConfig>,
    /// The daemon's policies are just that.
    policies: bool,
}

impl Settled<'_> {
    /// Another row has this address now, and with it the peer.
    fn taken_over(&self, neighbor: IpAddr) -> bool {
        self.desired
            .is_some_and(|config| config.neighbors.contains_key(&neighbor))
    }

    /// No more of this policy is on the daemon than other rows declare.
    fn in_step(&self, policy: &str) -> bool {
        let held = |config: &RouterConfig| {
            config.held.unknown || config.held.policies.contains_key(policy)
        };
        self.policies && !self.desired.is_some_and(held)
    }
}

fn policies_in_step(view: &RouterView, plan: &Plan, fates: &[Fate]) -> bool {
    let applied = |row: &Row| {
        matches!(
            plan.verdicts.get(&row.reference()),
            Some(Verdict::Applied { .. })
        )
    };
    let undone = plan.steps.iter().zip(fates).any(|(step, fate)| {
        (Stage::Clear..=Stage::SweepSets).contains(&step.stage) && !matches!(fate, Fate::Done)
    });
    view.inputs.router.as_ref().is_none_or(applied) && !undone
}

/// The rows of `/deleting` of which nothing is left on the router. A record
/// is written before the first call: where there is none, nothing was sent.
fn released(view: &RouterView, records: &Records, settled: &Settled<'_>) -> Vec<ResourceRef> {
    let gone = |kind, name: String| !records.contains_key(&OwnedKey { kind, name });
    let let_go = |row: &&Row| match row.kind.as_str() {
        "neighbor" => address(row).is_none_or(|address| {
            settled.taken_over(address) || gone(OwnedKind::Peer, address.to_string())
        }),
        "policyinfo" => {
            let part = |property| row.text(property).unwrap_or_default();
            let policy = format!("{}/{}", part("policy_name"), part("apply_direction"));
            let set = format!("{policy}/{}", part("statement_name"));
            settled.in_step(&policy)
                || gone(OwnedKind::Policy, policy) && gone(OwnedKind::NeighborSet, set)
        }
        _ => true,
    };
    let (routers, rows): (Vec<&Row>, Vec<&Row>) =
        view.deleting.iter().partition(|row| row.kind == "router");
    let mut released: Vec<ResourceRef> = rows
        .iter()
        .copied()
        .filter(let_go)
        .map(Row::reference)
        .collect();
    if records.is_empty() && released.len() == rows.len() {
        released.extend(routers.into_iter().map(Row::reference));
    }
    released
}

#[cfg(test)]
mod tests;
