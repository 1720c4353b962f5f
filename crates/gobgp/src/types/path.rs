//! Routes of a table.

use super::peer_decode::{instant, timestamp};
use super::{Family, address_text, wire_enum};
use crate::bgp::{Attributes, Nlri};
use crate::wire;
use bytes::Bytes;
use std::net::IpAddr;
use std::time::SystemTime;

wire_enum! {
    /// Which table.
    TableType {
        /// The global one.
        Global = 0,
        /// What a neighbor sent.
        AdjIn = 2,
        /// What a neighbor is sent: evaluated now, not what was really sent.
        AdjOut = 3,
    }
}

wire_enum! {
    /// Which prefixes a lookup finds.
    LookupType {
        /// That one; for a mere address, the longest that covers it.
        Exact = 0,
        /// That one and those within it.
        Longer = 1,
        /// That one and those that cover it.
        Shorter = 2,
    }
}

/// Which routes are asked for.
#[derive(Clone, Debug)]
pub struct PathFilter {
    /// Which table.
    pub table: TableType,
    /// The neighbor of an adjacency table.
    pub name: String,
    /// Which family.
    pub family: Family,
    /// Which prefixes; all if none is named.
    pub prefixes: Vec<(String, LookupType)>,
    /// Of an adjacency table, also the routes that policies reject, marked as
    /// such.
    pub filtered: bool,
}

impl PathFilter {
    /// The whole global table of a family.
    pub fn global(family: Family) -> Self {
        Self {
            table: TableType::Global,
            name: String::new(),
            family,
            prefixes: Vec::new(),
            filtered: false,
        }
    }
}

/// A prefix and the paths to it, the best first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// As gobgpd writes it.
    pub prefix: String,
    /// How to get there.
    pub paths: Vec<Path>,
}

/// A path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Its family.
    pub family: Family,
    /// What it leads to.
    pub nlri: Nlri,
    /// What it carries.
    pub attributes: Attributes,
    /// The path identifier of a neighbor that sends several (RFC 7911).
    pub identifier: u32,
    /// When it was learned. Version 4 takes a path that is added without for
    /// one of 1970.
    pub learned: Option<SystemTime>,
    /// Used for forwarding, and sent to others.
    pub best: bool,
    /// Kept from before a restart of its neighbor.
    pub stale: bool,
    /// Rejected by a policy.
    pub filtered: bool,
    /// Its next hop can't be reached; only a gobgpd beside a zebra knows.
    pub is_nexthop_invalid: bool,
    /// The AS of the neighbor that it came from.
    pub source_asn: u32,
    /// That neighbor's BGP identifier; empty for this router's own paths.
    pub source_id: String,
    /// That neighbor's address.
    pub neighbor_ip: Option<IpAddr>,
}

impl Path {
    /// A path to add to a table.
    pub fn new(prefix: ipnet::IpNet, attributes: Attributes) -> Self {
        let family = match prefix {
            ipnet::IpNet::V4(_) => Family::IPV4_UNICAST,
            ipnet::IpNet::V6(_) => Family::IPV6_UNICAST,
        };
        Self {
            family,
            nlri: Nlri::Prefix(prefix),
            attributes,
            identifier: 0,
            learned: None,
            best: false,
            stale: false,
            filtered: false,
            is_nexthop_invalid: false,
            source_asn: 0,
            source_id: String::new(),
            neighbor_ip: None,
        }
    }

    pub(crate) fn to_wire(&self) -> wire::Path {
        wire::Path {
            age: self.learned.map(timestamp),
            family: Some(self.family.to_wire()),
            identifier: self.identifier,
            nlri_binary: self.nlri.encode(),
            pattrs_binary: self.attributes.encode(self.family, &self.nlri),
            ..wire::Path::default()
        }
    }

    fn from_wire(path: wire::Path, family: Family) -> Self {
        let family = path
            .family
            .as_ref()
            .and_then(Family::from_wire)
            .unwrap_or(family);
        Self {
            family,
            nlri: Nlri::decode(family, path.nlri_binary),
            attributes: Attributes::decode(&path.pattrs_binary),
            identifier: path.identifier,
            learned: path.age.and_then(instant),
            best: path.best,
            stale: path.stale,
            filtered: path.filtered,
            is_nexthop_invalid: path.is_nexthop_invalid,
            source_asn: path.source_asn,
            source_id: address_text(path.source_id),
            neighbor_ip: path.neighbor_ip.parse().ok(),
        }
    }
}

impl Destination {
    pub(crate) fn from_wire(destination: wire::Destination, family: Family) -> Self {
        let paths = destination.paths.into_iter();
        Self {
            prefix: destination.prefix,
            paths: paths.map(|path| Path::from_wire(path, family)).collect(),
        }
    }
}

/// What gobgpd calls a path that was added by the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathId(pub(crate) Bytes);
