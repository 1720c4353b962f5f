//! What one gobgpd should be: the output of [`crate::compile`], the input of
//! [`crate::plan`].
//!
//! An `Option` that is `None` is a field that nobody declared: it is neither
//! compared nor written, unless an earlier declaration of ours has to be
//! taken back to GoBGP's default.

use crate::action::Action;
use crate::resource::ResourceRef;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

/// GoBGP's own hold time in seconds, where none is declared.
pub(crate) const HOLD_TIME: u16 = 90;

/// A row that an object came from, at the version that was compiled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// Which row.
    pub resource: ResourceRef,
    /// At which version; a report that it is applied carries it.
    pub version: u64,
}

/// What is to become of one gobgpd.
#[derive(Clone, Debug)]
pub enum Desired {
    /// It runs like this.
    Config(Box<RouterConfig>),
    /// Its router is being deleted: what we own there goes, BGP keeps running.
    Gone,
}

impl Desired {
    /// What it runs like; `None` where it is let go.
    pub fn config(&self) -> Option<&RouterConfig> {
        match self {
            Self::Config(config) => Some(config),
            Self::Gone => None,
        }
    }
}

/// One gobgpd's whole desired state.
#[derive(Clone, Debug)]
pub struct RouterConfig {
    /// The router's own row.
    pub source: Source,
    /// `StartBgp`'s values.
    pub global: Global,
    /// Whom the routes are given to, where that is a zebra.
    pub zebra: Option<DeclaredZebra>,
    /// By address.
    pub neighbors: BTreeMap<IpAddr, Neighbor>,
    /// The neighbor sets that statements refer to, by name; none is empty.
    pub neighbor_sets: BTreeMap<String, BTreeSet<IpAddr>>,
    /// By name; statement names are unique in the whole router.
    pub policies: BTreeMap<String, Policy>,
    /// Names of `policies`, and of held ones, in order of evaluation.
    pub import: Vec<String>,
    /// Names of `policies`, and of held ones, in order of evaluation.
    pub export: Vec<String>,
    /// What refused rows stand for: it stays on the daemon as it is.
    pub held: Held,
    /// Rows that are right but not their turn yet, and what they wait for.
    pub waiting: Vec<(Source, String)>,
}

impl RouterConfig {
    /// The order of evaluation in one direction.
    pub fn order(&self, direction: Direction) -> &[String] {
        match direction {
            Direction::Import => &self.import,
            Direction::Export => &self.export,
        }
    }
}

/// What stands on the daemon because of rows that are refused. A row that
/// can't be read says nothing about what its object should be, so the object
/// is neither changed nor removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Peers whose row is refused.
    pub peers: BTreeSet<IpAddr>,
    /// Policies, by name on the daemon, of which a row is refused, and why.
    pub policies: BTreeMap<String, String>,
    /// Neighbors that are not brought up, because a policy of theirs is
    /// held, and why: no peer runs without its policies.
    pub neighbors: BTreeMap<IpAddr, String>,
    /// A refused row does not even say which object it is about: nothing at
    /// all is removed.
    pub unknown: bool,
}

/// The BGP speaker itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Global {
    /// Local AS, 1 to 4294967295.
    pub asn: u32,
    /// BGP identifier.
    pub router_id: Ipv4Addr,
    /// TCP port to listen on; `None` is gobgpd's default of 179, 0 listens nowhere.
    pub listen_port: Option<u16>,
}

/// A zebra as gobgpd is told of it: `EnableZebra`'s values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zebra {
    /// `unix:PATH` or `tcp:HOST:PORT`.
    pub url: String,
    /// Of zebra's API, 2 to 6.
    pub version: u8,
    /// E.g. `frr8.4`.
    pub software_name: String,
}

/// A zebra and the operator's word on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredZebra {
    /// Which.
    pub zebra: Zebra,
    /// He says that it works with this gobgpd.
    pub confirmed: bool,
}

/// One BGP neighbor. Names are GoBGP's.
#[derive(Clone, Debug)]
pub struct Neighbor {
    /// The row it came from.
    pub source: Source,
    /// The neighbor's AS, 1 to 4294967295.
    pub peer_as: u32,
    /// Free text.
    pub description: Option<String>,
    /// TCP MD5 (RFC 2385).
    pub auth_password: Option<SecretString>,
    /// Seconds, 3 to 65535 (RFC 4271, 4.2). Its 0, "never", can't be told to
    /// gobgpd: the management API reads 0 as the default of 90.
    pub hold_time: Option<u16>,
    /// Seconds, 1 or more; without it a third of the hold time.
    pub keepalive_interval: Option<u16>,
    /// Source address of the session.
    pub local_address: Option<IpAddr>,
    /// Waits for the neighbor to connect.
    pub passive: Option<bool>,
    /// TTL of an eBGP session over several hops, 1 to 255.
    pub ebgp_multihop: Option<u8>,
    /// The neighbor is a client of this route reflector (RFC 4456).
    pub route_reflector_client: Option<bool>,
    /// Address families, e.g. `ipv4-unicast`.
    pub families: Option<BTreeSet<Family>>,
    /// Whether the session may come up.
    pub admin_state: Option<AdminState>,
}

/// An address family by OpenConfig's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// AFI 1, SAFI 1.
    Ipv4Unicast,
    /// AFI 2, SAFI 1.
    Ipv6Unicast,
    /// AFI 1, SAFI 128.
    L3vpnIpv4Unicast,
    /// AFI 2, SAFI 128.
    L3vpnIpv6Unicast,
    /// AFI 25, SAFI 70.
    L2vpnEvpn,
    /// AFI 1, SAFI 133.
    Ipv4Flowspec,
    /// AFI 2, SAFI 133.
    Ipv6Flowspec,
}

impl Family {
    /// OpenConfig's name, e.g. `ipv4-unicast`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ipv4Unicast => "ipv4-unicast",
            Self::Ipv6Unicast => "ipv6-unicast",
            Self::L3vpnIpv4Unicast => "l3vpn-ipv4-unicast",
            Self::L3vpnIpv6Unicast => "l3vpn-ipv6-unicast",
            Self::L2vpnEvpn => "l2vpn-evpn",
            Self::Ipv4Flowspec => "ipv4-flowspec",
            Self::Ipv6Flowspec => "ipv6-flowspec",
        }
    }
}

/// Whether an operator wants the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AdminState {
    /// It may come up.
    Up,
    /// It is held down.
    Down,
}

/// Which way routes go through a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the neighbor; GoBGP's import.
    Import,
    /// To the neighbor.
    Export,
}

impl Direction {
    /// GoBGP's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::Export => "export",
        }
    }
}

/// What becomes of a route that a statement matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Disposition {
    /// Taken, evaluation ends.
    Accept,
    /// Dropped, evaluation ends.
    Reject,
}

/// A named list of statements, all of the same direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Its name on the daemon.
    pub name: String,
    /// In order.
    pub statements: Vec<Statement>,
}

/// One condition and what it does.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// Its name on the daemon, unique in the router.
    pub name: String,
    /// The rows that it came from, each with the neighbor that it names.
    pub sources: Vec<StatementSource>,
    /// A name in [`RouterConfig::neighbor_sets`]: matches any of them.
    pub neighbor_set: String,
    /// What it changes in a route; `None` changes nothing.
    pub action: Option<Action>,
    /// `None` goes on to the next statement.
    pub disposition: Option<Disposition>,
}

/// A row that a statement came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementSource {
    /// The row.
    pub row: Source,
    /// The neighbor that it is about; `None` is all of them.
    pub neighbor: Option<IpAddr>,
}
