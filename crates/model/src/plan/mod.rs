//! From what gobgpd is to what it should be: the ordered steps, each with
//! what it does to the network, and what to tell the operator.
//!
//! [`plan`] is pure, and a pass that has nothing to do gives no steps. Three
//! things hold after every step, so also when a crash makes it the last one:
//! no peer of ours runs without its policies, no direction fails open, and
//! planning again gets to the same end. What `sdwan` did not create is never
//! changed or removed.
//!
//! The rooms: `global` (AS and router-id), `policies` (sets, policies,
//! assignments), `peers`, `refresh` (what a changed policy owes to the
//! sessions), `zebra` (whom the routes are given to), `effects` (what a change
//! of a peer's field does on which version), `render` (the text that
//! `sdwan plan` prints).

mod draft;
mod effects;
mod global;
mod op;
mod peers;
mod policies;
mod record;
mod refresh;
mod render;
mod zebra;

pub use op::{Op, PeerChange, Stage, Step};
pub use record::{Attempt, Effect, OwnedKey, OwnedKind, OwnedRecord, OwnedWrite};

use crate::config::{Desired, RouterConfig, Source};
use crate::observed::Observed;
use crate::resource::ResourceRef;
use draft::Draft;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a step does to routes and sessions, worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disturbance {
    /// Nothing that a neighbor could notice.
    None,
    /// Routes are evaluated or sent again; the session stays.
    SoftRefresh,
    /// The session goes down and comes up again.
    SessionReset,
    /// Only a restart of the daemon could do it; never done, only said.
    DaemonRestart,
}

/// What to tell of a row, besides what the steps' outcome tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// In its declared state once the steps that name it have succeeded.
    Applied {
        /// The version that was compiled.
        version: u64,
    },
    /// Will not get there by trying again; the reason says what to do.
    Failed {
        /// The version that was compiled.
        version: u64,
        /// In words that an operator can act on.
        reason: String,
    },
    /// Not its turn yet; the reason says what it waits for.
    Waiting {
        /// The version that was compiled.
        version: u64,
        /// What it waits for.
        reason: String,
    },
}

/// Everything that one pass would do. Displays as `sdwan plan` prints it.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// In order of [`Stage`]; empty when the router is in step.
    pub steps: Vec<Step>,
    /// Ownership records to commit before the first step.
    pub intents: Vec<OwnedWrite>,
    /// A word for every row that was compiled. Refused rows have theirs in
    /// [`crate::compile::Compiled::refused`].
    pub verdicts: BTreeMap<ResourceRef, Verdict>,
    /// Things worth an operator's eye that stop nothing, e.g. foreign peers.
    pub notes: Vec<String>,
}

/// The pure planner.
///
/// `owned` are all records of this router.
pub fn plan(
    desired: &Desired,
    observed: &Observed,
    owned: &BTreeMap<OwnedKey, OwnedRecord>,
) -> Plan {
    let mut draft = Draft::new(owned);
    let desired = desired.config();
    if let Some(config) = desired {
        if let Err(restart) = global::plan(config, observed, &mut draft) {
            return standstill(config, &restart);
        }
        for (source, reason) in &config.waiting {
            draft.waiting(source, reason.clone());
        }
    }
    let policies = policies::plan(desired, observed, &mut draft);
    peers::plan(desired, observed, &policies, &mut draft);
    refresh::plan(desired, observed, &mut draft);
    zebra::plan(desired, observed, &mut draft);
    draft.finish()
}

/// The plan for a daemon that must be restarted first: send nothing.
fn standstill(config: &RouterConfig, reason: &str) -> Plan {
    let mut verdicts = BTreeMap::new();
    let waiting = format!("waits for its router: {reason}");
    let neighbors = config.neighbors.values().map(|neighbor| &neighbor.source);
    let statements = config.policies.values().flat_map(|p| &p.statements);
    let rows = neighbors
        .chain(statements.flat_map(|s| s.sources.iter().map(|source| &source.row)))
        .chain(config.waiting.iter().map(|(source, _)| source));
    for Source { resource, version } in rows {
        let (version, reason) = (*version, waiting.clone());
        verdicts.insert(resource.clone(), Verdict::Waiting { version, reason });
    }
    let (version, reason) = (config.source.version, reason.to_owned());
    verdicts.insert(
        config.source.resource.clone(),
        Verdict::Failed { version, reason },
    );
    Plan {
        verdicts,
        ..Plan::default()
    }
}
