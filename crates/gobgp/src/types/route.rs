//! The best paths and how they change.

use super::Family;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a watch of the routes tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteEvent {
    /// Destinations and their best paths now. Up to [`Self::EndOfInit`] they
    /// are the table as it was when the watch began, cut in any number of
    /// pieces, each destination once; after it they are changes.
    Best(Vec<BestChange>),
    /// The table is complete; once a watch, also for an empty table.
    EndOfInit,
    /// A neighbor has sent all that it had for a family (RFC 4724), and all
    /// that was told. gobgpd before 3.25 tells only in its listing:
    /// [`AfiSafi::end_of_rib_received`](super::AfiSafi::end_of_rib_received).
    EndOfRib {
        /// Which neighbor.
        neighbor: IpAddr,
        /// The interface of a link-local neighbor.
        interface: Option<String>,
        /// Which family.
        family: Family,
    },
}

/// A destination and all its best paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BestChange {
    /// The destination.
    pub prefix: IpNet,
    /// All that are used now, not only those that changed: none if the
    /// destination is gone, several, in no order, with multiple paths in use.
    pub paths: Vec<BestPath>,
}

/// A path that is used for forwarding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BestPath {
    /// Of NEXT_HOP or MP_REACH_NLRI, of either family (RFC 8950).
    /// Unspecified where gobgpd itself is the origin, and for one that is no
    /// address.
    pub next_hop: IpAddr,
    /// The link-local address beside a global IPv6 next hop (RFC 2545).
    pub link_local: Option<Ipv6Addr>,
    /// From whom it came; `None` for a path of this gobgpd's own.
    pub neighbor: Option<IpAddr>,
    /// The interface of a link-local neighbor, as far as gobgpd tells.
    pub interface: Option<String>,
    /// That neighbor's BGP identifier.
    pub source_id: Option<Ipv4Addr>,
    /// That neighbor's AS: gobgpd's own for iBGP.
    pub source_asn: u32,
    /// The path identifier of a neighbor that sends several (RFC 7911).
    pub identifier: u32,
}
