//! The steps of a plan: one management call each, in stages.

use super::{Disturbance, OwnedWrite};
use crate::config::{Direction, Global, Neighbor, Policy, Zebra};
use crate::observed::DefaultAction;
use crate::resource::ResourceRef;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// StartBgp.
    Start,
    /// Peers that go, so that none runs on while its policies are taken away.
    DeletePeers,
    /// Policies of ours that are in nobody's way and out of date.
    Clear,
    /// New neighbor sets, and new members of those that stay.
    Sets,
    /// Policies that must be there before they are assigned.
    Policies,
    /// The assignment of both directions: the moment that a change of what
    /// is evaluated takes effect.
    Assign,
    /// Policies that the assignment has let go of.
    Unload,
    /// Policies again under their own names, where a twin stands in.
    Restore,
    /// The assignment again with the own names.
    Reassign,
    /// Policies that nothing uses any more, twins included.
    Sweep,
    /// Sets and members of sets that nothing uses any more.
    SweepSets,
    /// New peers, now that their policies stand.
    AddPeers,
    /// Changes to peers that stay.
    UpdatePeers,
    /// Soft resets that are owed.
    Refresh,
    /// EnableZebra, which gobgpd may take its time over: nothing waits for it.
    Zebra,
}

impl Stage {
    /// The stages that must be done in full before a step of this one may be
    /// sent: a peer that could not be deleted still runs, so its policies
    /// stay; a policy that could not be set leaves a direction open, so
    /// nothing that lets routes flow is sent after it. Sweeping, and peers
    /// among themselves, are ground for nobody.
    pub fn ground(self) -> &'static [Stage] {
        use Stage::*;
        match self {
            Start => &[],
            DeletePeers => &[Start],
            Clear => &[Start, DeletePeers],
            Sets => &[Start, DeletePeers, Clear],
            Policies => &[Start, DeletePeers, Clear, Sets],
            Assign => &[Start, DeletePeers, Clear, Sets, Policies],
            Unload => &[Start, DeletePeers, Clear, Sets, Policies, Assign],
            Restore => &[Start, DeletePeers, Clear, Sets, Policies, Assign, Unload],
            Reassign => &[
                Start,
                DeletePeers,
                Clear,
                Sets,
                Policies,
                Assign,
                Unload,
                Restore,
            ],
            Sweep => &[
                Start,
                DeletePeers,
                Clear,
                Sets,
                Policies,
                Assign,
                Unload,
                Restore,
                Reassign,
            ],
            SweepSets => &[
                Start,
                DeletePeers,
                Clear,
                Sets,
                Policies,
                Assign,
                Unload,
                Restore,
                Reassign,
                Sweep,
            ],
            AddPeers | UpdatePeers | Refresh => &[
                Start, Clear, Sets, Policies, Assign, Unload, Restore, Reassign,
            ],
            Zebra => &[Start],
        }
    }
}

/// A call of gobgpd's management API, in this crate's terms. Displays as the
/// call and what it is about.
#[derive(Clone, Debug)]
pub enum Op {
    /// `StartBgp`; only ever sent to a daemon whose asn is 0.
    StartBgp(Global),
    /// `EnableZebra`: once in the life of a daemon's process, for all of it.
    EnableZebra(Zebra),
    /// `AddPeer`.
    AddPeer(IpAddr, Box<Neighbor>),
    /// `UpdatePeer`: the listed peer with the changed fields replaced.
    UpdatePeer(IpAddr, Box<PeerChange>),
    /// `DeletePeer` and at once `AddPeer` of the listed peer with the changed
    /// fields replaced: for fields that `UpdatePeer` ignores or only stores.
    /// Never for the password, see [`Op::DeletePeer`].
    RecreatePeer(IpAddr, Box<PeerChange>),
    /// `DeletePeer`; of a peer with a password, `UpdatePeer` first: gobgpd's
    /// listener keeps the password of a peer that is deleted, and then whoever
    /// is at that address can't connect without (3.10, 3.36, 4.8).
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
        /// Always explicit; `None` leaves what the daemon has (it never
        /// takes NONE over), for an operator's own reject-everything.
        default: DefaultAction,
    },
    /// `ResetPeer` soft.
    SoftReset(IpAddr, Direction),
    /// `ResetPeer` hard; only ever on an operator's word.
    HardReset(IpAddr),
}

/// The fields of a peer that change; `None` stays as listed.
#[derive(Clone, Debug)]
pub struct PeerChange {
    /// Desired values; only set fields are written. GoBGP's defaults stand
    /// here for what is taken back: an empty text or password, 0.0.0.0 or ::
    /// for the local address, 0 for multihop off. `local_address` is always
    /// set, because gobgpd lists the session's instead of the configured one
    /// and an echo of that would be a change; `peer_as` is always as desired.
    pub fields: Neighbor,
    /// Names of the fields, for `why`; never values of secrets.
    pub names: Vec<&'static str>,
}
