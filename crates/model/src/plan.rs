//! From what gobgpd is to what it should be: the ordered steps, each with
//! what it does to the network, and what to tell the operator.

use crate::config::{Direction, Global, Neighbor, Policy, RouterConfig};
use crate::observed::{DefaultAction, Observed};
use crate::resource::ResourceRef;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

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

/// One management call and why it is made.
#[derive(Clone, Debug)]
pub struct Step {
    /// Steps of one stage do not depend on each other and may run side by
    /// side; a stage starts when the one before it is done.
    pub stage: Stage,
    /// The call.
    pub op: Op,
    /// What it does to the network.
    pub disturbance: Disturbance,
    /// For the log and for `sdwan plan`, e.g. `hold_time 90 -> 30`. No secrets.
    pub why: String,
    /// The rows that it serves; they fail with it.
    pub resources: Vec<ResourceRef>,
    /// Which owed effects and records its success settles.
    pub settles: Vec<OwnedWrite>,
}

/// The order of a pass. Derived `Ord` is that order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// StartBgp.
    Start,
    /// Peers that go, so that none runs on while its policies are taken away.
    DeletePeers,
    /// Sets and policies that must be there before they are assigned.
    Policies,
    /// The assignment of both directions.
    Assign,
    /// Sets and policies that nothing uses any more.
    Sweep,
    /// New peers, now that their policies stand.
    AddPeers,
    /// Changes to peers that stay.
    UpdatePeers,
    /// Soft and hard resets that are owed.
    Refresh,
}

/// A call of gobgpd's management API, in this crate's terms.
#[derive(Clone, Debug)]
pub enum Op {
    /// `StartBgp`; only ever sent to a daemon whose asn is 0.
    StartBgp(Global),
    /// `AddPeer`.
    AddPeer(IpAddr, Box<Neighbor>),
    /// `UpdatePeer`: the listed peer with the changed fields replaced.
    UpdatePeer(IpAddr, Box<PeerChange>),
    /// `DeletePeer`.
    DeletePeer(IpAddr),
    /// `EnablePeer`.
    EnablePeer(IpAddr),
    /// `DisablePeer`.
    DisablePeer(IpAddr),
    /// `SetPolicies`: everything at once; only where nothing foreign exists.
    SetPolicies {
        /// All neighbor sets.
        neighbor_sets: BTreeMap<String, BTreeSet<IpAddr>>,
        /// All policies.
        policies: Vec<Policy>,
    },
    /// `AddDefinedSet` of a neighbor set; on an existing name it adds.
    AddNeighborSet(String, BTreeSet<IpAddr>),
    /// `DeleteDefinedSet` of these addresses; of the whole set when `None`.
    DeleteNeighborSet(String, Option<BTreeSet<IpAddr>>),
    /// `AddPolicy` with whole statements.
    AddPolicy(Policy),
    /// `DeletePolicy` with everything in it, statements included.
    DeletePolicy(String),
    /// `SetPolicyAssignment` of the global table.
    SetAssignment {
        /// Which one.
        direction: Direction,
        /// In order, foreign ones kept where they were.
        policies: Vec<String>,
        /// Always explicit.
        default: DefaultAction,
    },
    /// `ResetPeer` soft.
    SoftReset(IpAddr, Direction),
    /// `ResetPeer` hard.
    HardReset(IpAddr),
}

/// The fields of a peer that change; `None` stays as listed.
#[derive(Clone, Debug)]
pub struct PeerChange {
    /// Desired values; only set fields are written. GoBGP's defaults stand
    /// here for what is taken back.
    pub fields: Neighbor,
    /// Names of the fields, for `why`; never values of secrets.
    pub names: Vec<&'static str>,
}

/// What kind of object an ownership record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OwnedKind {
    /// A peer, by address.
    Peer,
    /// A policy, by name; its statements are owned with it.
    Policy,
    /// A neighbor set, by name.
    NeighborSet,
}

/// The key of an ownership record within its router.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnedKey {
    /// What it is.
    pub kind: OwnedKind,
    /// Its name on the daemon; an address in canonical text.
    pub name: String,
}

/// What we know of an object that we made: written before the first call,
/// so that a crash between two calls loses nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedRecord {
    /// Names of the fields that we have written: one that is no longer
    /// declared goes back to GoBGP's default.
    #[serde(default)]
    pub declared: BTreeSet<String>,
    /// What still has to happen.
    #[serde(default)]
    pub owed: BTreeSet<Effect>,
    /// The last disturbing step's desired and observed fingerprints: not
    /// done again until one of them moves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempted: Option<Attempt>,
}

/// A side effect that a change calls for and that is not done yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Evaluate received routes again.
    SoftIn,
    /// Send routes again.
    SoftOut,
    /// Bring the session down and up.
    Reset,
}

/// Fingerprints of the two sides of a disturbing step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Of the declared fields; a keyed or one-way digest where secret.
    pub desired: String,
    /// Of the observed fields before the step.
    pub observed: String,
}

/// A change to the ownership records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnedWrite {
    /// Writes the record.
    Put(OwnedKey, OwnedRecord),
    /// Removes it: the object is gone from the daemon.
    Remove(OwnedKey),
    /// Takes one effect off what is owed.
    Done(OwnedKey, Effect),
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

/// Everything that one pass would do.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// In order of [`Stage`]; empty when the router is in step.
    pub steps: Vec<Step>,
    /// Ownership records to commit before the first step.
    pub intents: Vec<OwnedWrite>,
    /// A word for every row that was compiled, and for refused ones.
    pub verdicts: BTreeMap<ResourceRef, Verdict>,
    /// Things worth an operator's eye that stop nothing, e.g. foreign peers.
    pub notes: Vec<String>,
}

/// The pure planner.
///
/// `desired` is `None` when the router itself is being deleted: what we own
/// goes, BGP keeps running. `owned` are all records of this router.
pub fn plan(
    _desired: Option<&RouterConfig>,
    _observed: &Observed,
    _owned: &BTreeMap<OwnedKey, OwnedRecord>,
) -> Plan {
    todo!("planner")
}
