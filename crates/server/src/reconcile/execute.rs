//! A plan's steps to the daemon: stage after stage, side by side within one,
//! and nothing whose ground is missing.

use crate::speaker::{Error, Speaker};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use sdwan_model::config::Direction;
use sdwan_model::plan::{Op, Stage, Step};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Calls in flight to one gobgpd. Its one management thread gains nothing
/// from more (measured: 1,000 AddPeer take 0.5 s from 32 on).
pub(super) const SIDE_BY_SIDE: usize = 32;

/// What became of one step.
#[derive(Clone, Debug)]
pub(super) enum Fate {
    /// The daemon said yes.
    Done,
    /// The daemon said no, or nothing.
    Failed(Error),
    /// Not sent, and what for.
    Held(String),
}

/// The stages that must be done in full before `stage` may touch anything.
///
/// A peer that could not be deleted still runs, so its policies stay; a
/// policy that could not be set leaves a direction open, so nothing that
/// lets routes flow is sent after it. Sweeping and the peers themselves are
/// ground for nobody: one bad neighbor holds up no other.
fn ground(stage: Stage) -> &'static [Stage] {
    use Stage::{AddPeers, Assign, DeletePeers, Policies, Refresh, Start, Sweep, UpdatePeers};
    match stage {
        Start => &[],
        DeletePeers => &[Start],
        Policies => &[Start, DeletePeers],
        Assign => &[Start, DeletePeers, Policies],
        Sweep => &[Start, DeletePeers, Policies, Assign],
        AddPeers | UpdatePeers | Refresh => &[Start, Policies, Assign],
    }
}

/// Sends the steps; the answer is parallel to them. A lost daemon, or a
/// `brake` that gives a reason, lets calls in flight end and sends no more.
pub(super) async fn execute(
    speaker: &dyn Speaker,
    router: &str,
    steps: &[Step],
    brake: &(dyn Fn() -> Option<String> + Sync),
) -> Vec<Fate> {
    let mut run = Run {
        fates: vec![None; steps.len()],
        broken_stages: BTreeMap::new(),
        broken_peers: BTreeMap::new(),
        halted: None,
    };
    let stages: BTreeSet<Stage> = steps.iter().map(|step| step.stage).collect();
    for stage in stages {
        let mut waiting = steps
            .iter()
            .enumerate()
            .filter(|(_, step)| step.stage == stage);
        let mut flying = FuturesUnordered::new();
        loop {
            while flying.len() < SIDE_BY_SIDE
                && let Some((index, step)) = waiting.next()
            {
                if let Some(why) = brake() {
                    run.halt(why);
                }
                match run.obstacle(step) {
                    Some(obstacle) => run.note(index, step, Fate::Held(obstacle)),
                    None => flying.push(async move { (index, send(speaker, router, step).await) }),
                }
            }
            match flying.next().await {
                Some((index, fate)) => run.note(index, &steps[index], fate),
                None => break,
            }
        }
    }
    run.fates
        .into_iter()
        .map(|fate| fate.unwrap_or_else(|| Fate::Held("its turn did not come".into())))
        .collect()
}

/// One call, logged with why it is made. Errors are logged by the pass, once.
async fn send(speaker: &dyn Speaker, router: &str, step: &Step) -> Fate {
    tracing::info!(
        router,
        call = call(&step.op),
        object = %object(&step.op),
        disturbance = ?step.disturbance,
        why = %step.why,
        "calling gobgpd",
    );
    match speaker.apply(&step.op).await {
        Ok(()) => Fate::Done,
        Err(error) => Fate::Failed(error),
    }
}

/// What has gone wrong so far, by whom it stands in the way of.
struct Run {
    fates: Vec<Option<Fate>>,
    broken_stages: BTreeMap<Stage, String>,
    broken_peers: BTreeMap<IpAddr, (Stage, String)>,
    halted: Option<String>,
}

impl Run {
    fn halt(&mut self, why: String) {
        self.halted.get_or_insert(why);
    }

