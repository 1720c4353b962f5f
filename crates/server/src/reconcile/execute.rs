//! A plan's steps to the daemon: stage after stage, side by side within one,
//! and nothing whose ground is missing.

use crate::speaker::{Error, Speaker};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use sdwan_model::plan::{Stage, Step};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use tokio::time::{Instant, timeout_at};

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

/// What a step met, in words. gobgpd's refusals begin with the call that the
/// step names already.
pub(super) fn met(step: &Step, error: &Error) -> String {
    let error = error.to_string();
    let call = format!("{}: ", step.op.call());
    format!(
        "{}: {}",
        step.op,
        error.strip_prefix(&call).unwrap_or(&error)
    )
}

/// Sends the steps; the answer is parallel to them. A lost daemon, or a
/// `leave` that is not given any more, lets calls in flight end and sends no
/// more. With a leave comes the time, if any, by which a call must be over.
pub(super) async fn execute(
    speaker: &dyn Speaker,
    steps: &[Step],
    leave: &(dyn Fn() -> Result<Option<Instant>, String> + Sync),
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
                let deadline = leave().unwrap_or_else(|why| {
                    run.halt(why);
                    None
                });
                match run.obstacle(step) {
                    Some(obstacle) => run.note(index, step, Fate::Held(obstacle)),
                    None => {
                        flying.push(async move { (index, send(speaker, step, deadline).await) });
                    }
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

/// One call, logged with why it is made; the pass's span says to which router. Errors are logged by the pass, once.
async fn send(speaker: &dyn Speaker, step: &Step, deadline: Option<Instant>) -> Fate {
    tracing::info!(
        call = step.op.call(),
        object = step.op.object(),
        disturbance = %step.disturbance,
        why = %step.why,
        "calling gobgpd",
    );
    let call = speaker.apply(&step.op);
    let answer = match deadline {
        None => call.await,
        Some(deadline) => timeout_at(deadline, call).await.unwrap_or_else(|_| {
            let message = "no answer before this server's lease ran out";
            Err(Error::Unanswered(message.to_owned()))
        }),
    };
    match answer {
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
            step.stage
                .ground()
                .iter()
                .find_map(|stage| self.broken_stages.get(stage))
        };
        // Steps on one peer build on each other, but not within a stage.
        let of_peer = || {
            let (stage, obstacle) = self.broken_peers.get(&step.op.peer()?)?;
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
                Some(met(step, error))
            }
            Fate::Held(obstacle) => Some(obstacle.clone()),
        };
        if let Some(obstacle) = obstacle {
            if let Some(address) = step.op.peer() {
                self.broken_peers
                    .entry(address)
                    .or_insert_with(|| (step.stage, obstacle.clone()));
            }
            self.broken_stages.entry(step.stage).or_insert(obstacle);
        }
        self.fates[index] = Some(fate);
    }
}

#[cfg(test)]
mod tests;
