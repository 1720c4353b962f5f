//! What one gobgpd says it is, complete or not at all: a plan is never made
//! from a part of the answer.

use crate::action::Action;
use crate::config::Disposition;
use crate::config::{AdminState, Direction, Family, Global};
use secrecy::SecretString;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The management API's version; no RPC tells more of its own (GoBGP 3.0 to 4.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Api {
    /// `apipb.GobgpApi`, GoBGP 3.
    V3,
    /// `api.GoBgpService`, GoBGP 4.
    V4,
}

/// A daemon's version as far as it is known. Orders by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// As detected.
    pub api: Api,
    /// The minor version where the daemon tells it (since 3.11, of any iBGP
    /// peer) or the operator declared it; without it the worst behaviour of
    /// the major version is assumed.
    pub minor: Option<u16>,
}

impl Version {
    /// A declared version, e.g. `4.8`; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('.');
        let api = match numbers.next()? {
            "3" => Api::V3,
            "4" => Api::V4,
            _ => return None,
        };
        let minor = numbers.next()?.parse().ok()?;
        Some(Self {
            api,
            minor: Some(minor),
        })
    }
}

/// One gobgpd's whole actual state.
#[derive(Clone, Debug)]
pub struct Observed {
    /// What it runs.
    pub version: Version,
    /// `None` until BGP is started (asn 0).
    pub global: Option<Global>,
    /// Configured peers by address; dynamic ones are not among them.
    pub peers: BTreeMap<IpAddr, Peer>,
    /// Every defined set of every type.
    pub defined_sets: Vec<DefinedSet>,
    /// Every policy.
    pub policies: Vec<Policy>,
    /// Statement names that no policy holds.
    pub loose_statements: Vec<String>,
    /// The global import assignment.
    pub import: Assignment,
    /// The global export assignment.
    pub export: Assignment,
}

impl Observed {
    /// A daemon on which BGP is not started: there is nothing.
    pub fn not_started(version: Version) -> Self {
        Self {
            version,
            global: None,
            peers: BTreeMap::new(),
            defined_sets: Vec::new(),
            policies: Vec::new(),
            loose_statements: Vec::new(),
            import: Assignment::default(),
            export: Assignment::default(),
        }
    }

    /// The global assignment of one direction.
    pub fn assignment(&self, direction: Direction) -> &Assignment {
        match direction {
            Direction::Import => &self.import,
            Direction::Export => &self.export,
        }
    }
}

/// A configured peer. Every field is what gobgpd lists, its defaults filled in.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The neighbor's AS.
    pub peer_as: u32,
    /// Empty where none is set.
    pub description: String,
    /// Empty where none is set. gobgpd lists it in clear.
    pub auth_password: SecretString,
    /// Seconds.
    pub hold_time: u16,
    /// Seconds.
    pub keepalive_interval: u16,
    /// `None` when unspecified (0.0.0.0 or ::). Once a session has been up,
    /// gobgpd lists that session's own source address here, whatever was
    /// configured (3.10, 3.36, 4.8).
    pub local_address: Option<IpAddr>,
    /// Waits for the neighbor to connect.
    pub passive: bool,
    /// 0 where it is off.
    pub ebgp_multihop: u8,
    /// A client of this route reflector.
    pub route_reflector_client: bool,
    /// Families that a [`Family`] names.
    pub families: BTreeSet<Family>,
    /// The configured `admin_down`.
    pub configured: AdminState,
    /// What it is now: `Down` also after `gobgp neighbor ... disable`.
    pub admin_state: AdminState,
    /// The session.
    pub session: SessionState,
    /// When the session came up, as the daemon tells it (`Timers.state.uptime`,
    /// Unix seconds): another value is another session. `None` while it is
    /// not established.
    pub established_at: Option<u64>,
    /// The peer group, empty where none: a group's values override the peer's.
    pub peer_group: String,
}

/// The BGP finite state machine's states (RFC 4271, 8.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionState {
    /// Refuses connections.
    Idle,
    /// Waits for the TCP connection.
    Connect,
    /// Tries to get a TCP connection.
    Active,
    /// OPEN was sent.
    OpenSent,
    /// Waits for the first KEEPALIVE.
    OpenConfirm,
    /// Up.
    Established,
    /// A number that this program does not know.
    Unknown(i32),
}

impl SessionState {
    /// GoBGP's word for it, e.g. `OPENSENT`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "IDLE",
            Self::Connect => "CONNECT",
            Self::Active => "ACTIVE",
            Self::OpenSent => "OPENSENT",
            Self::OpenConfirm => "OPENCONFIRM",
            Self::Established => "ESTABLISHED",
            Self::Unknown(_) => "UNKNOWN",
        }
    }
}

/// A defined set; only neighbor sets are ever ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefinedSet {
    /// Its type.
    pub kind: SetKind,
    /// Unique within its type.
    pub name: String,
    /// A neighbor set's addresses; empty for other types and for entries
    /// that are not a single address.
    pub neighbors: BTreeSet<IpAddr>,
    /// Whether `neighbors` is all that the set holds.
    pub complete: bool,
}

/// GoBGP's defined set types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SetKind {
    /// Prefixes with mask lengths.
    Prefix,
    /// Neighbor addresses.
    Neighbor,
    /// AS paths.
    AsPath,
    /// Communities (RFC 1997).
    Community,
    /// Extended communities (RFC 4360).
    ExtCommunity,
    /// Large communities (RFC 8092).
    LargeCommunity,
    /// A number that this program does not know: always foreign.
    Other(i32),
}

/// A policy as listed.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// In order.
    pub statements: Vec<Statement>,
}

/// A statement as listed.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// Its name, unique in the daemon.
    pub name: String,
    /// What it holds, if that is of the shape that we write ourselves;
    /// `None` is a statement that somebody else made or changed.
    pub ours: Option<StatementBody>,
}

/// The shape of statement that a policyinfo row compiles to.
#[derive(Clone, Debug, PartialEq)]
pub struct StatementBody {
    /// The neighbor set, matched with ANY.
    pub neighbor_set: String,
    /// What it changes.
    pub action: Option<Action>,
    /// What becomes of the route.
    pub disposition: Option<Disposition>,
}

/// A global policy assignment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    /// In order of evaluation.
    pub policies: Vec<String>,
    /// What becomes of a route that nothing matched.
    pub default: DefaultAction,
}

/// An assignment's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DefaultAction {
    /// Never set: on the wire NONE. After `DeletePolicyAssignment(all)` it
    /// rejects everything.
    #[default]
    None,
    /// Taken.
    Accept,
    /// Dropped.
    Reject,
}