    /// Why this step must not be sent.
    fn obstacle(&self, step: &Step) -> Option<String> {
        let of_stage = || {
            ground(step.stage)
                .iter()
                .find_map(|stage| self.broken_stages.get(stage))
        };
        // Steps on one peer build on each other, but not within a stage.
        let of_peer = || {
            let (stage, obstacle) = self.broken_peers.get(&peer(&step.op)?)?;
            (*stage < step.stage).then_some(obstacle)
        };
        self.halted
            .as_ref()
            .or_else(of_stage)
            .or_else(of_peer)
            .cloned()
    }

    fn note(&mut self, index: usize, step: &Step, fate: Fate) {
        let obstacle = match &fate {
            Fate::Done => None,
            Fate::Failed(error) => {
                if !matches!(error, Error::Refused(_)) {
                    self.halt(error.to_string());
                }
                Some(format!("{}: {error}", title(&step.op)))
            }
            Fate::Held(obstacle) => Some(obstacle.clone()),
        };
        if let Some(obstacle) = obstacle {
            if let Some(address) = peer(&step.op) {
                self.broken_peers
                    .entry(address)
                    .or_insert_with(|| (step.stage, obstacle.clone()));
            }
            self.broken_stages.entry(step.stage).or_insert(obstacle);
        }
        self.fates[index] = Some(fate);
    }
}

/// The peer that a call is about, where it is about one.
fn peer(op: &Op) -> Option<IpAddr> {
    match op {
        Op::AddPeer(address, _)
        | Op::UpdatePeer(address, _)
        | Op::DeletePeer(address)
        | Op::EnablePeer(address)
        | Op::DisablePeer(address)
        | Op::SoftReset(address, _)
        | Op::HardReset(address) => Some(*address),
        _ => None,
    }
}

/// The RPC's name.
pub(super) fn call(op: &Op) -> &'static str {
    match op {
        Op::StartBgp(_) => "StartBgp",
        Op::AddPeer(..) => "AddPeer",
        Op::UpdatePeer(..) => "UpdatePeer",
        Op::DeletePeer(_) => "DeletePeer",
        Op::EnablePeer(_) => "EnablePeer",
        Op::DisablePeer(_) => "DisablePeer",
        Op::SetPolicies { .. } => "SetPolicies",
        Op::AddNeighborSet(..) => "AddDefinedSet",
        Op::DeleteNeighborSet(..) => "DeleteDefinedSet",
        Op::AddPolicy(_) => "AddPolicy",
        Op::DeletePolicy(_) => "DeletePolicy",
        Op::SetAssignment { .. } => "SetPolicyAssignment",
        Op::SoftReset(..) | Op::HardReset(_) => "ResetPeer",
    }
}

/// What the call is about, for people. No secrets.
pub(super) fn object(op: &Op) -> String {
    match op {
        Op::StartBgp(global) => format!("AS {} router-id {}", global.asn, global.router_id),
        Op::SetPolicies { policies, .. } => format!("{} policies", policies.len()),
        Op::AddNeighborSet(name, _) | Op::DeleteNeighborSet(name, _) => {
            format!("neighbor set {name}")
        }
        Op::AddPolicy(policy) => format!("policy {}", policy.name),
        Op::DeletePolicy(name) => format!("policy {name}"),
        Op::SetAssignment { direction, .. } => format!("global {}", word(*direction)),
        Op::SoftReset(address, Direction::Import) => format!("neighbor {address} softresetin"),
        Op::SoftReset(address, Direction::Export) => format!("neighbor {address} softresetout"),
        Op::HardReset(address) => format!("neighbor {address} reset"),
        Op::AddPeer(address, _)
        | Op::UpdatePeer(address, _)
        | Op::DeletePeer(address)
        | Op::EnablePeer(address)
        | Op::DisablePeer(address) => format!("neighbor {address}"),
    }
}

fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::Import => "import",
        Direction::Export => "export",
    }
}

/// Call and object in one breath, for reasons.
pub(super) fn title(op: &Op) -> String {
    format!("{} ({})", call(op), object(op))
}

#[cfg(test)]
mod tests;
